"""Files of reference data: where they are, and their text."""

from __future__ import annotations

from pathlib import Path

from recon.core.errors import DataFileError

BESIDE_THE_CODE = Path(__file__).parents[1] / "data"
IN_THE_REPOSITORY = Path(__file__).parents[2] / "data"
USERS_DIFFICULTY = "difficulty.csv"


def packaged(name: str) -> Path:
    """A file of `data/`, which travels inside an installed package."""
    return (BESIDE_THE_CODE if BESIDE_THE_CODE.is_dir() else IN_THE_REPOSITORY) / name


def text_of(path: Path) -> str:
    """The text of a data file; DataFileError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataFileError(f"{path} cannot be read: {reason}", "give a CSV file") from None
