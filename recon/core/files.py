"""Files of the user's that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recon.core.errors import UsageError

HALF_WRITTEN = ".recon-"
"""What directories of files that are being written begin with; one that a killed process left can be deleted."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what takes the file's place when the block has ended without an error: all of it or nothing, also
    when the power fails. OSError when it cannot be written.

    A link keeps pointing to it, what is no file stays what it is, and a file that was there keeps its mode.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise FileExistsError(0, "it is not a file")
    with tempfile.TemporaryDirectory(prefix=HALF_WRITTEN, dir=target.parent) as folder:
        part = Path(folder, "part")  # without a suffix, by which others might find it
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        if target.exists():
            part.chmod(target.stat().st_mode)
        part.replace(target)


def replace_text(path: Path, text: str, *, private: bool = False) -> None:
    """All of the text takes the file's place, or nothing does; as `replacing`. private: a new file is its user's alone,
    whatever the umask.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")
        if private:
            part.chmod(0o600)


def write_out(path: Path, text: str) -> None:
    """What `--out` asks for: the whole file or none of it; UsageError where it cannot be written."""
    try:
        replace_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "name another file with --out") from None
