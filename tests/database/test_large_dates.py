"""A date that is larger than a chunk is worked on by settlement periods, and nobody sees a difference."""

from __future__ import annotations

from collections import Counter

from recon.database import connect
from recon.partitions import period_groups
from recon.tables import inspect, read_done, read_keys, rows_per_period, scope
from tests.builders import DAY
from tests.databases import Database

CURTAILMENT, CALCULATIONS = "curtailment_records", "historical_bitcoin_calculations"
ODD = ("null", "0", "-3", "47", "51", "2147483647", "-2147483648", "2147483648", "9000000000000000000")
"""Periods that a table of 64-bit periods may hold."""


def with_odd_periods(database: Database) -> None:
    """Rows of every kind of period on one date, and some of another date."""
    for table in (CURTAILMENT, CALCULATIONS):
        database.execute(
            f"alter table {table} alter settlement_period type int8, alter settlement_period drop not null"
        )
    for period in (*ODD, *map(str, range(1, 6))):
        for farm in ("T_A-1", "T_B-1"):
            key = f"'{DAY}', {period}, '{farm}'"
            database.execute(
                f"insert into {CURTAILMENT} (settlement_date, settlement_period, farm_id, volume, payment, "
                f"original_price, final_price) values ({key}, -1, 0, 0, 0)"
            )
            database.execute(
                f"insert into {CALCULATIONS} (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, "
                f"difficulty) values ({key}, 'S9', 1, 1)"
            )
    database.add_curtailment(("2024-04-19", 1, "T_A-1", "-1"))


def test_every_row_is_in_exactly_one_group_of_periods_whatever_its_period(database: Database) -> None:
    with_odd_periods(database)
    with connect(database.settings) as session:
        layout = inspect(session, database.settings)
        found = rows_per_period(session, layout, DAY)
        periods = [period for period, _, _ in found]
        assert periods == [None, -2147483648, -3, 0, 1, 2, 3, 4, 5, 47, 51, 2147483647]
        assert [rows for _, *rows in found] == [[6, 6], *([2, 2] for _ in periods[1:])]
        for most in (1, 3, 5, 1000):
            groups = list(period_groups([(period, stored) for period, _, stored in found], most))
            for read in (read_done, read_keys):
                whole = Counter(read(session, layout, scope([DAY])).iter_rows())
                apart = [Counter(read(session, layout, scope([DAY], group)).iter_rows()) for group in groups]
                assert sum(apart, Counter()) == whole
                assert whole.total() > 0
