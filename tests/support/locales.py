"""Locales that a test's server is to have, made in a directory of their own: nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def german_locales(*encodings: str) -> Iterator[dict[str, str]]:
    """The German locales that could be made, by encoding; a program started meanwhile finds them and no others.

    Empty without localedef, or without the sources of locales (Debian: package locales).
    """
    before = os.environ.get("LOCPATH")
    directory = Path(tempfile.mkdtemp(prefix="recon-locale-"))
    directory.chmod(0o755)
    made = {encoding: f"de_DE.{encoding}" for encoding in encodings if _make(directory, encoding)}
    os.environ["LOCPATH"] = str(directory)
    try:
        yield made
    finally:
        os.environ.pop("LOCPATH") if before is None else os.environ.update(LOCPATH=before)
        shutil.rmtree(directory)


def _make(directory: Path, encoding: str) -> bool:
    if not shutil.which("localedef"):
        return False
    command = ["localedef", "-i", "de_DE", "-f", encoding, str(directory / f"de_DE.{encoding}")]
    return subprocess.run(command, capture_output=True).returncode == 0
