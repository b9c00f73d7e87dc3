"""The options of commands, defined once; those that several of them have are groups, each a frozen dataclass.

A field's annotation is what Typer reads, so annotations are not postponed here.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from recon.cli.shared_options import SELDOM
from recon.core.settings import (
    DEFAULT_ATOL_BTC,
    DEFAULT_BATCH_DATES,
    DEFAULT_LIMIT,
    DEFAULT_REPAIR,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    Order,
)
from recon.core.window import Window

if TYPE_CHECKING:
    from recon.reconcile.engine import Engine
    from recon.reconcile.request import ValueCheck
    from recon.reconcile.watcher import Compared
    from recon.values.tolerance import Tolerance


def _text(given: str) -> str:
    """An argument as text, also where the locale has no such characters."""
    try:
        return os.fsencode(given).decode()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{given!r} is not UTF-8") from None


Day = Annotated[str, typer.Argument(metavar="DATE", help="A settlement date, YYYY-MM-DD.")]
StartDay = Annotated[str, typer.Argument(metavar="START", help="The first settlement date, YYYY-MM-DD.")]
EndDay = Annotated[str, typer.Argument(metavar="END", help="The last settlement date; it is filled, too.")]
Period = Annotated[
    int, typer.Argument(metavar="PERIOD", help="A settlement period (half an hour of the date): 1 to 46, 48 or 50.")
]
Farm = Annotated[
    str,
    typer.Argument(
        metavar="FARM",
        help="A BM unit (what the grid balances: a wind farm or part of one), as T_VKNGW-1.",
        parser=_text,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")]
Deep = Annotated[bool, typer.Option("--deep", help="Compare every key and value, not checksums of them.")]
CheckValues = Annotated[bool, typer.Option("--values", help="Also compare every stored value.")]
Force = Annotated[
    bool, typer.Option("--force", rich_help_panel=SELDOM, help="The same as --deep with wrong added to --repair.")
]
MaxFarm = Annotated[
    float,
    typer.Option(
        "--max-farm-mw",
        metavar="MW",
        rich_help_panel=SELDOM,
        help="Report keys with more energy than this power makes in half an hour.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Change and remove rows without asking first.")]


@dataclass(frozen=True)
class WindowOptions:
    """The settlement dates that are looked at: all, unless one end or both are given."""

    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First settlement date.")] = None
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last settlement date.")] = None

    @property
    def window(self) -> Window:
        """The same, parsed; UsageError when it cannot be right."""
        return Window.parse(self.first, self.last)


@dataclass(frozen=True)
class BatchOptions:
    """How the dates of a run are worked on."""

    batch_size: Annotated[int, typer.Argument(metavar="BATCH_SIZE", min=1, help="Whole dates per transaction.")] = (
        DEFAULT_BATCH_DATES
    )
    order: Annotated[Order, typer.Option("--order", help="Which dates first; oldest loads quickest.")] = Order.OLDEST


@dataclass(frozen=True)
class RepairOptions:
    """What a run repairs besides gaps, and how far it may go."""

    repair: Annotated[
        str,
        typer.Option(
            "--repair",
            metavar="KINDS",
            help="What to repair: missing, wrong (values), duplicate, orphan (rows without curtailment), with "
            "commas between. All but missing change or remove stored rows.",
        ),
    ] = DEFAULT_REPAIR
    yes: Yes = False
    max_changes: Annotated[
        str,
        typer.Option(
            "--max-changes", metavar="N|P%", help="Change no row at all if more stored rows than this would change."
        ),
    ] = DEFAULT_LIMIT


@dataclass(frozen=True)
class ToleranceOptions:
    """When values agree."""

    atol: Annotated[
        float, typer.Option("--atol", metavar="BTC", min=0, help="Values agree that differ by at most so many BTC ...")
    ] = DEFAULT_ATOL_BTC
    rtol: Annotated[
        float, typer.Option("--rtol", metavar="SHARE", min=0, max=1, help="... plus this share of the right value.")
    ] = DEFAULT_RTOL

    @property
    def tolerance(self) -> "Tolerance":
        """The same as the library takes it; UsageError when it cannot be right."""
        from recon.values.tolerance import Tolerance

        return Tolerance(self.atol, self.rtol)


@dataclass(frozen=True)
class ValueOptions:
    """Whether stored values are compared, and when they agree."""

    values: CheckValues = False
    near: ToleranceOptions = ToleranceOptions()

    def check(
        self, engine: "Engine", compared: "Compared", *, deep: bool = False, workers: int = DEFAULT_WORKERS
    ) -> "ValueCheck":
        """How values are compared, where they are. deep: row by row on every date. workers: connections at work, where
        the engine was not told. UsageError when an option cannot be right.
        """
        from recon.reconcile.request import ValueCheck

        return ValueCheck(self.near.tolerance, workers, compared, engine, deep)
