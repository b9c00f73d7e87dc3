"""`recon difficulty` through the real program, and downloads from a real HTTP server."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from recon.download import DownloadError, fetch
from recon.errors import ExitCode

Run = Callable[..., "CompletedProcess[str]"]
NEW = [[1782700000, 955584, "130,000,000,000,000.5", 1.04], [1781400000, 953568, 124932866006548.3, 0.9]]


class Answers(BaseHTTPRequestHandler):
    """What the tests ask for, by path."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/new")
            self.end_headers()
            return
        bodies = {
            "/new": json.dumps(NEW).encode(),
            "/packed": gzip.compress(json.dumps(NEW).encode()),
            "/broken": b"[[1782700000, 955584",
            "/large": b"x" * 3_000_000,
            "/bomb": gzip.compress(b"x" * 3_000_000),
            "/half": gzip.compress(json.dumps(NEW).encode())[:20],
            "/bytes": b"\xff\xfe\x00",
        }
        body = bodies.get(self.path, b"nothing here")
        self.send_response(200 if self.path in bodies else 404)
        if self.path in ("/packed", "/bomb", "/half"):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_redirect_is_followed_and_gzip_is_undone(address: str) -> None:
    assert json.loads(fetch(f"{address}/moved")) == json.loads(fetch(f"{address}/packed")) == NEW


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nowhere", "404"),
        ("/slow", "did not answer within 0.5 s"),
        ("/large", "more than"),
        ("/bomb", "more than"),
        ("/half", "broken gzip"),
        ("/bytes", "does not send text"),
    ],
)
def test_a_failed_download_says_why(address: str, path: str, said: str) -> None:
    with pytest.raises(DownloadError, match=said) as error:
        fetch(f"{address}{path}", timeout_s=0.5, largest=2**21)
    assert error.value.exit_code is ExitCode.DATABASE


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


@pytest.mark.parametrize(("path", "code"), [("/nowhere", 3), ("/broken", 2)])
def test_a_failed_update_changes_nothing(run_recon: Run, address: str, recon_home: Path, path: str, code: int) -> None:
    done = run_recon("difficulty", "update", "--from", f"{address}{path}")
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert not (recon_home / "difficulty.csv").exists()


def test_a_contradiction_is_refused_with_its_line_unless_forced(run_recon: Run, recon_home: Path) -> None:
    file = recon_home / "other.csv"
    file.write_text("height,starts_at_utc,difficulty\n838656,2024-04-10T21:17:33Z,86388558925171\n953568,,5\n")
    assert run_recon("difficulty", "update", "--from", file).returncode == 2
    file.write_text("height,starts_at_utc,difficulty\n953568,2026-06-14T00:36:42Z,124942866006548\n")
    refused = run_recon("difficulty", "update", "--from", file)
    assert refused.returncode == 2
    assert "line 2" in refused.stderr
    assert "--force" in refused.stderr
    assert not (recon_home / "difficulty.csv").exists()
    assert run_recon("difficulty", "update", "--from", file, "--force").returncode == 0
    found = json.loads(run_recon("difficulty", "show", "--date", "2026-06-20", "--json").stdout)
    assert found["difficulty"] == "124942866006548"


def test_a_file_is_checked_line_by_line(run_recon: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("date,difficulty\n2030-01-01,100\n2030-01-30,101\n2030-02-10,900\n")
    done = run_recon("difficulty", "check", file, "--json")
    assert done.returncode == 1
    assert [trouble["place"] for trouble in json.loads(done.stdout)["troubles"]] == ["line 2", "line 4"]
    file.write_text("nonsense")
    assert run_recon("difficulty", "check", file).returncode == 2
