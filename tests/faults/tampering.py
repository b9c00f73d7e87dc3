"""`python -m tests.faults.tampering PART ...`: recon with one part of it spoilt, and the command line that follows.

Never part of the product: with it the harness is tested (it has to report losses), and a clock that steps back.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import recon
from recon.cli.process import run
from recon.core.settings import Settings
from recon.postgres import ledger
from recon.postgres.session import Session, connect
from recon.reconcile import cell_survey, chunk, readback, survey, value_check


def unverified() -> None:
    """Nothing is read back before COMMIT."""
    readback.discrepancies = lambda *_: []  # type: ignore[assignment]
    readback._same_rows = lambda *_: None  # type: ignore[assignment]


def separate_ledger() -> None:
    """The ledger's line is committed by itself, before the rows."""
    record = ledger.record

    def apart(_: Session, run_id: str, results: Sequence[Any]) -> list[Any]:
        settings = Settings(database_url=os.environ["RECON_DATABASE_URL"])
        with connect(settings, f"recon/fix/{run_id}") as session, session.transaction():
            return record(session, run_id, results)

    ledger.record = apart  # type: ignore[assignment]


def clock() -> None:
    """Every look at the clock shows an hour less than the one before."""
    now = time.time

    def earlier() -> float:
        earlier.steps += 1
        return now() - 3600 * earlier.steps

    earlier.steps = 0
    time.time = earlier


def small_chunks() -> None:
    """A date is larger than a chunk from so few rows on that every date is."""
    chunk.CHUNK_ROWS = value_check.CHUNK_ROWS = survey.SCAN_ROWS = cell_survey.LARGE_ROWS = 20


def notebook() -> None:
    """No program, but a cell of a notebook, whose kernel goes on after Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        recon.fix(batch_size=1, workers=1)
    except KeyboardInterrupt:
        print("interrupted")
    sys.exit(0)


PARTS: dict[str, Callable[[], None]] = {
    "unverified": unverified,
    "separate-ledger": separate_ledger,
    "clock": clock,
    "small-chunks": small_chunks,
    "notebook": notebook,
}

if __name__ == "__main__":
    PARTS[sys.argv.pop(1)]()
    run()
