"""What some contenders run, each in a process of its own: `python -m benchmarks.programs NAME CASE URL`.

Each prints one JSON object: what it found or did, and its seconds where its start-up is not to count.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SLICE_KEYS = 3_000
KEY = ["settlement_date", "settlement_period", "farm_id"]
CALC_KEY = [*KEY, "miner_model"]
TABLE = "historical_bitcoin_calculations"


def hide_pandas(*names: str) -> None:
    """pyarrow loads pandas and NumPy where they are installed, which recon's users need not have."""
    for name in names or ("pandas", "numpy"):
        sys.modules[name] = None  # type: ignore[assignment]


def engine(case: str, url: str) -> dict[str, Any]:
    """recon's pipeline in a process that has already done the same once, on a window without dates."""
    hide_pandas()
    from datetime import date

    from recon.core.settings import Settings
    from recon.core.window import Window
    from recon.reconcile import fix, survey, value_check
    from recon.reconcile.request import FixRequest, Job
    from recon.reconcile.watcher import Watcher
    from recon.reference import reference

    job = Job("engine", "fix", Settings(database_url=url), reference.load(None, None, None, Path()))
    checks = {"status": None, "values": value_check.ValueCheck()}

    def once(window: Window) -> Any:
        if case in checks:
            return survey.status(job, window, check=checks[case])
        return fix.fix(job, FixRequest(window), watcher=Watcher())

    once(Window(date(2000, 1, 1), date(2000, 6, 1)))
    started = time.perf_counter()
    found = once(Window()).to_dict()
    return {**found, "seconds": time.perf_counter() - started}


def duckdb(case: str, url: str) -> dict[str, Any]:
    """DuckDB with its postgres extension, as installed by pip; its numbers are binary floats."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"load '{_extension()}'")
    connection.execute(f"attach '{url}' as pg (type postgres)")
    connection.execute("use pg.public")
    text = (Path(__file__).parent / "sql" / f"duckdb_{case if case == 'status' else 'fix'}.sql").read_text()
    result = connection.execute(text).fetchone()
    return {"keys": result[0], "stored": result[1]} if case == "status" else {"inserted": result[0]}


def pandas(case: str, url: str) -> dict[str, Any]:
    """pandas with SQLAlchemy: read, merge, to_sql; its numbers are binary floats."""
    import pandas as pd
    from sqlalchemy import create_engine

    database = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with database.begin() as connection:
        source = pd.read_sql(f"select {', '.join(KEY)}, volume from curtailment_records", connection)
        done = pd.read_sql(f"select {', '.join(CALC_KEY)} from {TABLE}", connection)
        if case == "status":
            return {"keys": len(source[KEY].drop_duplicates()), "stored": len(done.drop_duplicates())}
        keys = source.assign(energy=source.volume.abs()).groupby(KEY, as_index=False).energy.sum()
        terms, models = (pd.read_sql(f"select * from {name}", connection) for name in ("terms", "miner_models"))
        rows = keys.merge(terms, on="settlement_date").merge(models, how="cross")
        rows = rows.merge(done, on=CALC_KEY, how="left", indicator=True).query("_merge == 'left_only'")
        hashes = rows.energy * 3.6e9 * rows.hashrate_ths * 1e12 / rows.power_w
        rows["bitcoin_mined"] = (hashes / (rows.difficulty * 2**32) * rows.subsidy_btc).round(8)
        columns = [*CALC_KEY, "bitcoin_mined", "difficulty"]
        rows[columns].to_sql(TABLE, connection, if_exists="append", index=False, chunksize=10_000)
    return {"inserted": len(rows)}


def fastrecon(case: str, url: str) -> dict[str, Any]:
    """fastrecon's keyed compare, its counts: by DuckDB's postgres extension, which it recommends and with which it is
    faster and smaller than with its other SQL sources. No samples of what differs are asked for.
    """
    hide_pandas("pandas")
    import duckdb
    from fastrecon import PostgresSource, ReconConfig, compare

    expected = (Path(__file__).parent / "sql" / "expected.sql").read_text()
    values = {"status": [], "values": ["bitcoin_mined::numeric(30, 8)", "difficulty::numeric(38, 8)"]}[case]
    columns = ", ".join([*CALC_KEY, *values])
    relations = (f"({' '.join(expected.partition(chr(10))[2].split())})", TABLE)  # it wants a query on one line
    sources = [PostgresSource(url, query=f"select {columns} from {relation} r") for relation in relations]
    with TemporaryDirectory() as directory:
        places = {"extension_directory": directory, "custom_extension_repository": directory}
        duckdb.connect = partial(duckdb.connect, config=places)
        _install_extension(Path(directory))
        found = compare(*sources, keys=CALC_KEY, config=ReconConfig(sample_limit=0))
    if found.error:
        raise RuntimeError(found.error)
    return {
        name: getattr(found, name)
        for name in ("row_count_left", "row_count_right", "missing_in_left", "missing_in_right", "changed_rows")
    }


def _extension() -> Path:
    """DuckDB's postgres extension as pip installed it."""
    import duckdb_extension_postgres_scanner as extension

    (path,) = Path(extension.__file__).parent.rglob("*.duckdb_extension")
    return path


def _install_extension(directory: Path) -> None:
    """Puts the extension where DuckDB looks for it by name, so that nothing is downloaded."""
    import duckdb

    with duckdb.connect() as connection:
        (platform,) = connection.execute("pragma platform").fetchone()
    place = directory / f"v{duckdb.__version__}" / platform
    place.mkdir(parents=True)
    (place / "postgres_scanner.duckdb_extension").symlink_to(_extension())


def row_by_row(_: str, url: str) -> dict[str, Any]:
    """A loop as it is often written: look for a row, insert it if it is not there, commit date by date.

    Over the first dates that have SLICE_KEYS keys together: the whole would take too long.
    """
    import psycopg

    inserted = seen = 0
    with psycopg.connect(url) as connection:
        models = connection.execute("select miner_model, hashrate_ths, power_w from miner_models").fetchall()
        terms = connection.execute("select settlement_date, difficulty, subsidy_btc from terms order by 1").fetchall()
        for day, difficulty, subsidy in terms:
            keys = connection.execute(
                "select settlement_period, farm_id, sum(abs(volume)) from curtailment_records"
                " where settlement_date = %s group by 1, 2",
                (day,),
            ).fetchall()
            for period, farm, energy in keys:
                for model, terahashes, watts in models:
                    key = (day, period, farm, model)
                    where = "(settlement_date, settlement_period, farm_id, miner_model) = (%s, %s, %s, %s)"
                    if connection.execute(f"select 1 from {TABLE} where {where}", key).fetchone() is None:
                        btc = energy * 3600000000 * terahashes * 10**12 / watts / (difficulty * 2**32) * subsidy
                        connection.execute(
                            f"insert into {TABLE} ({', '.join(CALC_KEY)}, bitcoin_mined, difficulty)"
                            " values (%s, %s, %s, %s, round(%s, 8), %s)",
                            (*key, btc, difficulty),
                        )
                        inserted += 1
            connection.commit()
            seen += len(keys)
            if seen >= SLICE_KEYS:
                break
    return {"inserted": inserted, "keys": seen}


PROGRAMS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "engine": engine,
    "duckdb": duckdb,
    "pandas": pandas,
    "fastrecon": fastrecon,
    "row_by_row": row_by_row,
}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](*sys.argv[2:])))
