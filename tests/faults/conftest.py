"""Where faults are played: one stage for each test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.harness import Stage
from tests.support.forked import Process
from tests.support.servers import temporary_home


@pytest.fixture(scope="session")
def stage(begin: Callable[..., Process]) -> Iterator[Stage]:
    """Servers of the faults' own: some of them are crashed. One pair for each test process."""
    with temporary_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECON_HOME", str(home))
        stage = Stage(home, long_s=2, quick=True, begin=begin)
        try:
            yield stage
        finally:
            stage.close()
