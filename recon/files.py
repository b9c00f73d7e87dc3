"""Files of the user's that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """All of the file or none of it, also when the power fails; OSError when it cannot be written.

    A link keeps pointing to it, what is no file stays what it is, and a file that was there keeps its mode.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise FileExistsError(0, "it is not a file")
    with tempfile.TemporaryDirectory(prefix=".recon-", dir=target.parent) as folder:
        part = Path(folder, target.name)
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            part.chmod(target.stat().st_mode)
        part.replace(target)
