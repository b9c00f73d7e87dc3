"""`--workers auto`: no more connections than processors, and never the last ones of the server."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from recon.core.settings import AUTO
from recon.postgres.pool import side_by_side


class Room:
    """Stands for a pool on a server of so many connections, some reserved and some in use."""

    def __init__(self, allowed: int, reserved: int = 3, used: int = 1) -> None:
        self._room = {"allowed": allowed, "reserved": reserved, "used": used}

    @contextmanager
    def session(self):
        yield self

    def query(self, _: str) -> list[dict[str, int]]:
        return [self._room]


@pytest.mark.parametrize(("allowed", "used", "workers"), [(100, 1, 8), (11, 1, 5), (11, 3, 3), (7, 1, 1), (5, 2, 1)])
def test_auto_leaves_two_connections_of_those_that_are_free(
    monkeypatch: pytest.MonkeyPatch, allowed: int, used: int, workers: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert side_by_side(Room(allowed, used=used), AUTO) == workers


def test_a_number_is_taken_as_it_is_and_the_server_not_asked() -> None:
    assert side_by_side(None, 5) == 5  # type: ignore[arg-type]
