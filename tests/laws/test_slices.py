"""Laws of slices and their files: what is written is what is read, in either format, and nothing is lost on the way."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon.core import schema
from recon.core.errors import DataFileError, UsageError
from recon.core.schema import CALC_KEY_SCHEMA
from recon.core.settings import ExportFormat
from recon.export import files, slices
from tests.support.builders import DAY, energy_frame, terms_frame

MODELS = ("S9", "difficulty", 'odd "model", ü')
BTC = st.none() | st.integers(-(10**30), 10**30).map(lambda satoshis: Decimal(satoshis).scaleb(-8))
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
ROW = st.tuples(
    st.dates(date(2024, 4, 1), date(2024, 4, 30)),
    st.integers(1, 50),
    TEXT,
    st.floats(0, 1e12),
    BTC,
    BTC,
    BTC,
    st.none() | st.decimals(0, 10**20, places=8),
    st.none() | st.sampled_from([6.25, 3.125]),
)


def frame(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=slices.columns(MODELS), orient="row")


@pytest.mark.parametrize("form", ExportFormat)
@given(st.lists(st.lists(ROW, max_size=4), max_size=3))
def test_what_is_written_is_what_is_read(form: ExportFormat, chunks: list[list[tuple]]) -> None:
    with TemporaryDirectory() as place:
        part = files.write_part(files.Target(Path(place), form), "2024-04", MODELS, (frame(rows) for rows in chunks))
        path = Path(place) / files.part_name("2024-04", form)
        read = files.read_part(path, form, MODELS).collect()
        assert read.equals(frame([row for rows in chunks for row in rows]))
        assert (part.rows, part.size) == (sum(map(len, chunks)), path.stat().st_size)
        with pytest.raises(DataFileError, match="its columns are others"):
            files.read_part(path, form, MODELS[:2]).collect()


@given(st.data())
@settings(max_examples=25)
def test_a_slice_holds_every_key_and_exactly_the_values_it_was_given(data: st.DataObject) -> None:
    keys = sorted(data.draw(st.sets(st.tuples(st.just(DAY), st.integers(1, 48), TEXT), max_size=6)))
    pairs = [(*key, model) for key in keys for model in MODELS]
    some = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    right = pl.DataFrame(
        [(*pair, Decimal(number)) for number, pair in enumerate(some)],
        schema={**CALC_KEY_SCHEMA, "bitcoin_mined": schema.BTC},
        orient="row",
    )
    energy = energy_frame([(*key, float(number)) for number, key in enumerate(keys)])
    taken = slices.taken(energy, terms_frame(), right, MODELS)
    assert taken.schema == slices.columns(MODELS)
    once = slices.keys(taken)
    assert once.select(energy.columns).equals(energy)
    back = slices.stored(taken, MODELS)
    assert sorted(back.select(CALC_KEY_SCHEMA.keys()).rows()) == sorted(some)
    assert back.get_column("stored_btc").sum() == sum(range(len(some)))


def test_a_failure_half_way_leaves_the_former_file(tmp_path: Path) -> None:
    before = frame([(DAY, 1, "T_A-1", 1.0, Decimal(1), None, None, Decimal(1), 3.125)])
    files.write_part(files.Target(tmp_path, ExportFormat.CSV), "2024-04", MODELS, [before])

    def full_disk() -> object:
        yield before
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"part-0\.csv cannot be written: No space left on device"):
        files.write_part(files.Target(tmp_path, ExportFormat.CSV), "2024-04", MODELS, full_disk())  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.glob("*/*")] == ["part-0.csv"]
    assert files.read_part(tmp_path / "month=2024-04" / "part-0.csv", "csv", MODELS).collect().equals(before)
