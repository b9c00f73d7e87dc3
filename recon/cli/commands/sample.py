"""`recon sample`: made-up tables of any size, in the real ones' shape."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.core.errors import document
from recon.core.window import parse_date

SAMPLE_START = "2022-01-01"
group = typer.Typer(help="Made-up tables of any size, to try things on.")


@group.command("generate")
@command(database=False)
def generate(
    call: Call,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")],
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, max=1600, help="Consecutive settlement dates.")
    ] = 59,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed makes the same files.")] = 1,
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="The first settlement date.")] = SAMPLE_START,
) -> None:
    """Write curtailment_records and a partly filled calculations table as Parquet files.

    Risks: it writes files into the directory that --out names.
    Output: how many rows and keys were made.
    Exit status: 0 the files were written; 2.
    Examples:
        recon sample generate --out sample --days 120 --seed 7
    """
    first: date = parse_date(start)
    from recon.sample.generate import write

    with call.comparing("making"):
        manifest = write(out, first=first, days=days, seed=seed, reference=call.reference)
    _tell(call, "sample generate", manifest, f"in {out}")


@group.command("load")
@command()
def load(
    call: Call, directory: Annotated[Path, typer.Argument(metavar="DIR", help="What 'sample generate' wrote.")]
) -> None:
    """Load a sample into empty or absent tables, in one transaction.

    Risks: it creates the two tables where there are none, and fills them where they are empty; it refuses others.
    Output: how many rows and keys were loaded.
    Exit status: 0 the sample was loaded; 2; 3.
    Examples:
        recon sample load sample
    """
    from recon.sample import load as sample_load

    with call.comparing("loading"):
        manifest = sample_load.load(call.settings, directory, name=call.name)
    _tell(call, "sample load", manifest, "loaded")


def _tell(call: Call, name: str, manifest: dict[str, object], where: str) -> None:
    if call.json:
        call.print_json(document(name, **manifest))
    call.say(
        f"{manifest['curtailment_rows']:,} curtailment rows, {manifest['keys']:,} keys, "
        f"{manifest['calculation_rows']:,} calculations {where}"
    )
