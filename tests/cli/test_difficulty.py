"""`recon difficulty` through the real program, and downloads from a real HTTP server."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recon.cli.app import main
from recon.core.errors import ExitCode
from recon.core.wording import counted
from recon.reference import download
from recon.reference.data_files import packaged
from recon.reference.difficulty.known import read_known
from recon.reference.download import LARGEST_BYTES, DownloadError, fetch
from tests.support.builders import later_epochs, write
from tests.support.program import Run
from tests.support.servers import free_port

KNOWN = read_known(packaged("difficulty.csv"))
NEXT_START = "2026-06-28"
"""The day of an epoch after the last known one, 124932866006548 from 2026-06-14."""
MOVED = {"/moved": "/new", "/circle": "/circle", "/elsewhere": "file:///etc/passwd"}
NEW = [[1782700000, 955584, "130,000,000,000,000.5", 1.04], [1781400000, 953568, 124932866006548.3, 0.9]]


class Answers(BaseHTTPRequestHandler):
    """What the tests ask for, by path."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(2)
        if self.path == "/drip":
            return self.drip()
        if self.path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[self.path])
            self.end_headers()
            return None
        bodies = {
            "/new": json.dumps(NEW).encode(),
            "/packed": gzip.compress(json.dumps(NEW).encode()),
            "/broken": b"[[1782700000, 955584",
            "/large": b"x" * 3_000_000,
            "/bomb": gzip.compress(b"x" * 3_000_000),
            "/half": gzip.compress(json.dumps(NEW).encode())[:20],
            "/bytes": b"\xff\xfe\x00",
            "/cut": b"[[1782700000, ",
            "/page": b"<!doctype html><title>Too many requests</title>",
            "/empty": b"",
            "/worse": json.dumps([[1782700000, 955584, 500, 1.04]]).encode(),
            "/vast": b"x" * (LARGEST_BYTES + 1),
        }
        body = bodies.get(self.path, b"nothing here")
        self.send_response(200 if self.path in bodies else 404)
        if self.path in ("/packed", "/bomb", "/half"):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body) + (100 if self.path == "/cut" else 0)))
        self.end_headers()
        with suppress(OSError):  # whoever has heard enough hangs up
            self.wfile.write(body)
        return None

    def drip(self) -> None:
        """A few bytes now and then, for ever."""
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"[")
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


class Done(NamedTuple):
    """What the program said, and its exit code."""

    code: int
    out: str
    err: str


Program = Callable[..., Done]


@pytest.fixture
def recon(recon_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """The program in this very process, which is quicker; no database is needed here."""
    monkeypatch.setenv("RECON_HOME", str(recon_home))

    def run(*arguments: object) -> Done:
        code = main([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return run


def csv_of(epochs: list[Any], header: str = "height,starts_at_utc,difficulty") -> str:
    """Epochs as recon writes them."""
    lines = [f"{e.height},{e.starts:%Y-%m-%dT%H:%M:%SZ},{e.difficulty:f}" for e in epochs]
    return "\n".join([header, *lines])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_redirect_is_followed_and_gzip_is_undone(address: str) -> None:
    assert json.loads(fetch(f"{address}/moved")) == json.loads(fetch(f"{address}/packed")) == NEW


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nowhere", "404"),
        ("/slow", "did not answer within 0.1 s"),
        ("/circle", "answered 302"),
        ("/elsewhere", "answered 302"),
        ("/cut", "failed: IncompleteRead"),
        ("/large", "more than"),
        ("/bomb", "more than"),
        ("/half", "broken gzip"),
        ("/bytes", "does not send text"),
    ],
)
def test_a_failed_download_says_why(address: str, path: str, said: str) -> None:
    with pytest.raises(DownloadError, match=said) as error:
        fetch(f"{address}{path}", timeout_s=0.1 if path == "/slow" else 5, largest=2**21)
    assert error.value.exit_code is ExitCode.DATABASE
    assert "\n" not in str(error.value)


def test_an_answer_that_never_ends_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of it comes in time."""
    monkeypatch.setattr(download, "PATIENCE", 0.1)
    with pytest.raises(DownloadError, match="sends its answer too slowly"):
        fetch(f"{address}/drip", timeout_s=3)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(DownloadError) as error:
        fetch("http://ana:s3cret@127.0.0.1:1/x", timeout_s=0.5)
    assert "s3cret" not in str(error.value)


def test_a_date_has_a_difficulty_an_epoch_and_a_source(run_recon: Run) -> None:
    done = run_recon("difficulty", "show", "--date", "2024-04-20", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["difficulty"] == "86388558925171"
    assert found["epoch"]["height"] == 838656
    assert found["coverage"] == {"first": "2017-01-11", "known_through": "2026-06-24"}


def test_a_date_that_is_not_covered_is_exit_4(run_recon: Run) -> None:
    done = run_recon("difficulty", "show", "--date", "2030-01-01")
    assert done.returncode == 4
    assert "recon difficulty update" in done.stdout


def test_an_update_from_an_address_wins_over_the_packaged_file(run_recon: Run, address: str, recon_home: Path) -> None:
    assert run_recon("difficulty", "update", "--from", f"{address}/moved").returncode == 0
    assert (recon_home / "difficulty.csv").read_text().startswith("# known_through: 2026-07-09\n")
    found = json.loads(run_recon("difficulty", "show", "--date", "2026-07-05", "--json").stdout)
    assert found["difficulty"] == "130000000000000.5"
    again = run_recon("difficulty", "update", "--from", f"{address}/new", "--json")
    assert json.loads(again.stdout)["added"] == 0


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/nowhere", 3, "answered 404 Not Found"),
        ("/slow", 3, "did not answer within 0.5 s"),
        ("/vast", 3, "sends more than 20 MiB"),
        ("/bomb", 2, "cannot be read: field larger"),
        ("/half", 3, "broken gzip"),
        ("/circle", 3, "answered 302"),
        ("/broken", 2, "line 1: broken JSON"),
        ("/page", 2, "/page is a web page (HTML or XML), not the data"),
        ("/empty", 2, "/empty has no columns of that kind: nothing"),
        ("/worse", 2, "entry 1: the difficulty of 2026-06-29 changes by a factor of 4.00e-12"),
    ],
)
def test_a_failed_update_changes_nothing(
    recon: Program, address: str, recon_home: Path, path: str, code: int, said: str
) -> None:
    kept = write(recon_home / "difficulty.csv", csv_of(KNOWN[-2:])).read_bytes()
    done = recon("difficulty", "update", "--connect-timeout", "0.5", "--from", f"{address}{path}")
    assert (done.code, done.out) == (code, "")
    assert len(done.err.splitlines()) == 1
    assert said in done.err
    assert (recon_home / "difficulty.csv").read_bytes() == kept
    assert [file.name for file in recon_home.iterdir()] == ["difficulty.csv"]


def test_what_an_address_holds_can_be_checked_before_it_is_taken(
    recon: Program, address: str, recon_home: Path
) -> None:
    done = recon("difficulty", "check", f"{address}/new")
    assert (done.code, done.out) == (0, "2 epochs through 2026-07-09, 0 troubles\n")
    assert list(recon_home.iterdir()) == []


def test_nobody_there_is_exit_3_and_no_password_is_shown(recon: Program, recon_home: Path) -> None:
    done = recon("difficulty", "update", "--from", f"http://ana:s3cret@127.0.0.1:{free_port()}/x")
    assert done.code == 3
    assert "s3cret" not in done.err
    assert list(recon_home.iterdir()) == []


def test_a_contradiction_is_refused_with_its_line_unless_forced(recon: Program, recon_home: Path) -> None:
    file = recon_home / "other.csv"
    file.write_text("height,starts_at_utc,difficulty\n838656,2024-04-10T21:17:33Z,86388558925171\n953568,,5\n")
    assert recon("difficulty", "update", "--from", file).code == 2
    file.write_text("height,starts_at_utc,difficulty\n953568,2026-06-14T00:36:42Z,124942866006548\n")
    refused = recon("difficulty", "update", "--from", file)
    assert refused.code == 2
    assert "line 2" in refused.err
    assert "--force" in refused.err
    assert not (recon_home / "difficulty.csv").exists()
    assert recon("difficulty", "update", "--from", file, "--force").code == 0
    found = json.loads(recon("difficulty", "show", "--date", "2026-06-20", "--json").out)
    assert found["difficulty"] == "124942866006548"


def test_a_file_is_checked_line_by_line(recon: Program, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("date,difficulty\n2008-01-01,100\n2012-01-30,101\n2012-02-10,900\n")
    done = recon("difficulty", "check", file, "--json")
    assert done.code == 1
    assert [trouble["place"] for trouble in json.loads(done.out)["troubles"]] == ["line 2", "line 4"]
    file.write_text("nonsense")
    assert recon("difficulty", "check", file).code == 2


NEXT = 130_000_000_000_000.5
UNIX = int(datetime(2026, 6, 28, tzinfo=UTC).timestamp())
FORMS = {
    "epochs as CSV": f"height,starts_at_utc,difficulty\n955584,{NEXT_START}T00:00:00Z,130000000000000.5\n",
    "dates as CSV": f'date,difficulty\n{NEXT_START},"130,000,000,000,000.5"\n',
    "with a byte order mark": f"\ufeffDate, Difficulty\r\n{NEXT_START}, 130000000000000.5\r\n",
    "public JSON": json.dumps([[UNIX, 955584, NEXT, 1.04], [1781397402, 953568, 124932866006548, 0.9]]),
    "JSON of text": json.dumps([[str(UNIX), "955584", "130,000,000,000,000.5", ""]]),
    "objects": json.dumps([{"time": UNIX, "height": 955584, "difficulty": "130000000000000.5"}]),
    "dates as JSON": json.dumps({NEXT_START: "130,000,000,000,000.5"}),
    "JSON with a byte order mark": "\ufeff" + json.dumps({NEXT_START: NEXT}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_taken_in_and_wins_over_the_packaged_file(
    recon: Program, recon_home: Path, tmp_path: Path, form: str
) -> None:
    file = tmp_path / "new"
    file.write_bytes(FORMS[form].encode())
    done = recon("difficulty", "update", "--from", file)
    assert (done.code, done.err) == (0, "")
    assert done.out == (f"1 epoch added; difficulty is known through 2026-07-08 ({recon_home / 'difficulty.csv'})\n")
    shown = json.loads(recon("difficulty", "show", "--date", "2026-07-01", "--json").out)
    assert (shown["difficulty"], shown["source"]) == ("130000000000000.5", str(recon_home / "difficulty.csv"))
    is_dated = form in ("dates as CSV", "with a byte order mark", "dates as JSON", "JSON with a byte order mark")
    in_force = "2026-06-29T00:00:00Z" if is_dated else "2026-06-28T00:00:00Z"
    assert shown["epoch"]["starts_at_utc"] == in_force, "of a date, only its end is sure"
    eve = json.loads(recon("difficulty", "show", "--date", NEXT_START, "--json").out)["difficulty"]
    assert eve == ("124932866006548" if in_force[:10] > NEXT_START else "130000000000000.5")
    assert shown["coverage"] == {"first": "2017-01-11", "known_through": "2026-07-08"}
    earlier = json.loads(recon("difficulty", "show", "--date", "2024-04-20", "--json").out)
    assert earlier["difficulty"] == "86388558925171"
    assert [file.name for file in recon_home.iterdir()] == ["difficulty.csv"]
    other = recon("difficulty", "show", "--difficulty", packaged("difficulty.csv"), "--date", "2026-07-01")
    assert other.code == 4


def test_the_last_difficulty_of_a_live_list_holds_through_today(
    recon: Program, recon_home: Path, tmp_path: Path
) -> None:
    """Without --live for 10 of the 14 days of an epoch; of a list that has been left behind not even with it."""
    file, now = tmp_path / "new.json", datetime.now(UTC)
    file.write_text(json.dumps(later_epochs(now - timedelta(days=12))))
    assert recon("difficulty", "update", "--from", file).code == 0
    assert recon("difficulty", "show", "--date", now.date()).code == 4
    done = recon("difficulty", "update", "--live", "--from", file)
    assert (done.code, done.out.startswith("0 epochs added; difficulty is known through ")) == (0, True)
    latest = json.loads(file.read_text())[0][2]
    assert recon("difficulty", "show", "--date", now.date()).out.startswith(f"{now.date()}: {latest}\n")
    assert recon("difficulty", "show", "--date", now.date() + timedelta(days=2)).code == 4
    (recon_home / "difficulty.csv").unlink()
    file.write_text(json.dumps(later_epochs(now - timedelta(days=22))))
    left = recon("difficulty", "update", "--live", "--from", file)
    assert (left.code, "the last difficulty is said to stay for 22 days" in left.err) == (2, True)


def test_show_is_for_people_too(recon: Program) -> None:
    assert recon("difficulty", "show").out.splitlines() == [
        "2026-06-24: 124932866006548",
        "  epoch     from 2026-06-14T00:36:42Z, block 953568",
        "  coverage  2017-01-11 to 2026-06-24",
        "  source    difficulty.csv",
    ]
    assert recon("difficulty", "show", "--date", "2017-01-10").code == 4
    wrong = recon("difficulty", "show", "--date", "2026-02-30")
    assert (wrong.code, len(wrong.err.splitlines())) == (2, 1)


def test_an_update_needs_a_source_and_says_which_there_are(recon: Program) -> None:
    done = recon("difficulty", "update")
    assert done.code == 2
    assert "--from FILE" in done.err
    assert "mempool.space/api/v1/mining/difficulty-adjustments" in done.err


@pytest.mark.parametrize(("parts_per_billion", "code"), [(0, 0), (999, 0), (-999, 0), (1001, 2), (-1001, 2)])
@pytest.mark.parametrize("place", ["line 3", "entry 2"])
def test_a_millionth_is_where_a_contradiction_begins(
    recon: Program, recon_home: Path, tmp_path: Path, parts_per_billion: int, code: int, place: str
) -> None:
    said = [(e, e.difficulty * (1 + Decimal(parts_per_billion * (e is KNOWN[100])) / 10**9)) for e in KNOWN[99:102]]
    lines = [f"{e.height},{e.starts:%Y-%m-%dT%H:%M:%SZ},{number:.4f}" for e, number in said]
    listed = [[int(e.starts.timestamp()), e.height, f"{number:,.4f}", 1] for e, number in said]
    text = "\n".join(["height,starts_at_utc,difficulty", *lines]) if place[0] == "l" else json.dumps(listed)
    file = write(tmp_path / "said", text)
    done = recon("difficulty", "update", "--from", file)
    assert done.code == code
    if code:
        number = f"{said[1][1]:.4f}"
        reason = f"{number}0000 on {KNOWN[100].starts:%Y-%m-%d}, where {KNOWN[100].difficulty:.0f} is known"
        hint = "look at it with 'recon difficulty check', or take its word with --force"
        assert done.err == f"recon: {file}, {place}: {reason}; {hint}\n"
        assert list(recon_home.iterdir()) == []
        assert recon("difficulty", "check", file).code == 1
        forced = recon("difficulty", "update", "--from", file, "--force")
        assert (forced.code, forced.out.partition(";")[0]) == (0, "0 epochs added, 1 changed")
        day = f"{KNOWN[100].starts:%Y-%m-%d}"
        later = datetime.fromisoformat(day).toordinal() + 2
        shown = recon("difficulty", "show", "--date", datetime.fromordinal(later).date(), "--json")
        assert Decimal(json.loads(shown.out)["difficulty"]) == Decimal(number)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("2012-01-01,100 2012-01-15,401", ["line 3: the difficulty of 2012-01-15 changes by a factor of 4.01"]),
        ("2012-01-01,401 2012-01-15,100", ["line 3: the difficulty of 2012-01-15 changes by a factor of 0.249"]),
        (
            "2012-01-01,100 2012-01-15,90 2012-01-10,95",
            ["line 4: 2012-01-10 00:00 UTC comes after 2012-01-15 00:00 UTC, out of order"],
        ),
        ("2012-01-01,100 2012-01-15,400", []),
        ("2012-01-21,100 2012-01-01,101", []),
        ("2012-01-01,100 2012-01-22,101", []),
        ("2017-01-11,5", ["line 2: 5.00000000 on 2017-01-11, where"]),
        ("2100-01-01,5", ["line 2: 2100-01-01 has not come yet"]),
        ("2008-12-31,5", ["line 2: 2008-12-31 is before Bitcoin's first block"]),
    ],
)
def test_a_file_that_cannot_be_right_is_told_and_not_taken(
    recon: Program, recon_home: Path, tmp_path: Path, lines: str, found: list[str]
) -> None:
    file = write(tmp_path / "x.csv", "\n".join(["starts_on,difficulty", *lines.split()]))
    done = recon("difficulty", "check", file)
    assert done.code == (1 if found else 0)
    *lines_said, last = done.out.splitlines()
    troubles = [line for line in lines_said if " line " in line]
    assert [line[: len(f"{file}, {said}")] for line, said in zip(troubles, found, strict=True)] == [
        f"{file}, {said}" for said in found
    ]
    assert last.endswith(f", {counted(len(found), 'trouble')}")
    taken = recon("difficulty", "update", "--from", file)
    assert taken.code == (2 if found else 0)
    assert found == [] or found[0] in taken.err
    assert (recon_home / "difficulty.csv").exists() is (not found)


@pytest.mark.parametrize("number", ["-5", "0", "NaN", "Infinity", "x", "", "1e30"])
def test_what_is_no_difficulty_is_named_with_its_line(recon: Program, tmp_path: Path, number: str) -> None:
    file = write(tmp_path / "x.csv", f"date,difficulty\n2030-01-01,100\n2030-01-15,{number}")
    for command in (["check", file], ["update", "--from", file], ["update", "--force", "--from", file]):
        done = recon("difficulty", *command)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert f"{file}, line 3: " in done.err


def test_a_disk_that_fails_leaves_the_old_file_whole(
    recon: Program, recon_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = write(recon_home / "difficulty.csv", csv_of(KNOWN[-2:])).read_bytes()
    file = write(tmp_path / "new.csv", FORMS["epochs as CSV"])

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        done = recon("difficulty", "update", "--from", file)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "No space left on device" in done.err
    assert (recon_home / "difficulty.csv").read_bytes() == kept
    assert [file.name for file in recon_home.iterdir()] == ["difficulty.csv"]
    assert recon("difficulty", "update", "--from", file).code == 0
    monkeypatch.setenv("RECON_HOME", str(file))
    assert recon("difficulty", "update", "--from", file).code == 2
