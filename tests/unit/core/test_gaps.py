"""Anti-joins between what is expected and what is stored."""

from __future__ import annotations

from datetime import date

import polars as pl
from polars.testing import assert_frame_equal

from recon.core.gaps import Survey, count, expected, missing, orphans
from recon.core.schema import COUNTS
from tests.support.builders import DAY, done_frame, key_frame, miner_frame

NEXT = date(2024, 4, 21)
A, B = (DAY, 1, "T_A-1"), (DAY, 2, "T_A-1")


def counts(*rows: tuple[date, str | None, int, int, int, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=COUNTS, orient="row")


def survey(*rows: tuple[date, int, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["settlement_date", "keys", "checksum"], orient="row")


def surveyed(*rows: tuple[date, str | None, int, str]) -> pl.DataFrame:
    names = {"settlement_date": pl.Date, "miner_model": pl.String, "rows": pl.Int64, "checksum": pl.String}
    return pl.DataFrame(list(rows), schema=names, orient="row")


def counted(keys: list, done: list, models: tuple[str, ...] = ("S9", "M20S")) -> pl.DataFrame:
    found = count(key_frame(keys).lazy(), miner_frame(models).lazy(), done_frame(done).lazy()).collect()
    return found.sort("settlement_date", "miner_model")


class TestSets:
    def test_every_key_is_expected_once_with_every_model(self) -> None:
        wanted = expected(key_frame([A, B]).lazy(), miner_frame(["S9", "M20S"]).lazy().select("miner_model"))
        assert_frame_equal(
            wanted.collect(),
            done_frame([(*key, model) for key in (A, B) for model in ("S9", "M20S")]),
            check_row_order=False,
        )

    def test_a_stored_pair_is_not_missing_however_often_it_is_there(self) -> None:
        wanted, done = done_frame([(*A, "S9"), (*B, "S9")]), done_frame([(*A, "S9"), (*A, "S9")])
        assert_frame_equal(missing(wanted.lazy(), done.lazy()).collect(), done_frame([(*B, "S9")]))

    def test_a_row_differs_from_a_key_when_any_part_does(self) -> None:
        wanted = done_frame([(*A, "S9")])
        others = [(NEXT, 1, "T_A-1", "S9"), (DAY, 2, "T_A-1", "S9"), (DAY, 1, "T_A-2", "S9"), (*A, "M20S")]
        assert_frame_equal(missing(wanted.lazy(), done_frame(others).lazy()).collect(), wanted)
        assert_frame_equal(orphans(wanted.lazy(), done_frame(others).lazy()).collect(), done_frame(others))

    def test_a_stored_row_without_a_farm_is_an_orphan_and_not_a_match(self) -> None:
        done = done_frame([(DAY, 1, None, "S9")])
        assert orphans(done_frame([(*A, "S9")]).lazy(), done.lazy()).collect().height == 1


class TestCount:
    def test_counts_missing_duplicates_and_orphans_apart(self) -> None:
        done = [(*A, "S9"), (*A, "S9"), (*A, "S9"), (DAY, 9, "T_GONE-1", "S9"), (*B, "T17"), (*B, "T17")]
        assert_frame_equal(
            counted([A, B], done), counts((DAY, "M20S", 2, 0, 0, 0), (DAY, "S9", 2, 1, 2, 1), (DAY, "T17", 0, 0, 0, 2))
        )

    def test_as_many_orphans_as_missing_rows_offset_nothing(self) -> None:
        found = counted([A], [(*B, "S9")], models=("S9",))
        assert_frame_equal(found, counts((DAY, "S9", 1, 0, 0, 1)))

    def test_a_date_without_curtailment_has_only_orphans(self) -> None:
        assert_frame_equal(counted([], [(*A, "S9")]), counts((DAY, "S9", 0, 0, 0, 1)))

    def test_nothing_is_counted_of_nothing(self) -> None:
        assert_frame_equal(counted([], []), counts())


def judged(source: pl.DataFrame, stored: pl.DataFrame, models: list[str]) -> tuple[list[tuple], list[date], list[date]]:
    """COUNTS of the settled dates, the disputed ones, and those that surely lack rows."""
    found = Survey.by_date(source, stored, models)
    lists = (frame.get_column("settlement_date").to_list() for frame in (found.disputed, found.surely_unfilled))
    return sorted(found.counts(found.disputed).rows()), *lists


class TestSurvey:
    def test_equal_rows_and_checksum_settle_a_date(self) -> None:
        found = judged(survey((DAY, 2, "77")), surveyed((DAY, "S9", 2, "77")), ["S9"])
        assert found == ([(DAY, "S9", 2, 2, 0, 0)], [], [])

    def test_an_empty_date_is_settled_as_missing(self) -> None:
        found = judged(survey((DAY, 2, "77")), surveyed(), ["S9"])
        assert found == ([(DAY, "S9", 2, 0, 0, 0)], [], [DAY])

    def test_equal_counts_with_another_checksum_are_compared(self) -> None:
        assert judged(survey((DAY, 2, "77")), surveyed((DAY, "S9", 2, "78")), ["S9"]) == ([], [DAY], [])

    def test_more_rows_than_keys_are_compared_although_checksums_may_agree(self) -> None:
        assert judged(survey((DAY, 2, "77")), surveyed((DAY, "S9", 4, "77")), ["S9"]) == ([], [DAY], [])

    def test_one_disputed_model_disputes_its_date_alone(self) -> None:
        source = survey((DAY, 2, "77"), (NEXT, 1, "5"))
        stored = surveyed((DAY, "S9", 2, "77"), (DAY, "M20S", 1, "3"), (NEXT, "S9", 1, "5"), (NEXT, "M20S", 1, "5"))
        counts, disputed, lacking = judged(source, stored, ["S9", "M20S"])
        assert ({row[0] for row in counts}, disputed, lacking) == ({NEXT}, [DAY], [DAY])

    def test_an_unknown_model_and_a_date_without_keys_are_orphans(self) -> None:
        found = judged(survey((DAY, 0, "0")), surveyed((DAY, "S9", 3, "9"), (NEXT, "T17", 2, "4")), ["S9"])
        assert found == ([(DAY, "S9", 0, 0, 0, 3), (NEXT, "T17", 0, 0, 0, 2)], [], [])

    def test_of_a_disputed_date_the_counts_are_bounds(self) -> None:
        found = Survey.by_date(
            survey((DAY, 5, "77")), surveyed((DAY, "S9", 3, "9"), (DAY, "M20S", 7, "1")), ["S9", "M20S"]
        )
        assert sorted(found.counts(found.disputed.clear()).rows()) == [
            (DAY, "M20S", 5, 5, 0, 2),
            (DAY, "S9", 5, 3, 0, 0),
        ]
        assert found.unfilled.rows() == found.disputed.rows() == [(DAY,)]

    def test_pieces_have_as_many_rows_as_asked_for_but_for_a_larger_one(self) -> None:
        source = survey((DAY, 5, "1"), (NEXT, 6, "2"), (date(2024, 4, 22), 20, "3"), (date(2024, 4, 23), 1, "4"))
        found = Survey.by_date(source, surveyed(), ["S9"])
        assert [piece.height for piece in found.pieces(found.everything, 11)] == [2, 1, 1]
