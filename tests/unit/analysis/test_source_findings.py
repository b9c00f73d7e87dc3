"""What of the curtailment is worth reporting, from per-date and per-farm aggregates; and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from recon.analysis.findings import Finding
from recon.analysis.source_findings import source_findings
from recon.analysis.source_periods import days, gaps_in, lacking
from recon.core.suggestions import RECON
from recon.core.window import periods_in_day
from tests.support.wording import facts

FIRST = date(2024, 9, 1)
CLOCK_CHANGE = date(2024, 10, 27)
COUNTS = ("repeated", "positive", "impossible", "unusable", "zero", "crowded", "outsize")
DATES: dict[str, Any] = {
    "settlement_date": pl.Date,
    **dict.fromkeys(("keys", "priced_rows", *COUNTS, "negative", "crowded_most"), pl.Int64),
    "outsize_most": pl.String,
    **{f"{name}_key": pl.String for name in COUNTS},
    **dict.fromkeys(("folds", "fold_keys", "periods", "period_keys"), pl.List(pl.Int64)),
}
RUNS: dict[str, Any] = {
    "settlement_date": pl.Date,
    **dict.fromkeys(("runs", "keys", "again", "differ", "part_again"), pl.Int64),
    "key": pl.String,
}
FARMS: dict[str, Any] = {"farm_id": pl.String, "first_date": pl.Date, "last_date": pl.Date, "dates": pl.Int64}


def source_date(day: date, per_period: list[int] | None = None, **given: Any) -> dict[str, Any]:
    """An ordinary date with five keys in each of its settlement periods, but for what is given."""
    held = [5] * periods_in_day(day) if per_period is None else per_period
    keys = sum(held)
    plain = dict.fromkeys(COUNTS, 0) | {f"{name}_key": None for name in COUNTS}
    return (
        plain
        | {"settlement_date": day, "keys": keys, "priced_rows": keys, "negative": keys, "crowded_most": 1}
        | {"outsize_most": "30.5", "folds": [1], "fold_keys": [keys]}
        | {"periods": [p for p, n in enumerate(held, 1) if n], "period_keys": [n for n in held if n]}
        | given
    )


def dates(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=DATES)


def found(
    *rows: dict[str, Any],
    farms: pl.DataFrame | None = None,
    runs: Sequence[dict[str, Any]] = (),
    **options: float,
) -> dict[str, list[Finding]]:
    """The findings of some dates, by code."""
    by_code: dict[str, list[Finding]] = {}
    farms = pl.DataFrame(schema=FARMS) if farms is None else farms
    for finding in source_findings(dates(*rows), farms, pl.DataFrame(list(runs), schema=RUNS), **options):
        by_code.setdefault(finding.code, []).append(finding)
    return by_code


def only(findings: dict[str, list[Finding]]) -> Finding:
    ((finding,),) = findings.values()
    return finding


def spell(first: date = FIRST, number: int = 3, **special: dict[str, Any]) -> list[dict[str, Any]]:
    """Ordinary dates in a row; `on_1={...}` changes the one after the first."""
    return [source_date(first + timedelta(days=n), **special.get(f"on_{n}", {})) for n in range(number)]


def test_an_empty_source_and_an_ordinary_one_have_no_findings() -> None:
    assert found() == {}
    assert found(*spell(number=60)) == {}


def test_impossible_periods_name_the_date_the_period_and_how_many_the_day_has() -> None:
    finding = only(found(source_date(date(2024, 3, 31), impossible=3, impossible_key="0003 47 T_X-1")))
    assert (finding.code, finding.severity, finding.count) == ("impossible_periods", "warning", 3)
    assert facts(finding.example) == ["2024-03-31", "3", "46", "47", "T_X-1"]


def test_rows_without_volume_are_not_called_impossible_periods() -> None:
    finding = only(found(source_date(FIRST, unusable=2, unusable_key="0002 7 T_X-1")))
    assert (finding.code, finding.count) == ("unusable_rows", 2)


def test_an_example_can_be_explained_whatever_the_farm_is_called() -> None:
    finding = only(found(source_date(FIRST, crowded=1, crowded_most=16748, crowded_key="16748 12 it's {odd} farm")))
    assert facts(finding.example) == ["2024-09-01", "12", "16748"] and "it's {odd} farm" in finding.example
    assert """'recon explain 2024-09-01 12 'it'"'"'s {odd} farm''""" in RECON.render(finding.advice)


def test_energy_is_compared_with_the_limit_that_was_given() -> None:
    finding = only(found(source_date(FIRST, outsize=1, outsize_most="901.23", outsize_key="901 3 A"), max_farm_mw=800))
    assert facts(finding.example) == ["2024-09-01", "3", "A", "901.2", "400", "800", "MW", "0.5"]


@pytest.mark.parametrize(
    ("folds", "fold"),
    [
        ({9: 240}, 9),
        ({9: 230, 18: 10}, 9),
        ({2: 120, 4: 120}, 2),
        ({3: 95, 1: 5}, 3),
        ({1: 240}, None),
        ({1: 150, 2: 90}, None),
        ({2: 2}, None),
        ({}, None),
    ],
)
def test_a_date_is_copied_when_nearly_all_its_keys_are(folds: dict[int, int], fold: int | None) -> None:
    findings = found(source_date(FIRST, folds=list(folds), fold_keys=list(folds.values()), priced_rows=2160))
    copied = findings.pop("copied_rows", [])
    assert findings == {}
    assert [(f.count, f"{fold} times" in f.example) for f in copied] == (
        [(2160 * (fold - 1) // fold, True)] if fold else []
    )


def test_copied_dates_are_reported_by_range_and_multiple() -> None:
    copied = [1, 9, 9, 2, 1, 9]
    rows = [source_date(FIRST + timedelta(days=n), folds=[k], fold_keys=[240]) for n, k in enumerate(copied)]
    findings = found(*rows)["copied_rows"]
    assert [finding.example.split(":")[0] for finding in findings] == [
        "2024-09-04",
        "2024-09-02 to 2024-09-03",
        "2024-09-06",
    ]


def test_what_copies_explain_is_not_reported_again() -> None:
    copied = {"folds": [30], "fold_keys": [240], "crowded": 240, "crowded_key": "30 1 A", "crowded_most": 30}
    energy = {"outsize": 4, "outsize_key": "900 1 A", "repeated": 900, "repeated_key": "29 1 A"}
    assert set(found(source_date(FIRST, **copied, **energy))) == {"copied_rows"}


def with_runs(day: date = FIRST, **given: Any) -> dict[str, Any]:
    """A date of 240 keys, each of which is there twice and a few per cent apart, but for what is given."""
    counts = {"runs": 2, "keys": 240, "again": 240, "differ": 240, "part_again": 240}
    return counts | {"settlement_date": day, "key": "99999997 000000000000010.210 10.000 1.0210 12 it's A"} | given


@pytest.mark.parametrize(
    ("runs", "seen"),
    [
        pytest.param({}, True, id="every key"),
        pytest.param({"again": 180, "differ": 180, "part_again": 0}, True, id="three quarters, here and there"),
        pytest.param({"again": 179, "differ": 179, "part_again": 0}, False, id="fewer"),
        pytest.param({"again": 90, "differ": 90, "part_again": 80}, True, id="a third, all of some farms"),
        pytest.param({"again": 90, "differ": 90, "part_again": 79}, False, id="less than a third"),
        pytest.param({"again": 90, "differ": 90, "part_again": None}, False, id="of one farm alone"),
        pytest.param({"keys": 8, "again": 8, "differ": 8, "part_again": 8}, True, id="a quiet date"),
        pytest.param({"keys": 7, "again": 7, "differ": 7, "part_again": 7}, False, id="too few keys to tell"),
        pytest.param({"differ": 24}, False, id="exact copies"),
        pytest.param({"differ": 25}, True, id="only some energies changed"),
    ],
)
def test_several_settlement_runs_are_told_from_farms_accepted_twice(runs: dict[str, Any], seen: bool) -> None:
    assert set(found(source_date(FIRST), runs=[with_runs(**runs)])) == ({"several_runs"} if seen else set())


def test_several_settlement_runs_name_a_key_and_both_its_energies() -> None:
    second = with_runs(FIRST + timedelta(days=1), again=241, keys=250, runs=3)
    finding = only(found(*spell(), runs=[with_runs(), with_runs(runs=3, again=190), second]))
    assert (finding.code, finding.severity, finding.count) == ("several_runs", "warning", 481)
    assert facts(finding.example)[:6] == ["2024-09-02", "241", "250", "5", "12", "A"]
    assert "three times" in finding.example
    assert finding.example.endswith("12, it's A: 10.000 and 10.210 MWh, 1 to 1.0210")
    assert finding.dates == (FIRST, FIRST + timedelta(days=1))
    assert """'recon explain 2024-09-02 12 'it'"'"'s A''""" in RECON.render(finding.advice)


def test_what_several_runs_explain_is_not_reported_again_and_neither_are_they_where_copies_are() -> None:
    repeated = {"repeated": 90, "repeated_key": "1 1 A", "outsize": 4, "outsize_key": "900 1 A"}
    assert set(found(source_date(FIRST, **repeated), runs=[with_runs()])) == {"several_runs"}
    copies = source_date(FIRST, folds=[2], fold_keys=[240])
    assert set(found(copies, runs=[with_runs()])) == {"copied_rows"}


def test_positive_volumes_are_a_warning_unless_the_table_knows_no_other() -> None:
    positive = {"positive": 240, "positive_key": "2 1 A"}
    assert only(found(*spell(on_0=positive | {"negative": 0}))).severity == "warning"
    assert only(found(source_date(FIRST, negative=0, **positive))).severity == "info"


def test_mixed_signs_count_dates() -> None:
    findings = found(*spell(on_1={"positive": 4, "positive_key": "4 7 A"}))
    assert set(findings) == {"positive_volumes", "mixed_signs"}
    (mixed,) = findings["mixed_signs"]
    assert (mixed.count, facts(mixed.example)) == (1, ["2024-09-02", "4", "240"])


def test_zero_volume_keys_and_single_repeated_rows_are_only_worth_knowing() -> None:
    findings = found(source_date(FIRST, zero=3, zero_key="0 4 A", repeated=1, repeated_key="1 4 B"))
    assert {code: f.severity for code, (f,) in findings.items()} == {
        "zero_volume_keys": "info",
        "repeated_rows": "info",
    }


FULL = [5] * 48


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([5] * 30 + [0] * 18, range(31, 49)),
        ([0] * 4 + [5] * 44, range(1, 5)),
        ([5] * 20 + [0] * 4 + [5] * 24, range(21, 25)),
    ],
)
def test_a_stretch_that_both_neighbours_have_and_that_breaks_off_is_lacking(held: list[int], expected: range) -> None:
    assert lacking(FULL, held, FULL) == list(expected)


@pytest.mark.parametrize(
    ("before", "held", "after"),
    [
        pytest.param(FULL, FULL, FULL, id="nothing is missing"),
        pytest.param(FULL, [0] * 48, FULL, id="a date without keys"),
        pytest.param(FULL, [5] * 28 + [2, 1] + [0] * 18, FULL, id="it fades out"),
        pytest.param(FULL, [5] * 45 + [0] * 3, FULL, id="a short gap among few farms"),
        pytest.param([*FULL[:47], 0], [5] * 30 + [0] * 18, FULL, id="a neighbour is not busy all day"),
        pytest.param([5] * 30 + [2] * 18, [5] * 30 + [0] * 18, FULL, id="a neighbour is hardly busy then"),
        pytest.param([2] * 48, [2] * 30 + [0] * 18, [2] * 48, id="two farms prove nothing"),
        pytest.param([40] * 48, [40] * 29 + [12] + [0] * 18, [40] * 48, id="it fades out on a busy date"),
    ],
)
def test_what_wind_can_do_is_not_lacking(before: list[int], held: list[int], after: list[int]) -> None:
    assert lacking(before, held, after) == []


def test_a_single_lost_period_is_noticed_among_many_farms() -> None:
    assert lacking([20] * 48, [20] * 11 + [0] + [20] * 36, [20] * 48) == [12]


def test_short_dates_are_reported_with_their_periods() -> None:
    finding = only(found(*spell(on_1={"per_period": [5] * 30 + [0] * 18})))
    assert (finding.code, finding.count, finding.dates) == ("short_dates", 1, (date(2024, 9, 2),))
    assert facts(finding.example) == ["2024-09-02", "31-48"]


def test_a_date_at_the_edge_of_the_window_or_beside_a_hole_has_no_neighbours_to_tell() -> None:
    short = {"per_period": [5] * 30 + [0] * 18}
    assert found(*spell(on_0=short)) == {} and found(*spell(on_2=short)) == {}
    assert (
        found(
            source_date(FIRST), source_date(FIRST + timedelta(days=2), **short), source_date(FIRST + timedelta(days=3))
        )
        == {}
    )


def test_short_and_long_days_are_complete_as_they_are() -> None:
    assert found(*spell(date(2024, 3, 30))) == {}
    assert found(*spell(CLOCK_CHANGE - timedelta(days=1))) == {}


def test_an_autumn_clock_change_that_stops_at_48_is_noticed_as_such() -> None:
    finding = only(found(*spell(CLOCK_CHANGE - timedelta(days=1), on_1={"per_period": [5] * 48 + [0, 0]})))
    assert (finding.code, finding.severity, finding.dates) == ("short_clock_changes", "info", (CLOCK_CHANGE,))


@pytest.mark.parametrize("neighbour", [0, 2])
def test_a_clock_change_in_a_calm_night_is_not_noticed(neighbour: int) -> None:
    calm = {f"on_{neighbour}": {"per_period": [5] * 46 + [1, 1]}}
    rows = spell(CLOCK_CHANGE - timedelta(days=1), on_1={"per_period": [5] * 48 + [0, 0]}, **calm)
    assert found(*rows) == {}


def test_gaps_in_a_day_are_stretches_from_1_on() -> None:
    assert list(gaps_in([0, 1, 0, 0])) == [range(1, 2), range(3, 5)]
    assert list(gaps_in([1, 1])) == []


def test_periods_and_their_keys_become_a_list_per_date() -> None:
    held = days(dates(source_date(FIRST, periods=[2, 48], period_keys=[7, 1])))[FIRST]
    assert (len(held), sum(held), held[1], held[47]) == (48, 8, 7, 1)


def farm(name: str, first: int, last: int, number: int | None = None) -> tuple[str, date, date, int]:
    ends = FIRST + timedelta(days=first), FIRST + timedelta(days=last)
    return name, *ends, last - first + 1 if number is None else number


@pytest.mark.parametrize(
    ("it", "gone"),
    [
        (farm("X", 0, 29), True),
        (farm("X", 5, 29, 23), True),
        (farm("X", 0, 29, 20), False),
        (farm("X", 12, 29), False),
        (farm("X", 0, 35), False),
        (farm("X", 0, 39), False),
    ],
    ids=["to the last date", "nearly always", "now and then", "too short before", "too short since", "still there"],
)
def test_a_farm_vanishes_only_when_it_was_nearly_always_there(it: tuple[str, date, date, int], gone: bool) -> None:
    farms = pl.DataFrame([it, farm("Y", 0, 39)], schema=FARMS, orient="row")
    findings = found(*spell(number=40), farms=farms)
    assert set(findings) == ({"vanished_farms"} if gone else set())


def test_a_farm_does_not_vanish_when_the_wind_does() -> None:
    calm = {f"on_{n}": {"per_period": [1] * 48} for n in range(30, 40)}
    farms = pl.DataFrame([farm("X", 0, 29), farm("Y", 0, 39)], schema=FARMS, orient="row")
    assert found(*spell(number=40, **calm), farms=farms) == {}
    gone = only(found(*spell(number=40), farms=farms))
    assert facts(gone.example) == ["X", "30", "2024-09-30", "10"]
