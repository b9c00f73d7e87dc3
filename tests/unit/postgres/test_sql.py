"""Statements from files, and literals."""

from __future__ import annotations

from datetime import date

from recon.core.names import CALCULATION_COLUMNS
from recon.postgres.sql import date_list, sql


def test_dates_are_literals() -> None:
    assert date_list([date(2024, 4, 20), date(2024, 4, 21)]) == "array[date '2024-04-20', date '2024-04-21']::date[]"
    assert date_list([]) == "array[]::date[]"


def test_a_statement_comes_from_its_file_with_its_parts_filled_in() -> None:
    assert "'{search_path,row_security," in sql("postgres/session")
    assert '"my table"' in sql(
        "sample/calculations",
        kind="",
        table='"my table"',
        id="",
        **dict(zip(CALCULATION_COLUMNS, CALCULATION_COLUMNS, strict=True)),
    )
