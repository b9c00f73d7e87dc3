"""A date that is larger than a chunk is worked on by settlement periods, and nobody sees a difference."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recon.analysis import analyze
from recon.core import gaps
from recon.core.chunks import period_groups
from recon.core.settings import ExportFormat, Settings
from recon.core.window import Window
from recon.export import check as export_check
from recon.export import files as export_files
from recon.export import moment, write
from recon.export import write as export
from recon.export.check import status
from recon.export.files import Target, part_name, read_part
from recon.postgres.inspect import inspect
from recon.postgres.scope import CELL_BITS, Cells, Scope
from recon.postgres.session import connect
from recon.postgres.tables import Tables
from recon.reconcile import cell_survey, fix, survey, value_check, watcher
from recon.reconcile import value_check as values
from recon.reconcile.request import FixRequest, Job
from recon.reference import reference
from recon.values.policy import RepairPolicy
from tests.support import oracle
from tests.support.builders import DAY, MODELS, fill, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database

ODD = ("null", "0", "-3", "47", "51", "2147483647", "-2147483648", "2147483648", "9000000000000000000")
"""Periods that a table of 64-bit periods may hold."""


def with_odd_periods(database: Database) -> None:
    """Rows of every kind of period on one date, and some of another date."""
    for table in (CURTAILMENT, TABLE):
        database.execute(
            f"alter table {table} alter settlement_period type int8, alter settlement_period drop not null"
        )
    for period in (*ODD, *map(str, range(1, 6))):
        for farm in ("T_A-1", "T_B-1"):
            key = f"'{DAY}', {period}, '{farm}'"
            database.execute(
                f"insert into {CURTAILMENT} (settlement_date, settlement_period, farm_id, volume, payment, "
                f"original_price, final_price) values ({key}, -1, 0, 0, 0)"
            )
            database.execute(
                f"insert into {TABLE} (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, "
                f"difficulty) values ({key}, 'S9', 1, 1)"
            )
    database.add_curtailment(("2024-04-19", 1, "T_A-1", "-1"))


def test_every_row_is_in_exactly_one_group_of_periods_whatever_its_period(database: Database) -> None:
    with_odd_periods(database)
    with connect(database.settings) as session:
        layout = inspect(session, database.settings)
        found = Tables(session, layout).rows_per_period(DAY)
        periods = [period for period, _, _ in found]
        assert periods == [None, -2147483648, -3, 0, 1, 2, 3, 4, 5, 47, 51, 2147483647]
        assert [rows for _, *rows in found] == [[6, 6], *([2, 2] for _ in periods[1:])]
        for most in (1, 3, 5, 1000):
            groups = list(period_groups([(period, stored) for period, _, stored in found], most))
            for read in (Tables.done, Tables.keys):
                whole = Counter(read(Tables(session, layout), Scope.of([DAY])).iter_rows())
                apart = [Counter(read(Tables(session, layout), Scope.of([DAY], group)).iter_rows()) for group in groups]
                assert sum(apart, Counter()) == whole
                assert whole.total() > 0


def test_every_row_is_in_exactly_one_cell_and_keys_are_in_the_cell_that_the_server_says(database: Database) -> None:
    """However finely settlement periods are cut."""
    fill(database, source_rows([DAY], farms=30, periods=range(1, 5)))
    with_odd_periods(database)
    with connect(database.settings) as session:
        tables = Tables(session, inspect(session, database.settings))
        whole = Counter(tables.done(Scope.of([DAY])).iter_rows())
        for bits in range(CELL_BITS + 1):
            cells = Cells(bits)
            stored, source = tables.stored_cells(Scope.of([DAY]), cells), tables.source_keys(Scope.of([DAY]), cells)
            assert stored.get_column("rows").sum() == whole.total()
            apart = stored.select("settlement_date", "cell").unique().sort(pl.all())
            some, others = (tables.scope_of(apart[start::2], cells) for start in (0, 1))
            read = [Counter(tables.done(scope).iter_rows()) for scope in (some, others)]
            assert sum(read, Counter()) == whole
            assert bits == 0 or all(read)
            keys = tables.keys_and_state(Scope.of([DAY]))[0].with_columns(cells.of_keys)
            each = gaps.each_once(source).drop("volume_hash")
            assert_frame_equal(keys.select(each.columns), each, check_row_order=False)
            known = apart.drop_nulls()
            found = tables.done_hashes(tables.scope_of(known, cells).by_period(known, cells))
            assert_frame_equal(found, tables.done_hashes(tables.scope_of(known, cells)), check_row_order=False)


@pytest.mark.parametrize(("dates", "keys", "bits"), [(60, 24_000, 0), (1, 400, 0), (8, 40_000, 3), (1, 10**7, 6)])
def test_settlement_periods_are_cut_where_they_have_many_keys(dates: int, keys: int, bits: int) -> None:
    assert Cells.of(dates, keys, whole_periods=False) == Cells(bits)
    assert Cells.of(dates, keys, whole_periods=True) == Cells()


DATES = [DAY, date(2024, 10, 27)]
LATER = date(2031, 1, 1)
"""A date without difficulty."""
REFERENCE = reference.load(None, None, None, Path("/nowhere"))
WHERE = "where settlement_date = '{}'"


def with_everything(database: Database) -> None:
    """Dates on which everything is wrong that can be, one that is priced as whole machines, and one that is blocked."""
    rows = fill(database, [*source_rows([*DATES, LATER], farms=3, periods=range(1, 47)), (DAY, 48, "T_A-1", "0")])
    database.add_calculations(*oracle.calculations([row for row in rows if row[0] != LATER]))
    database.add_calculations(*((LATER, period, "T_FARM-1", "S9", "1", "1") for period in (1, 20, 60)))
    with_odd_periods(database)
    changes = {
        "bitcoin_mined = 2 * bitcoin_mined": "settlement_period between 5 and 30",
        "bitcoin_mined = bitcoin_mined / 2, difficulty = 2 * difficulty": "settlement_period in (2, 31)",
        "bitcoin_mined = bitcoin_mined * (1 + id % 7 / 10.0)": "settlement_period in (3, 32)",
        "bitcoin_mined = 'NaN'": "settlement_period = 33",
        "farm_id = farm_id || '_OLD'": "settlement_period = 34",
    }
    for change, where in changes.items():
        spared = "and farm_id <> 'T_FARM-2'"
        database.execute(f"update {TABLE} set {change} {WHERE.format(DAY)} and {where} {spared}")
    database.execute(f"delete from {TABLE} {WHERE.format(DAY)} and (settlement_period = 40 or id % 11 = 0)")
    columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
    twice = f"select {columns} from {TABLE} {WHERE.format(DAY)} and id % 13 = 0"
    database.execute(f"insert into {TABLE} ({columns}) {twice}")
    whole = oracle.calculations([row for row in rows if row[0] == DATES[1]], whole=True)
    database.execute(f"delete from {TABLE} {WHERE.format(DATES[1])}")
    database.add_calculations(*whole)


def by_few_rows(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """A date is large from so many rows on."""
    for module, name in (
        (values, "CHUNK_ROWS"),
        (cell_survey, "LARGE_ROWS"),
        (export, "CHUNK_ROWS"),
        (moment, "CHUNK_ROWS"),
        (export_check, "CHUNK_ROWS"),
    ):
        monkeypatch.setattr(module, name, rows)
    monkeypatch.setattr(survey, "SCAN_ROWS", rows)


def said(database: Database) -> dict[str, Any]:
    """What analyze --values says, and which rows repairs would take out."""
    check = value_check.ValueCheck()
    job = Job("test", "fix", database.settings, REFERENCE)
    found = analyze.analyze(job, Window(), analyze.AnalysisOptions(deep=True, check=check))
    policy = RepairPolicy(frozenset({"missing", "wrong", "duplicate", "orphan"}))
    changes = fix.fix(job, FixRequest(policy=policy, dry_run=True), watcher=watcher.Watcher()).changes
    assert changes is not None
    return {**found.to_dict(), "changes": sorted(map(str, changes.rows()))}


def test_analysis_values_and_repairs_see_of_a_large_date_what_they_see_of_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_everything(database)
    whole = said(database)
    verdicts = set(whole["values"]["verdicts"])
    assert verdicts >= {"ok", "stale", "wrong_difficulty", "nan", "duplicate", "orphan", "whole", "blocked"}
    assert whole["values"]["whole_dates"] == [str(DATES[1])]
    assert {"missing_periods", "scattered_gaps"} & {finding["code"] for finding in whole["findings"]}
    assert all(row.startswith(f"({DAY!r}") for row in whole["changes"]), "nothing of a blocked date"
    for rows in (1, 60):
        by_few_rows(monkeypatch, rows)
        assert said(database) == whole


@pytest.mark.parametrize("form", ExportFormat)
def test_an_export_of_a_large_date_has_the_same_rows_in_the_same_order(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: ExportFormat
) -> None:
    with_everything(database)

    def exported(name: str) -> tuple[list[tuple[Any, ...]], dict[str, Any], dict[str, Any]]:
        out, check = tmp_path / name, value_check.ValueCheck()
        report = write.export(Job("1", "test", database.settings, REFERENCE), Window(), Target(out, form), check)
        files = [out / part_name(month.month, form) for month in report.written]
        rows = [row for file in files for row in read_part(file, form, MODELS).collect().iter_rows()]
        checked = status(out, Job("1", "status", Settings(), REFERENCE), Window(), check).to_dict()
        of_files = ("bytes", "size", "sha256")
        months = [{k: v for k, v in vars(month).items() if k not in of_files} for month in report.written]
        return rows, {"status": report.status.to_dict(), "months": months}, checked

    whole = exported("whole")
    by_few_rows(monkeypatch, 30)
    monkeypatch.setattr(export_files, "MOST_HELD_KEYS", 5)
    assert exported("large") == whole
    assert exported("again") == whole
    parts = [
        (tmp_path / name / "month=2024-04" / f"part-0.{form}").read_bytes() for name in ("large", "again", "whole")
    ]
    assert parts[0] == parts[1]
    assert form is ExportFormat.PARQUET or parts[0] == parts[2]
    dates = [row[:3] for row in whole[0]]
    assert dates == sorted(dates)
