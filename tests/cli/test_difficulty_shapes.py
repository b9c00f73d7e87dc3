"""Difficulties as the well-known chart and explorer APIs give them, through `recon difficulty check` and `update`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recon.cli.app import main

A, B, C = 124932866006548, 130 * 10**12, 127 * 10**12
"""Of the last known epoch, from 2026-06-14, and of two that follow it."""
FIRST, SECOND = datetime(2026, 6, 28, 13, tzinfo=UTC), datetime(2026, 7, 12, 9, tzinfo=UTC)
HEIGHT = 955584
DAYS = [date(2026, 6, 24) + timedelta(days=n) for n in range(25)]
"""Through 2026-07-18."""


def at(day: date, hour: int = 0) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp())


def in_force(moment: datetime) -> int:
    return A if moment < FIRST else B if moment < SECOND else C


def sample(day: date, hour: int = 0) -> int:
    return in_force(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))


def block(height: int) -> dict[str, Any]:
    """One block every ten minutes around the start of the first new epoch."""
    moment = FIRST + timedelta(minutes=10) * (height - HEIGHT)
    return {"height": height, "timestamp": int(moment.timestamp()), "bits": 1, "difficulty": in_force(moment)}


POINTS = [{"x": at(day), "y": float(sample(day))} for day in DAYS]
STARTS = [(int(start.timestamp()), HEIGHT + 2016 * n, in_force(start), 1.02) for n, start in enumerate((FIRST, SECOND))]
NAMES = ("time", "height", "difficulty", "adjustment")
EPOCHS = {
    "mempool's arrays": json.dumps(STARTS[::-1]),
    "mempool's hashrate": json.dumps(
        {
            "hashrates": [{"timestamp": 1782600000, "avgHashrate": 9.1e20}],
            "difficulty": [
                dict(zip(("time", "height", "difficulty", "adjustment"), row, strict=True)) for row in STARTS
            ],
            "currentDifficulty": C,
        }
    ),
    "CSV, time first": "\n".join(f"{t},{h},{d},{c}" for t, h, d, c in STARTS),
    "CSV, height first": "\r\n".join(
        f"{h}, {datetime.fromtimestamp(t, UTC):%Y-%m-%d %H:%M:%S}, {d}" for t, h, d, _ in STARTS
    ),
    "arrays, height first": json.dumps([[h, t * 1000, str(d)] for t, h, d, _ in STARTS]),
}
SAMPLES = {
    "a chart": json.dumps({"status": "ok", "name": "Network Difficulty", "unit": "", "values": POINTS}),
    "a chart's export": json.dumps(
        {
            "metric1": "difficulty",
            "average": "1d",
            "difficulty": [{"x": p["x"] * 1000, "y": p["y"]} for p in POINTS],
            "market-price": [{"x": 1782600000000, "y": 98000}],
        }
    ),
    "a chart's figures as text": json.dumps({"values": [{"x": str(p["x"]), "y": f"{p['y']:.2f}"} for p in POINTS]}),
    "CSV": "\n".join(f"{day} 00:00:00,{sample(day)}.0" for day in DAYS),
    "CSV with a mark and CRLF": "\ufeff" + "".join(f"{day} 00:00:00, {sample(day)}\r\n" for day in DAYS),
    "CSV with other names": "Date,Value\n" + "\n".join(f"{day},{sample(day)}" for day in DAYS),
    "Coin Metrics": json.dumps(
        {
            "data": [
                {"asset": "btc", "time": f"{day}T00:00:00.000000000Z", "DiffLast": f"{sample(day)}.0"} for day in DAYS
            ]
        }
    ),
    "a dataset": json.dumps({"dataset": {"name": "Bitcoin Difficulty", "data": [[str(d), sample(d)] for d in DAYS]}}),
    "a frame's": json.dumps({"difficulty": {str(at(day) * 1000): sample(day) for day in DAYS}}),
}

Known = Callable[[str], dict[str, str | None]]


@pytest.fixture
def known(
    recon_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Known:
    """Checks a text and takes it in; what is known of each of DAYS then."""
    monkeypatch.setenv("RECON_HOME", str(recon_home))

    def run(text: str) -> dict[str, str | None]:
        file = tmp_path / "given"
        file.write_text(text, encoding="utf-8", newline="")
        assert main(["difficulty", "check", str(file)]) == 0, capsys.readouterr()
        assert main(["difficulty", "update", "--from", str(file)]) == 0, capsys.readouterr()
        found = {}
        for day in DAYS:
            capsys.readouterr()
            main(["difficulty", "show", "--json", "--date", str(day)])
            found[str(day)] = json.loads(capsys.readouterr().out)["difficulty"]
        return found

    return run


@pytest.mark.parametrize("kind", EPOCHS)
def test_epochs_in_any_shape_are_known_from_their_starts_on(known: Known, kind: str) -> None:
    assert known(EPOCHS[kind]) == {str(day): str(sample(day)) for day in DAYS}


@pytest.mark.parametrize("kind", SAMPLES)
def test_samples_in_any_shape_leave_out_the_days_of_a_change(known: Known, kind: str) -> None:
    changes = {date(2026, 6, 29), date(2026, 7, 13)}
    assert known(SAMPLES[kind]) == {str(day): None if day in changes else str(sample(day)) for day in DAYS}


def test_samples_at_a_time_of_day_tell_what_was_in_force_at_the_midnights_between_them(known: Known) -> None:
    """The day of the first sample is not known by it, nor is that of the first sample after a change."""
    text = "\n".join(f"{day} 23:11:03, {sample(day, 23)}.0" for day in DAYS)
    unknown = {FIRST.date(), SECOND.date()}
    assert known(text) == {str(day): None if day in unknown else str(sample(day)) for day in DAYS}


def test_blocks_start_an_epoch_where_their_height_does_and_are_compared_elsewhere(known: Known) -> None:
    """The epoch before it lasts until then; the last one counts for 10 days."""
    through = FIRST.date() + timedelta(days=10)
    around = known(json.dumps([block(height) for height in range(HEIGHT + 14, HEIGHT - 5, -1)]))
    assert around == {str(day): str(sample(day)) if day <= through else None for day in DAYS}


def test_explorers_call_the_height_of_a_block_its_id(known: Known) -> None:
    """And Bitcoin Core's `getblock` is one block without a list."""
    first = block(HEIGHT)
    blocks = [{"id": HEIGHT, "time": first["timestamp"], "median_time": "", "difficulty": B}]
    found = known(json.dumps({"data": blocks, "context": {"code": 200}}))
    assert found == known(json.dumps(first | {"nonce": 7, "hash": "00"}))
    assert (found["2026-06-28"], found["2026-06-29"]) == (str(A), str(B))


def mean(day: date) -> dict[str, str]:
    return {"asset": "btc", "time": f"{day}T00:00:00Z", "DiffMean": "124932866006548"}


CHART = {"status": "ok", "name": "Network Difficulty"}
REFUSED = {
    "a daily mean by its name": (json.dumps({"data": [mean(DAYS[0])]}), "DiffMean is a mean; daily means"),
    "a mean as CSV": ("time,DiffMean\n2026-06-24,124932866006548\n", "has the column diffmean; daily means"),
    "an average": (json.dumps({"data": [{"date": "2026-06-24", "avg(difficulty)": A}]}), "avg(difficulty) is a mean"),
    "a mean by its figures": (
        json.dumps({**CHART, "values": [*POINTS[:5], {"x": POINTS[5]["x"], "y": (A + B) / 2}, *POINTS[6:]]}),
        "a list of daily means",
    ),
    "another chart": (json.dumps({**CHART, "name": "Hash Rate", "values": POINTS}), "is about 'Hash Rate'"),
    "no list": (json.dumps({"progressPercent": 44.4, "difficultyChange": 9.8}), "among its keys: progressPercent"),
    "an error": (json.dumps({"data": None, "context": {"code": 402}}), "no list of difficulties among its keys"),
    "an empty list": (json.dumps({**CHART, "values": []}), "holds no difficulty"),
    "truncated": (json.dumps({**CHART, "values": POINTS})[:120], "line 1: broken JSON"),
    "a null": (json.dumps({"values": [{"x": at(DAYS[0]), "y": None}]}), "entry 1: difficulty is ''"),
    "a word": (json.dumps({"values": [{"x": at(DAYS[0]), "y": "much"}]}), "entry 1: difficulty is 'much'"),
    "an object": (json.dumps({"values": [{"x": at(DAYS[0]), "y": {}}]}), "entry 1: difficulty is '{}'"),
    "numbers": ("[1, 2, 3]", "entry 1: neither [time, height, difficulty] nor an object"),
    "microseconds": (json.dumps({"values": [{"x": at(DAYS[0]) * 10**6, "y": A}]}), "entry 1: date is"),
    "hashes": (json.dumps([{"t": p["x"], "v": p["y"] * 2**32} for p in POINTS]), "2^32 times the difficulty"),
    "trillions": ("\n".join(f"{day},{sample(day) / 1e12}" for day in DAYS[8:]), "changes by a factor of 1.04e-12"),
    "trillions, months later": ("2026-10-01,130.5\n2026-10-02,130.5\n2026-10-03,130.5", "too small for Bitcoin"),
    "two figures of one epoch": (
        json.dumps([block(HEIGHT), {**block(HEIGHT + 1), "difficulty": C}]),
        "blocks 955584 and 955585 are of one epoch and have two difficulties",
    ),
    "a block that contradicts": (
        json.dumps([{"height": 840673, "timestamp": 1713970842, "bits": 1, "difficulty": B}, block(HEIGHT)]),
        f"{B}.00000000 on 2024-04-24, where 86388558925171 and 88104191118793 are known",
    ),
    "blocks of an hour": (json.dumps([block(HEIGHT + n) for n in range(9, 3, -1)]), "no date has this difficulty"),
    "a block without a height": (json.dumps([{**block(HEIGHT), "height": None}]), "a block without a height"),
    "a block without a time": (json.dumps([{"height": HEIGHT, "bits": 1, "difficulty": B}]), "without its time"),
    "six values without a header": ("2026-06-24,124,932,866,006,548", "6 values in its first line, and no header"),
    "semicolons without a header": (f"2026-06-24 00:00:00;{A}", "separates its columns with ';'"),
    "no epoch's height": (f"1782651600,{HEIGHT + 1},{B}", f"block {HEIGHT + 1} starts no epoch"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_difficulty_is_refused_in_one_line(
    kind: str, recon_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECON_HOME", str(recon_home))
    text, reason = REFUSED[kind]
    (tmp_path / "given").write_text(text)
    assert main(["difficulty", "check", str(tmp_path / "given")]) in (1, 2)
    checked = capsys.readouterr()
    assert main(["difficulty", "update", "--from", str(tmp_path / "given")]) == 2
    updated = capsys.readouterr()
    assert reason in checked.out + checked.err and reason in updated.err
    assert updated.out == "" and len(updated.err.splitlines()) == 1 and len(updated.err) < 400
    assert not (recon_home / "difficulty.csv").exists()
