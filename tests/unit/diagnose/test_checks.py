"""Risk, exit codes and the monitoring line, by hand."""

from __future__ import annotations

import pytest

from recon.diagnose.checks import FAIL, OK, SKIP, WARN, Check, Diagnosis, perfdata, quantile, slowest_nodes


def diagnosis(*checks: Check, connected: bool = True) -> Diagnosis:
    return Diagnosis("diagnose analyze", checks, connected)


@pytest.mark.parametrize(
    ("checks", "score", "level"),
    [
        ([], 0, "low"),
        ([Check("query_simple", FAIL)], 3, "moderate"),
        ([Check("query_moderate", FAIL)], 2, "moderate"),
        ([Check("query_complex", FAIL)], 2, "moderate"),
        ([Check("concurrency", FAIL)], 2, "moderate"),
        ([Check("latency", FAIL)], 2, "moderate"),
        ([Check("latency", WARN, 1000.0, "ms")], 0, "low"),
        ([Check("latency", WARN, 1000.1, "ms")], 1, "low"),
        ([Check("memory", WARN)], 1, "low"),
        ([Check("long_queries", WARN)], 1, "low"),
        ([Check("query_complex", WARN), Check("headroom", WARN), Check("table_locks", FAIL)], 0, "moderate"),
        ([Check("query_simple", FAIL), Check("memory", FAIL)], 4, "moderate"),
        ([Check("query_simple", FAIL), Check("query_moderate", FAIL), Check("query_complex", FAIL)], 7, "moderate"),
        (
            [
                Check("query_simple", FAIL),
                Check("query_moderate", FAIL),
                Check("query_complex", FAIL),
                Check("long_queries", WARN),
            ],
            8,
            "high",
        ),
    ],
)
def test_the_risk_adds_up(checks: list[Check], score: int, level: str) -> None:
    found = diagnosis(*checks)
    assert (found.risk, found.level) == (score, level)
    assert found.to_dict()["risk"] == {"score": score, "max": 14, "level": level}


def test_everything_at_once_is_fourteen() -> None:
    names = ("query_simple", "query_moderate", "query_complex", "concurrency", "memory", "long_queries")
    worst = diagnosis(*(Check(name, FAIL) for name in names), Check("latency", FAIL, 2000.0, "ms"))
    assert (worst.risk, worst.level) == (14, "high")


@pytest.mark.parametrize(
    ("checks", "connected", "code", "nagios", "word"),
    [
        ([Check("a", OK)], True, 0, 0, "OK"),
        ([Check("a", SKIP)], True, 0, 0, "OK"),
        ([Check("a", WARN, detail="slow")], True, 0, 1, "WARNING"),
        ([Check("a", WARN, detail="slow"), Check("b", FAIL, detail="dead")], True, 1, 2, "CRITICAL"),
        ([Check("a", FAIL, detail="nobody")], False, 3, 3, "UNKNOWN"),
    ],
)
def test_a_failed_check_is_1_no_connection_3_and_nagios_has_codes_of_its_own(
    checks: list[Check], connected: bool, code: int, nagios: int, word: str
) -> None:
    found = diagnosis(*checks, connected=connected)
    assert found.exit_code == code
    state, line = found.nagios()
    assert (state, line.split(" - ")[0]) == (nagios, f"RECON {word}")


def test_the_monitoring_line_is_one_line_with_one_bar() -> None:
    troubled = Check("locks", FAIL, 2, "locks", 0, "pid 7 | psql\nholds a lock")
    _, line = diagnosis(troubled, Check("latency", OK, 12.5, "ms", 50)).nagios()
    assert line == "RECON CRITICAL - locks: pid 7 / psql holds a lock | 'locks'=2;0 'latency'=12.5ms;50"


def test_figures_without_a_value_are_left_out_and_units_are_those_that_plugins_know() -> None:
    checks = [Check("a", OK), Check("b", OK, 3, "rows/s"), Check("c", OK, 0.25, "s", 2), Check("d", OK, 1e9, "B")]
    assert perfdata(checks) == "'b'=3 'c'=0.25s;2 'd'=1e+09B"


def test_a_plugin_is_told_whether_a_threshold_is_the_least_or_the_most() -> None:
    checks = [Check("headroom", OK, 96, "", 5), Check("latency", OK, 0.5, "ms", 50)]
    assert perfdata(checks) == "'headroom'=96;5: 'latency'=0.5ms;50"


def test_advice_comes_once_what_failed_first() -> None:
    checks = [Check("a", WARN, advice="later"), Check("b", FAIL, advice="now"), Check("c", FAIL, advice="now")]
    assert diagnosis(*checks, Check("d", OK, advice="last")).recommendations == ["now", "later", "last"]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.05, 1.0), (0.5, 5.0), (0.51, 6.0), (0.95, 10.0), (1.0, 10.0)]
)
def test_a_quantile_is_one_of_the_values(share: float, expected: float) -> None:
    assert quantile([float(n) for n in (10, 1, 9, 2, 8, 3, 7, 4, 6, 5)], share) == expected


def test_a_node_counts_without_its_children() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "curtailment_records", "Actual Total Time": 40.0}
    scan |= {"Actual Loops": 2, "Shared Read Blocks": 1200}
    plan = {"Node Type": "Aggregate", "Actual Total Time": 100.0, "Actual Loops": 1, "Plans": [scan]}
    assert slowest_nodes(plan) == [("Seq Scan curtailment_records (1,200 blocks from disk)", 80.0), ("Aggregate", 20.0)]
    assert slowest_nodes(plan, most=1) == slowest_nodes(plan)[:1]
