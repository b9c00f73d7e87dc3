"""Patterns to be found: two tables that agree, and what is planted in them with how many of what must be found then."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.databases import Database

# 45 dates with an autumn clock change. A, B and C are curtailed all day on every date, B with two rows per key;
# D and E come and go. Prices differ between the rows of a key, volumes hardly repeat.
SOURCE = """
insert into curtailment_records
    (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
select d, p, farm, -(1 + (extract(doy from d)::int * 7 + p * 13 + n * 29 + row * 5) % 601 / 7.0), 0, -10 * row, 0
from (values ('A', 1, 1), ('B', 2, 2), ('C', 3, 1), ('D', 4, 1), ('E', 5, 2)) as farms (farm, n, most),
    generate_series(date '2024-09-26', date '2024-11-09', interval '1 day') d,
    generate_series(1, 50) p, generate_series(1, 2) row
where row <= most and p <= case d when '2024-10-27' then 50 else 48 end
    and (n <= 3 or (n = 4 and extract(day from d)::int % 2 = 0 and p between 9 and 31)
        or (n = 5 and extract(day from d)::int % 3 = 0 and p >= 20))
"""
CALCULATE = """
insert into historical_bitcoin_calculations
    (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)
select distinct settlement_date, settlement_period, farm_id, model, 1, 1
from curtailment_records, unnest(array['S19J_PRO', 'S9', 'M20S']) as model
where volume <> 'NaN' and settlement_period between 1 and case settlement_date when '2024-10-27' then 50 else 48 end
"""
COPY = """
insert into curtailment_records
    (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
select settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price
from curtailment_records, generate_series(1, {times}) where {where}
"""
LATER = """
insert into curtailment_records
    (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
select settlement_date, settlement_period, farm_id, volume * {times}, payment, original_price, final_price
from curtailment_records where {where}
"""
ADD = """
insert into curtailment_records
    (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
select date '{day}', {period}, '{farm}', {volume}, 0, n, 0 from generate_series(1, {times}) n
"""
DUPLICATE = """
insert into historical_bitcoin_calculations
    (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)
select settlement_date, settlement_period, {farm}, {model}, 1, 1 from historical_bitcoin_calculations where {where}
"""


def add(day: str, period: str, farm: str, volume: str, times: int = 1) -> str:
    return ADD.format(day=day, period=period, farm=farm, volume=volume, times=times)


def forget(where: str) -> str:
    """No source row of these."""
    return f"delete from curtailment_records where {where}"


def lose(where: str) -> str:
    """No calculation of these."""
    return f"delete from historical_bitcoin_calculations where {where}"


@dataclass(frozen=True)
class Planted:
    """Statements, and how many of what must be found then."""

    statements: tuple[str, ...]
    counts: dict[str, int]


def plant(*statements: str, **counts: int) -> Planted:
    return Planted(statements, counts)


IN_SOURCE = {
    "impossible periods": plant(
        add("2024-10-01", "49", "A", "-5", times=2), add("2024-10-02", "0", "A", "-5"), impossible_periods=3
    ),
    "rows without volume": plant(add("2024-10-02", "7", "A", "'NaN'", times=2), unusable_rows=2),
    "a later settlement run": plant(
        LATER.format(times=1.021, where="settlement_date = '2024-10-03'"),
        several_runs=3 * 48 + 29,  # A, B and C all day, and E from settlement period 20 on
    ),
    "a date nine times over": plant(
        COPY.format(times=8, where="settlement_date between '2024-10-04' and '2024-10-05'"),
        # A, B and C: 4 rows in 48 periods; 10-04 has D, too
        copied_rows=8 * (2 * 4 * 48 + 23),
    ),
    "a copy script in a loop": plant(
        add("2024-10-07", "12", "A", "-1", times=16_747), crowded_keys=1, outsize_energy=1
    ),
    "many small rows": plant(add("2024-10-08", "12", "A", "-n / 100.0", times=20), crowded_keys=1),
    "energy beyond any farm": plant(add("2024-10-09", "12", "C", "-760"), outsize_energy=1),
    "some positive volumes": plant(
        "update curtailment_records set volume = -volume "
        "where settlement_date = '2024-10-11' and farm_id = 'A' and settlement_period < 4",
        positive_volumes=3,
        mixed_signs=1,
    ),
    "keys of no volume": plant(add("2024-10-12", "n", "Z", "0", times=4), zero_volume_keys=4),
    "a few rows twice": plant(
        COPY.format(times=1, where="settlement_date = '2024-10-13' and farm_id = 'C' and settlement_period < 6"),
        repeated_rows=5,
    ),
    "half a date": plant(forget("settlement_date = '2024-10-15' and settlement_period > 24"), short_dates=1),
    "no periods 49 and 50": plant(
        forget("settlement_date = '2024-10-27' and settlement_period > 48"), short_clock_changes=1
    ),
    "a farm that is gone": plant(forget("settlement_date > '2024-10-29' and farm_id = 'A'"), vanished_farms=1),
}
IN_CALCULATIONS = {
    "two dates without any": plant(lose("settlement_date in ('2024-10-17', '2024-10-18')"), empty_dates=2),
    "a crash between models": plant(
        lose("settlement_date in ('2024-10-19', '2024-10-20') and miner_model = 'S9'"),
        lose("settlement_date = '2024-10-20' and miner_model = 'M20S'"),
        missing_models=3,
    ),
    "a crash within a model": plant(
        lose("settlement_date = '2024-10-21' and miner_model = 'M20S' and settlement_period > 20"), uneven_models=1
    ),
    "single farms": plant(
        lose("settlement_date = '2024-10-22' and farm_id = 'A'"),
        lose("settlement_date = '2024-10-23' and farm_id = 'C'"),
        missing_farms=2,
    ),
    "one farm of many": plant(lose("settlement_date = '2024-10-24' and farm_id <> 'B'"), few_farms=1),
    "the end of a date": plant(lose("settlement_date = '2024-10-25' and settlement_period > 40"), missing_periods=8),
    "here and there": plant(
        lose("settlement_date = '2024-10-26' and settlement_period in (3, 9, 30) and farm_id = 'A'"),
        lose("settlement_date = '2024-10-26' and settlement_period = 14 and farm_id = 'C' and miner_model = 'S9'"),
        scattered_gaps=10,
    ),
    "duplicates": plant(
        "drop index one_calculation",
        DUPLICATE.format(
            farm="farm_id",
            model="miner_model",
            where="settlement_date = '2024-10-28' and farm_id = 'A' and settlement_period < 3",
        ),
        duplicates=6,
        no_unique_index=1,
    ),
    "orphans": plant(
        DUPLICATE.format(
            farm="'GHOST'",
            model="miner_model",
            where="settlement_date = '2024-10-29' and farm_id = 'A' and settlement_period < 3",
        ),
        orphans=6,
    ),
    "rows of an unknown model": plant(
        DUPLICATE.format(
            farm="farm_id",
            model="'S21'",
            where="settlement_date = '2024-10-29' and farm_id = 'B' and miner_model = 'S9'",
        ),
        unknown_models=48,
    ),
}
CLUSTERED = {
    "one farm again and again": plant(
        lose("settlement_date between '2024-10-17' and '2024-10-23' and farm_id = 'C' and settlement_period < 11"),
        scattered_gaps=7 * 10 * 3,
        clustered_by_farm=7 * 10 * 3,
    ),
    "one month": plant(
        # A, B and C all day, and D on an even date
        lose("settlement_date = '2024-11-04'"),
        empty_dates=1,
        clustered_by_month=3 * (3 * 48 + 23),
    ),
}


def sow(database: Database, planted: Planted) -> None:
    for statement in planted.statements:
        database.execute(statement)


def sow_in_source(database: Database, *planted: Planted) -> None:
    """Afterwards the calculations are as complete as before."""
    for one in planted:
        sow(database, one)
    database.execute("truncate historical_bitcoin_calculations")
    database.execute(CALCULATE)
