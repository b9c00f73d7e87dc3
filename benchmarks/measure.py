"""One run of a contender: seconds, peak memory and what it printed; or the bytes it moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT_VARIABLES = {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "USER"}

LAUNCHER = """
import json, os, sys, time
commands, report = json.loads(sys.argv[1]), sys.argv[2]
started = time.perf_counter()
processes = [os.posix_spawnp(command[0], command, os.environ) for command in commands]
ends = [os.wait4(process, 0) for process in processes]
seconds = time.perf_counter() - started
kilobytes = sum(usage.ru_maxrss for _, _, usage in ends)
codes = [os.waitstatus_to_exitcode(status) for _, status, _ in ends]
with open(report, "w") as file:
    json.dump({"seconds": seconds, "peak_mb": kilobytes / 1024, "codes": codes}, file)
"""
"""Starts the commands side by side. Small, as a process's peak begins with that of the one which started it (9 MB)."""


@dataclass(frozen=True)
class Run:
    """What one run took. Memory is the peak of the processes started, not of the server's."""

    seconds: float
    peak_mb: float
    output: str


def run(commands: list[list[str]], codes: Set[int]) -> Run:
    """Runs the commands at the same time; RuntimeError with what they said when one ends with another code."""
    with tempfile.TemporaryDirectory() as home:
        report = Path(home, "report")
        launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, json.dumps(commands), str(report)]
        kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
        environment = kept | {"RECON_HOME": home, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(launch, env=environment, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        took = json.loads(report.read_text())
    if not set(took["codes"]) <= codes:
        raise RuntimeError(f"exit codes {took['codes']}: {(done.stderr or done.stdout)[-2000:]}")
    return Run(took["seconds"], took["peak_mb"], done.stdout)
