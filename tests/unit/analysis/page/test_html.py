"""What the report says in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from recon.analysis.page.html import state


def document(**found: Any) -> dict[str, Any]:
    counts = {
        "expected": 1500,
        "missing": 0,
        "duplicate": 0,
        "orphan": 0,
        "reconciled": False,
        "newest_curtailment": "2024-04-21",
    }
    wrong = found.get("values", {}).get("wrong")
    days = [{"missing": found.get("missing", 0), "wrong": wrong}, {"missing": 0, "wrong": wrong and 0}]
    return {**counts, "dates": {"total": 2}, "calendar": days, "values_checked": "values" in found, **found}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            {"missing": 1200, "duplicate": 5, "orphan": 1},
            (
                "Not reconciled: 1,200 of 1,500 calculations missing (on 1 of 2 dates) and "
                "6 surplus (5 duplicate, 1 orphan); the stored values were not checked."
            ),
        ),
        ({"values": {"wrong": 7}}, "Not reconciled: 7 stored with a wrong value (on 1 of 2 dates)."),
        (
            {"reconciled": True},
            "Reconciled: all 1,500 calculations of 2 dates are there; the stored values were not checked.",
        ),
        (
            {"reconciled": True, "values": {"wrong": 0}},
            "Reconciled: all 1,500 calculations of 2 dates are there, each with the right value.",
        ),
        (
            {"reconciled": True, "values": {"wrong": 0}, "expected": 0},
            "Nothing to reconcile: this window has no curtailment to price.",
        ),
    ],
)
def test_the_state_is_one_sentence(found: dict[str, Any], sentence: str) -> None:
    assert state(document(**found)) == sentence
