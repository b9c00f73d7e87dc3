"""Progress where there is no terminal: one line now and then with dates, rows, rows/s, time left and retries."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from time import sleep
from types import SimpleNamespace

import pytest

from recon.cli.call import Call
from recon.cli.show import progress
from recon.core.errors import DatabaseError
from recon.core.plan import DateResult, PlannedDate
from recon.core.settings import Settings
from tests.support.builders import DAY, days
from tests.support.servers import wait_until

LINE = re.compile(r"(\d+)/(\d+) dates, ([\d,]+) rows, [\d,]+ rows/s(?:, about ([\d,]+) s left)?(?:, (\d+ retr\w+))?")


def lines(captured: str) -> list[tuple[str | None, ...]]:
    found = [LINE.fullmatch(line) for line in captured.splitlines()]
    assert all(found), captured
    return [match.groups() for match in found if match]


def written(day: date, rows: int) -> DateResult:
    return DateResult(day, "done", rows, inserted=rows, attempts=1)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """A command that speaks at every step."""
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0)
    return Call("fix", Settings(home=Path("nowhere")))


def test_a_line_has_dates_rows_and_the_time_left(
    call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    with call.watching() as watcher:
        watcher.planned("7f3a", [PlannedDate(day, 1500, 1500) for day in days(DAY, 4)])
        for day in days(DAY, 4):
            now += 10
            watcher.finished(written(day, 1500))
    shown = lines(capsys.readouterr().err)
    assert [line[0] for line in shown] == ["1", "2", "3", "4"]
    assert [line[2] for line in shown] == ["1,500", "3,000", "4,500", "6,000"]
    assert [line[3] for line in shown] == ["30", "20", "10", "0"]


def test_retries_are_counted(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    with call.watching() as watcher:
        watcher.planned("7f3a", [PlannedDate(DAY, 9, 9)])
        watcher.retrying([DAY], DatabaseError("deadlock detected"))
        watcher.retrying([DAY], DatabaseError("deadlock detected"))
        watcher.finished(written(DAY, 9))
    assert [line[4] for line in lines(capsys.readouterr().err)] == ["1 retry", "2 retries", "2 retries"]


def test_rows_of_a_date_in_work_are_not_counted_twice(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    with call.watching() as watcher:
        watcher.planned("7f3a", [PlannedDate(DAY, 9, 9)])
        watcher.wrote(DAY, 3)
        watcher.wrote(DAY, 6)
        watcher.finished(written(DAY, 9))
    shown = lines(capsys.readouterr().err)
    assert [(line[0], line[2]) for line in shown] == [("0", "3"), ("0", "9"), ("1", "9")]


def heard(capsys: pytest.CaptureFixture[str]) -> str:
    """What is said every hundredth of a second: the second line from now on, as the first may be of before."""
    capsys.readouterr()
    said = [""]

    def enough() -> bool:
        said[0] += capsys.readouterr().err
        return said[0].lstrip("\n").count("\n") > 1

    wait_until(enough, what="a line every now and then")
    return said[0].lstrip("\n").splitlines()[1]


def test_comparing_says_how_far_how_fast_and_how_long_still_or_how_long_it_has_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.01)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    with Call("fix", Settings()).comparing("indexing") as compared:
        now += 5
        said = [heard(capsys)]
        for seconds, more, total in ((5, 300, 1200), (10, 900, 1200), (10, 10, 1200)):
            now += seconds
            compared(more, total)
            said.append(heard(capsys))
    assert said == [
        "indexing, 5 s so far",
        "300/1,200 dates compared, 30 dates/s, about 30 s left",
        "1,200/1,200 dates compared, 60 dates/s, about 0 s left",
        "10/1,200 dates compared, 10,000 dates/s, about 0 s left",
    ]
    capsys.readouterr()
    sleep(0.05)
    assert capsys.readouterr().err == "", "what is over says nothing"


def test_nothing_is_said_when_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0)
    with Call("fix", Settings(quiet=True)).watching() as watcher:
        with watcher.comparing():
            sleep(0.02)
        watcher.planned("7f3a", [PlannedDate(DAY, 9, 9)])
        watcher.finished(written(DAY, 9))
    assert capsys.readouterr().err == ""
