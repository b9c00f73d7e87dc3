"""The difficulties of a file, whole: the packaged file's, or one that a user gave."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from recon.reference.data_files import packaged, text_of
from recon.reference.difficulty.epochs import Epoch
from recon.reference.difficulty.files import read
from recon.reference.difficulty.merge import settled
from recon.reference.difficulty.rules import refuse


def read_known(path: Path, today: date | None = None) -> tuple[Epoch, ...]:
    """The epochs of a file of difficulties; DataFileError when it cannot be right."""
    source = refuse(read(text_of(path), str(path)), str(path), today)
    return settled(source.epochs, read_known(packaged("difficulty.csv"))) if source.daily else source.epochs
