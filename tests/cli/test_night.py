"""What others are told of a nightly run, however it ends: metrics, pings, and a webhook when something changes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from recon.cli.call import Call
from recon.cli.nightly.metrics import METRICS, labels, ready
from recon.cli.nightly.notify import check, post
from recon.core import extras
from recon.core.errors import UsageError
from recon.core.settings import LogFormat, Settings
from tests.support import oracle
from tests.support.builders import days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.inbox import Inbox, inbox
from tests.support.program import CANARY, NOBODY, Run, Start
from tests.support.proxy import proxy
from tests.support.servers import free_port, wait_until

FIRST = date(2024, 10, 27)
BUG = f"""
from recon.cli import process
from recon.reconcile import daily
def bug(*_, **__):
    raise RuntimeError("{CANARY}")
daily.daily = bug
process.run()
"""
KNOWN_THROUGH = date(2026, 6, 24)
"""By the packaged file."""
COUNTS = {
    "recon_daily_expected_rows": "expected",
    "recon_daily_missing_rows": "remaining",
    "recon_daily_duplicate_rows": "duplicate",
    "recon_daily_orphan_rows": "orphan",
    "recon_daily_wrong_rows": "wrong",
    "recon_daily_inserted_rows": "inserted",
    "recon_daily_blocked_dates": "blocked_dates",
    "recon_daily_failed_dates": "failed_dates",
}
ALWAYS = {
    "recon_daily_exit_code": "exit_code",
    "recon_daily_duration_seconds": "seconds",
    "recon_difficulty_coverage_days": "difficulty_coverage_days",
}
NEWEST = "recon_newest_curtailment_timestamp_seconds"
LAST_RUN, LAST_SUCCESS = (f"recon_daily_last_{what}_timestamp_seconds" for what in ("run", "success"))


@pytest.fixture
def messages() -> Iterator[Inbox]:
    with inbox() as kept:
        yield kept


def metrics_in(file: Path) -> dict[str, float]:
    """The value of each metric, as Prometheus reads the file."""
    families = text_string_to_metric_families(file.read_text())
    return {sample.name: sample.value for family in families for sample in family.samples}


class Nights:
    """One night after the other, on one database, told to one metrics file and one inbox."""

    def __init__(self, run_recon: Run, messages: Inbox, file: Path) -> None:
        self._run, self._messages, self.file = run_recon, messages, file
        told = ("--metrics-file", file, "--ping-url", f"{messages.url}/check", "--webhook", f"{messages.url}/hook")
        self.options = ("daily", "--today", "2024-10-28", *told)

    def night(self, code: int, *more: object, url: str) -> tuple[dict[str, Any], dict[str, float], dict | None]:
        """Its JSON document, its metrics, and what the webhook was told if it was told anything."""
        began = time.time()
        done = self._run(*self.options, "--json", *more, url=url)
        assert done.returncode == code, done.stdout + done.stderr
        document, figures = json.loads(done.stdout), metrics_in(self.file)
        start, end, *hook = self._messages.taken()
        assert start[0] == "/check/start"
        assert end[:2] == (f"/check/{code}", "text/plain; charset=utf-8")
        assert f"exit code {code}" in end[2].splitlines()[-1]
        assert began <= figures[LAST_RUN] <= time.time()
        known = {LAST_SUCCESS, NEWEST} & set(figures)
        assert {name for name in figures if name not in COUNTS} == {*ALWAYS, LAST_RUN, *known}
        assert [message[:2] for message in hook] in ([], [("/hook", "application/json; charset=utf-8")])
        return document, figures, json.loads(hook[0][2]) if hook else None


def agrees(document: dict[str, Any], figures: dict[str, float]) -> bool:
    """Every figure is the document's, and none is left out that the document has."""
    fields = {name: document[field] for name, field in (COUNTS | ALWAYS).items() if document[field] is not None}
    newest = datetime.fromtimestamp(figures[NEWEST], UTC).date()
    rest = {name: value for name, value in figures.items() if name not in (LAST_RUN, LAST_SUCCESS, NEWEST)}
    return fields == rest and str(newest) == document["newest_curtailment"]


def posted(document: dict[str, Any], told: dict[str, Any] | None, before: int | None) -> bool:
    """The webhook has the document, what was before, and a line for people."""
    assert told
    line = told.pop("text")
    assert re.fullmatch(rf"recon daily: exit code {document['exit_code']}: [^\n]+ s", line), line
    assert all(f"{day} {outcome}" in line for day, outcome in document["outcomes"].items())
    return told == document | {"previous_exit_code": before}


def test_every_night_is_told_as_its_json_has_it(
    database: Database, run_recon: Run, messages: Inbox, tmp_path: Path
) -> None:
    """Filled; nothing to do; a duplicate; a date that is blocked; nobody there; and well again."""
    exact = oracle.calculations(fill(database, source_rows(days(FIRST, 2), farms=1)))
    nights = Nights(run_recon, messages, tmp_path / "recon.prom")

    filled, figures, told = nights.night(0, "--values", url=database.url)
    assert agrees(filled, figures)
    assert figures["recon_daily_inserted_rows"] == len(exact) == 18
    assert (figures["recon_daily_wrong_rows"], figures["recon_daily_missing_rows"]) == (0, 0)
    assert figures["recon_difficulty_coverage_days"] == (KNOWN_THROUGH - date(2024, 10, 28)).days
    assert figures[LAST_SUCCESS] == figures[LAST_RUN]
    assert posted(filled, told, None)
    assert nights.file.stat().st_mode & 0o777 == 0o644, "the collector is another user"
    assert list(tmp_path.iterdir()) == [nights.file]

    quiet, figures, told = nights.night(0, url=database.url)
    assert agrees(quiet, figures)
    assert "recon_daily_wrong_rows" not in figures, "not compared is not 0"
    assert told is None, "nothing changed"
    good = figures[LAST_SUCCESS]

    database.add_calculations(exact[0])
    database.execute(
        f"update {TABLE} set bitcoin_mined = 0 where settlement_date = '2024-10-28' and miner_model = 'S9'"
    )
    twice, figures, told = nights.night(1, "--values", url=database.url)
    assert agrees(twice, figures)
    assert (figures["recon_daily_duplicate_rows"], figures["recon_daily_wrong_rows"]) == (1, 3)
    assert exact[0][0] == FIRST and twice["outcomes"]["2024-10-28"] == "partial", "its wrong values count"
    assert figures[LAST_SUCCESS] == good < figures[LAST_RUN]
    assert posted(twice, told, 0)

    database.add_curtailment(("2026-06-25", 1, "T_A-1", "-1"))
    blocked, figures, told = nights.night(4, "--today", "2026-06-25", url=database.url)
    assert agrees(blocked, figures)
    assert (figures["recon_daily_blocked_dates"], figures["recon_daily_missing_rows"]) == (1, 3)
    assert (figures["recon_difficulty_coverage_days"], figures[LAST_SUCCESS]) == (-1, good)
    assert posted(blocked, told, 1)

    failed, figures, told = nights.night(3, url=NOBODY)
    assert failed["error"]["code"] == "connect"
    assert told and "cannot connect" in told["text"]
    assert (figures["recon_daily_exit_code"], figures[LAST_SUCCESS]) == (3, good)
    assert not COUNTS.keys() & figures.keys(), "nobody knows"
    assert told and (told["error"], told["exit_code"], told["previous_exit_code"]) == (failed["error"], 3, None)

    database.execute("delete from curtailment_records where settlement_date = '2026-06-25'")
    _, figures, told = nights.night(0, "--days", "1", "--today", "2026-06-25", "--max-feed-age", 0, url=database.url)
    assert figures[LAST_SUCCESS] == figures[LAST_RUN]
    assert told and told["previous_exit_code"] == 4
    assert database.scalar("select count(*) from recon.runs") == 4, "the run, and the three nights that were posted"


def test_a_night_that_is_stopped_is_told_too(
    database: Database, start_recon: Start, run_recon: Run, messages: Inbox, tmp_path: Path
) -> None:
    """By a signal, in the middle of a wait for a lock; and by a server that says nothing any more."""
    fill(database, source_rows([FIRST], farms=1))
    nights = Nights(run_recon, messages, tmp_path / "recon.prom")
    database.execute("begin")
    database.execute("lock table curtailment_records in access exclusive mode")
    process = start_recon(*nights.options, url=database.url)
    observer = Database(database.server, "postgres", database.server.url)
    wait_until(lambda: observer.rows("select pid from pg_locks where not granted"), what="its wait")
    observer.disconnect()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    database.execute("rollback")
    assert process.returncode == 143
    start, end, hook = messages.taken()
    assert (start[0], end[0], hook[0]) == ("/check/start", "/check/143", "/hook")
    assert "terminated; what was committed is recorded" in end[2]
    assert metrics_in(nights.file)["recon_daily_exit_code"] == 143

    with proxy(database.server.port) as between:

        def stall(piece: bytes) -> bytes:
            between.stalled = True
            return piece

        between.when([rb"curtailment_records"], stall)
        limits = ("--statement-timeout", 0.3, "--connect-timeout", 0.5)
        silent = run_recon(*nights.options, *limits, url=between.url(database.name))
    assert silent.returncode == 3
    start, end, hook = messages.taken()
    assert (start[0], end[0], hook[0]) == ("/check/start", "/check/3", "/hook")
    assert "did not answer" in end[2]
    assert "did not answer" in json.loads(hook[2])["error"]["message"]
    figures = metrics_in(nights.file)
    assert figures["recon_daily_exit_code"] == 3
    assert figures["recon_daily_duration_seconds"] > 0.5


def test_a_message_that_is_not_taken_fails_nothing_and_is_told_the_next_night(
    database: Database, run_recon: Run, messages: Inbox, tmp_path: Path
) -> None:
    fill(database, source_rows([FIRST], farms=1))
    messages.answers = {f"/{CANARY}": 500}
    ping = ("--ping-url", f"http://127.0.0.1:{free_port()}/{CANARY}")
    hook = ("--webhook", f"{messages.url}/{CANARY}?key={CANARY}")
    arguments = ("daily", "--today", "2024-10-28", *ping, *hook, "-v", "--log-file", tmp_path / "log")
    done = run_recon(*arguments, url=database.url)
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 3, done.stderr
    assert warnings[0] == warnings[1]
    assert "the ping to http://127.0.0.1" in warnings[0] and warnings[0].endswith("failed: Connection refused")
    assert warnings[2] == f"WARNING: the webhook to {messages.url} failed: it answered 500"
    messages.answers = {}
    again = run_recon(*arguments, url=database.url)
    ((_, _, first), (_, _, second)) = messages.taken()
    assert [json.loads(body)["previous_exit_code"] for body in (first, second)] == [None, None]
    assert CANARY not in done.stdout + done.stderr + again.stdout + again.stderr + (tmp_path / "log").read_text()
    assert CANARY not in str(database.rows("select r::text from recon.runs r"))


def test_labels_tell_the_metrics_of_two_databases_apart(database: Database, run_recon: Run, tmp_path: Path) -> None:
    """Every metric has them, whatever the values are; a success of other labels is somebody else's."""
    fill(database, source_rows([FIRST], farms=1))
    file = tmp_path / "recon.prom"
    odd = 'a "b" \\ = {c}, \n d'

    def told(code: int, *options: object, url: str = database.url, cwd: Path | None = None) -> dict[str, dict]:
        done = run_recon("daily", "--today", "2024-10-28", *options, url=url, cwd=cwd)
        assert done.returncode == code, done.stderr
        families = text_string_to_metric_families(file.read_text())
        return {one.name: one.labels for family in families for one in family.samples}

    north = ("--metrics-file", file, "--metrics-label", "site=north", "--metrics-label", f"_odd={odd}")
    found = told(0, *north)
    assert len(found) > 10 and all(given == {"site": "north", "_odd": odd} for given in found.values())
    assert LAST_SUCCESS in told(3, *north, url=NOBODY)
    assert LAST_SUCCESS not in told(3, "--metrics-file", file, "--metrics-label", "site=south", url=NOBODY)

    (tmp_path / "recon.toml").write_text('metrics_file = "recon.prom"\nmetrics_label = ["site=west", "db=p"]\n')
    assert told(0, cwd=tmp_path)[LAST_RUN] == {"site": "west", "db": "p"}
    assert told(0, "--metrics-label", "site=east", cwd=tmp_path)[LAST_RUN] == {"site": "east"}
    shown = run_recon("config", "show", cwd=tmp_path).stdout
    assert re.search(r"^metrics_label +site=west, db=p +file ", shown, re.MULTILINE)


@pytest.mark.parametrize(
    "given", ["", "north", "site=", "=north", "__name__=x", "1=x", "a-b=x", "\u00e9=x", "a b=x", "site=\udc80"]
)
def test_what_can_be_no_label_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--metrics-label is "):
        labels([given])
    with pytest.raises(UsageError, match="gives site twice"):
        labels(["site=a", "db=b", "site=c"])


def test_a_label_that_cannot_be_is_one_line_before_any_work(run_recon: Run, tmp_path: Path) -> None:
    done = run_recon("daily", "--metrics-label", "site", url=NOBODY)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("recon: --metrics-label is 'site'; give NAME=VALUE, as site=north; ")
    for text in ('"site=north"', "[1]"):
        (tmp_path / "recon.toml").write_text(f"metrics_label = {text}\n")
        done = run_recon("daily", url=NOBODY, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert 'write texts in brackets, as ["site=north"]' in done.stderr


def test_nothing_waits_for_a_server_that_is_slow_to_answer(messages: Inbox) -> None:
    messages.silent_s = 2
    began = time.monotonic()
    assert post(f"{messages.url}/check", "", "text/plain", patience_s=0.2) == "no answer within 0.2 s"
    assert time.monotonic() - began < 1


def test_json_log_lines_are_all_there_is_on_stderr(
    run_recon: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And a metrics file that says nothing is replaced, where a link leads to it."""
    file, link = tmp_path / "there.prom", tmp_path / "link.prom"
    file.write_text("half a li")
    link.symlink_to(file)
    options = ("--ping-url", f"http://127.0.0.1:{free_port()}", "--metrics-file", link)
    done = run_recon("daily", "--log-format", "json", *options, url=NOBODY)
    assert (done.returncode, done.stdout) == (3, "")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["error", "warning", "warning", "error"]
    assert "cannot connect" in lines[0]["message"]
    call = Call("daily", Settings(log_format=LogFormat.JSON, profile=True))
    call.progress("3/9 dates")
    call.print_profile()
    progress, profile = map(json.loads, capsys.readouterr().err.splitlines())
    assert progress["message"] == "3/9 dates"
    assert (profile["level"], profile["message"], "profile" in profile) == ("info", "profile", True)
    assert link.is_symlink()
    assert LAST_SUCCESS not in metrics_in(file)
    assert metrics_in(file)["recon_daily_exit_code"] == 3


def test_what_cannot_be_told_is_refused_before_any_work(run_recon: Run, tmp_path: Path) -> None:
    done = run_recon("daily", "--ping-url", f"hc-ping.com/{CANARY}", url=NOBODY)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "recon: --ping-url is not an address; give https://host/path, without a user or password\n"
    odd = tmp_path / "recon.txt"
    done = run_recon("daily", "--metrics-file", odd, url=NOBODY)
    said = f"recon: the metrics file {odd} would not be read; node_exporter reads *.prom and nothing else\n"
    assert (done.returncode, done.stdout, done.stderr, odd.exists()) == (2, "", said, False)
    for place in (tmp_path / "nowhere" / "recon.prom", tmp_path):
        with pytest.raises(UsageError, match=f"the metrics file {place} cannot be written"):
            ready(place)


def test_a_bug_is_told_without_what_it_was_about(environment: dict[str, str], messages: Inbox, tmp_path: Path) -> None:
    file = tmp_path / "recon.prom"
    env = environment | {"RECON_DATABASE_URL": NOBODY}
    arguments = [sys.executable, "-c", BUG, "daily", "--metrics-file", file, "--ping-url", messages.url]
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, metrics_in(file)["recon_daily_exit_code"]) == (70, 70)
    assert "Traceback" in done.stderr
    _, (path, _, body) = messages.taken()
    assert path == "/70"
    assert "a bug: RuntimeError" in body and CANARY not in body


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://h/x",
        "https://",
        "https:///x",
        "https://u:c4n4ry@h/x",
        "http://[::1/x",
        "http://h:port/x",
        "http://h/ x",
    ],
)
def test_an_address_has_a_host_and_no_password(url: str) -> None:
    check("--webhook", "http://[::1]:8080/x?y=z")
    with pytest.raises(UsageError) as caught:
        check("--webhook", url)
    assert CANARY not in str(caught.value)


def test_without_its_package_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UsageError) as caught:
        ready(tmp_path / "recon.prom")
    assert str(caught.value).endswith(f"; {extras.install('metrics')}")


def test_every_metric_is_known_here() -> None:
    assert {metric.name: metric.field for metric in METRICS if metric.field} == COUNTS | ALWAYS
    assert {metric.name for metric in METRICS if not metric.field} == {LAST_RUN, LAST_SUCCESS, NEWEST}
