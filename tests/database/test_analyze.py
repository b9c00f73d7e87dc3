"""Findings on a real server: every pattern planted in a known place and number is found, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from recon.analysis.analyze import Analysis, AnalysisOptions, analyze
from recon.analysis.findings import Finding
from recon.core.errors import ExitCode
from recon.core.names import CALCULATION_COLUMNS, CURTAILMENT_COLUMNS, Table
from recon.core.settings import Settings, Timeouts
from recon.core.suggestions import RECON
from recon.core.window import Window
from recon.reconcile.request import Job
from recon.reference.reference import load as load_reference
from recon.sample import load
from tests.support.databases import Database, new_database
from tests.support.patterns import (
    CALCULATE,
    CLUSTERED,
    COPY,
    IN_CALCULATIONS,
    IN_SOURCE,
    SOURCE,
    forget,
    lose,
    sow,
    sow_in_source,
)
from tests.support.servers import Server
from tests.support.wording import facts

REFERENCE = load_reference(None, None, None, Path("/nonexistent"))


@pytest.fixture(scope="module")
def clean_template(server: Server) -> Iterator[str]:
    """A clean, complete pair of tables with the unique index, to be copied."""
    database = new_database(server)
    database.add_unique_index()
    for statement in (SOURCE, CALCULATE, "vacuum analyze"):
        database.execute(statement)
    database.disconnect()
    yield database.name
    database.drop()


@pytest.fixture
def clean(server: Server, clean_template: str) -> Iterator[Database]:
    """A copy of the clean tables, for one test."""
    name = f"copy_of_{clean_template}"
    database = Database(server, name, server.create_database(name, clean_template))
    yield database
    database.drop()


def look(database: Database, window: Window | None = None, **options: float) -> Analysis:
    asked = AnalysisOptions(**options)  # type: ignore[arg-type]
    return analyze(Job("1", "test", database.settings, REFERENCE), window or Window(), asked)


def counts(found: Analysis) -> dict[str, int]:
    """How many of each code, all findings of it together."""
    total: Counter[str] = Counter()
    for finding in found.findings:
        total[finding.code] += finding.count
    return dict(total)


def finding(found: Analysis, code: str) -> Finding:
    (one,) = (finding for finding in found.findings if finding.code == code)
    return one


def test_clean_tables_have_no_finding(clean: Database) -> None:
    found = look(clean)
    assert found.findings == () and found.recommendations == ()
    assert found.exit_code is ExitCode.OK


@pytest.mark.parametrize("what", IN_SOURCE)
def test_what_is_odd_in_the_source_is_found_alone(clean: Database, what: str) -> None:
    sow_in_source(clean, IN_SOURCE[what])
    found = look(clean)
    assert counts(found) == IN_SOURCE[what].counts
    assert found.exit_code is ExitCode.OK, "the source is the truth: what is odd in it is no difference"


@pytest.mark.parametrize("what", IN_CALCULATIONS | CLUSTERED)
def test_what_gaps_and_surplus_have_in_common_is_found_alone(clean: Database, what: str) -> None:
    planted = (IN_CALCULATIONS | CLUSTERED)[what]
    sow(clean, planted)
    assert counts(look(clean)) == planted.counts


def test_everything_at_once_is_found_with_precision_and_recall_of_one(
    clean: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    sow_in_source(clean, *IN_SOURCE.values())
    for planted in IN_CALCULATIONS.values():
        sow(clean, planted)
    wanted: Counter[str] = Counter()
    for planted in (*IN_SOURCE.values(), *IN_CALCULATIONS.values()):
        wanted.update(planted.counts)
    found = Counter(counts(look(clean)))
    right = sum((found & wanted).values())
    precision, recall = right / found.total(), right / wanted.total()
    with capsys.disabled():
        print(f" {len(wanted)} kinds of findings: precision {precision}, recall {recall} ", end="")
    assert found == wanted


def test_examples_say_where(clean: Database) -> None:
    sow_in_source(clean, IN_SOURCE["impossible periods"], IN_SOURCE["a copy script in a loop"])
    sow(clean, IN_CALCULATIONS["rows of an unknown model"])
    found = look(clean)
    assert facts(finding(found, "impossible_periods").example) == ["2024-10-01", "2", "48", "49", "A"]
    assert finding(found, "crowded_keys").example == "2024-10-07 settlement period 12, A has 16748 rows"
    assert "recon explain 2024-10-07 12 A" in RECON.render(finding(found, "crowded_keys").advice)
    assert facts(finding(found, "unknown_models").example) == ["S21", "48", "2024-10-29"]
    assert finding(found, "crowded_keys").dates == (date(2024, 10, 7),)


def test_several_settlement_runs_are_shown_by_a_key_of_one_acceptance_that_can_be_looked_up(clean: Database) -> None:
    sow_in_source(clean, IN_SOURCE["a later settlement run"])
    several = finding(look(clean), "several_runs")
    day, period, farm = RECON.render(several.advice).split("recon explain ")[1].split("'")[0].split()
    rows = clean.rows(
        f"select -volume from curtailment_records where settlement_date = '{day}' and settlement_period = {period} "
        f"and farm_id = '{farm}' order by 1"
    )
    first, later = (float(mwh) for (mwh,) in rows)
    assert facts(several.example)[-5:] == [farm, f"{first:,.3f}", f"{later:,.3f}", "1", "1.0210"]
    assert farm in ("A", "C") and several.dates == (date(2024, 10, 3),)


def test_a_copied_range_is_one_finding_and_another_multiple_is_another(clean: Database) -> None:
    for times, where in ((8, "between '2024-10-04' and '2024-10-06'"), (1, "= '2024-10-07'")):
        clean.execute(COPY.format(times=times, where=f"settlement_date {where}"))
    copied = [one.example for one in look(clean).findings if one.code == "copied_rows"]
    assert copied == [
        "2024-10-07: nearly every row is there 2 times (equal in key, volume and price)",
        "2024-10-04 to 2024-10-06: nearly every row is there 9 times (equal in key, volume and price)",
    ]


def test_only_the_window_is_looked_at(clean: Database) -> None:
    sow_in_source(clean, *IN_SOURCE.values())
    found = look(clean, Window(date(2024, 10, 7), date(2024, 10, 8)))
    assert counts(found) == {"crowded_keys": 2, "outsize_energy": 1}


def test_the_limit_of_a_farm_can_be_set(clean: Database) -> None:
    sow_in_source(clean, IN_SOURCE["energy beyond any farm"])
    assert counts(look(clean, max_farm_mw=1800)) == {}
    assert counts(look(clean, max_farm_mw=1500)) == {"outsize_energy": 1}


def test_the_sample_raises_no_false_alarm_about_its_source(database: Database) -> None:
    load.load(database.settings, load.packaged(), name="test")
    found = look(database)
    of_source = {"zero_volume_keys": 76}
    of_gaps = {"empty_dates", "missing_models", "few_farms", "missing_farms", "scattered_gaps"}
    of_surplus = {"duplicates", "orphans", "unknown_models", "no_unique_index"}
    assert {code for code, _ in counts(found).items()} == of_gaps | of_surplus | set(of_source)
    assert counts(found)["zero_volume_keys"] == 76


def test_all_keys_compared_or_only_disputed_dates_is_the_same(clean: Database) -> None:
    for planted in IN_CALCULATIONS.values():
        sow(clean, planted)
    deep = analyze(Job("1", "test", clean.settings, REFERENCE), Window(), AnalysisOptions(deep=True))
    assert deep.findings == look(clean).findings


def other_layout(database: Database, volume: str) -> Settings:
    """The same tables with other names and types, in another schema, without prices; calculations partitioned."""
    columns = (
        'settlement_date as "Day", settlement_period::int8 as period, '
        f'farm_id::varchar(40) as "farm id", volume::{volume} as mwh'
    )
    for statement in (
        'create schema "Odd.schema"',
        f'create table "Odd.schema".energy as select {columns} from curtailment_records',
        "create table priced (like historical_bitcoin_calculations) partition by range (settlement_date)",
        "create table priced_all partition of priced default",
        "insert into priced select * from historical_bitcoin_calculations",
    ):
        database.execute(statement)
    renames = "settlement_date=Day,settlement_period=period,farm_id=farm id,volume=mwh"
    return replace(
        database.settings,
        curtailment=Table.parse('"Odd.schema".energy', CURTAILMENT_COLUMNS, renames),
        calculations=Table.parse("priced", CALCULATION_COLUMNS, ""),
    )


@pytest.mark.parametrize("volume", ["numeric", "float8", "real"])
def test_other_names_and_types_make_no_difference(clean: Database, volume: str) -> None:
    names = [
        "impossible periods",
        "a later settlement run",
        "rows without volume",
        "a date nine times over",
        "a copy script in a loop",
    ]
    planted = [IN_SOURCE[name] for name in (*names, "keys of no volume", "some positive volumes", "half a date")]
    sow_in_source(clean, *planted)
    found = analyze(Job("1", "test", other_layout(clean, volume), REFERENCE), Window())
    wanted: Counter[str] = Counter(no_unique_index=1)
    for one in planted:
        wanted.update(one.counts)
    assert counts(found) == wanted


def slow_prices(database: Database, per_row: float) -> Settings:
    """A source that takes its time over every price, which a survey does not ask for."""
    sleeps = f"$$ begin perform pg_sleep({per_row}); return price; end $$"
    columns = "settlement_date, settlement_period, farm_id, volume, slow(original_price) as original_price"
    for statement in (
        forget("settlement_period > 1"),
        lose("settlement_period > 1"),
        f"create function slow(price numeric) returns numeric language plpgsql stable as {sleeps}",
        f"create view slow_records as select {columns} from curtailment_records",
    ):
        database.execute(statement)
    return replace(database.settings, curtailment=Table.parse("slow_records", CURTAILMENT_COLUMNS, ""))


def test_a_window_that_takes_too_long_is_cut_and_the_findings_are_the_same(clean: Database) -> None:
    sow_in_source(clean, IN_SOURCE["a farm that is gone"], IN_SOURCE["some positive volumes"])
    settings = slow_prices(clean, per_row=0.004)
    patient = look(clean)
    hasty = analyze(Job("1", "test", replace(settings, timeouts=Timeouts(statement_s=0.3)), REFERENCE), Window())
    assert set(counts(patient)) == {"vanished_farms", "positive_volumes", "mixed_signs"}
    assert hasty.findings == patient.findings


def test_a_source_that_cannot_be_looked_at_is_a_finding_and_not_a_failure(clean: Database) -> None:
    clean.execute(
        "create view broken as select id, settlement_date, settlement_period, farm_id, volume, "
        "1 / (settlement_period - settlement_period) as original_price from curtailment_records"
    )
    sow(clean, IN_CALCULATIONS["two dates without any"])
    settings = replace(clean.settings, curtailment=Table.parse("broken", CURTAILMENT_COLUMNS, ""))
    found = analyze(Job("1", "test", settings, REFERENCE), Window())
    assert counts(found) == {"empty_dates": 2, "source_not_checked": 1}
    assert "division by zero" in finding(found, "source_not_checked").example


def test_an_older_server_gives_the_same_answer(debian_database: Database) -> None:
    debian_database.add_unique_index()
    debian_database.execute(SOURCE)
    sow_in_source(debian_database, *IN_SOURCE.values())
    wanted: Counter[str] = Counter()
    for planted in IN_SOURCE.values():
        wanted.update(planted.counts)
    assert counts(look(debian_database)) == wanted
