"""Files that cannot be right: refused alike by `difficulty check`, `difficulty update` and `--difficulty`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from recon.cli.app import main
from recon.reference.data_files import packaged
from tests.support import oracle

TODAY = datetime.now(UTC).date()
UNIX = 1_713_571_200
"""2024-04-20 00:00 UTC."""
A, B = 86388558925171, 88104191118793
"""Of the epochs from 2024-04-10 and from 2024-04-24."""


class Answers(NamedTuple):
    """How the three readers take one file: exit codes, and what they say together."""

    codes: tuple[int, int, int]
    said: str


@pytest.fixture
def ask(recon_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Gives a text to `check`, to `update --force` and to `--difficulty`."""
    monkeypatch.setenv("RECON_HOME", str(recon_home))

    def run(text: str | bytes, *, force: bool = True) -> Answers:
        file = tmp_path / "given"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        update = ["difficulty", "update", "--from", str(file), *(["--force"] if force else [])]
        codes = (
            main(["difficulty", "check", str(file)]),
            main(update),
            main(["difficulty", "show", "--difficulty", str(file)]),
        )
        out, err = capsys.readouterr()
        assert all(len(line) < 500 for line in err.splitlines())
        assert (recon_home / "difficulty.csv").exists() is (codes[1] == 0)
        return Answers(codes, out + err)

    return run


def daily(*figures: float, first: date = date(2024, 4, 18)) -> str:
    lines = [f"{first + timedelta(days=n)},{figure:.0f}" for n, figure in enumerate(figures)]
    return "\n".join(["date,difficulty", *lines])


BITS = 386089497
FAR = TODAY + timedelta(days=22)
CANNOT_BE_RIGHT = {
    "nothing": ("", "no columns of that kind: nothing"),
    "blank lines": ("\n\n  \n", "no columns of that kind"),
    "an empty list": ("[]", "holds no difficulty"),
    "a web page": ("<!DOCTYPE html><html><body>Too many requests</body></html>", "is a web page"),
    "XML with a mark": ("\ufeff  <?xml version='1.0'?><a/>", "is a web page"),
    "semicolons": (f"date;difficulty\n2024-04-20;{A}\n", "separates its columns with ';'"),
    "tabs": (f"date\tdifficulty\n2024-04-20\t{A}\n", "separates its columns with tabs"),
    "a decimal comma": (f'date,difficulty\n2024-04-20,"{A},5"\n', "line 2: difficulty is '86388558925171,5'"),
    "a short decimal comma": ('date,difficulty\n2024-04-20,"86,5"\n', "a decimal comma is not read: write 86.5"),
    "groups of two": ('date,difficulty\n2024-04-20,"86,38,855"\n', "commas stand between groups of three"),
    "commas without quotes": ("date,difficulty\n2024-04-20,86,388,558,925,171\n", "6 values for 2 columns"),
    "points between thousands": ("date,difficulty\n2024-04-20,86.388.558.925.171\n", "difficulty is '86.388.558"),
    "underscores": ("date,difficulty\n2024-04-20,86_388_558_925_171\n", "difficulty is '86_388"),
    "bits": ("date,difficulty\n2024-04-20,0x1703a30c\n", "the compact form of block headers (bits)"),
    "bits without 0x": ("date,difficulty\n2024-04-20,1703a30c\n", "the compact form of block headers (bits)"),
    "bits as an integer": (f"date,difficulty\n2024-04-20,{BITS}\n", "is a difficulty in compact form (bits)"),
    "below 1": ("date,difficulty\n2024-04-20,0.5\n", "difficulty is 1 or more"),
    "NaN in JSON": (f"[[{UNIX}, 838656, NaN, 1]]", "entry 1: difficulty is 'nan'"),
    "Infinity in JSON": (f"[[{UNIX}, 838656, Infinity, 1]]", "entry 1: difficulty is 'inf'"),
    "1e400 in JSON": (f"[[{UNIX}, 838656, 1e400, 1]]", "below 1e28"),
    "an integer of 5,000 digits": (f"[[{UNIX}, 838656, {'9' * 5000}, 1]]", "below 1e28"),
    "null": (f"[[{UNIX}, 838656, null, 1]]", "entry 1: difficulty is ''"),
    "a negative time": (f"[[-5, 838656, {A}, 1]]", "entry 1: date is '-5'"),
    "a year of five digits": (f"[[{10**16}, 838656, {A}, 1]]", "entry 1: date is"),
    "before Bitcoin": (f"date,difficulty\n1970-01-20,{A}\n", "1970-01-20 is before Bitcoin's first block"),
    "a day to come": (f"date,difficulty\n{FAR},{A}\n", f"{FAR} has not come yet"),
    "a key twice": (f'{{"2024-04-20": {A}, "2024-04-20": {B}}}', "2024-04-20 is there twice"),
    "one time, two figures": (f"[[{UNIX}, null, {A}], [{UNIX}, null, {B}]]", "has two difficulties"),
    "one time twice": (f"date,difficulty\n2024-04-20,{A}\n2024-04-20,{A}\n", "2024-04-20 00:00 UTC comes after"),
    "no epoch's height": (f"[[{UNIX}, 838657, {A}, 1]]", "block 838657 starts no epoch"),
    "a height with decimals": (f"[[{UNIX}, 838656.5, {A}, 1]]", "height is '838656.5'"),
    "heights against time": (
        f"[[{UNIX}, 838656, {A}, 1], [{UNIX + 1209600}, 836640, {B}, 1]]",
        "block 836640 comes after block 838656",
    ),
    "an epoch of 21 days": (
        f"[[{UNIX + 3600}, 838656, {A}, 1], [{UNIX + 3600 + 21 * 86400}, 840672, {B}, 1]]",
        "stays for 21 days: an epoch lasts 3.5 to 20 days",
    ),
    "an epoch of a day": (
        f"[[{UNIX + 3600}, 838656, {A}, 1], [{UNIX + 3600 + 86400}, 840672, {B}, 1]]",
        "lasts 1 days: an epoch lasts 3.5 to 20 days",
    ),
    "a step of 5": (f"[[{UNIX}, 838656, {A}, 1], [{UNIX + 1209600}, 840672, {5 * A}, 1]]", "by a factor of 5"),
    "a stuck day": (daily(*[A] * 30), "stays for 30 days"),
    "a figure of one day": (daily(A, A, A, 2 * A, A, A, A), "stays for 1 days: an epoch lasts 3.5 to 20 days"),
    "a daily mean": (daily(A, A, A, (A + B) / 2, B, B, B), "a list of daily means"),
    "98 figures on 98 days": (daily(*(A + 10**10 * n for n in range(98))), "a list of daily means"),
    "two figures on two days": (daily(A, B), "no date has this difficulty for sure"),
    "a claim too late": (f"# known_through: 2024-05-20\ndate,difficulty\n2024-04-24,{B}\n", "said to stay for 26 days"),
    "not UTF-8": (f"date,difficulty\n2024-04-20,{A}\n".encode("utf-16"), "not UTF-8 text"),
    "a column twice": (f"date,difficulty,difficulty\n2024-04-20,{A},{B}\n", "the column difficulty twice"),
    "values over lines": (f'date,difficulty\n2024-04-20,"{A}\n"\n2024-04-21,{A}', "runs over several lines"),
}


@pytest.mark.parametrize("kind", CANNOT_BE_RIGHT)
def test_what_cannot_be_right_is_refused_by_all_three_readers_for_the_same_reason(ask, kind: str) -> None:
    text, reason = CANNOT_BE_RIGHT[kind]
    found = ask(text)
    assert found.codes in ((1, 2, 2), (2, 2, 2))
    assert found.said.count(reason) >= 3, found.said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"date,difficulty\n2024-04-12,{B}\n", f"{B}.00000000 on 2024-04-12, where {A} is known"),
        (daily((A + B) / 2, first=date(2024, 4, 24)), f"lies between {A} and {B}: a list of daily means"),
        (f"time,difficulty\n2024-04-17T12:00:00Z,{B}\n", f"{B}.00000000 on 2024-04-17, where {A} is known"),
        (f"[[{UNIX - 5 * 86400}, 838656, {A}, 1]]", "block 838656 on 2024-04-15, where 2024-04-10 is known"),
        (f"[[{UNIX}, 840672, {A}, 1]]", "block 840672 on 2024-04-20, where 2024-04-24 is known"),
    ],
    ids=["a day", "the mean of a retarget day", "an epoch between two", "a known block", "a block too early"],
)
def test_what_contradicts_the_known_epochs_is_refused_with_both_figures_even_if_forced(ask, text, reason) -> None:
    found = ask(text)
    assert found.codes[:2] == (1, 2)
    assert found.said.count(reason) == 2, found.said


@pytest.mark.parametrize(
    "text",
    [
        f"date,difficulty\r\n2024-04-12,{A}\r\n",
        f'\ufeffdate,difficulty\n2024-04-12,"{A:,}"\n',
        f"[[{UNIX * 1000}, null, {A}]]",
        f"[[{UNIX}.0, null, {A}.0]]",
        f"time,difficulty\n2024-04-20T05:30:00+05:30,{A}\n",
        f'[{{"timestamp": {UNIX}, "difficulty": {A}}}]',
        f"time,difficulty\n2024-04-12 00:00:00,{A}\n",
        f"# known_through: 2024-04-18\ndate,difficulty\n2024-04-12,{A}\n",
        f"date,difficulty\n2024-03-28,83126997340025\n2024-04-10,{A}\n2024-04-24,{B}\n",
        daily(A, A, A, B, B, B, first=date(2024, 4, 22)),
        daily(A, A, A, B, B, B, first=date(2024, 4, 21)),
    ],
    ids=lambda text: text[:30],
)
def test_what_agrees_with_the_known_epochs_changes_nothing_however_it_is_written(ask, recon_home: Path, text) -> None:
    """Retarget days too: a day says what was in force at some time of it."""
    found = ask(text, force=False)
    assert found.codes == (0, 0, 0), found.said
    assert "0 epochs added; difficulty is known through 2026-06-24" in found.said
    main(["difficulty", "show", "--date", "2024-04-10", "--json"])
    main(["difficulty", "show", "--date", "2024-04-24", "--json"])
    assert [line.split(",")[1:] for line in (recon_home / "difficulty.csv").read_text().splitlines()[2:]] == [
        [line.split(",")[1], line.split(",")[2]]
        for line in packaged("difficulty.csv").read_text().splitlines()
        if line[0].isdigit()
    ]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    capsys.readouterr()
    main(["difficulty", "show", "--json", *arguments])
    return json.loads(capsys.readouterr().out)


def test_the_public_list_from_the_very_first_block_is_taken_without_a_word_of_2009(ask) -> None:
    """July 2010 had an epoch of less than 3.5 days, which ended with a step of 4."""
    early = [("2009-01-03T18:15:05", 0, 1), ("2009-12-30T06:11:04", 32256, 1.18), ("2010-01-11T18:36:36", 34272, 1.31)]
    july = [("2010-07-13T03:36:00", 66528, 45.38582234), ("2010-07-16T12:00:00", 68544, 181.5432893)]
    rows = [[int(datetime.fromisoformat(f"{at}Z").timestamp()), height, value, 1] for at, height, value in early + july]
    found = ask(json.dumps(rows[::-1]), force=False)
    assert found.codes == (0, 0, 0), found.said
    assert "2009-01-14" not in found.said and "2010-01-22 to 2010-07-13" in found.said


def test_days_of_a_file_cover_these_days_and_no_other(ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(daily(A, A, A))
    days = {
        day: shown(capsys, "--date", f"2024-04-{day}", "--difficulty", str(tmp_path / "given"))
        for day in (17, 18, 20, 21)
    }
    assert {day: found["difficulty"] for day, found in days.items()} == {17: None, 18: str(A), 20: str(A), 21: None}
    assert days[18]["coverage"] == {"first": "2024-04-18", "known_through": "2024-04-20"}


@pytest.mark.parametrize("days_of_old", [5, 6, 7])
def test_on_a_known_retarget_day_a_daily_file_has_what_was_in_force_at_midnight(
    ask, tmp_path: Path, capsys: pytest.CaptureFixture[str], days_of_old: int
) -> None:
    """Told for the beginning of the day, or for its end; and where nobody knows it: not at all."""
    told = daily(*[A] * days_of_old, *[B] * 5)
    if days_of_old == 5:
        told = told.replace("2024-", "2026-").replace(str(A), str(10 * A)).replace(str(B), str(10 * B))
        (tmp_path / "later").write_text(told.replace("2026-04", "2026-07"))
        day = shown(capsys, "--date", "2026-07-23", "--difficulty", str(tmp_path / "later"))
        assert day["difficulty"] is None
        return
    ask(told)
    for n in range(days_of_old + 5):
        day = date(2024, 4, 18) + timedelta(days=n)
        found = shown(capsys, "--date", str(day), "--difficulty", str(tmp_path / "given"))["difficulty"]
        assert Decimal(found) == oracle.difficulty(day)


def test_a_day_that_a_daily_file_leaves_out_is_a_hole(ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = daily(A, A, A, A, A).splitlines()
    found = ask("\n".join(lines[:3] + lines[4:]))
    assert "leaves out 1 date, 2024-04-20" in found.said
    holed = shown(capsys, "--date", "2024-04-20", "--difficulty", str(tmp_path / "given"))
    assert (holed["difficulty"], holed["holes"]) == (None, [{"first": "2024-04-20", "last": "2024-04-20"}])


def test_samples_a_few_days_apart_cover_only_the_days_they_tell(
    ask,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask(f"date,difficulty\n2024-04-12,{A}\n2024-04-16,{A}\n2024-04-20,{A}\n")
    found = shown(capsys, "--difficulty", str(tmp_path / "given"))
    assert [(hole["first"], hole["last"]) for hole in found["holes"]] == [
        ("2024-04-13", "2024-04-15"),
        ("2024-04-17", "2024-04-19"),
    ]


def as_of(known: list[tuple[str, str]], day: date) -> str:
    """What is in force at 00:00 UTC, by plain comparison of texts."""
    return [difficulty for starts, difficulty in known if starts <= f"{day}T00:00:00Z"][-1]


def test_after_a_hole_is_filled_every_date_has_what_was_in_force(
    ask,
    recon_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    starts = [datetime(2026, 6, 28, 13, tzinfo=UTC) + timedelta(days=13.5) * n for n in range(6)]
    rows = [[int(at.timestamp()), 955584 + 2016 * n, 125 * 10**12 + n * 10**12, 1] for n, at in enumerate(starts)]
    assert ask(json.dumps(rows[4:])).codes[1] == 0
    holed = shown(capsys)
    assert holed["holes"] == [{"first": "2026-06-25", "last": str(starts[4].date())}]
    assert "known_through" in (recon_home / "difficulty.csv").read_text().splitlines()[1]
    (recon_home / "keep.csv").write_text((recon_home / "difficulty.csv").read_text())
    assert ask(json.dumps(rows[:4][::-1])).codes[1] == 0
    (tmp := recon_home / "rest.json").write_text(json.dumps(rows[4:]))
    assert main(["difficulty", "update", "--from", str(tmp)]) == 0
    known = [(f"{at:%Y-%m-%dT%H:%M:%SZ}", str(row[2])) for at, row in zip(starts, rows, strict=True)]
    known = [("2026-06-14T00:36:42Z", "124932866006548"), *known]
    for n in range(80):
        day = date(2026, 6, 15) + timedelta(days=n)
        assert shown(capsys, "--date", str(day))["difficulty"] == as_of(known, day)
    assert shown(capsys, "--date", "2024-04-20")["difficulty"] == str(oracle.difficulty(date(2024, 4, 20)))
    lost = main(["difficulty", "update", "--difficulty", str(recon_home / "keep.csv"), "--from", str(tmp)])
    assert (lost, "knows more" in capsys.readouterr().err) == (2, True)
    assert shown(capsys)["holes"] == []


def test_daily_figures_after_the_known_end_leave_out_the_day_of_the_change(
    ask,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known, new = 124932866006548, 130 * 10**12
    assert ask(daily(*[known] * 5, *[new] * 5, first=date(2026, 6, 24))).codes[1] == 0
    found = {
        day: shown(capsys, "--date", str(date(2026, 6, 24) + timedelta(days=day)))["difficulty"] for day in range(11)
    }
    assert found == {**dict.fromkeys(range(5), str(known)), 5: None, **dict.fromkeys(range(6, 10), str(new)), 10: None}
