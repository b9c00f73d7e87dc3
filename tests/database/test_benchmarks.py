"""The benchmarks: the table as it is found lacks what it should, and a quick run leaves the stored results alone."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from benchmarks import gaps
from benchmarks.__main__ import STORED, parsed
from benchmarks.answers import WrongAnswer
from tests.support.databases import TABLE, Database

MODELS = ["S9", "S19J_PRO", "M20S"]
DAYS = 60


def complete(database: Database) -> list[gaps.Day]:
    """Stores every model for each of a few farms in every period; dates differ in size. One entry per date."""
    first = date(2024, 1, 1)
    database.execute(
        f"insert into {TABLE} (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty) "
        f"select date '{first}' + d, p, 'T_' || f, m, 1, 1 from generate_series(0, {DAYS - 1}) d, "
        f"generate_series(1, 48) p, generate_series(0, d % 7) f, unnest(array{MODELS}) m"
    )
    sizes = [(d % 7 + 1) * len(MODELS) for d in range(DAYS)]
    return [gaps.Day(first + timedelta(days=d), 48 * n, 24 * n, len(MODELS)) for d, n in enumerate(sizes)]


def test_a_table_as_it_is_found_is_filled_to_68_percent_and_something_is_missing_on_most_dates(
    database: Database,
) -> None:
    days = complete(database)
    absent = gaps.as_found(days, MODELS, seed=1)
    assert absent == gaps.as_found(days, MODELS, seed=1)
    assert absent != gaps.as_found(days, MODELS, seed=2)
    total = sum(day.rows for day in days)
    gaps.check(database.count(TABLE, absent), total)
    whole = f"select settlement_date, bool_and({absent}) as empty, bool_or({absent}) as gap from {TABLE} group by 1"
    assert database.count(f"({whole}) dates", "gap") > 0.9 * DAYS
    assert 0 < database.count(f"({whole}) dates", "empty") < 0.3 * DAYS
    halves = whole.replace("settlement_date,", "settlement_date, settlement_period <= 24 as early,") + ", 2"
    empty_halves = f"select from ({halves}) halves where empty group by settlement_date having count(*) = 1"
    assert database.count(f"({empty_halves}) dates") > 0
    by_model = whole.replace("settlement_date,", "settlement_date, miner_model,") + ", 2"
    empty_models = f"select from ({by_model}) models where empty group by settlement_date having count(*) = 1"
    assert database.count(f"({empty_models}) dates") > 0


@pytest.mark.parametrize("missing", [314, 326])
def test_another_share_is_no_such_table(missing: int) -> None:
    with pytest.raises(WrongAnswer):
        gaps.check(missing, 1000)


def test_a_quick_run_writes_only_where_it_is_told_to() -> None:
    assert parsed(["--quick"]).out is None
    assert parsed(["--quick", "--out", "here.csv"]).out == Path("here.csv")
    outs = [parsed(["--server", kind]).out for kind in ("embedded", "debian")]
    assert outs == [STORED["embedded"], STORED["debian"]] and outs[0] != outs[1]
