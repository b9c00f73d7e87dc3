"""Where the embedded server's data are, and PostgreSQL's own programs run on them."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from recon.core.errors import DatabaseError, UsageError
from recon.postgres.embedded import programs as embedded_programs
from recon.postgres.embedded.programs import MAJOR, User

__all__ = ["FOR_ROOT", "MAJOR", "PORT", "Server", "failure", "find", "location", "programs"]

if sys.platform == "win32":
    raise UsageError("the embedded server needs Linux or macOS", "name another with --database-url")

PORT = "5432"
SOCKET_DIRECTORY_BYTES = 85
"""The kernel takes socket paths below 104 bytes, and the server adds /.s.PGSQL.5432."""
FOR_ROOT = Path("/var/lib/recon")
"""PostgreSQL refuses to run as root, and the user it runs as instead cannot enter directories such as /root."""
USERS_FOR_ROOT = ("pgserver", "postgres", "nobody")


@dataclass(frozen=True)
class Server:
    """One server: its directory, PostgreSQL's programs, and the OS user it runs as."""

    base: Path
    programs: Path
    user: User

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "server"

    @property
    def socket(self) -> Path:
        """The directory of its Unix socket: beside the data, or a temporary one where that path is long or odd."""
        beside = self.base / "socket"
        if len(os.fsencode(beside)) <= SOCKET_DIRECTORY_BYTES and re.fullmatch(r"[A-Za-z0-9_./-]+", str(beside)):
            return beside
        digest = hashlib.sha256(os.fsencode(self.base)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"recon-{self.user.uid}-{digest}"

    @property
    def url(self) -> str:
        """A URL that libpq and ConnectorX both take, and that no PG* variable changes."""
        return f"postgresql://postgres@{quote(str(self.socket), safe='')}:{PORT}/postgres"

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of PostgreSQL's programs, as the server's user and without the caller's PG* variables."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
        return subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.base,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **self.user.options,
        )

    def own(self, directory: Path) -> None:
        """Makes a directory that only the server's user may enter; DatabaseError when it belongs to another user."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and directory.lstat().st_uid == 0:
            os.chown(directory, self.user.uid, self.user.gid, follow_symlinks=False)
        if directory.is_symlink() or directory.stat().st_uid != self.user.uid:
            raise failure(f"{directory} belongs to somebody else")
        directory.chmod(0o700)


def failure(what: str) -> DatabaseError:
    """The error of an embedded server."""
    return DatabaseError(f"the embedded server: {what}", "'recon demo --reset' starts over", code="embedded")


def find(home: Path) -> Server:
    """The server of `home`, made or not; UsageError when its package is not installed."""
    base = location(home)
    _make(base)
    user = _user(base / "server")
    return Server(base, programs(home, user), user)


def location(home: Path) -> Path:
    """The directory that holds the data: `home` itself, but for root another one where `home` is open to root only."""
    if os.geteuid() != 0:
        return home
    _make(home)
    return home if _open_to_all(home) else FOR_ROOT / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def programs(home: Path, user: User | None = None) -> Path:
    """The directory of PostgreSQL's programs; a copy, below `home` or root's directory, where they do not run as they
    lie: open to root only, or without a right to be run.
    """
    keep = FOR_ROOT if os.geteuid() == 0 else home
    _make(keep)
    return embedded_programs.programs(user or _user(), keep)


def _user(data: Path | None = None) -> User:
    """The owner of the data; without data the current user, or for root one of USERS_FOR_ROOT."""
    if os.geteuid() != 0:
        return User(os.getuid(), os.getgid())
    known = {user.pw_name: user for user in pwd.getpwall()}
    if data is not None and data.exists():
        owner = data.stat().st_uid
        return next((User(owner, user.pw_gid) for user in known.values() if user.pw_uid == owner), User(owner, owner))
    for name in USERS_FOR_ROOT:
        if name in known:
            return User(known[name].pw_uid, known[name].pw_gid)
    raise failure(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS_FOR_ROOT)}")


def _open_to_all(directory: Path) -> bool:
    """Whether every OS user may enter it."""
    path = directory.resolve()
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def _make(directory: Path) -> None:
    """A directory of the user's own; one of root's the server's user can enter, since its own one lies within."""
    if not directory.exists():
        _make(directory.parent)
        directory.mkdir()
        directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
