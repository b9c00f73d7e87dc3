"""Difficulty from elsewhere: formats, plausibility, merging."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.errors import DataFileError
from recon.reference.data_files import packaged
from recon.reference.difficulty.epochs import Epoch, to_csv
from recon.reference.difficulty.files import Source, read
from recon.reference.difficulty.known import read_known
from recon.reference.difficulty.merge import contradictions, merged
from recon.reference.difficulty.rules import implausible, problems

KNOWN = list(read_known(packaged("difficulty.csv")))
LAST = KNOWN[-1]


def as_json(epochs: list[Epoch]) -> str:
    """The public form, newest first."""
    rows = [[int(e.starts.timestamp()), e.height, float(e.difficulty), 1.0] for e in reversed(epochs)]
    return json.dumps(rows)


def days(first: date, count: int) -> list[tuple[date, Decimal]]:
    midnights = [datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=n) for n in range(count)]
    return [(m.date(), [e for e in KNOWN if e.starts <= m][-1].difficulty) for m in midnights]


def test_the_public_json_form_gives_the_epochs_it_lists() -> None:
    source = read(as_json(KNOWN[-5:]), "x.json")
    assert [(e.height, e.difficulty) for e in source.epochs] == [(e.height, e.difficulty) for e in KNOWN[-5:]]
    assert not source.daily
    assert source.known_through == LAST.starts.date() + timedelta(days=10)


@pytest.mark.parametrize("written", ["1234567", "1234567.0", '"1,234,567"', '"1234567.0"', '"1,234,567.0"'])
def test_numbers_are_read_however_they_are_written(written: str) -> None:
    csv = read(f"date,difficulty\n2024-04-20,{written}\n", "x.csv")
    as_list = read(f"[[1713571200, 1, {written}, 1.0]]", "x.json")
    as_object = read(
        f'{{"2024-04-20": {written}}}' if "," not in written.strip('"') else '{"2024-04-20": 1234567}', "x"
    )
    for source in (csv, as_list, as_object):
        assert source.epochs[0].difficulty == Decimal(1234567)
        assert source.epochs[0].starts == datetime(2024, 4, 20, tzinfo=UTC)


def test_days_are_folded_into_the_epochs_they_lie_in() -> None:
    listed = days(date(2024, 1, 1), 60)
    text = "date,difficulty\n" + "".join(f'{day},"{number:,.0f}"\n' for day, number in listed)
    source = read(text, "days.csv")
    assert source.daily
    assert source.known_through == date(2024, 2, 29)
    assert problems(source) == []
    assert [e.difficulty for e in source.epochs] == list(dict.fromkeys(number for _, number in listed))
    assert contradictions(source, KNOWN) == []
    assert list(merged(source, KNOWN)) == KNOWN


def test_a_wrong_day_is_named_with_its_line() -> None:
    text = "date,difficulty\n" + "".join(f"{day},{number}\n" for day, number in days(date(2024, 1, 1), 5))
    (problem,) = contradictions(read(text + "2024-01-06,77\n", "x"), KNOWN)
    assert problem.place == "line 7"
    assert "77" in problem.reason


@pytest.mark.parametrize(("after", "contradicts"), [(1, True), (9, True), (10, False), (11, False), (14, False)])
def test_days_of_the_last_known_epoch_are_known_as_long_as_it_surely_lasts(after: int, contradicts: bool) -> None:
    first = LAST.starts.date() + timedelta(days=1)
    numbers = [LAST.difficulty if n < after else LAST.difficulty + 10**12 for n in range(1, 20)]
    lines = [f"{first + timedelta(days=n)},{number:.0f}" for n, number in enumerate(numbers)]
    source = read("\n".join(["date,difficulty", *lines]), "x.csv")
    assert bool(contradictions(source, KNOWN)) is contradicts
    assert all(not problem.is_opinion for problem in contradictions(source, KNOWN)), "a day overrides no epoch"
    if not contradicts:
        result = merged(source, KNOWN)
        assert [e.difficulty for e in result[-2:]] == [LAST.difficulty, LAST.difficulty + 10**12]
        assert result[-2].through == max(first + timedelta(days=after - 2), date(2026, 6, 24))
        assert result[-1].first_day == first + timedelta(days=after), "nobody knows of the day of the change"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no columns of that kind"),
        ("a,b\n1,2\n", "no columns of that kind"),
        ("date,difficulty\n2024-04-20,\n", "line 2"),
        ("date,difficulty\n2024-04-20,-5\n", "line 2"),
        ("date,difficulty\n2024-99-20,5\n", "line 2"),
        ("[[1713571200, 1, 0, 1.0]]", "entry 1"),
        ("[[1713571200, 1", "broken JSON"),
        ('["x"]', "entry 1"),
        ("[" * 100_000, "cannot be read"),
        ("[[1713571200, 1, 1e9999999999999999999, 1.0]]", "cannot be read"),
        ("x" * 200_000, "cannot be read"),
        ("# known_through: soon\ndate,difficulty\n2024-04-20,5\n", "known_through is 'soon'"),
        ("date,difficulty\n9999-12-30,5\n", "cannot be read"),
        ("date,difficulty\n2024-04-20,5\n2024-04-20,6\n", "line 3"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text: str, named: str) -> None:
    with pytest.raises(DataFileError) as error:
        read(text, "file.csv")
    assert "file.csv" in error.value.message
    assert named in error.value.message


WRITTEN = [
    to_csv([*KNOWN[:2], replace(KNOWN[2], through=date(2017, 2, 18))]),
    json.dumps([[int(e.starts.timestamp()), e.height, float(e.difficulty), 1.0] for e in KNOWN[:3]]),
    json.dumps({"2024-04-20": "1,234", "2024-04-21": 1234.6}),
    json.dumps([{"time": 1713571200, "height": 1, "difficulty": 5}]),
]


@given(st.sampled_from(WRITTEN), st.integers(0, 200), st.integers(0, 9), st.text(max_size=4))
def test_a_damaged_file_is_read_or_refused_in_one_line(text: str, start: int, length: int, other: str) -> None:
    damaged = text[:start] + other + text[start + length :]
    said = ""
    try:
        assert read(damaged, "x").said
    except DataFileError as error:
        said = str(error)
    assert said.isprintable() and len(said) < 250


def test_the_known_epochs_are_plausible() -> None:
    assert list(implausible(KNOWN)) == []


def test_a_plateau_and_a_leap_are_implausible() -> None:
    start = datetime(2012, 1, 1, 12, tzinfo=UTC)
    epochs = [
        Epoch(start, Decimal(100), 2016, "line 2"),
        Epoch(start + timedelta(days=21), Decimal(101), 4032, "line 3"),
        Epoch(start + timedelta(days=35), Decimal(405), 6048, "line 4"),
        Epoch(start + timedelta(days=49), Decimal(101), 8064, "line 5"),
    ]
    assert [problem.place for problem in implausible(epochs)] == ["line 2", "line 4", "line 5"]
    for days_claimed, places in ((21, ["line 3"]), (20, [])):
        through = start.date() + timedelta(days=days_claimed)
        source = read(f"# known_through: {through}\ndate,difficulty\n{start:%Y-%m-%d},100\n", "x")
        assert [problem.place for problem in problems(source)] == places


def test_a_file_may_go_backwards_but_not_to_and_fro() -> None:
    lines = [f"{day},{number}" for day, number in days(date(2024, 1, 1), 6)]

    def jumbled(*order: int) -> list[tuple[str, str]]:
        source = read("\n".join(["date,difficulty", *(lines[n] for n in order)]), "x.csv")
        return [(problem.place, problem.reason.partition(",")[0]) for problem in problems(source)]

    assert jumbled(0, 1, 2, 3, 4, 5) == jumbled(5, 4, 3, 2, 1, 0) == jumbled(2) == []
    assert jumbled(0, 1, 3, 2, 5, 4) == [("line 5", "2024-01-03 00:00 UTC comes after 2024-01-04 00:00 UTC")]
    assert jumbled(5, 4, 2, 3, 1, 0) == [("line 5", "2024-01-04 00:00 UTC comes after 2024-01-03 00:00 UTC")]


@given(st.sets(st.integers(0, len(KNOWN) - 1), min_size=1), st.randoms(use_true_random=False))
def test_any_part_of_the_known_epochs_changes_nothing(chosen: set[int], shuffled: random.Random) -> None:
    part = [KNOWN[n] for n in chosen]
    shuffled.shuffle(part)
    source = read(as_json(part), "x.json")
    assert contradictions(source, KNOWN) == []
    assert list(merged(source, KNOWN)) == KNOWN


@given(st.integers(1, 10))
def test_new_epochs_are_added_once_and_the_file_reads_back(count: int) -> None:
    new = [
        Epoch(LAST.starts + timedelta(days=14 * n), LAST.difficulty + n, (LAST.height or 0) + 2016 * n)
        for n in range(1, count + 1)
    ]
    source = read(as_json(new), "x.json")
    once = merged(source, KNOWN)
    assert len(once) == len(KNOWN) + count
    assert merged(source, once) == once
    back = read(to_csv(once), "x.csv")
    assert [(e.starts, e.height, e.difficulty) for e in back.epochs] == [
        (e.starts, e.height, e.difficulty) for e in once
    ]
    assert back.known_through == once[-1].through


def test_forced_a_source_overrules_a_known_epoch_but_keeps_its_time() -> None:
    (said,) = read(as_json([Epoch(LAST.starts + timedelta(hours=1), Decimal(5), LAST.height)]), "x").epochs
    wrong = Source((said,), (said,))
    assert [problem.is_opinion for problem in contradictions(wrong, KNOWN)] == [True]
    assert list(merged(wrong, KNOWN)) == KNOWN
    forced = merged(wrong, KNOWN, force=True)
    assert (forced[-1].starts, forced[-1].difficulty) == (LAST.starts, Decimal(5))
