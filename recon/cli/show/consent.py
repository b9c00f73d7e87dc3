"""Whether rows may be changed: asked on a terminal, given by an option elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable

from recon.cli.call import Call
from recon.core.errors import UsageError


def consent(call: Call, yes: bool, why: str = "") -> Callable[[int], None]:
    """Asks on a terminal before rows are changed; elsewhere --yes must have been given. why: what comes before."""

    def ask(rows: int) -> None:
        if yes:
            return
        what = f"{why}{rows:,} stored rows would be replaced or removed (each is kept in recon.quarantine)"
        if call.json or not sys.stdin.isatty():
            raise UsageError(what, "look at them with --dry-run, then give --yes", code="consent")
        sys.stderr.write(f"{what}. Go on? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("nothing was changed", "look at the rows with --dry-run", code="consent")

    return ask
