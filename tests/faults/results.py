"""The results as a file: comment lines with the circumstances, then one line per fault."""

from __future__ import annotations

import csv
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.faults.harness import Trial
from tests.faults.judge import Verdict
from tests.support.forked import REPOSITORY
from tests.support.servers import Server

COUNTS = ("missing", "duplicate", "wrong", "touched", "ledger")
COLUMNS = ("kind", "fault", "runs", "exit codes", "what the user sees", "finished by", "note", *COUNTS, "lost")
PACKAGES = ("adbc-driver-postgresql", "polars", "pyarrow")
Line = dict[str, str]


@dataclass
class Row:
    """What all trials of one fault came to."""

    kind: str
    fault: str
    runs: int = 0
    codes: set[int] = field(default_factory=set)
    sees: dict[str, None] = field(default_factory=dict)
    finished_by: set[str] = field(default_factory=set)
    verdict: Verdict = field(default_factory=Verdict)
    note: str = ""

    def add(self, trial: Trial, verdict: Verdict) -> None:
        """One more trial."""
        self.runs += 1
        self.codes |= {outcome.code for outcome in trial.seen}
        self.sees |= dict.fromkeys(outcome.sees for outcome in trial.seen if outcome.code > 0 or not self.sees)
        self.finished_by |= set(trial.finished_by)
        self.verdict += verdict
        self.note = self.note or trial.note

    def to_line(self) -> Line:
        """For the file."""
        counts = {name: str(getattr(self.verdict, name)) for name in COUNTS}
        return {
            "kind": self.kind,
            "fault": self.fault,
            "runs": str(self.runs),
            "exit codes": " ".join(str(code) for code in sorted(self.codes)),
            "what the user sees": next(
                (line for line in self.sees if line.startswith("recon")), next(iter(self.sees), "")
            ),
            "finished by": " ".join(sorted(self.finished_by)),
            "note": self.note or "; ".join(self.verdict.notes[:2]),
            **counts,
            "lost": str(self.verdict.lost) if self.runs else "",
        }


def circumstances(server: Server, seed: int, command: str) -> dict[str, str]:
    """When, on what and how the trials were made."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=REPOSITORY, capture_output=True, text=True
    )
    versions = [
        f"python {platform.python_version()}",
        f"postgresql {server.run('postgres', '--version').stdout.split()[-1]}",
    ]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit.stdout.strip() or "unknown",
        "versions": ", ".join(versions + [f"{name} {version(name)}" for name in PACKAGES]),
        "seed": str(seed),
        "command": command,
    }


def write(path: Path, facts: dict[str, str], rows: Iterable[Row]) -> None:
    """Writes the file anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {name}: {value}\n" for name, value in facts.items())
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.to_line() for row in rows)


def read(path: Path) -> tuple[dict[str, str], list[Line]]:
    """The circumstances, and the lines, everything as text."""
    text = path.read_text(encoding="utf-8").splitlines()
    facts = dict(line.removeprefix("# ").split(": ", 1) for line in text if line.startswith("# "))
    return facts, list(csv.DictReader(line for line in text if not line.startswith("# ")))
