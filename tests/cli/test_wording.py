"""The program's sentences are those of `tests/wording/`; `python -m tests.support.wording` writes them anew."""

from __future__ import annotations

import pytest

from tests.support.databases import Database
from tests.support.program import Run
from tests.support.wording import SCENARIOS, STORED, played, stored


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_program_speaks_as_it_is_stored(name: str, database: Database, run_recon: Run) -> None:
    assert played(name, database, run_recon) == stored(name)


def test_every_stored_text_has_its_scenario() -> None:
    assert {path.stem for path in STORED.iterdir()} == set(SCENARIOS)
