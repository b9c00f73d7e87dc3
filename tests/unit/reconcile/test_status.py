"""One frozen report: counts, percentages, exit codes and JSON."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.errors import ExitCode
from recon.core.plan import DateResult
from recon.core.schema import COUNTS
from recon.core.window import Window
from recon.reconcile.report import FixReport
from recon.reconcile.request import FixRequest
from recon.reconcile.status import Status, date_rows, percent
from recon.values.summary import Values
from recon.values.tally import MIXED
from tests.support.builders import DAY, days

DATES = days(DAY, 4)


def status(*rows: tuple[int, str | None, int, int, int, int]) -> Status:
    """Counts as (number of the date, model, expected, matched, duplicate, orphan)."""
    counts = pl.DataFrame([(DATES[n], *row) for n, *row in rows], schema=COUNTS, orient="row")
    source = pl.DataFrame({"settlement_date": [DAY], "source_rows": [9], "invalid": [2], "keys": [5]})
    return Status(Window(), ("S9", "M20S"), source, counts)


def judged(found: Status, wrong: dict[int, int]) -> Status:
    """The status once values were compared: so many are wrong, by number of the date, and one is right."""
    rows = [(DATES[n], "S9", "stale", count) for n, count in wrong.items()] + [(DAY, "S9", "ok", 1)]
    schema = {"settlement_date": pl.Date, "miner_model": pl.String, "verdict": pl.String, "rows": pl.Int64}
    return replace(found, values=Values(pl.DataFrame(rows, schema=schema, orient="row"), pl.DataFrame(schema=MIXED)))


RECONCILED = status((0, "S9", 5, 5, 0, 0), (0, "M20S", 5, 5, 0, 0))


class TestPercent:
    def test_is_rounded_down_so_that_one_missing_row_shows(self) -> None:
        assert percent(1_511_960, 1_511_961) == 99.99
        assert percent(1, 3) == 33.33

    def test_of_nothing_is_a_hundred(self) -> None:
        assert percent(0, 0) == 100.0

    @given(st.integers(1, 10**12), st.data())
    def test_is_a_hundred_only_when_nothing_is_missing(self, expected: int, data: st.DataObject) -> None:
        matched = data.draw(st.integers(0, expected))
        assert (percent(matched, expected) == 100) == (matched == expected)


class TestStatus:
    def test_dates_that_were_looked_at_again_count_as_they_were_found(self) -> None:
        before = status((0, "S9", 5, 2, 0, 0), (0, "M20S", 5, 5, 1, 0), (1, "S9", 3, 0, 0, 0), (1, "M20S", 3, 3, 0, 0))
        again = status((0, "S9", 6, 6, 0, 1), (0, "M20S", 6, 6, 0, 0)).counts
        after = before.with_counts([DAY], again)
        assert after.dates.rows() == [(DAY, 12, 12, 0, 0, 1, None), (DATES[1], 6, 3, 3, 0, 0, None)]
        assert after.source.rows() == [(DAY, 9, 2, 6)]

    def test_a_date_whose_curtailment_is_gone_has_no_keys_any_more(self) -> None:
        after = RECONCILED.with_counts([DAY], RECONCILED.counts.clear())
        assert (after.dates.height, after.source.rows()) == (0, [(DAY, 9, 2, 0)])

    def test_nothing_expected_and_nothing_there_is_reconciled(self) -> None:
        assert status().reconciled
        assert status().to_dict()["percent"] == 100.0

    @pytest.mark.parametrize(
        "counts", [(5, 4, 0, 0), (5, 5, 1, 0), (5, 5, 0, 1)], ids=["missing", "duplicate", "orphan"]
    )
    def test_a_single_row_off_is_not_reconciled(self, counts: tuple[int, int, int, int]) -> None:
        found = status((0, "S9", *counts), (1, "S9", 5, 5, 0, 0))
        assert not found.reconciled
        assert found.exit_code is ExitCode.DIFFERENCES
        assert found.incomplete.get_column("settlement_date").to_list() == [DATES[0]]

    def test_duplicates_and_orphans_do_not_offset_what_is_missing(self) -> None:
        found = status((0, "S9", 5, 3, 1, 1))
        assert (found.total("missing"), found.total("duplicate"), found.total("orphan")) == (2, 1, 1)

    def test_dates_are_complete_partial_or_empty(self) -> None:
        found = status(
            (0, "S9", 5, 5, 0, 0),
            (1, "S9", 5, 4, 0, 0),
            (2, "S9", 5, 0, 0, 0),
            (3, "S9", 0, 0, 0, 4),
            (1, "M20S", 5, 5, 0, 0),
        )
        assert found.date_totals == {"total": 3, "complete": 1, "partial": 1, "empty": 1}

    def test_a_date_with_duplicates_is_partial(self) -> None:
        assert status((0, "S9", 5, 5, 2, 0)).date_totals == {"total": 1, "complete": 0, "partial": 1, "empty": 0}

    def test_worst_dates_come_first_and_newest_among_equals(self) -> None:
        found = status((0, "S9", 5, 3, 0, 0), (1, "S9", 5, 3, 0, 0), (2, "S9", 5, 1, 0, 0), (3, "S9", 5, 5, 0, 0))
        assert [row["date"] for row in date_rows(found.incomplete)] == ["2024-04-22", "2024-04-21", "2024-04-20"]

    def test_models_are_the_configured_ones_even_without_rows(self) -> None:
        found = status((0, "S9", 5, 3, 0, 0), (0, "T17", 0, 0, 0, 9), (0, None, 0, 0, 0, 1))
        assert found.by_model == {
            "S9": {"expected": 5, "matched": 3, "missing": 2},
            "M20S": {"expected": 0, "matched": 0, "missing": 0},
        }

    def test_months_sum_the_incomplete_dates(self) -> None:
        april = status((0, "S9", 5, 3, 0, 0), (1, "S9", 5, 1, 0, 0), (2, "S9", 5, 5, 0, 0)).months
        assert april.to_dicts() == [{"month": "2024-04", "dates": 2, "missing": 6, "wrong": None}]

    def test_a_date_with_a_wrong_value_is_not_complete(self) -> None:
        found = judged(status((0, "S9", 5, 5, 0, 0), (1, "S9", 5, 5, 0, 0), (2, "S9", 5, 4, 0, 0)), wrong={1: 2, 2: 1})
        assert found.dates.get_column("wrong").to_list() == [0, 2, 1]
        assert found.incomplete.select("settlement_date", "missing", "wrong").rows() == [
            (DATES[2], 1, 1),
            (DATES[1], 0, 2),
        ]
        assert found.date_totals == {"total": 3, "complete": 1, "partial": 2, "empty": 0}
        assert found.months.rows() == [("2024-04", 2, 1, 3)]
        assert judged(RECONCILED, wrong={}).reconciled and not judged(RECONCILED, wrong={0: 1}).reconciled


class TestFixReport:
    def report(self, *statuses: str, after: Status = RECONCILED, dry_run: bool = False) -> FixReport:
        btc = (("S9", "0.10000001"), ("M20S", "0.2"))
        results = tuple(
            DateResult(day, s, 4, inserted=4 if s == "done" else 0, btc=btc if s == "done" else ())
            for day, s in zip(DATES, statuses, strict=False)
        )
        return FixReport("fix", "7f3a", results, after, 1.5, FixRequest(dry_run=dry_run))

    @pytest.mark.parametrize("status", ["failed", "blocked", "pending"])
    def test_a_date_that_was_not_finished_ends_with_4(self, status: str) -> None:
        assert self.report("done", status).exit_code is ExitCode.INCOMPLETE

    def test_differences_left_end_with_1_and_none_with_0(self) -> None:
        assert self.report("done", "skipped").exit_code is ExitCode.OK
        assert self.report("done", after=status((0, "S9", 5, 4, 0, 0))).exit_code is ExitCode.DIFFERENCES

    def test_a_dry_run_ends_as_status_does(self) -> None:
        before = status((0, "S9", 5, 4, 0, 0))
        assert self.report("pending", after=before, dry_run=True).exit_code is ExitCode.DIFFERENCES

    def test_4_wins_over_1(self) -> None:
        assert self.report("blocked", after=status((0, "S9", 5, 4, 0, 0))).exit_code is ExitCode.INCOMPLETE

    def test_btc_is_summed_exactly_and_named_for_every_model(self) -> None:
        report = self.report("done", "done", "done")
        assert report.btc == {"S9": Decimal("0.30000003"), "M20S": Decimal("0.6")}
        assert report.to_dict()["btc"] == {"S9": "0.30000003", "M20S": "0.60000000"}
        assert self.report().to_dict()["btc"] == {"S9": "0.00000000", "M20S": "0.00000000"}

    def test_blocked_dates_are_listed_but_not_planned(self) -> None:
        document = self.report("done", "blocked").to_dict()
        assert document["planned"] == {"dates": 1, "rows": 4}
        assert [entry["status"] for entry in document["dates"]] == ["done", "blocked"]
