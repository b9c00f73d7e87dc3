"""stdout is data, stderr is progress and logs; secrets are in neither."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import Database
from tests.support.program import Run, Start
from tests.support.servers import wait_until
from tests.support.terminal import on_a_terminal

ESCAPE = "\x1b["


@pytest.fixture
def gaps(database: Database) -> Database:
    """Three dates without calculations."""
    fill(database, source_rows(days(DAY, 3)))
    return database


def test_data_go_to_stdout_and_nothing_else_does(gaps: Database, run_recon: Run) -> None:
    done = run_recon("status", url=gaps.url)
    assert "not reconciled: 81 missing" in done.stdout
    assert done.stderr == ""
    done = run_recon("fix", "-v", "--json", url=gaps.url)
    assert json.loads(done.stdout)["inserted"] == 81
    assert len(re.findall(r"INFO: 2024-04-2\d done inserted=27 attempts=1", done.stderr)) == 3
    assert ESCAPE not in done.stdout + done.stderr


def test_json_is_never_wrapped_or_coloured(gaps: Database, run_recon: Run) -> None:
    farm = "T_" + "long-" * 60 + "1"
    gaps.add_curtailment((DAY, 1, farm, "-5"))
    env = {"COLUMNS": "20", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = run_recon("explain", DAY, 1, farm, "--json", url=gaps.url, env=env)
    assert json.loads(done.stdout)["key"]["farm_id"] == farm
    assert ESCAPE not in done.stdout


def test_colours_are_for_terminals_that_want_them(gaps: Database, environment: dict[str, str]) -> None:
    assert ESCAPE in on_a_terminal(environment, "-d", gaps.url, "status")[1]
    code, plain = on_a_terminal(environment | {"NO_COLOR": "1"}, "-d", gaps.url, "status")
    assert code == 1
    assert not re.search(r"\x1b\[[0-9;]*3\dm", plain)
    assert "not reconciled" in plain


def test_progress_is_a_bar_on_a_terminal_and_silence_with_q(gaps: Database, environment: dict[str, str]) -> None:
    utf_8 = environment | {"LC_ALL": "C.UTF-8"}
    _, shown = on_a_terminal(utf_8, "-d", gaps.url, "fix", "1")
    assert "dates" in shown
    assert "━" in shown
    gaps.execute("truncate historical_bitcoin_calculations")
    assert "━" not in on_a_terminal(utf_8, "-d", gaps.url, "fix", "1", "-q")[1]


@pytest.mark.parametrize(
    ("command", "code"),
    [("status", 1), ("analyze", 1), ("--help", 0), ("status --json", 1), ("fix --dry-run", 1), ("runs", 0)],
)
def test_a_reader_that_has_seen_enough_is_no_error(
    gaps: Database, environment: dict[str, str], command: str, code: int
) -> None:
    """`recon status | head -1`; here nobody reads at all. The exit code still speaks of the data."""
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "recon", "-d", gaps.url, *command.split()]
    done = subprocess.run(arguments, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_fix_whose_streams_are_closed_fills_all_the_same(
    gaps: Database, environment: dict[str, str], closed: str
) -> None:
    command = f"exec {sys.executable} -m recon -d {gaps.url} fix {closed}"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert gaps.count("historical_bitcoin_calculations") == 81


def test_output_that_cannot_be_kept_is_said_once(gaps: Database, environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        arguments = [sys.executable, "-m", "recon", "-d", gaps.url, "status"]
        done = subprocess.run(arguments, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "recon: the output cannot be written: No space left on device; send it to another place\n"


class TestLogs:
    def test_the_log_file_has_one_line_per_date(self, gaps: Database, run_recon: Run, tmp_path: Path) -> None:
        log = tmp_path / "recon.log"
        log.write_text("a line of last night\n")
        done = run_recon("fix", "--log-file", log, "-q", url=gaps.url)
        assert done.stderr == ""
        lines = log.read_text().splitlines()
        assert lines[0] == "a line of last night"
        dates = [line for line in lines if re.search(r"2024-04-\d\d done inserted=27", line)]
        assert len(dates) == 3
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0000 INFO ", line) for line in dates)

    def test_the_log_ends_with_what_a_run_came_to_also_where_nothing_was_to_do(
        self, gaps: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        """As `daily` does: one line for people, with JSON its fields; on stderr only where that is a log."""
        log = tmp_path / "recon.log"
        commands: tuple[tuple[object, ...], ...] = (
            ("fix", "--dry-run"),
            ("date", DAY),
            ("fix",),
            ("fix",),
            ("fix", "--from", "2035-01-01"),
        )
        for number, command in enumerate(commands):
            done = run_recon(*command, "--log-file", log, "--json", url=gaps.url)
            lines, found = log.read_text().splitlines(), json.loads(done.stdout)
            assert done.stderr == "" and done.returncode == found["exit_code"]
            level = "ERROR" if done.returncode else "INFO"
            start = rf"\S+ \S+\+0000 {level} {found['command']}: exit code {done.returncode}: "
            last = re.match(start + rf"(dry run, )?{found['missing_before']} missing before, ", lines[-1])
            assert last and bool(last[1]) == (number == 0)
            assert f"{found['inserted']} inserted" in lines[-1] and f"{found['remaining']} missing" in lines[-1]
            log.unlink()
        shown = run_recon("fix", "--log-format", "json", url=gaps.url)
        fields = json.loads(shown.stderr)
        assert (fields["command"], fields["exit_code"], fields["inserted"]) == ("fix", 0, 0)

    def test_times_have_their_zone(self, gaps: Database, run_recon: Run, tmp_path: Path) -> None:
        """The machine's in a log, UTC where the server's are told."""
        log = tmp_path / "recon.log"
        for form, stamp in (
            ("text", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
            ("json", r'\{"time": "\d{4}-\d\d-\d\dT[\d:]{8}'),
        ):
            options = ("--log-file", log, "--log-format", form)
            assert run_recon("fix", *options, url=gaps.url, env={"TZ": "Pacific/Auckland"}).returncode == 0
            assert all(re.match(rf"{stamp}\+1[23]00", line) for line in log.read_text().splitlines())
            log.unlink()
        runs = run_recon("runs", url=gaps.url).stdout
        assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", runs, re.MULTILINE)

    def test_json_lines_hold_the_fields_of_the_date(self, gaps: Database, run_recon: Run, tmp_path: Path) -> None:
        log = tmp_path / "recon.log"
        done = run_recon("fix", "--log-file", log, "--log-format", "json", "-v", url=gaps.url)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert all({"time", "level", "message"} <= set(line) for line in lines)
        dates = [line for line in lines if "date" in line]
        assert sorted(line["date"] for line in dates) == [str(day) for day in days(DAY, 3)]
        assert {(line["status"], line["inserted"]) for line in dates} == {("done", 27)}
        assert all(json.loads(line) for line in done.stderr.splitlines())

    def test_errors_are_in_the_log_too(self, run_recon: Run, tmp_path: Path) -> None:
        log = tmp_path / "recon.log"
        run_recon("status", "--log-file", log, url="postgresql://ana:s3cret@127.0.0.1:1/none")
        assert "cannot connect" in log.read_text()
        assert "s3cret" not in log.read_text()

    def test_a_log_file_that_cannot_be_written_is_said_before_any_work(self, gaps: Database, run_recon: Run) -> None:
        done = run_recon("fix", "--log-file", "/nowhere/recon.log", url=gaps.url)
        assert done.returncode == 2
        assert "/nowhere/recon.log cannot be written" in done.stderr
        assert gaps.count("historical_bitcoin_calculations") == 0

    def test_a_full_disk_under_the_log_does_not_stop_the_work(self, gaps: Database, run_recon: Run) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full")
        assert run_recon("fix", "--log-file", "/dev/full", url=gaps.url).returncode == 0


class TestSecrets:
    def test_no_password_is_shown_logged_or_stored(self, gaps: Database, run_recon: Run, tmp_path: Path) -> None:
        secret = "pa55-w0rd"
        role = f"eva_{gaps.name}"
        gaps.server.create_role(role, secret)
        gaps.server.execute(f"alter role {role} superuser")
        url = gaps.server.role_url(role, secret, gaps.name)
        log = tmp_path / "recon.log"
        said = ""
        commands = (["status"], ["fix", "--json"], ["runs", "--json"], ["init", "--dry-run"], ["analyze", "--json"])
        for command in commands:
            done = run_recon(*command, "-v", "--log-file", log, url=url)
            assert done.returncode == (1 if command == ["status"] else 0), done.stderr
            said += done.stdout + done.stderr
        said += run_recon("status", "--calculations-table", "none", "-v", url=url).stderr
        said += run_recon("status", url=url.replace(secret, secret + "x")).stderr
        said += run_recon("status", url=url.replace("postgresql://", "mysql://")).stderr
        ledger = str(gaps.rows("select r::text, d::text from recon.runs r join recon.run_dates d using (run_id)"))
        assert secret not in said + log.read_text() + ledger
        assert role in said

    def test_a_password_in_the_environment_is_not_on_the_servers_command_line_or_ours(
        self, gaps: Database, start_recon: Start
    ) -> None:
        """`ps` shows arguments; a URL from the environment never becomes one."""
        process = start_recon("fix", url=gaps.url.replace("postgres@", "postgres:s3cret@"))
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.communicate(timeout=30)
        assert b"s3cret" not in shown

    @pytest.mark.parametrize("command", ["fix", "status", "resume"])
    def test_sessions_say_whose_they_are(
        self, gaps: Database, start_recon: Start, run_recon: Run, command: str
    ) -> None:
        run_recon("init", url=gaps.url)
        gaps.execute(
            "insert into recon.runs (run_id, command, code_version, status, parameters) "
            "select '7f3a', 'fix', '1', 'running', '{\"window\": {}}'"
        )
        gaps.execute("begin")
        for table in ("curtailment_records", "recon.run_dates"):
            gaps.execute(f"lock table {table} in access exclusive mode")
        process = start_recon(command, *(["7f3a"] if command == "resume" else []), url=gaps.url)
        name = f"select application_name from pg_stat_activity where application_name like 'recon/{command}/%'"
        observer = Database(gaps.server, "postgres", gaps.server.url)
        wait_until(lambda: observer.rows(name), what="a session of the run")
        assert re.fullmatch(rf"recon/{command}/[0-9a-f]+", observer.rows(name)[0][0])
        observer.disconnect()
        gaps.execute("rollback")
        process.communicate(timeout=30)


def test_without_a_command_the_help_is_shown_and_a_group_says_what_is_missing(run_recon: Run) -> None:
    alone = run_recon()
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, run_recon("--help").stdout, "")
    group = run_recon("minimal")
    assert (group.returncode, group.stdout) == (2, "")
    assert group.stderr.splitlines()[-1].startswith("recon: 'recon minimal' needs a command: sequence, critical-date")


def test_who_types_it_wrong_is_shown_the_help_of_that_very_command(run_recon: Run) -> None:
    for typed, path in (
        ("difficulty check", "recon difficulty check"),
        ("sample load", "recon sample load"),
        ("-q minimal sequence 2024-04-20", "recon minimal sequence"),
        ("status --nope", "recon status"),
        ("fix few", "recon fix"),
        ("config nothing", "recon config"),
        ("nothing", "recon"),
    ):
        done = run_recon(*typed.split())
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.endswith(f"; see '{path} --help'\n"), typed
        assert run_recon(*path.split()[1:], "--help").stdout.lstrip().startswith(f"Usage: {path} ")
