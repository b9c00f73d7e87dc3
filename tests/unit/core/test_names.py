from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.environment import default_home, find_database_url
from recon.core.errors import UsageError
from recon.core.names import CALCULATION_COLUMNS, CURTAILMENT_COLUMNS, Table, TableName, quote_identifier
from recon.core.settings import Settings, Timeouts

names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)


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


def test_settings_do_not_show_their_url() -> None:
    assert "secret" not in repr(Settings(database_url="postgresql://u:secret@h/db"))


class TestNames:
    @given(names)
    def test_a_quoted_identifier_is_one_identifier_whatever_it_holds(self, name: str) -> None:
        quoted = quote_identifier(name)
        assert quoted[0] == quoted[-1] == '"'
        assert '"' not in quoted[1:-1].replace('""', "")
        assert quoted[1:-1].replace('""', '"') == name

    def test_an_identifier_cannot_hold_a_nul(self) -> None:
        with pytest.raises(UsageError):
            quote_identifier("a\0b")

    @given(names, names)
    def test_a_table_name_reads_back_what_it_writes(self, schema: str, name: str) -> None:
        table = TableName(name, schema)
        assert TableName.parse(table.quoted) == table
        assert TableName.parse(TableName(name).quoted) == TableName(name)

    @pytest.mark.parametrize(
        ("text", "schema", "name"),
        [("records", None, "records"), ("power.records", "power", "records"), ('"a.b"."c""d"', "a.b", 'c"d')],
    )
    def test_a_table_may_have_a_schema(self, text: str, schema: str | None, name: str) -> None:
        assert TableName.parse(text) == TableName(name, schema)

    @pytest.mark.parametrize("text", ["", ".", "a.", ".b", "a.b.c", '"', '"a', 'a"b', '""'])
    def test_anything_else_is_no_table(self, text: str) -> None:
        with pytest.raises(UsageError, match="is not a table name"):
            TableName.parse(text)

    def test_columns_can_have_other_names_in_the_table(self) -> None:
        table = Table.parse("power.curtailments", CURTAILMENT_COLUMNS, "farm_id=bmu, volume=MWh")
        assert [table.column(ours) for ours in CURTAILMENT_COLUMNS] == [
            '"settlement_date"',
            '"settlement_period"',
            '"bmu"',
            '"MWh"',
        ]
        assert table.relation.endswith('"bmu" as farm_id, "MWh" as volume from "power"."curtailments")')

    @pytest.mark.parametrize("renames", ["bmu=farm_id", "farm_id", "farm_id=", "volume:MWh"])
    def test_a_rename_has_to_be_one_of_our_columns(self, renames: str) -> None:
        with pytest.raises(UsageError, match="does not rename a column of curtailment_records"):
            Table.parse("curtailment_records", CURTAILMENT_COLUMNS, renames)

    def test_the_columns_are_those_of_the_contract(self) -> None:
        assert CALCULATION_COLUMNS[:3] == CURTAILMENT_COLUMNS[:3]
        assert CALCULATION_COLUMNS[3:] == ("miner_model", "bitcoin_mined", "difficulty")


class TestTimeouts:
    @pytest.mark.parametrize("seconds", [0, -1, 86_401, float("nan"), float("inf")])
    @pytest.mark.parametrize("which", ["connect_s", "statement_s", "lock_s", "idle_s"])
    def test_have_to_be_above_zero_and_at_most_a_day(self, which: str, seconds: float) -> None:
        with pytest.raises(UsageError, match=f"--{which.removesuffix('_s')}-timeout is"):
            Timeouts(**{which: seconds})

    @pytest.mark.parametrize("seconds", [0.5, 86_400])
    def test_may_be_fractions_and_a_whole_day(self, seconds: float) -> None:
        assert Timeouts(connect_s=seconds, statement_s=seconds).statement_s == seconds
