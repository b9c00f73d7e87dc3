"""`recon export` writes the reconciled slice exactly, and `status --from-export` finds whatever happens to it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from recon.core.errors import DataFileError, IncompleteError, UsageError
from recon.core.settings import ExportFormat, Settings
from recon.core.window import Window
from recon.export import check, files, moment, write
from recon.export import check as export_check
from recon.export import files as export_files
from recon.export import write as export
from recon.export.write import ExportReport
from recon.reconcile.request import Job
from recon.reconcile.status import Status
from recon.reconcile.value_check import ValueCheck
from recon.reference import reference
from tests.support import oracle
from tests.support.builders import MODELS, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start, document

MARCH = [date(2024, 3, 30), date(2024, 3, 31)]
APRIL = [date(2024, 4, 19), date(2024, 4, 20)]
ROWS = source_rows([*MARCH, *APRIL])
EXACT = oracle.calculations(ROWS)
ENERGY = oracle.energies(ROWS)
FILES = ["month=2024-03/part-0.parquet", "month=2024-04/part-0.parquet"]
REFERENCE = reference.load(None, None, None, Path("/nonexistent"))


@pytest.fixture
def reconciled(database: Database) -> Database:
    """Two months, four dates, every calculation exact."""
    fill(database, ROWS)
    database.add_calculations(*EXACT)
    return database


@pytest.fixture
def exported(reconciled: Database, tmp_path: Path) -> Path:
    assert exports(reconciled, tmp_path / "out").exit_code == 0
    return tmp_path / "out"


def exports(
    database: Database, out: Path, window: Window | None = None, form: ExportFormat = ExportFormat.PARQUET
) -> ExportReport:
    job = Job("1", "test", database.settings, REFERENCE)
    return write.export(job, window or Window(), files.Target(out, form), ValueCheck())


def checked(out: Path, window: Window | None = None) -> Status:
    return check.status(out, Job("7f3a", "status", Settings(), REFERENCE), window or Window(), ValueCheck())


def long(frame: pl.DataFrame) -> list[oracle.Calculation]:
    """Every BTC value of a slice, as oracle.calculations has them."""
    return sorted(
        (*(row[name] for name in ("settlement_date", "settlement_period", "farm_id")), model, btc, row["difficulty"])
        for row in frame.to_dicts()
        for model in MODELS
        if (btc := row[f"btc_{model}"]) is not None
    )


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_notebooks_read_the_exact_slice_with_polars_arrow_and_csv(
    reconciled: Database, run_recon: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = document(run_recon("export", "--out", out, "--json", url=reconciled.url))
    assert (told["command"], told["format"], told["reconciled"]) == ("export", "parquet", True)
    assert (told["rows"], told["expected"], told["exported"]) == (len(ENERGY), len(EXACT), len(EXACT))
    assert [month["file"] for month in told["months"]] == FILES
    assert sorted(bytes_of(out)) == ["_manifest.json", *FILES]

    frame = pl.read_parquet(f"{out}/*/*.parquet", hive_partitioning=True)
    assert long(frame) == EXACT
    assert frame.schema["btc_S9"] == pl.Decimal(38, 8)
    for row in frame.to_dicts():
        key = (row["settlement_date"], row["settlement_period"], row["farm_id"])
        assert row["energy_mwh"] == pytest.approx(float(ENERGY[key]), rel=1e-15)
        assert row["subsidy_btc"] == float(oracle.subsidy(key[0]))
        assert row["month"] == f"{key[0]:%Y-%m}"
    assert frame.drop("month").equals(frame.drop("month").sort("settlement_date", "settlement_period", "farm_id"))

    arrow = pa.dataset.dataset(out, format="parquet", partitioning="hive").to_table()
    assert arrow.schema.field("btc_S9").type == pa.decimal128(38, 8)
    assert long(pl.DataFrame(pl.from_arrow(arrow))) == EXACT

    done = run_recon("export", "--out", tmp_path / "csv", "--format", "csv", url=reconciled.url)
    assert "reconciled: " in done.stdout
    text = (tmp_path / "csv" / "month=2024-04" / "part-0.csv").read_text()
    assert "e-" not in text.replace("_", "").lower()
    back = pl.concat([pl.read_csv(path, schema=frame.drop("month").schema) for path in (tmp_path / "csv").glob("*/*")])
    assert back.sort("settlement_date", "settlement_period", "farm_id").equals(frame.drop("month"))


def test_duckdb_reads_the_partitions(exported: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    query = (
        f"select month, sum(btc_S9) from read_parquet('{exported}/*/*.parquet', hive_partitioning = true) group by 1"
    )
    sums: dict[str, Decimal] = {}
    for day, _, _, model, btc, _ in EXACT:
        if model == "S9":
            sums[f"{day:%Y-%m}"] = sums.get(f"{day:%Y-%m}", Decimal(0)) + btc
    assert dict(duckdb.sql(query).fetchall()) == sums


def test_an_export_is_checked_without_a_database_as_the_tables_are(
    reconciled: Database, run_recon: Run, exported: Path
) -> None:
    asked = document(run_recon("status", "--values", "--json", url=reconciled.url))
    found = document(run_recon("status", "--from-export", exported, "--json"))
    assert found == asked | {"damage": [], "left_out": {}}
    some = document(run_recon("status", "--from-export", exported, "--from", APRIL[1], "--json"))
    assert (some["keys"], some["missing"]) == (len([key for key in ENERGY if key[0] == APRIL[1]]), 0)
    whole = document(run_recon("status", "--from-export", exported, "--fleet", "whole", "--json"), 1)
    assert whole["values"]["wrong"] > len(EXACT) / 2


def test_what_is_not_right_is_left_out_and_counted(database: Database, run_recon: Run, tmp_path: Path) -> None:
    future = date(2099, 1, 1)
    fill(database, [*ROWS, (future, 1, "T_A-1", "-1"), (MARCH[0], 49, "T_A-1", "-1")])
    missing, twice, worse, stale, fine = EXACT[0], EXACT[1], EXACT[2], EXACT[3], EXACT[4]
    finer = fine[4] + Decimal("1e-10")
    database.add_calculations(*EXACT[5:], twice, (*worse[:4], 7, worse[5]), worse, (*stale[:4], 7, stale[5]))
    database.add_calculations(twice, (*stale[:4], 8, stale[5]), (*fine[:4], finer, fine[5]))
    database.add_calculations((MARCH[0], 9, "T_NONE-1", "S9", 1, 1), (future, 1, "T_A-1", "S9", 1, 1))
    told = document(run_recon("export", "--out", tmp_path / "out", "--json", url=database.url), 4)
    assert told["left_out"] == {"blocked": 1, "missing": 3, "stale": 1}
    assert told["exported"] == told["expected"] - 5 == len(EXACT) - 2
    assert (told["rounded"], told["blocked"], told["reconciled"]) == (1, ["2099-01-01"], False)
    frame = pl.read_parquet(tmp_path / "out" / "*" / "*.parquet")
    assert long(frame) == sorted({*EXACT} - {missing, stale})
    assert frame.height == len(ENERGY) + 1
    assert frame.row(-1, named=True) | {"subsidy_btc": None} == {
        "settlement_date": future,
        "settlement_period": 1,
        "farm_id": "T_A-1",
        "energy_mwh": 1.0,
        **dict.fromkeys((*(f"btc_{model}" for model in MODELS), "difficulty", "subsidy_btc")),
    }
    found = document(run_recon("status", "--from-export", tmp_path / "out", "--json"), 1)
    assert (found["missing"], found["duplicate"], found["orphan"], found["values"]["wrong"]) == (5, 0, 0, 0)
    assert (found["curtailment_rows"], found["invalid"], found["damage"]) == (len(ROWS) + 2, 1, [])
    assert found["left_out"] == told["left_out"]
    said = run_recon("status", "--from-export", tmp_path / "out").stdout.splitlines()
    assert said[-2:] == [
        "left out when these months were exported, so missing here: 1 blocked, 3 missing, 1 stale",
        "not reconciled: 5 missing, 0 duplicate, 0 orphan, 0 wrong",
    ]
    april = run_recon("status", "--from-export", tmp_path / "out", "--from", APRIL[0], "--to", APRIL[1])
    assert april.returncode == 0 and "left out" not in april.stdout


def test_floating_point_tables_are_exported_digit_by_digit(reconciled: Database, tmp_path: Path) -> None:
    reconciled.execute("alter table curtailment_records alter volume type float8")
    for column in ("bitcoin_mined", "difficulty"):
        reconciled.execute(f"alter table {TABLE} alter {column} type float8")
    report = exports(reconciled, tmp_path / "out")
    assert (report.exit_code, sum(month.rounded for month in report.written)) == (0, 0)
    assert long(pl.read_parquet(tmp_path / "out" / "*" / "*.parquet")) == EXACT


def test_dates_priced_as_whole_machines_are_passed_on(database: Database, tmp_path: Path) -> None:
    fill(database, ROWS)
    database.add_calculations(*oracle.calculations(ROWS, whole=True))
    assert exports(database, tmp_path / "out").exit_code == 0
    assert long(pl.read_parquet(tmp_path / "out" / "*" / "*.parquet")) == oracle.calculations(ROWS, whole=True)
    values = checked(tmp_path / "out").values
    assert values
    assert (values.wrong, values.whole_dates) == (0, [*MARCH, *APRIL])


def rewritten(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """The file with other rows."""
    change(pl.read_parquet(path, hive_partitioning=False)).write_parquet(path)


def test_every_kind_of_damage_is_found(exported: Path, tmp_path: Path) -> None:
    """What was done, and then (problem, missing, duplicate, orphan, wrong)."""
    march, april = (len([row for row in EXACT if row[0] in days]) for days in (MARCH, APRIL))

    def other_btc(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(btc_S9=pl.when(pl.int_range(pl.len()) == 2).then(Decimal(1)).otherwise("btc_S9"))

    cases: dict[str, tuple[Callable[[Path], Any], tuple[set[str], int, int, int, int]]] = {
        "a file is gone": (lambda out: (out / FILES[0]).unlink(), ({"missing"}, march, 0, 0, 0)),
        "a file is cut short": (
            lambda out: (out / FILES[1]).write_bytes((out / FILES[1]).read_bytes()[:-100]),
            ({"truncated"}, april, 0, 0, 0),
        ),
        "a file is empty": (
            lambda out: (out / FILES[1]).write_bytes(b""),
            ({"truncated"}, april, 0, 0, 0),
        ),
        "a file ends otherwise": (
            lambda out: (out / FILES[0]).write_bytes((out / FILES[0]).read_bytes()[:-4] + b"\0\0\0\0"),
            ({"unreadable"}, march, 0, 0, 0),
        ),
        "rows are gone": (lambda out: rewritten(out / FILES[0], lambda rows: rows[2:]), ({"altered"}, 6, 0, 0, 0)),
        "rows are there twice": (
            lambda out: rewritten(out / FILES[0], lambda rows: pl.concat([rows, rows[:2]])),
            ({"altered"}, 0, 6, 0, 0),
        ),
        "a row came in addition": (
            lambda out: rewritten(
                out / FILES[0], lambda rows: pl.concat([rows, rows[:1].with_columns(farm_id=pl.lit("T_NEW-1"))])
            ),
            ({"altered"}, 0, 0, 3, 0),
        ),
        "a value is null": (
            lambda out: rewritten(
                out / FILES[1], lambda rows: rows.with_columns(btc_S9=pl.lit(None, rows.schema["btc_S9"]))
            ),
            ({"altered"}, april // 3, 0, 0, 0),
        ),
        "a value is another": (lambda out: rewritten(out / FILES[1], other_btc), ({"altered"}, 0, 0, 0, 1)),
        "energy is another": (
            lambda out: rewritten(out / FILES[0], lambda rows: rows.with_columns(pl.col("energy_mwh") * 1.1)),
            ({"altered"}, 0, 0, 0, march),
        ),
        "energy is no number": (
            lambda out: rewritten(out / FILES[0], lambda rows: rows.with_columns(energy_mwh=float("nan"))),
            ({"altered"}, march, 0, march, 0),
        ),
        "difficulty is another": (
            lambda out: rewritten(
                out / FILES[0],
                lambda rows: rows.with_columns((pl.col("difficulty") * 2).cast(rows.schema["difficulty"])),
            ),
            ({"altered"}, 0, 0, 0, march),
        ),
        "a column is gone": (
            lambda out: rewritten(out / FILES[0], lambda rows: rows.drop("btc_S9")),
            ({"altered"}, march, 0, 0, 0),
        ),
        "a file is there twice": (
            lambda out: shutil.copy(out / FILES[0], (out / FILES[0]).with_name("part-1.parquet")),
            ({"unknown"}, 0, march, 0, 0),
        ),
        "a file lies in another month": (
            lambda out: shutil.copy(out / FILES[0], (out / FILES[1]).with_name("part-1.parquet")),
            ({"unknown"}, 0, 0, march, 0),
        ),
        "a file of something else": (lambda out: (out / "notes.txt").write_text("mine"), ({"unknown"}, 0, 0, 0, 0)),
    }
    for number, (what, (damage, wanted)) in enumerate(cases.items()):
        out = tmp_path / f"damaged-{number}"
        shutil.copytree(exported, out)
        damage(out)
        found = checked(out)
        problems = {entry.problem for entry in found.damage or ()}
        counts = tuple(found.total(name) for name in ("missing", "duplicate", "orphan"))
        assert found.values
        assert (problems, *counts, found.values.wrong) == wanted, what
        assert found.exit_code == 1, what


def test_a_csv_file_that_ends_early_is_found(reconciled: Database, tmp_path: Path) -> None:
    exports(reconciled, tmp_path, form=ExportFormat.CSV)
    path = tmp_path / "month=2024-04" / "part-0.csv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept, missing in ((lines[:-2], 6), (lines[:1], len(EXACT) // 2), ([], len(EXACT) // 2)):
        path.write_bytes(b"".join(kept))
        assert (checked(tmp_path).total("missing"), len(checked(tmp_path).damage or ())) == (missing, 1)
    for size in range(len(whole) - 1, len(whole) - 90, -9):
        path.write_bytes(whole[:size])
        assert checked(tmp_path).exit_code == 1


def test_without_a_manifest_to_rely_on_nothing_is_said(exported: Path, run_recon: Run) -> None:
    manifest = exported / "_manifest.json"
    text = manifest.read_text()
    for damaged in (
        text.replace('"keys": 9', '"keys": 8', 1),
        text[:1000],
        "{}",
        "[]",
        text.replace("2024-03", "../x"),
    ):
        assert damaged != text
        manifest.write_text(damaged)
        with pytest.raises(DataFileError, match="cannot be relied on"):
            checked(exported)
    manifest.unlink()
    done = run_recon("status", "--from-export", exported, "--json")
    assert document(done, 2)["error"]["code"] == "data_file"


def test_an_export_writes_the_months_it_reaches_and_no_others(reconciled: Database, exported: Path) -> None:
    before = bytes_of(exported)
    assert exports(reconciled, exported).exit_code == 0
    assert bytes_of(exported) == before, "equal data give equal bytes"
    (exported / FILES[0]).write_bytes(b"not looked at")
    reconciled.execute(f"delete from {TABLE} where settlement_date = '{APRIL[0]}' and miner_model = 'S9'")
    report = exports(reconciled, exported, Window(date(2024, 4, 1), None))
    assert [month.month for month in report.written] == ["2024-04"]
    assert report.exit_code == 1
    assert (exported / FILES[0]).read_bytes() == b"not looked at"
    assert (exported / FILES[1]).read_bytes() != before[FILES[1]]
    reconciled.execute("delete from curtailment_records where settlement_date >= '2024-04-01'")
    exports(reconciled, exported)
    assert sorted(bytes_of(exported)) == ["_manifest.json", FILES[0]]
    assert (exported / FILES[0]).read_bytes() == before[FILES[0]]


def test_what_would_mix_or_lose_data_is_refused(reconciled: Database, exported: Path, tmp_path: Path) -> None:
    before = bytes_of(exported)
    with pytest.raises(UsageError, match="outside the window, first 2024-03-30"):
        exports(reconciled, exported, Window(MARCH[1], None))
    with pytest.raises(UsageError, match="was exported as parquet"):
        exports(reconciled, exported, form=ExportFormat.CSV)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files"):
        exports(reconciled, tmp_path / "mine")
    with pytest.raises(UsageError, match="cannot be written"):
        exports(reconciled, tmp_path / "mine" / "thesis.txt")
    handle = os.open(exported, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(IncompleteError, match="another export"):
        exports(reconciled, exported)
    os.close(handle)
    assert bytes_of(exported) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_export_leaves_whole_files_and_says_so(
    reconciled: Database, start_recon: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """The source takes its time with April."""
    out = tmp_path / "out"
    first = reconciled.scalar(f"select min(id) from curtailment_records where settlement_date = '{APRIL[0]}'")
    reconciled.execute("alter table curtailment_records rename to behind")
    reconciled.execute(
        "create function nap(row_id int) returns boolean language plpgsql volatile as $$ begin"
        f" if row_id = {first} and current_query() like '%energy_mwh%' then perform pg_sleep(1.5); end if;"
        " return true; end $$"
    )
    reconciled.execute("create view curtailment_records as select * from behind where nap(id)")
    process = start_recon("export", "--out", out, url=reconciled.url)
    until = time.monotonic() + 30
    while not (out / FILES[0]).exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    assert files.found(out) == [FILES[0]]
    found = checked(out)
    assert [(entry.file, entry.problem) for entry in found.damage or ()] == [(FILES[1], "unfinished")]
    assert (found.total("missing"), found.exit_code) == (0, 1)
    reconciled.execute("create or replace view curtailment_records as select * from behind")
    assert exports(reconciled, out).exit_code == 0
    assert checked(out).exit_code == 0
    assert list(out.rglob(".*")) == []


@pytest.mark.parametrize(("most", "steps"), [(36, 4), (1, 12)], ids=["dates", "periods of a date that is larger"])
def test_memory_is_bounded_by_chunks(
    reconciled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, steps: int
) -> None:
    """However long a month or large a date is, one chunk of it is written before the next is read."""
    found: list[str] = []
    piece, arrow = moment.Moment.piece, files._arrow

    def noted_piece(self: Any, days: Any, where: Any, **more: Any) -> Any:
        found.append(f"read {len(days)}")
        return piece(self, days, where, **more)

    def noted_arrow(frame: pl.DataFrame) -> Any:
        if frame.height:
            found.append(f"write {frame['settlement_date'].n_unique()}")
        return arrow(frame)

    monkeypatch.setattr(export, "CHUNK_ROWS", most)
    monkeypatch.setattr(moment, "CHUNK_ROWS", most)
    monkeypatch.setattr(moment.Moment, "piece", noted_piece)
    monkeypatch.setattr(export_files, "_arrow", noted_arrow)
    assert exports(reconciled, tmp_path / "out").exit_code == 0
    assert found == ["read 1", "write 1"] * steps
    whole = checked(tmp_path / "out")
    monkeypatch.setattr(export_check, "CHUNK_ROWS", 1)
    assert checked(tmp_path / "out").to_dict() == whole.to_dict()
    assert long(pl.read_parquet(tmp_path / "out" / "*" / "*.parquet")) == EXACT
