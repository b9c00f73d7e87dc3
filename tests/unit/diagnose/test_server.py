"""What is made of the server's own words; a stub says what no test server says in a short time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recon.core.settings import Settings
from recon.core.suggestions import RECON
from recon.diagnose.checks import FAIL, OK, WARN, Check
from recon.diagnose.connections import Probes, pooler
from recon.diagnose.server import _upkeep, sessions, settings_checks
from tests.support.wording import facts


class Told:
    """A session that answers every question with the next of these rows, and the last one for ever."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self._answers = list(answers)

    def rows(self, *_: object) -> list[dict[str, Any]]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    query = rows


def named(checks: Iterator[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def setting(name: str, value: str, level: str = "role analyst") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "ms", "level": level, "role_name": "analyst"}


@pytest.mark.parametrize(
    ("name", "value", "status", "advice"),
    [
        ("statement_timeout", "0", OK, ""),
        ("statement_timeout", "5000", OK, ""),
        ("statement_timeout", "4999", WARN, "recon fix 5 --statement-timeout 120"),
        ("statement_timeout", "999", FAIL, "recon fix 5 --statement-timeout 120"),
        ("lock_timeout", "99", FAIL, "recon fix --lock-timeout 30"),
        ("lock_timeout", "100", WARN, "recon fix --lock-timeout 30"),
        ("idle_in_transaction_session_timeout", "500", FAIL, "recon fix --idle-timeout 60"),
        ("idle_session_timeout", "6000", WARN, "ALTER ROLE analyst SET idle_session_timeout = 0;"),
        (
            "transaction_timeout",
            "6000",
            WARN,
            "ALTER ROLE analyst SET transaction_timeout = 0;  -- or: recon fix 1",
        ),
    ],
)
def test_a_limit_is_compared_with_what_a_chunk_needs(name: str, value: str, status: str, advice: str) -> None:
    check = named(settings_checks(Told([setting(name, value)]), 10))[name]  # type: ignore[arg-type]
    assert (check.status, RECON.render(check.advice)) == (status, advice)
    assert check.detail == ("no limit" if value == "0" else f"{int(value):,} ms, set for the role analyst")
    assert check.value == (None if value == "0" else float(value)), "0 is no limit and not a short one"


@pytest.mark.parametrize(("seconds", "status"), [(10, OK), (1, WARN)])
def test_the_programs_own_patience_is_a_setting_too(seconds: float, status: str) -> None:
    check = named(settings_checks(Told([]), seconds))["connect_timeout"]  # type: ignore[arg-type]
    assert (check.status, check.value, check.unit) == (status, seconds, "s")


def other(pid: int, state: str, seconds: float, blocked_by: str = "") -> dict[str, Any]:
    who = {"pid": pid, "role_name": "odd name", "program": "psql", "state": state, "blocked_by": blocked_by}
    return who | dict.fromkeys(("query_s", "state_s", "transaction_s"), seconds)


def test_long_queries_idle_transactions_and_waits_are_told_apart() -> None:
    seen = [other(1, "active", 29), other(2, "active", 31), other(3, "active", 90), other(4, "idle", 900)]
    seen += [other(5, "idle in transaction", 4), other(6, "idle in transaction (aborted)", 6)]
    seen += [other(7, "active", 1, "5, 6")]
    found = named(sessions(Told(seen)))  # type: ignore[arg-type]
    long, idle, waits = (found[name] for name in ("long_queries", "idle_in_transaction", "lock_waits"))
    assert (long.status, long.value, facts(long.detail)) == (WARN, 2, ["30", "90", "3"])
    assert "(odd name, psql)" in long.detail
    assert RECON.render(long.advice).startswith("recon fix 5 --statement-timeout 600  # ")
    assert (idle.status, idle.value) == (WARN, 1)
    statement = "ALTER ROLE \"odd name\" SET idle_in_transaction_session_timeout = '60s';  -- "
    assert RECON.render(idle.advice).startswith(statement)
    assert (waits.value, facts(waits.detail)) == (1, ["7", "5", "6"])
    assert {check.status for check in sessions(Told([]))} == {OK}  # type: ignore[arg-type]


@pytest.mark.parametrize(("rows", "dead", "status"), [(100_000, 20_001, WARN), (100_000, 20_000, OK), (10, 9_999, OK)])
def test_a_table_full_of_dead_rows_wants_a_vacuum(rows: int, dead: int, status: str) -> None:
    told = {"rows": rows, "dead": dead, "bytes": 2**20, "vacuumed": None, "analyzed": "2024-04-20 12:34:56.789"}
    check = _upkeep("t", '"t"', told)
    assert (check.status, check.advice) == (status, 'VACUUM (ANALYZE) "t";' if status == WARN else "")
    assert facts(check.detail)[-3:] == [f"{dead:,}", "2024-04-20", "12:34"]


@pytest.mark.parametrize(
    ("backends", "age_s", "is_pooled", "words"),
    [
        ([7, 7, 7, 7, 7], 0.1, False, None),
        ([7, 8, 7, 8, 7], 0.1, False, "one backend per transaction"),
        ([7, 7, 7, 7, 7], 3600.0, False, "a backend older than the connection"),
        ([7, 7, 7, 7, 7], 0.1, True, "backends are lent"),
    ],
)
def test_a_pooler_gives_itself_away_by_its_backends(
    backends: list[int], age_s: float, is_pooled: bool, words: str | None
) -> None:
    class Pooled(Probes):
        @contextmanager
        def new_session(self) -> Iterator[Any]:  # type: ignore[override]
            told: Any = Told(*([{"pid": pid, "age_s": age_s}] for pid in backends))
            told.is_pooled = is_pooled
            yield told

    (check,) = pooler(Pooled(Settings()))
    assert check.status == (OK if words is None else WARN)
    assert words is None or words in check.detail
