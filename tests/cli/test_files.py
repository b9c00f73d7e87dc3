"""What was asked for follows the umask; what recon keeps for itself is its user's alone, whatever that is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from recon.postgres.embedded import lifecycle
from tests.support.builders import DAY, fill, source_rows, write
from tests.support.databases import Database
from tests.support.forked import start_python
from tests.support.program import Run

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(directory: Path) -> dict[Path, str]:
    """Everything in a directory, itself included, that others than its owner may touch; sockets are not files."""
    found = {}
    for path in (directory, *directory.rglob("*")):
        with suppress(FileNotFoundError):  # the server that is being stopped takes some away
            if not path.is_socket() and mode(path) & OTHERS:
                found[path] = oct(mode(path))
    return found


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_what_was_asked_for_follows_the_umask(
    database: Database, environment: dict[str, str], tmp_path: Path, umask: int
) -> None:
    """Logs, proofs, metrics, reports, exports and samples are made for others, too, where their user wants that."""
    fill(database, source_rows([DAY]))
    place = tmp_path / "place"
    place.mkdir()
    os.umask(umask)
    commands = (
        f"daily --today {DAY} --log-file {place}/text.log --metrics-file {place}/recon.prom",
        f"status -v --log-file {place}/json.log --log-format json",
        f"verify --out {place}/proof.json",
        f"report --out {place}/report.html",
        f"export --out {place}/export",
        f"sample generate --out {place}/sample --days 1",
    )
    for command in commands:
        done = start_python(["recon", *command.split()], environment | {"RECON_DATABASE_URL": database.url}, tmp_path)
        assert done.wait(60) == 0, done.communicate()
    made = list(place.rglob("*"))
    assert {path.name for path in made} >= {"text.log", "json.log", "proof.json", "recon.prom", "report.html", "sample"}
    assert {mode(path) for path in made if path.is_dir()} == {0o777 & ~umask}
    assert {mode(path) for path in made if path.is_file()} == {0o666 & ~umask}


def test_what_its_user_has_opened_stays_open(database: Database, run_recon: Run, tmp_path: Path) -> None:
    for name in ("recon.log", "proof.json"):
        (tmp_path / name).write_text("{}\n")
        (tmp_path / name).chmod(0o640)
    options = ("--log-file", tmp_path / "recon.log", "--out", tmp_path / "proof.json")
    assert run_recon("verify", *options, url=database.url).returncode == 0
    assert "checksum" in (tmp_path / "proof.json").read_text()
    assert mode(tmp_path / "recon.log") == mode(tmp_path / "proof.json") == 0o640


def test_difficulties_and_the_directory_they_are_kept_in(run_recon: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "new.csv", "height,starts_at_utc,difficulty\n955584,2026-06-29T02:26:40Z,130000000000000")
    home = tmp_path / "home"
    assert run_recon("difficulty", "update", "--from", file, env={"RECON_HOME": str(home)}).returncode == 0
    assert (mode(home), mode(home / "difficulty.csv")) == (0o700, 0o600)


def test_the_embedded_servers_data(run_recon: Run, recon_home: Path) -> None:
    """For root the server is another user, who has to be able to pass through."""
    home = recon_home / "within"
    try:
        assert run_recon("demo", "-q", env={"RECON_HOME": str(home)}).returncode == 0
        assert mode(home / "server") == 0o700
        assert mode(home) == (0o711 if os.geteuid() == 0 else 0o700)
        assert {path for path in open_to_others(home) if path != home} == set()
    finally:
        lifecycle.reset(home)
