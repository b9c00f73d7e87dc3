"""How work travels to another machine and back: dates and plain settings out, results as plain rows back.

Never a frame, never a password. What a worker can know for itself it finds out for itself: its database URL (from its
own environment) and its difficulty; that the reference data agree is told by their checksum.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from recon.core.environment import default_home, find_database_url
from recon.core.errors import UsageError
from recon.core.settings import Settings
from recon.reference import reference
from recon.reference.reference import Reference

NOT_SENT = {"database_url", "home", "log_file", "miners_file", "subsidy_file"}


def packed(what: Any, *, settings: Settings, send_url: bool = False) -> bytes:
    """Something to do, for a worker to `unpack`; TypeError when there is a frame in it.

    send_url: the worker is to use our database URL, password included, instead of its own.
    """
    return _written(what, _Outwards, settings.database_url if send_url else None, settings.difficulty_file)


def packed_results(results: Any) -> bytes:
    """What came of it, its frames as rows."""
    return _written(results, _Homewards)


def unpack(data: bytes) -> Any:
    """What was packed, with what is this machine's own. UsageError when this machine has not what it takes."""
    return pickle.loads(data)  # noqa: S301 the cluster runs what its clients send in any case


def _written(what: Any, pickler: Any, *more: Any) -> bytes:
    file = io.BytesIO()
    pickler(file, *more).dump(what)
    return file.getvalue()


class _Outwards(pickle.Pickler):
    def __init__(self, file: io.BytesIO, database_url: str | None, difficulty_file: Path | None) -> None:
        super().__init__(file)
        self._url = database_url
        self._difficulty = None if difficulty_file is None else difficulty_file.absolute()

    def reducer_override(self, value: Any) -> Any:
        """Settings without secrets; reference data as a run's plan stores them; no frames."""
        if isinstance(value, Settings):
            sent = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in NOT_SENT}
            return _settings, (self._url, {**sent, "difficulty_file": self._difficulty})
        if isinstance(value, Reference):
            return _reference, (self._difficulty, _Parameters(value.parameters()))
        if isinstance(value, (pl.DataFrame, pl.LazyFrame)):
            raise TypeError("a frame is not to leave this machine")
        return NotImplemented


class _Homewards(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Frames as their columns' types and their rows."""
        if isinstance(value, pl.DataFrame):
            return _frame, (dict(value.schema), value.rows())
        return NotImplemented


class _Parameters(dict[str, Any]):
    """A stored plan's reference data; hashable by what they say, so that they are read once."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self["checksum"])


def _frame(schema: dict[str, Any], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def _settings(database_url: str | None, sent: dict[str, Any]) -> Settings:
    """Our client's settings with a database URL of our own, unless the client gave us its."""
    return Settings(database_url=database_url or find_database_url(None), home=default_home(), **sent)


@lru_cache(maxsize=4)
def _reference(difficulty_file: Path | None, parameters: _Parameters) -> Reference:
    """Our client's miner models and subsidies with our own difficulty; UsageError unless they are the same in all."""
    found = reference.load(None, difficulty_file, None, default_home()).with_parameters(parameters)
    if found.checksum != parameters["checksum"]:
        raise UsageError(
            f"the reference data differ: {found.difficulty_source} is known through {found.known_through}",
            "give every machine the same file, and name it with --difficulty",
            code="reference",
        )
    return found
