"""Missing, matched, duplicate and orphan rows: joins between the expected and the stored calculations.

Keys and calculations meet in anti-joins, so that duplicates and orphans can never offset what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from recon.core.chunks import period_groups
from recon.core.schema import CELL, COUNTS, HASHED_KEY, KEY, KEY_CODE, SIDE


def expected(keys: pl.LazyFrame, miners: pl.LazyFrame) -> pl.LazyFrame:
    """Every key with every miner model: what the calculations table should hold exactly once.

    keys: one row per KEY. miners: one row per miner_model. One row per CALC_KEY comes back.
    """
    return keys.join(miners, how="cross")


def named(models: Sequence[str]) -> pl.LazyFrame:
    """The miner models as a frame: one row per miner_model."""
    return pl.LazyFrame({"miner_model": list(models)}, schema={"miner_model": pl.String})


def missing(wanted: pl.LazyFrame, done: pl.LazyFrame, key: Sequence[str] = KEY) -> pl.LazyFrame:
    """The rows of `wanted` (one per key and miner model) that have no stored calculation, in their order.

    done: keys and miner models, repeated or not. key: the columns that tell a key: KEY, or HASHED_KEY on both sides.
    """
    return wanted.join(done, on=[*key, "miner_model"], how="anti", maintain_order="left")


def orphans(wanted: pl.LazyFrame, done: pl.LazyFrame, key: Sequence[str] = KEY) -> pl.LazyFrame:
    """Orphans: stored rows without an expected key (no curtailment of it) or model (not configured)."""
    return done.join(wanted, on=[*key, "miner_model"], how="anti", nulls_equal=False)


def count(keys: pl.LazyFrame, miners: pl.LazyFrame, done: pl.LazyFrame, key: Sequence[str] = KEY) -> pl.LazyFrame:
    """COUNTS by comparing every key: one row per settlement date and miner model.

    keys: one row per key. miners: one row per miner_model. done: one row per stored calculation. key: as for `missing`.
    """
    pair = [*key, "miner_model"]
    wanted = expected(keys.select(key), miners.select("miner_model"))
    pairs = done.join(wanted, on=pair, how="semi").group_by(pair).len("rows")
    per_pair = pairs.group_by(SIDE).agg(
        matched=pl.len().cast(pl.Int64), duplicate=(pl.col("rows").cast(pl.Int64) - 1).sum()
    )
    per_wanted = wanted.group_by(SIDE).agg(expected=pl.len().cast(pl.Int64))
    per_orphan = orphans(wanted, done, key).group_by(SIDE).agg(orphan=pl.len().cast(pl.Int64))
    both = per_wanted.join(per_pair, on=SIDE, how="left")
    counted = both.join(per_orphan, on=SIDE, how="full", coalesce=True, nulls_equal=True)
    return counted.select(
        *SIDE, *(pl.col(name).fill_null(0) for name in ("expected", "matched", "duplicate", "orphan"))
    ).cast(COUNTS)  # type: ignore[arg-type]


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The sum of COUNTS of different keys: whole dates whose settlement periods were counted apart."""
    return pl.concat([pl.DataFrame(schema=COUNTS), *parts]).group_by(SIDE).agg(pl.all().sum())


def filled(rows: pl.DataFrame) -> pl.DataFrame:
    """COUNTS to add to those of keys that lacked these rows: one row per calculation."""
    nothing = {name: pl.lit(0, pl.Int64) for name in ("expected", "duplicate", "orphan")}
    counts = rows.group_by(SIDE).agg(matched=pl.len().cast(pl.Int64)).with_columns(**nothing)
    return counts.select(COUNTS.keys())


@dataclass(frozen=True)
class Survey:
    """What aggregates alone prove of each settlement date and miner model, or of each cell of them.

    by: the columns that tell what is judged: the date, or CELL. sides: one row per `by` and miner model:
    `keys` and `rows`; `settled` where these are as exact as a comparison key by key; `agrees` where every key has its
    row and nothing else is there.
    """

    by: tuple[str, ...]
    sides: pl.DataFrame

    @classmethod
    def by_date(cls, source: pl.DataFrame, stored: pl.DataFrame, models: Sequence[str]) -> Survey:
        """What is judged are settlement dates; see `of`."""
        return cls.of(source, stored, models, ["settlement_date"])

    @classmethod
    def by_cell(cls, keys: pl.DataFrame, stored: pl.DataFrame, models: Sequence[str]) -> Survey:
        """What is judged are settlement periods of dates, or parts of these; see `of`. keys: CELL_KEYS, each once."""
        return cls.of(summed(keys, CELL), stored, models, CELL)

    @classmethod
    def of(cls, source: pl.DataFrame, stored: pl.DataFrame, models: Sequence[str], by: Sequence[str]) -> Survey:
        """source: one row per `by` with `keys` and `checksum`; stored: one row per `by` and miner model with `rows` and
        `checksum` (order-independent sums of one 64-bit hash per key).

        A model is settled when nothing is stored for it, when it is not configured, or when rows and checksum equal
        the keys'.
        """
        wanted = source.lazy().filter(pl.col("keys") > 0).select(*by, "keys", key_checksum="checksum")
        sides = wanted.join(named(models), how="cross").join(
            stored.lazy().select(*by, "miner_model", "rows", "checksum"),
            on=[*by, "miner_model"],
            how="full",
            coalesce=True,
            nulls_equal=True,
        )
        sides = sides.with_columns(pl.col("keys", "rows").fill_null(0))
        same = (pl.col("rows") == pl.col("keys")) & (pl.col("checksum") == pl.col("key_checksum"))
        settled = (pl.col("rows") == 0) | (pl.col("keys") == 0) | same
        judged = sides.with_columns(agrees=same.fill_null(False), settled=settled.fill_null(False))
        return cls(tuple(by), judged.collect())

    @property
    def disputed(self) -> pl.DataFrame:
        """`by` of what needs its keys compared."""
        return self._where(~pl.col("settled"))

    @property
    def everything(self) -> pl.DataFrame:
        """`by` of all there is."""
        return self._where(pl.lit(True))

    @property
    def unfilled(self) -> pl.DataFrame:
        """`by` of what may lack rows: where some configured model does not agree."""
        return self._where(~pl.col("agrees") & (pl.col("keys") > 0))

    @property
    def surely_unfilled(self) -> pl.DataFrame:
        """`by` of what has fewer rows than keys for a configured model, whichever rows these are."""
        return self._where(pl.col("rows") < pl.col("keys"))

    @cached_property
    def lone(self) -> pl.DataFrame:
        """The rows that are missing where each model has nothing, all, or all but one: `by`, miner_model and key_hash.

        The key that is missing is told by the difference of the checksums. Where there is no such key after all, one
        is missing more and another is there twice: that has to be compared.
        """
        key_hash = pl.col("key_checksum").cast(pl.Int128) - pl.col("checksum").cast(pl.Int128)
        sides = self.sides.filter(~pl.col("agrees") & (pl.col("keys") > 0) & (pl.col("rows") > 0)).with_columns(
            key_hash=pl.when(pl.col("rows") == pl.col("keys") - 1).then(key_hash).cast(pl.Int64, strict=False)
        )
        others = sides.filter(pl.col("key_hash").is_null())
        return sides.join(others, on=self.by, how="anti", nulls_equal=True).select(*self.by, "miner_model", "key_hash")

    @property
    def bare(self) -> pl.DataFrame:
        """`by` and miner_model of what has keys and no row."""
        return self.sides.filter((pl.col("keys") > 0) & (pl.col("rows") == 0)).select(*self.by, "miner_model")

    def doubtful(self, keys: pl.DataFrame) -> pl.DataFrame:
        """`by` of what needs its keys compared, once it is known which `keys` (HASHED_KEY) there are."""
        unknown = self.lone.join(keys, on=HASHED_KEY, how="anti")
        told = self.lone.join(unknown, on=self.by, how="anti", nulls_equal=True)
        return self.disputed.join(told, on=self.by, how="anti", nulls_equal=True)

    def only(self, doubtful: pl.DataFrame) -> Survey:
        """What lacks rows, or may; of what is `doubtful` (by) all models. Without the checksums, that `lone` needs."""
        lacks = self.sides.filter(~pl.col("agrees") & (pl.col("keys") > 0))
        told = lacks.join(doubtful, on=self.by, how="anti", nulls_equal=True)
        sides = pl.concat([told, self.sides.join(doubtful, on=self.by, how="semi")])
        return replace(self, sides=sides.drop("checksum", "key_checksum"))

    def _where(self, condition: pl.Expr) -> pl.DataFrame:
        """`by` of the sides of which that is true, each once, in order."""
        return self.sides.filter(condition).select(self.by).unique().sort(self.by)

    def counts(self, beside: pl.DataFrame) -> pl.DataFrame:
        """COUNTS of all but these `by`; exact where none of the others is disputed.

        Of what is disputed nothing counts as twice, and rows count as matched as far as there are keys: a lower bound
        of what is missing.
        """
        others = self.sides.join(beside, on=self.by, how="anti", nulls_equal=True)
        matched = pl.min_horizontal("rows", "keys")
        counts = others.group_by(SIDE).agg(
            expected=pl.col("keys").sum(),
            matched=matched.sum(),
            duplicate=pl.lit(0),
            orphan=(pl.col("rows") - matched).sum(),
        )
        return counts.cast(COUNTS)  # type: ignore[arg-type]

    def pieces(self, some: pl.DataFrame, max_rows: int, compared: pl.DataFrame | None = None) -> list[pl.DataFrame]:
        """These `by` in slices of at most so many calculations, stored or due, but for a single larger one. Of all but
        those `compared` (None: all are) only the rows that are missing count.
        """
        compared = (self.everything if compared is None else compared).with_columns(there=pl.lit(0))
        sides = self.sides.join(compared, on=self.by, how="left", nulls_equal=True)
        size = pl.max_horizontal("rows", "keys") - pl.coalesce("there", "rows")
        sizes = sides.group_by(self.by).agg(size=size.sum())
        sized = some.join(sizes, on=self.by, how="left", nulls_equal=True, maintain_order="left")
        groups = period_groups(enumerate(sized.get_column("size")), max_rows)
        return [some.slice(group[0] or 0, len(group)) for group in groups]


def each_once(rows: pl.DataFrame) -> pl.DataFrame:
    """The keys of some rows (HASHED_KEY), each once; a row without a hash has none."""
    return rows.filter(KEY_CODE.is_first_distinct() & pl.col("key_hash").is_not_null())


def summed(keys: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """What a survey takes of one table: `by`, `keys` and their `checksum`. keys: `by` and key_hash, one row per key."""
    checksum = pl.col("key_hash").cast(pl.Int128).sum().cast(pl.String)
    return keys.group_by(by).agg(keys=pl.len().cast(pl.Int64), checksum=checksum)


def after(
    keys: pl.DataFrame, models: Sequence[str], done: pl.DataFrame, added: pl.DataFrame, *, all_gaps: bool
) -> pl.DataFrame:
    """COUNTS once `added` is stored beside `done`, none of which it repeats. All three tell keys by HASHED_KEY.

    all_gaps: whether `added` is all that was missing. Then no pair is, and where there are as many rows as keys each
    has one; only other dates are compared key by key.
    """
    stored = pl.concat([side.select(*HASHED_KEY, "miner_model") for side in (done, added)])
    same = pl.lit("all there").alias("checksum")
    source = keys.group_by("settlement_date").agg(pl.len().cast(pl.Int64).alias("keys")).with_columns(same)
    rows = stored.group_by(SIDE).agg(pl.len().cast(pl.Int64).alias("rows")).with_columns(same)
    surveyed = Survey.by_date(source, rows, models)
    compared = surveyed.disputed if all_gaps else surveyed.everything
    some = pl.col("settlement_date").is_in(compared.get_column("settlement_date").implode())
    counts = count(keys.lazy().filter(some), named(models), stored.lazy().filter(some), HASHED_KEY)
    return pl.concat([surveyed.counts(compared), counts.collect()])
