"""Logs and data are their user's alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from recon import embedded
from tests.builders import DAY, fill, source_rows, write
from tests.databases import Database

Run = Callable[..., Any]
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


def test_logs_proofs_and_samples_are_their_users_alone(database: Database, run_recon: Run, tmp_path: Path) -> None:
    fill(database, source_rows([DAY]))
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    run_recon("fix", "--log-file", place / "text.log", url=database.url)
    run_recon("status", "-v", "--log-file", place / "json.log", "--log-format", "json", url=database.url)
    run_recon("verify", "--out", place / "proof.json", url=database.url)
    assert run_recon("sample", "generate", "--out", place / "sample", "--days", 1).returncode == 0
    assert {path.name for path in place.iterdir()} == {"text.log", "json.log", "proof.json", "sample"}
    assert open_to_others(place) == {}
    assert mode(place / "text.log") == mode(place / "proof.json") == 0o600
    assert mode(place / "sample") == 0o700


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
        assert run_recon("-d", "embedded", "runs", env={"RECON_HOME": str(home)}).returncode == 0
        assert mode(home / "server") == 0o700
        assert mode(home) == (0o711 if os.geteuid() == 0 else 0o700)
        assert {path for path in open_to_others(home) if path != home} == set()
    finally:
        embedded.reset(home)
