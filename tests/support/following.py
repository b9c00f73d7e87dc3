"""What recon suggests next, run as it is printed until nothing is suggested."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recon.core.suggestions import PUBLIC_DIFFICULTY
from tests.support.builders import later_epochs
from tests.support.program import Done, Run

MOST_STEPS = 6


def suggested(done: Done) -> list[str] | None:
    """The command that ends what was printed, as a list of arguments; it stands nowhere else."""
    lines = done.stdout.splitlines()
    told = [line for line in lines if line.startswith("next: ")]
    assert told in ([], lines[-1:]), done.stdout
    return shlex.split(told[0].removeprefix("next: ")) if told else None


def follow(run: Run, *command: object, public: Path | None = None, **options: object) -> list[str]:
    """Runs a command, and after each what it suggests; all of them, the last of which suggests nothing and exits 0.

    What only reads is run once more with --json, which suggests the same. public: stands in for the public address.
    """
    told: list[str] | None = list(map(str, command))
    ran = []
    while told:
        assert len(ran) < MOST_STEPS, ran
        ran.append(shlex.join(told))
        given = [str(public) if word == PUBLIC_DIFFICULTY else word for word in told]
        done = run(*given, **options)
        assert "Traceback" not in done.stderr and done.returncode in (0, 1, 4), (ran, done.stdout, done.stderr)
        then = suggested(done)
        if told[-1] == "--dry-run" or "status" in told:
            assert json.loads(run(*given, "--json", **options).stdout).get("next") == then, ran
        if told[0:2] == ["difficulty", "update"]:
            then = ["recon", *map(str, command)]
        assert then is None or then[0] == "recon"
        told = then[1:] if then else None
    assert done.returncode == 0, (ran, done.stdout, done.stderr)
    return ran


def public_difficulty(path: Path) -> Path:
    """What the public address would give."""
    path.write_text(json.dumps(later_epochs(datetime.now(UTC) - timedelta(days=12))))
    return path
