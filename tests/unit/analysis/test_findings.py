"""What the counts of a window say, and which commands are recommended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from recon.analysis.findings import Finding, by_severity, index_finding, ranges, recommendations, spans
from recon.analysis.gap_findings import count_findings
from recon.core.schema import COUNTS
from recon.core.suggestions import RECON, UPDATE_DIFFICULTY, fix_command
from recon.core.window import Window
from recon.reconcile.status import Status
from recon.values.summary import Values
from tests.support.wording import facts

MODELS = ("S19J_PRO", "S9", "M20S")
FIRST = date(2024, 4, 20)


def day(number: int) -> date:
    """The n-th date of the window, from 0."""
    return FIRST + timedelta(days=number)


def status(
    *rows: tuple[int, str, int, int] | tuple[int, str, int, int, int, int], window: Window | None = None
) -> Status:
    """A status of (day, model, expected, matched[, duplicate, orphan]); models that are not named are complete."""
    given = {(n, model): (expected, matched, *(rest or (0, 0))) for n, model, expected, matched, *rest in rows}
    numbers = {n: max(row[2] for row in rows if row[0] == n) for n, *_ in rows}
    full = {(n, model): (expected, expected, 0, 0) for n, expected in numbers.items() for model in MODELS}
    counts = [(day(n), model, *values) for (n, model), values in (full | given).items()]
    source = pl.DataFrame(
        [(day(n), expected, 0, expected) for n, expected in numbers.items()],
        schema=["settlement_date", "source_rows", "invalid", "keys"],
        orient="row",
    )
    return Status(window or Window(), MODELS, source, pl.DataFrame(counts, schema=COUNTS, orient="row"))


def everywhere(n: int, expected: int, matched: int) -> list[tuple[int, str, int, int]]:
    return [(n, model, expected, matched) for model in MODELS]


def by_code(findings: Sequence[Finding]) -> dict[str, Finding]:
    assert len({finding.code for finding in findings}) == len(findings)
    return {finding.code: finding for finding in findings}


def test_tables_that_agree_have_no_finding_and_no_recommendation() -> None:
    found = status((0, "S9", 40, 40), (1, "S9", 30, 30))
    assert count_findings(found) == []
    assert recommendations(found, []) == []


def test_dates_without_any_calculation_are_empty_dates_only() -> None:
    found = status((0, "S9", 40, 40), *everywhere(1, 40, 0), *everywhere(3, 30, 0), (32, "S9", 5, 5))
    (finding,) = [f for f in count_findings(found) if f.code != "clustered_by_month"]
    assert (finding.code, finding.severity, finding.count, facts(finding.example)) == (
        "empty_dates",
        "error",
        2,
        ["2024-04-23"],
    )
    assert (str(finding.advice), finding.dates) == ("recon range 2024-04-21 2024-04-23", (day(1), day(3)))


def test_a_model_missing_for_a_whole_date_is_counted_per_date_and_model() -> None:
    found = status((0, "S9", 40, 0), (0, "M20S", 40, 0), (1, "S9", 40, 0), (2, "S9", 40, 40))
    finding = by_code(count_findings(found))["missing_models"]
    assert (finding.count, facts(finding.example)) == (3, ["2024-04-21", "S9"])
    assert str(finding.advice) == "recon range 2024-04-20 2024-04-21"


def test_a_crash_within_a_model_shows_as_uneven_models() -> None:
    found = status((0, "S19J_PRO", 432, 432), (0, "S9", 432, 143), (0, "M20S", 432, 279))
    finding = by_code(count_findings(found))["uneven_models"]
    assert (finding.count, facts(finding.example)) == (1, ["2024-04-20", "289", "S9", "0"])


@pytest.mark.parametrize("lacking", [(0, 0, 9), (225, 238, 214), (100, 100, 100), (20, 30, 45)])
def test_chance_does_not_make_models_uneven(lacking: tuple[int, int, int]) -> None:
    rows = [(0, model, 900, 900 - n) for model, n in zip(MODELS, lacking, strict=True)]
    assert "uneven_models" not in by_code(count_findings(status(*rows)))


def test_a_month_that_holds_most_of_the_gaps_is_named_with_its_dates() -> None:
    rows = [(n, "S9", 30, 20 if n in (14, 15) else 30) for n in range(60)]
    finding = by_code(count_findings(status(*rows)))["clustered_by_month"]
    assert (finding.count, facts(finding.example)) == (20, ["2024-05", "20", "20"])
    assert finding.dates == (date(2024, 5, 4), date(2024, 5, 5))


def test_a_month_that_holds_most_of_the_curtailment_is_not_named_for_its_share_of_gaps() -> None:
    rows = [(n, "S9", 30, 20) for n in range(40)]
    assert "clustered_by_month" not in by_code(count_findings(status(*rows)))


def test_gaps_in_a_window_of_one_month_are_not_clustered() -> None:
    assert "clustered_by_month" not in by_code(count_findings(status((0, "S9", 40, 30), (1, "S9", 40, 40))))


def test_duplicates_and_orphans_name_the_date_with_most_of_them() -> None:
    found = status((0, "S9", 40, 40, 3, 0), (1, "S9", 40, 40, 7, 0), (2, "M20S", 40, 40, 0, 2))
    findings = by_code(count_findings(found))
    assert findings["duplicates"].count == 10
    assert facts(findings["duplicates"].example) == ["2024-04-21", "7"]
    assert str(findings["duplicates"].advice) == "recon fix --repair duplicate --dry-run"
    assert (findings["orphans"].count, str(findings["orphans"].advice)) == (
        2,
        "recon date 2024-04-22 --repair orphan --dry-run",
    )


def test_orphans_of_an_unknown_model_say_which_model() -> None:
    found = status((0, "S9", 40, 40), (0, "S21_PRO", 0, 0, 0, 12), (1, "S9", 40, 40), (1, "T17", 0, 0, 0, 3))
    (finding,) = count_findings(found)
    assert (finding.code, finding.count) == ("unknown_models", 15)
    assert facts(finding.example) == ["S21_PRO", "12", "T17", "3", "2024-04-21"]


def test_wrong_values_are_a_finding_only_when_values_were_checked() -> None:
    summary = pl.DataFrame(
        [(FIRST, "S9", "ok", 40), (FIRST, "S9", "stale", 4), (day(1), "S9", "zero", 1)],
        schema={"settlement_date": pl.Date, "miner_model": pl.String, "verdict": pl.String, "rows": pl.Int64},
        orient="row",
    )
    plain = status((0, "S9", 44, 44), (1, "S9", 1, 1))
    reasons = [(FIRST, "S9", "wrong_subsidy", 3), (FIRST, "S9", "wrong_btc", 1), (day(1), "S9", "zero", 1)]
    causes = pl.DataFrame(reasons, ["settlement_date", "miner_model", "cause", "rows"], orient="row")
    found = replace(plain, values=Values(summary, pl.DataFrame(), causes))
    assert count_findings(plain) == []
    (finding,) = count_findings(found)
    assert (finding.code, finding.count, finding.example) == ("wrong_values", 5, "3 wrong_subsidy, 1 wrong_btc, 1 zero")
    assert str(recommendations(found, [finding])[0][0]) == "recon fix --repair wrong --dry-run"


def test_one_command_repairs_all_that_is_not_blocked() -> None:
    found = status((0, "S9", 40, 30), (1, "S9", 40, 35), (5, "S9", 40, 39, 2, 4))
    found = replace(found, blocked={day(5): UPDATE_DIFFICULTY, day(7): UPDATE_DIFFICULTY})
    advice = recommendations(found, [index_finding("create unique index")])
    assert [str(command) for command, _ in advice] == ["recon fix", str(UPDATE_DIFFICULTY), "recon init --unique-index"]
    assert facts(RECON.render(advice[0][1])) == ["15", "2"]
    why = RECON.render(advice[1][1])
    assert facts(why) == ["2024-04-25", "2024-04-25"] and "'recon date 2024-04-25'" in why


def test_what_changes_stored_rows_is_shown_first_and_counted() -> None:
    found = status((0, "S9", 40, 30, 2, 1), (1, "S9", 40, 40, 1, 0), window=Window(day(0), day(9)))
    ((command, why),) = recommendations(found, [])
    assert str(command) == "recon range 2024-04-20 2024-04-29 --repair missing,duplicate,orphan --dry-run"
    assert facts(RECON.render(why)) == ["10", "2024-04-20", "3", "1"]


def test_dates_that_nothing_frees_are_not_recommended() -> None:
    found = replace(status((0, "S9", 40, 30)), blocked={day(0): None})
    assert (recommendations(found, []), found.next_command()) == ([], None)


def test_findings_are_ordered_by_severity_and_keep_their_order_within_one() -> None:
    findings = [
        Finding(code, severity, 1, "", "")
        for code, severity in zip("abcd", ("info", "error", "warning", "error"), strict=True)
    ]
    assert [finding.code for finding in by_severity(findings)] == ["b", "d", "c", "a"]


def test_a_finding_shows_all_its_dates() -> None:
    days = tuple(day(n) for n in range(300))
    assert Finding("x", "info", 1, "", "", days).to_dict()["dates"] == [d.isoformat() for d in days]


def test_dates_become_ranges_and_commands() -> None:
    assert list(spans([day(0), day(1), day(3)])) == [(day(0), day(1)), (day(3), day(3))]
    assert list(spans([])) == []
    assert ranges([1, 3, 4, 5]) == "1, 3-5"
    assert str(fix_command([day(0)])) == "recon date 2024-04-20"
