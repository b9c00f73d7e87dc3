"""Where the database is and where recon keeps its data: as options, variables and the user's directories say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recon.core.environment import default_home, find_database_url, share_processors
from recon.core.errors import UsageError


@pytest.mark.parametrize(("processors", "threads"), [(1, "1"), (2, "1"), (3, "1"), (4, "2"), (64, "4")])
def test_polars_leaves_half_of_the_processors_to_others_unless_it_is_told_how_many_to_use(
    monkeypatch: pytest.MonkeyPatch, processors: int, threads: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    silent, told = {"HOME": "/"}, {"POLARS_MAX_THREADS": "7"}
    for environment in (silent, told):
        share_processors(environment)
    assert (silent, told) == ({"HOME": "/", "POLARS_MAX_THREADS": threads}, {"POLARS_MAX_THREADS": "7"})


class TestWhereTheDatabaseIs:
    """The option, else RECON_DATABASE_URL, else DATABASE_URL, else libpq's own variables."""

    def test_the_option_wins_over_the_environment(self) -> None:
        environment = {"RECON_DATABASE_URL": "postgresql://recon", "DATABASE_URL": "postgresql://any"}
        assert find_database_url("postgresql://given", environment) == "postgresql://given"
        assert find_database_url(None, environment) == "postgresql://recon"
        assert find_database_url(None, {"DATABASE_URL": "postgres://any"}) == "postgresql://any"

    @pytest.mark.parametrize("variable", ["PGHOST", "PGSERVICE"])
    def test_libpqs_variables_are_left_to_libpq(self, variable: str) -> None:
        assert find_database_url(None, {variable: "somewhere"}) == "postgresql://"

    def test_an_empty_variable_is_none(self) -> None:
        assert find_database_url("", {"RECON_DATABASE_URL": "", "DATABASE_URL": "postgresql://h"}) == "postgresql://h"

    def test_without_any_it_is_said_how_to_name_one_and_that_the_demo_needs_none(self) -> None:
        with pytest.raises(UsageError) as caught:
            find_database_url(None, {"PGUSER": "ana"})
        assert caught.value.code == "no_database"
        assert "RECON_DATABASE_URL" in caught.value.hint
        assert "recon demo" in caught.value.hint

    def test_the_home_is_recon_home_or_the_users_data_directory(self, tmp_path: Path) -> None:
        assert default_home({"RECON_HOME": str(tmp_path)}) == tmp_path
        assert default_home({}).name == "recon"
        assert default_home({"RECON_HOME": "here"}).is_absolute()
