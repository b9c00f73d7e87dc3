"""What travels to a worker and back, and whom a worker refuses to work for."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from recon import __version__
from recon.cli import engine
from recon.core import extras
from recon.core.errors import DatabaseError, ReconError, UsageError
from recon.core.settings import EngineName, Settings
from recon.reconcile.dask import pickling, worker
from recon.reconcile.dask.engine import _unfit
from recon.reconcile.dask.worker import Order, attended, prepared
from recon.reference import reference
from recon.reference.data_files import packaged
from tests.support.builders import DAY, energy_frame

REFERENCE = reference.load(None, None, None, Path())
OURS = Settings(database_url="postgresql://owner:between-us@db/power", json=True)
THEIRS = "postgresql://worker@elsewhere/power"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another machine's environment."""
    pickling._reference.cache_clear()
    monkeypatch.setenv("RECON_DATABASE_URL", THEIRS)
    monkeypatch.setenv("RECON_HOME", str(tmp_path))


def test_a_worker_has_our_settings_with_a_database_url_and_a_home_of_its_own(tmp_path: Path) -> None:
    packed = pickling.packed(partial(max, OURS, REFERENCE, key=DAY), settings=OURS)
    assert b"between-us" not in packed and b"postgresql" not in packed
    settings, found = pickling.unpack(packed).args
    assert settings == replace(OURS, database_url=THEIRS, home=tmp_path)
    assert (found.checksum, found.models) == (REFERENCE.checksum, REFERENCE.models)
    assert b"2024" not in packed.replace(b"2024-04-20", b""), "epochs stay at home"
    sent = pickling.packed(OURS, settings=OURS, send_url=True)
    assert b"between-us" in sent
    assert pickling.unpack(sent).database_url == OURS.database_url


def test_no_frame_leaves_this_machine_and_results_come_back_as_rows() -> None:
    frame = energy_frame([(DAY, 1, "T_A-1", 0.1)])
    for one in (frame, frame.lazy()):
        with pytest.raises(TypeError, match="not to leave this machine"):
            pickling.packed([one], settings=OURS)
    packed = pickling.packed_results(([DAY], frame, DatabaseError("it failed", "try", code="lost", sqlstate="08006")))
    assert b"T_A-1" in packed
    days, back, error = pickling.unpack(packed)
    assert days == [DAY] and back.equals(frame) and back.schema == frame.schema
    assert (str(error), error.code, error.sqlstate) == ("it failed; try", "lost", "08006")


def test_a_worker_without_a_database_or_with_another_difficulty_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    older = REFERENCE.known_through.replace(year=2025)
    lines = packaged("difficulty.csv").read_text().replace(str(REFERENCE.known_through), str(older))
    (tmp_path / "difficulty.csv").write_text(lines)
    with pytest.raises(UsageError, match=r"the reference data differ: .* known through 2025-"):
        pickling.unpack(pickling.packed(REFERENCE, settings=OURS))
    for name in ("RECON_DATABASE_URL", "DATABASE_URL", "PGHOST", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="no database is named"):
        pickling.unpack(pickling.packed(OURS, settings=OURS))


def test_a_worker_of_another_version_refuses_before_it_reads_what_it_is_to_do() -> None:
    order = Order("0.0.9", b"nothing that can be read")
    error = prepared(order)
    assert isinstance(error, ReconError) and error.code == "version"
    assert f"version {__version__} of recon, and 0.0.9 is asked for" in str(error)
    assert "nothing" not in repr(order), "Dask logs the arguments of what fails"
    assert pickle.loads(pickle.dumps(order)) == order


def test_what_a_worker_cannot_even_read_names_it() -> None:
    error = _unfit("tcp://10.0.0.7:1", ModuleNotFoundError("No module named 'recon'"))
    assert error.exit_code == 2
    assert str(error).startswith("worker tcp://10.0.0.7:1 cannot do the work: ModuleNotFoundError: No module named")
    assert f"install recon {__version__} with its extra dask there" in str(error)


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        engine.choose(engine=EngineName.DASK)
    assert str(caught.value).endswith(f"not installed; {extras.install('dask')}")


def test_rows_of_a_frame_keep_their_types() -> None:
    schema = {"a": pl.List(pl.Float64), "b": pl.Int32, "c": pl.Date}
    frame = pl.DataFrame({"a": [[1.5, 2.5]], "b": [None], "c": [DAY]}, schema=schema)
    assert pickling.unpack(pickling.packed_results(frame)).equals(frame)


def test_a_chunk_is_left_alone_once_its_server_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = DatabaseError("the server did not answer for 4 s", code="lost")
    monkeypatch.setattr(worker, "ASK_EVERY_S", 0.01)
    monkeypatch.setattr(worker, "silence", lambda name: lost if name == "recon/fix/1" else None)
    for_ever = threading.Event()
    with pytest.raises(DatabaseError, match="did not answer for 4 s"):
        attended(for_ever.wait, "recon/fix/1")
    assert attended(lambda: for_ever.wait(0.05), "recon/fix/2") is False
    with pytest.raises(UsageError, match="its own"):
        attended(partial(_raise, UsageError("its own")), "recon/fix/2")
    for_ever.set()


def _raise(error: Exception) -> None:
    raise error
