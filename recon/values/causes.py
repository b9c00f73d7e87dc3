"""What a wrong value's ratio to the right one points to.

Stored over expected BTC is constant over a date when one input was wrong: the block subsidy, the difficulty, the
miner's figures or the energy. The causes are derived from the reference data: every other subsidy, every other epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from recon.core.schema import KEY, SIDE, FrameSchema
from recon.values.catalogue import SAME, Catalogue

CLUSTER: FrameSchema = {
    "settlement_date": pl.Date,
    "miner_model": pl.String,
    "code": pl.String,
    "cause": pl.String,
    "ratio": pl.Float64,
    "rows": pl.Int64,
}
"""One row per settlement date, miner model and cause; ratio is the median of its rows."""

CLEAR_BTC = 1e-4
"""From here on the rounding to a satoshi moves a ratio by less than GAP; smaller rows join the clusters of others."""
GAP = 2e-4
ROUNDING_BTC = 1.5e-8
"""How far rounding to a satoshi can put a stored value off: half a satoshi each for the stored and the expected value,
and half of one in reserve."""
SPREAD = 1e-3
FEWEST_ROWS = 3
MOST = 0.8
EPOCH_CODES = ("difficulty", "unknown_difficulty")


class Evidence(NamedTuple):
    """The stale and wrong-difficulty rows among judged ones, as small as can be: with SIDE, whose miner model is a
    category, and `ratio`.

    clear, small: one row per stale row with at least CLEAR_BTC expected, and with less (and then `expected_btc`), with
    `single`: whether one of the key's several source rows explains it. wrong: one row per row of a wrong difficulty,
    with its `difficulty`. due: one row per SIDE with the date's difficulty.
    """

    clear: pl.DataFrame
    small: pl.DataFrame
    wrong: pl.DataFrame
    due: pl.DataFrame


@dataclass(frozen=True)
class Cause:
    """One likely cause over a range of dates: rows, and the median ratio of stored to expected BTC."""

    code: str
    cause: str
    models: tuple[str, ...]
    first: date
    last: date
    dates: int
    rows: int
    ratio: float

    def to_dict(self) -> dict[str, Any]:
        """One entry of `causes`."""
        ends = {"first": str(self.first), "last": str(self.last)}
        ratio = self.ratio if math.isfinite(self.ratio) else None
        return {**vars(self), **ends, "models": list(self.models), "ratio": ratio}


def evidence(judged: pl.DataFrame, keys: pl.DataFrame) -> Evidence:
    """What is kept of judged rows (audit.judge) for `clusters`.

    keys: one row per KEY with energy_mwh, source_rows and row_mwh (its rows' energies).
    """
    judged = judged.filter(pl.col("verdict").is_in(["stale", "wrong_difficulty"]))
    models = pl.Enum(judged.get_column("miner_model").unique().sort())  # one byte instead of a string's 16
    judged = judged.with_columns(pl.col("miner_model").cast(models))
    stale = judged.filter((pl.col("verdict") == "stale") & (pl.col("ratio") > 0)).join(keys, on=KEY, how="left")
    stale = stale.select(*SIDE, "ratio", "expected_btc", "expected_difficulty", single=_is_single_row())
    wrong = judged.filter(pl.col("verdict") == "wrong_difficulty")
    clear = pl.col("expected_btc") >= CLEAR_BTC
    return Evidence(
        stale.filter(clear).select(*SIDE, "ratio", "single"),
        stale.filter(~clear).select(*SIDE, "ratio", "single", "expected_btc"),
        wrong.select(*SIDE, "ratio", difficulty="stored_difficulty"),
        stale.group_by(SIDE).agg(difficulty=pl.col("expected_difficulty").first()),
    )


def clusters(pieces: Sequence[Evidence], catalogue: Catalogue) -> pl.DataFrame:
    """CLUSTER: the stale and wrong-difficulty rows of some whole dates by cause.

    pieces: of different rows. Several are of a large date, of which one miner model is looked at at a time.
    """
    if len(pieces) == 1:
        return _clusters(pieces[0], catalogue)
    models = [frame.get_column("miner_model").unique().cast(pl.String) for piece in pieces for frame in piece]
    kinds = list(zip(*pieces, strict=True))
    parts = (
        Evidence(*(pl.concat(_of_model(frame, model) for frame in frames) for frames in kinds))
        for model in pl.concat(models).unique().sort()
    )
    return pl.concat([pl.DataFrame(schema=CLUSTER), *(_clusters(part, catalogue) for part in parts)])


def _of_model(frame: pl.DataFrame, model: str) -> pl.DataFrame:
    same = pl.col("miner_model").cast(pl.String) == model
    return frame.filter(same).with_columns(pl.col("miner_model").cast(pl.Categorical))


def _clusters(evidence: Evidence, catalogue: Catalogue) -> pl.DataFrame:
    rows = _by_difficulty(evidence.wrong, catalogue)
    groups = _groups(evidence.clear).partition_by(SIDE, as_dict=True)
    small = evidence.small.partition_by(SIDE, as_dict=True)
    for side in _sides(evidence):
        mine = groups.get(side.key)
        clusters = side.causes([] if mine is None else mine.select("ratio", "rows", "spread").rows(), catalogue)
        rows += _with_small_rows(side, clusters, small.get(side.key))
    return pl.DataFrame(rows, schema=CLUSTER, orient="row")


@dataclass(frozen=True)
class _Side:
    """The stale rows of one date and model; ratios are medians. `single` are those that one source row explains."""

    settlement_date: date
    miner_model: str
    rows: int
    ratio: float
    difficulty: float
    single: int
    single_ratio: float

    @property
    def key(self) -> tuple[date, str]:
        return self.settlement_date, self.miner_model

    def causes(self, groups: list[tuple[float, int, float]], catalogue: Catalogue) -> list[tuple[Any, ...]]:
        """The causes of its groups (ratio, rows, spread)."""
        if self.single >= MOST * self.rows and len(groups) > 1:
            cause = ("one_source_row", "one source row of several instead of their sum")
            return [(*self.key, *cause, self.single_ratio, self.rows)]
        named = [
            (catalogue.explain(*self.key, self.difficulty, ratio) or _unknown(ratio, rows), ratio, rows)
            for ratio, rows, spread in groups
            if spread <= SPREAD
        ]
        return [(*self.key, *cause, ratio, rows) for cause, ratio, rows in named if cause]


def _sides(evidence: Evidence) -> list[_Side]:
    single = pl.col("single")
    stale = pl.concat([evidence.clear, evidence.small.drop("expected_btc")])
    sides = stale.group_by(SIDE).agg(
        rows=pl.len(),
        ratio=pl.col("ratio").median(),
        single=single.sum(),
        single_ratio=pl.col("ratio").filter(single).median(),
    )
    sides = sides.join(evidence.due.unique(SIDE), on=SIDE)
    return [_Side(**row) for row in sides.sort(SIDE).iter_rows(named=True)]


def _by_difficulty(wrong: pl.DataFrame, catalogue: Catalogue) -> list[tuple[Any, ...]]:
    sides = wrong.group_by("settlement_date", "miner_model", "difficulty").agg(
        pl.col("ratio").median(), pl.len().alias("rows")
    )
    return [
        (day, model, *catalogue.name_difficulty(difficulty), ratio, rows)
        for day, model, difficulty, ratio, rows in sides.sort("settlement_date", "miner_model").iter_rows()
    ]


def _unknown(ratio: float, rows: int) -> tuple[str, str] | None:
    if rows < FEWEST_ROWS:
        return None
    return "constant_factor", f"constant factor {ratio:.4g}, cause unknown (energy restated, or an invented factor)"


def _is_single_row() -> pl.Expr:
    """Whether the stored BTC is what one of the key's several source rows would have given."""
    shares = pl.col("row_mwh").list.eval(pl.element())
    energy = pl.col("ratio") * pl.col("energy_mwh")
    slack = SAME * pl.col("energy_mwh") + ROUNDING_BTC / pl.col("expected_btc") * pl.col("energy_mwh")
    nearest = (shares - energy).list.eval(pl.element().abs()).list.min()
    return (pl.col("source_rows") > 1) & (nearest <= slack)


def _groups(clear: pl.DataFrame) -> pl.DataFrame:
    """The clear rows of each date and model whose ratios lie within GAP of each other: median ratio, rows and relative
    spread of each group, by rising ratio."""
    rising = clear.select(*SIDE, "ratio").sort(*SIDE, "ratio")
    other_side = pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in SIDE)
    apart = ((pl.col("ratio").log().diff() > GAP) | other_side).fill_null(False).cum_sum()
    return (
        rising.with_columns(group=apart)
        .group_by(*SIDE, "group", maintain_order=True)
        .agg(
            ratio=pl.col("ratio").median(),
            rows=pl.len().cast(pl.Int64),
            spread=pl.col("ratio").max() / pl.col("ratio").min() - 1,
        )
        .drop("group")
    )


def _with_small_rows(side: _Side, clusters: list[tuple[Any, ...]], small: pl.DataFrame | None) -> list[tuple[Any, ...]]:
    """Small rows join the cluster their rounding allows; what is left varies."""
    if sum(cluster[-1] for cluster in clusters) == side.rows:
        return clusters
    joined = []
    for *head, ratio, rows in clusters:
        if small is not None:
            slack = ROUNDING_BTC * max(1.0, ratio) / pl.col("expected_btc") + SAME * ratio
            mine = (pl.col("ratio") - ratio).abs() <= slack
            rows += small.filter(mine).height
            small = small.filter(~mine)
        joined.append((*head, ratio, rows))
    left = side.rows - sum(cluster[-1] for cluster in joined)
    if left > 0:
        joined.append((*side.key, "varying", "ratios that differ from key to key", side.ratio, left))
    return joined


def causes(clusters: pl.DataFrame) -> list[Cause]:
    """The clusters of a window put together by cause, most rows first. Models are named in the order they come in."""
    rounded = pl.when(pl.col("code") == "varying").then(0.0).otherwise(pl.col("ratio").round_sig_figs(3))
    keep_ratio = pl.when(pl.col("code").is_in(EPOCH_CODES)).then(0.0).otherwise(rounded)
    merged = (
        clusters.with_columns(group=keep_ratio)
        .group_by("code", "cause", "group", maintain_order=True)
        .agg(
            models=pl.col("miner_model").unique(maintain_order=True),
            first=pl.col("settlement_date").min(),
            last=pl.col("settlement_date").max(),
            dates=pl.col("settlement_date").n_unique(),
            rows=pl.col("rows").sum(),
            ratio=pl.col("ratio").median(),
        )
        .sort(["rows", "cause", "group"], descending=[True, False, False])
    )
    return [Cause(**{**row, "models": tuple(row["models"])}) for row in merged.drop("group").to_dicts()]
