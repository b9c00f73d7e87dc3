"""Runs of the program: their type, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any, TypeAlias

from tests.support.forked import Process

Run: TypeAlias = Callable[..., CompletedProcess[str]]
"""The fixture `run_recon`: `run_recon("status", "--json", url=database.url)`."""
Start: TypeAlias = Callable[..., Process]
"""The fixture `start_recon`: the same, and the program still runs."""
Done: TypeAlias = CompletedProcess[str]
NOBODY = "postgresql://nobody@127.0.0.1:1/none"
"""An address that refuses every connection."""
CANARY = "c4n4ry"
"""A secret that must appear nowhere."""


def document(done: Done, code: int = 0) -> dict[str, Any]:
    """What `--json` printed, after checking the exit code."""
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def one_line(done: Done, code: int) -> str:
    """What stderr says, which must be one line; stdout must hold nothing."""
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("recon: ")
    return line
