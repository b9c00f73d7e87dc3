"""What a shell offers for a run's id: what the ledger says at once; nothing at all when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import typer

from recon.cli.shared_options import COMMON
from recon.core.address import EMBEDDED
from recon.core.environment import parse_settings
from recon.core.settings import Settings, Timeouts

QUICKLY = Timeouts(connect_s=1, statement_s=1, lock_s=1)
OFFERED = 30
RUN_ID: dict[str, Any] = {"metavar": "RUN_ID", "help": "A run's id, as 'recon runs' shows it."}
"""How an argument that is a run's id is shown in help."""
Offer = list[tuple[str, str]]
"""Each run's id with what a shell may show beside it."""


def run_ids(ctx: typer.Context, incomplete: str) -> Offer:
    """The newest runs, newest first."""
    return _offered(ctx, incomplete, lambda _: True)


def unfinished_run_ids(ctx: typer.Context, incomplete: str) -> Offer:
    """Those with dates that are not done."""
    return _offered(ctx, incomplete, lambda run: run["dates_done"] < run["dates"])


def _offered(ctx: typer.Context, incomplete: str, wanted: Callable[[dict[str, Any]], bool]) -> Offer:
    try:
        runs = [run for run in _runs(_settings(ctx)) if run["run_id"].startswith(incomplete) and wanted(run)]
    except Exception:  # noqa: BLE001 somebody is in the middle of a line: no error belongs there
        return []
    return [
        (run["run_id"], f"{run['command']}, {run['status']}, {run['started_at'][:16]} UTC") for run in runs[:OFFERED]
    ]


def _settings(ctx: typer.Context) -> Settings:
    """As the line so far and the environment say."""
    given: dict[str, Any] = dict.fromkeys(COMMON)
    for context in _from_the_program_down(ctx):
        given |= {name: value for name, value in context.params.items() if name in COMMON and value is not None}
    return replace(parse_settings(given, database=True), timeouts=QUICKLY, read_only=True)


def _from_the_program_down(ctx: Any) -> Iterator[Any]:
    if ctx is not None:
        yield from _from_the_program_down(ctx.parent)
        yield ctx


def _runs(settings: Settings) -> list[dict[str, Any]]:
    from recon.postgres import ledger

    if settings.database_url == EMBEDDED:
        from recon.postgres.embedded import lifecycle

        if not (lifecycle.location(settings.home) / "server").exists():
            return []  # only a demo makes one
        settings = replace(settings, database_url=lifecycle.start(settings.home))
    return ledger.history(settings, None, name="recon/completion")[0]
