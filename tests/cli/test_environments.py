"""Machines and users of any kind: without a home, a locale, time zones, a terminal's size or a working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.forked import REPOSITORY
from tests.support.program import Run

BARE = {"PYTHONPATH": str(REPOSITORY), "PATH": os.environ["PATH"]}
"""What a program is started with that inherits nothing."""
ODD = [
    {},
    {"PYTHONTZPATH": ""},
    {"HOME": "/nowhere"},
    {"HOME": "relative"},
    {"HOME": "/proc"},
    {"COLUMNS": "0"},
    {"COLUMNS": "1"},
    {"COLUMNS": "20"},
    {"COLUMNS": "-80"},
    {"COLUMNS": "abc"},
    {"COLUMNS": "²"},
    {"COLUMNS": "9" * 30},
    {"LINES": "0", "TERM": "dumb"},
    {"TERM": "no-such-terminal"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "xx_YY.bogus"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "utf-16"},
    {"TMPDIR": "/nowhere"},
]


def start(arguments: list[object], env: dict[str, str], cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recon", *map(str, arguments)]
    return subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=60, **more
    )


@pytest.fixture
def gaps(database: Database) -> Database:
    fill(database, source_rows(days(DAY, 2)))
    return database


def is_one_line(done: subprocess.CompletedProcess[str], code: int) -> bool:
    return done.returncode == code and done.stderr.count("\n") == 1 and done.stderr.startswith("recon: ")


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_was_committed_is_reported_wherever_it_is_run(gaps: Database, tmp_path: Path, odd: dict[str, str]) -> None:
    done = start(["-d", gaps.url, "daily", "--today", "2024-04-21"], BARE | odd, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("\0", "") != "" and done.stderr == ""
    assert gaps.count(TABLE) == 54


@pytest.mark.parametrize("columns", ["0", "1", "20", "abc"])
@pytest.mark.parametrize("command", ["status", "diagnose", "analyze", "runs", "config show", "fix --dry-run"])
def test_every_table_is_shown_whatever_size_the_terminal_is_said_to_have(
    gaps: Database, run_recon: Run, columns: str, command: str
) -> None:
    done = run_recon(*command.split(), url=gaps.url, env={"COLUMNS": columns, "LINES": columns})
    assert done.returncode in (0, 1) and done.stderr == "", done.stderr
    assert done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody without an entry")
@pytest.mark.parametrize("home", [{}, {"HOME": "/root"}, {"HOME": "/"}], ids=["none", "somebody else's", "the root"])
def test_a_user_without_an_entry_or_a_home_can_work(gaps: Database, home: dict[str, str]) -> None:
    """The user's files are then nobody's: what needs one says so in one line."""
    python = "/usr/bin/python3"
    libraries = ":".join(dict.fromkeys([str(REPOSITORY), *(p for p in sys.path if p.endswith("site-packages"))]))
    env = {"PYTHONPATH": libraries, "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"} | home
    who = {"user": 54321, "group": 54321, "extra_groups": ()}

    def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-m", "recon", *arguments]
        return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=60, **who)  # type: ignore[call-overload, no-any-return]

    try:
        tried = as_nobody("--version")
    except OSError:
        pytest.skip("no Python that everybody can run")
    if tried.returncode:
        pytest.skip("no Python of this version that everybody can run, with these libraries")
    done = as_nobody("-d", gaps.url, "fix")
    assert done.returncode == 0 or (home and is_one_line(done, 2)), done.stderr
    refused = as_nobody("difficulty", "update", "--from", str(REPOSITORY / "data" / "difficulty.csv"))
    assert is_one_line(refused, 2), refused.stderr
    assert is_one_line(as_nobody("demo"), 2) or is_one_line(as_nobody("demo"), 3)
    assert is_one_line(as_nobody("--install-completion", "bash"), 2)


def test_a_home_that_is_not_there_is_named(run_recon: Run) -> None:
    done = run_recon("config", "show", env={"RECON_HOME": "~nosuchuser/recon"})
    assert is_one_line(done, 2) and "RECON_HOME is '~nosuchuser/recon'" in done.stderr
    done = run_recon("--install-completion", "bash", env={"HOME": "/proc/nowhere"})
    # Where no shell that has completion is among the parents of the tests, that is what comes first.
    assert is_one_line(done, 2) and ("/proc/nowhere" in done.stderr or "the shell is " in done.stderr)


def test_a_working_directory_that_is_gone_stops_only_what_needs_it(gaps: Database, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    command = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m recon -d {gaps.url} "

    def there(arguments: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir()
        return subprocess.run(["sh", "-c", command + arguments], env=BARE, capture_output=True, text=True, timeout=60)

    assert there("fix").returncode == 0
    assert gaps.count(TABLE) == 54
    assert is_one_line(there("status --log-file x.log"), 2)
    assert is_one_line(there("verify --out proof.json"), 2)


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1",
        "http://",
        "http:///d.csv",
        "https://h:abc/",
        "https://h:99999999/",
        "https://h:0/",
        "a\nb",
        "\0",
        ".",
    ],
)
def test_an_address_or_file_that_cannot_be_one_is_one_line(run_recon: Run, address: str) -> None:
    for command in (["check"], ["update", "--from"]):
        if "\0" not in address:
            assert is_one_line(run_recon("difficulty", *command, address), 2)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"address": 3}', "\xff"])
def test_a_schedulers_file_that_is_none_is_not_waited_for(
    gaps: Database, run_recon: Run, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(content, encoding="latin-1")
    done = run_recon("fix", "--engine", "dask", "--scheduler-file", file, url=gaps.url, timeout=20)
    assert is_one_line(done, 2) and str(file) in done.stderr
    assert is_one_line(run_recon("fix", "--engine", "dask", "--scheduler-file", "none", url=gaps.url, timeout=20), 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
class TestFullDisks:
    def test_a_log_file_that_cannot_be_written_is_said_once_and_stops_nothing(
        self, gaps: Database, run_recon: Run
    ) -> None:
        for more in ((), ("-q",), ("--log-format", "json")):
            gaps.execute(f"truncate {TABLE}")
            done = run_recon("fix", "--log-file", "/dev/full", *more, url=gaps.url)
            assert done.returncode == 0
            assert done.stderr.count("the log file /dev/full cannot be written: No space left on device") == 1
        assert gaps.count(TABLE) == 54

    def test_output_that_cannot_be_written_is_said_with_json_too(
        self, gaps: Database, environment: dict[str, str]
    ) -> None:
        with open("/dev/full", "w") as full:
            command = [sys.executable, "-m", "recon", "-d", gaps.url, "status", "--json"]
            done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 2
        assert done.stderr.startswith("recon: the output cannot be written: No space left on device")

    def test_metrics_that_cannot_be_written_end_a_night_that_was_well_with_2(
        self, gaps: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        place = tmp_path / "small"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(place)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no small file system can be made here")
        try:
            (place / "all").write_bytes(b"0" * 4096)
            done = run_recon("daily", "--today", "2024-04-21", "--metrics-file", place / "m.prom", url=gaps.url)
            assert done.returncode == 2
            assert f"the metrics file {place}/m.prom cannot be written: No space left on device" in done.stderr
            assert gaps.count(TABLE) == 54
            for command in (["verify"], ["report"]):
                out = run_recon(*command, "--out", place / "out", url=gaps.url)
                assert is_one_line(out, 2) and "No space left on device" in out.stderr
            assert {path.name for path in place.iterdir()} == {"all"}
        finally:
            subprocess.run(["umount", str(place)], check=True)

    def test_metrics_are_no_device(self, gaps: Database, run_recon: Run, tmp_path: Path) -> None:
        (tmp_path / "full.prom").symlink_to("/dev/full")
        done = run_recon("daily", "--metrics-file", tmp_path / "full.prom", url=gaps.url)
        assert is_one_line(done, 2)
        assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(("option", "value"), [("--repair", "gaps"), ("--max-changes", "few"), ("--atol", "-1")])
def test_a_wrong_option_is_told_before_a_server_is_thought_of(
    run_recon: Run, recon_home: Path, option: str, value: str
) -> None:
    done = run_recon("-d", "embedded", "fix", option, value)
    assert is_one_line(done, 2) and option in done.stderr
    assert not recon_home.exists() or not list(recon_home.iterdir())


def test_before_the_demo_the_embedded_server_is_not_made_for_nothing(run_recon: Run, recon_home: Path) -> None:
    for command in (["status"], ["fix"], ["runs"], ["daily"], ["explain", DAY, "1", "T_A-1"]):
        done = run_recon("-d", "embedded", *command)
        assert is_one_line(done, 2)
        assert done.stderr == "recon: the embedded server has no data yet; run 'recon demo', which makes it\n"
    assert not (recon_home / "server").exists()
