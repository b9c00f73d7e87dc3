"""Names of tables and columns: quoted, parsed and renamed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.errors import UsageError
from recon.core.names import CALCULATION_COLUMNS, CURTAILMENT_COLUMNS, Table, TableName, quote_identifier

names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)


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
