"""A forked run cannot tell that it is one, and neither can its test."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import write
from tests.support.forked import Forks, bare_variables, start_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
PROBE = """
import atexit, json, os, signal, sys
atexit.register(print, "the end")
signals = [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)]
streams = [(s.isatty(), s.encoding, s.errors, s.line_buffering) for s in (sys.stdin, sys.stdout, sys.stderr)]
own = sorted(name for name in sys.modules if name.partition(".")[0] == "recon")
files = sorted(os.listdir("/proc/self/fd"))
variables = [os.environ.get(name) for name in ("COLUMNS", "A_VARIABLE")]
where = [sys.argv, sys.path, os.getcwd()]
print(json.dumps([*where, variables, sys.stdin.read(), streams, signals, own, files, __name__]))
print("complaint", file=sys.stderr)
sys.exit(3)
"""
SLEEP = """
import time
print("at work", flush=True)
time.sleep(60)
"""


@pytest.fixture
def variables() -> dict[str, str]:
    return bare_variables() | {"A_VARIABLE": "given"}


def test_it_begins_and_ends_as_a_python_of_its_own(forks: Forks, variables: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "probe.py", PROBE)
    typed = write(tmp_path / "typed", "what is typed")
    found = []
    for start in (start_python, forks.start):
        with typed.open() as stdin:
            process = start(["probe", "--an", "argument"], variables, tmp_path, stdin)
        found.append((*process.communicate(30), process.wait(), process.poll()))
    python, fork = found
    assert python == fork
    assert python[1:] == ("complaint\n", 3, 3)
    state, end = python[0].splitlines()
    assert end == "the end"
    assert json.loads(state)[2:5] == [str(tmp_path), [None, "given"], "what is typed\n"]


def test_it_is_waited_for_and_killed_as_one(forks: Forks, variables: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "sleep.py", SLEEP)
    first, second = (forks.start(["sleep"], variables, tmp_path) for _ in range(2))
    for process in (first, second):
        assert process.stdout
        assert process.stdout.readline() == "at work\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(0.01)
        assert process.poll() is None
    first.send_signal(signal.SIGTERM)
    assert first.communicate(30) == ("", "")
    second.kill()
    assert (first.wait(), second.wait(30)) == (-signal.SIGTERM, -signal.SIGKILL)
    assert not Path(f"/proc/{second.pid}").exists()
