"""Reference data: what the files may hold, and the line that names what they may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from recon.core.errors import DataFileError
from recon.reference.data_files import packaged
from recon.reference.difficulty.epochs import coverage, frame
from recon.reference.difficulty.known import read_known
from recon.reference.miner_models import read_miners
from recon.reference.numbers import Misread, positive
from recon.reference.reference import Reference, load
from recon.reference.subsidies import read_subsidies
from tests.support.builders import write

MINERS = "miner_model,hashrate_ths,power_w"


@pytest.mark.parametrize("text", ["1234", "1,234", '"1,234"', " 1234 ", "1.234e3"])
def test_numbers_are_read_however_sources_write_them(text: str) -> None:
    assert positive(text) == 1234


@pytest.mark.parametrize("text", ['"1234.6"', "1234.6", "1,234.6"])
def test_fractions_are_kept(text: str) -> None:
    assert positive(text) == Decimal("1234.6")


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "inf", "many", "", "0x10"])
def test_what_is_not_a_positive_number_is_refused(text: str) -> None:
    with pytest.raises(Misread):
        positive(text)


class TestMiners:
    def test_any_number_of_models_is_read_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        file = write(tmp_path / "m.csv", f"# mine\n{MINERS}\nX2, 200, 3500\n\nX1,100,3250.5")
        assert read_miners(file).rows() == [("X2", 200.0, 3500.0), ("X1", 100.0, 3250.5)]

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ("S9,13.5,0", ("line 3", "power_w is '0'", "above 0")),
            ("S9,13.5,-5", ("line 3", "power_w")),
            ("S9,zero,1323", ("line 3", "hashrate_ths is 'zero'")),
            ("S9,13.5,NaN", ("line 3", "power_w")),
            ("S9,13.5", ("line 3", "power_w is ''")),
            (" ,13.5,1323", ("line 3", "blank")),
            ("S9,13.5,1323\nS9,14,1350", ("line 4", "S9 is there twice")),
        ],
        ids=["zero power", "negative", "text", "nan", "nothing", "no name", "repeated"],
    )
    def test_a_line_that_cannot_be_right_is_named(self, tmp_path: Path, lines: str, words: tuple[str, ...]) -> None:
        file = write(tmp_path / "m.csv", f"# mine\n{MINERS}\n{lines}")
        with pytest.raises(DataFileError) as failure:
            read_miners(file)
        assert all(word in str(failure.value) for word in (str(file), *words))


class TestEpochs:
    def test_dates_times_and_zones_are_understood(self, tmp_path: Path) -> None:
        file = write(
            tmp_path / "d.csv",
            """date,difficulty
            2024-04-01,1000
            2024-04-11T06:00:00Z,2000
            2024-04-22T01:00:00+01:00,"1,234.6"
            """,
        )
        known = read_known(file)
        starts = [datetime(2024, 4, d, h, tzinfo=UTC) for d, h in ((2, 0), (11, 6), (22, 0))]
        assert frame(known).get_column("starts_at_utc").to_list() == starts, "of a date, only its end is sure"
        assert frame(known).get_column("difficulty").to_list() == [1000, 2000, Decimal("1234.6")]
        assert coverage(known).spans == ((date(2024, 4, 2), date(2024, 5, 2)),)

    def test_known_through_is_what_the_file_says(self, tmp_path: Path) -> None:
        text = "# known_through: 2024-04-15\ndate,difficulty\n2024-04-10,1"
        assert coverage(read_known(write(tmp_path / "d.csv", text))).known_through == date(2024, 4, 15)

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ("2024-04-10,-5", ("line 2", "difficulty is '-5'", "above 0")),
            ("2024-04-10,0", ("line 2", "difficulty is '0'")),
            ("2024-04-10,1e40", ("line 2", "difficulty")),
            (
                "2024-04-10,5\n2024-04-10,6",
                ("line 3", "2024-04-10 00:00 UTC has two difficulties, 5.00000000 and 6.00000000"),
            ),
            ("2024-04-10,5\n2024-04-10,5", ("line 3", "2024-04-10 00:00 UTC comes after 2024-04-10 00:00 UTC")),
            ("2024-03-10,4\n2024-04-10,5\n2024-03-25,6", ("line 4", "comes after", "sort")),
            ("10/04/2024,5", ("line 2", "date is '10/04/2024'")),
        ],
        ids=["negative", "zero", "absurd", "two figures", "duplicate", "unsorted", "no date"],
    )
    def test_a_line_that_cannot_be_right_is_named(self, tmp_path: Path, lines: str, words: tuple[str, ...]) -> None:
        with pytest.raises(DataFileError) as failure:
            read_known(write(tmp_path / "d.csv", f"date,difficulty\n{lines}"))
        assert all(word in str(failure.value) for word in words)

    def test_a_known_through_that_is_no_date_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataFileError, match="known_through is 'soon'"):
            read_known(write(tmp_path / "d.csv", "# known_through: soon\ndate,difficulty\n2024-04-10,1"))


class TestFiles:
    readers = pytest.mark.parametrize("read", [read_miners, read_known, read_subsidies])

    @readers
    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path, read: Callable[[Path], Any]) -> None:
        with pytest.raises(DataFileError, match=r"none\.csv cannot be read: No such file"):
            read(tmp_path / "none.csv")

    @readers
    def test_a_file_without_its_columns_or_lines_says_what_was_expected(
        self, tmp_path: Path, read: Callable[[Path], Any]
    ) -> None:
        for text in ("", "a,b\n1,2"):
            with pytest.raises(DataFileError, match="expected"):
                read(write(tmp_path / "f.csv", text))

    @readers
    def test_a_binary_file_is_refused(self, tmp_path: Path, read: Callable[[Path], Any]) -> None:
        (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00\x01")
        with pytest.raises(DataFileError, match="not UTF-8"):
            read(tmp_path / "f.csv")

    def test_subsidies_come_in_order(self, tmp_path: Path) -> None:
        file = write(tmp_path / "s.csv", "starts_on,subsidy_btc\n2024-04-20,3.125\n2020-05-11,6.25")
        with pytest.raises(DataFileError, match="line 3: 2020-05-11 comes after 2024-04-20"):
            read_subsidies(file)


class TestReference:
    def test_the_users_updated_difficulty_comes_before_the_packaged(self, tmp_path: Path) -> None:
        write(tmp_path / "difficulty.csv", "# known_through: 2024-04-30\ndate,difficulty\n2024-04-10,77.5")
        found = load(None, None, None, tmp_path)
        assert found.terms([date(2024, 4, 20)]).row(0) == (date(2024, 4, 20), Decimal("77.5"), 3.125)
        assert (found.difficulty_decimals, found.difficulty_source) == (1, str(tmp_path / "difficulty.csv"))

    def test_a_file_that_is_named_comes_before_both(self, tmp_path: Path) -> None:
        write(tmp_path / "difficulty.csv", "date,difficulty\n2024-04-10,77.5")
        named = write(tmp_path / "mine.csv", "date,difficulty\n2024-04-10,5")
        assert load(None, named, None, tmp_path).terms([date(2024, 4, 11)]).item(0, "difficulty") == 5

    def test_terms_are_null_outside_coverage_and_there_for_every_date(self, tmp_path: Path) -> None:
        days = [date(2027, 1, 1), date(2016, 1, 1), date(2024, 4, 20), date(2024, 4, 20)]
        terms = load(None, None, None, tmp_path).terms(days)
        assert terms.get_column("settlement_date").to_list() == sorted(set(days))
        assert terms.get_column("difficulty").is_null().to_list() == [True, False, True]
        assert terms.get_column("subsidy_btc").to_list() == [None, 3.125, 3.125]

    def test_the_checksum_is_of_what_the_files_say_and_not_of_how(self, tmp_path: Path) -> None:
        def checksum(text: str) -> str:
            return load(write(tmp_path / "m.csv", f"{MINERS}\n{text}"), None, None, tmp_path).checksum

        same = checksum("A,100,3050\nB,13.5,1323")
        assert same == checksum("B, 13.50, 1323\n# a comment\nA,100.0,3050")
        assert same != checksum("A,100,3051\nB,13.5,1323")

    def test_the_packaged_files_are_read(self, tmp_path: Path) -> None:
        found = load(None, None, None, tmp_path)
        assert isinstance(found, Reference)
        assert found.models == ("S19J_PRO", "S9", "M20S")
        assert found.known_through == date(2026, 6, 24)
        assert found.difficulty_source == "difficulty.csv"
        assert packaged("sample").is_dir()
