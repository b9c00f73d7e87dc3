"""`python -m benchmarks.figure`: how time and memory grow with the data, drawn from the results file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks import results
from benchmarks.contenders import LIMIT_NAME, SQL_NAME
from benchmarks.results import Line

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "recon"  # the same results give the same file
from matplotlib import pyplot as plt  # noqa: E402 the backend comes first
from matplotlib.ticker import LogLocator  # noqa: E402

HERE = Path(__file__).parent
CASE = "backfill"
STYLES = {"recon": "o-", SQL_NAME: "s--", "DuckDB": "^--", LIMIT_NAME: "x:"}
PANELS = (("seconds", "seconds"), ("peak_mb", "peak memory of the process, MB"))


def points(lines: Sequence[Line], contender: str, column: str) -> tuple[list[int], list[float]]:
    """Scales and values of one contender's backfill, in order; nothing where it failed."""
    found = [line for line in lines if (line["case"], line["contender"]) == (CASE, contender) and line[column]]
    pairs = sorted((int(line["scale"]), float(line[column])) for line in found)
    return [scale for scale, _ in pairs], [value for _, value in pairs]


def draw(lines: Sequence[Line], out: Path) -> None:
    """Time and memory of the backfill over the scales, both axes logarithmic: a straight line grows in proportion."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(9, 3.6), layout="constrained")
    sizes = sorted({scale for contender in STYLES for scale in points(lines, contender, "seconds")[0]})
    for axis, (column, label) in zip(axes, PANELS, strict=True):
        for contender, style in STYLES.items():
            scales, values = points(lines, contender, column)
            if scales:
                axis.loglog(scales, values, style, label=contender)
        axis.set_xticks(sizes, [f"{scale}x" for scale in sizes])
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        axis.set_xlabel("size of the data")
        axis.set_title(f"{CASE}: {label}", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draws the README's figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figure", description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--out", type=Path, default=HERE / "growth.svg")
    options = parser.parse_args()
    draw(results.read(options.results), options.out)


if __name__ == "__main__":
    main()
