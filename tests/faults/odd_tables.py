"""Tables on which a row can never be written as it should be: the cause is named, and once it is gone the rest is done.

And tables that only look so.
"""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import Trial
from tests.support.databases import TABLE

ALTER = f"alter table {TABLE}"


def hindered(trial: Trial, hindrance: str, remedy: str) -> None:
    """A run meets it and changes nothing; then it is taken away."""
    trial.database.execute(hindrance)
    trial.truth.remember_rows()
    trial.refused("fix")
    trial.database.execute(remedy)
    trial.truth.remember_rows()


def without(trial: Trial, where: str) -> None:
    """Others have not stored these rows."""
    trial.database.execute(f"delete from {TABLE} where {where}")
    trial.truth.others.clear()
    trial.truth.remember_rows()


@fault("a unique index without miner_model", 2, sees="unique index public.narrow without miner_model: .*; widen it")
def narrow_index(trial: Trial) -> None:
    index = f"create unique index narrow on {TABLE} (settlement_date, settlement_period, farm_id)"
    without(trial, "miner_model = 'S9'")
    hindered(trial, index, "drop index narrow")


@fault("a check constraint that the right rows break", 4, sees="violates check constraint .*Failing row contains")
def check(trial: Trial) -> None:
    hindered(trial, f"{ALTER} add constraint sane check (difficulty < 2)", f"{ALTER} drop constraint sane")


@fault("farm_id varchar(8), which a farm does not fit", 4, sees=r"too long .*varying\(8\): .*widen the column")
def short_column(trial: Trial) -> None:
    without(trial, "length(farm_id) > 8")
    hindered(trial, f"{ALTER} alter farm_id type varchar(8)", f"{ALTER} alter farm_id type text")


@fault("a foreign key to a table that lacks the farm", 4, sees=r"Key \(farm_id\)=\(T_FARM-\d+\) is not present")
def unknown_farm(trial: Trial) -> None:
    trial.database.execute("create table farms (farm_id text primary key)")
    known = f"{ALTER} add constraint known foreign key (farm_id) references farms not valid"
    hindered(trial, known, "insert into farms select distinct farm_id from curtailment_records")


@fault("a sequence of ids at its end", 3, sees="reached maximum value of sequence .*let the sequence count further")
def sequence_ends(trial: Trial) -> None:
    sequence = f"alter sequence {TABLE}_id_seq maxvalue"
    hindered(trial, f"{sequence} 150", f"{sequence} 100000")


@fault("no partition for a date", 4, sees="no partition of relation .*create the partition")
def no_partition(trial: Trial) -> None:
    trial.database.execute(f"{ALTER} rename to before_it")
    trial.database.execute(
        f"create table {TABLE} (like before_it including defaults) partition by range (settlement_date)"
    )
    trial.database.execute(
        f"create table some_days partition of {TABLE} for values from ('{DATES[0]}') to ('{DATES[12]}')"
    )
    trial.database.execute(f"insert into {TABLE} select * from before_it")
    trial.truth.remember_rows()
    trial.truth.remember_tables("before_it")
    trial.recon("fix", "--from", DATES[10], 1)
    trial.database.execute(
        f"create table more_days partition of {TABLE} for values from ('{DATES[12]}') to ('2024-06-01')"
    )


@fault("a table that is not there", 2, sees="the database has no table historical_bitcoin_calculations ")
def no_table(trial: Trial) -> None:
    trial.database.execute(f"{ALTER} rename to elsewhere")
    trial.refused("fix")
    trial.database.execute(f"alter table elsewhere rename to {TABLE}")


@fault("a generated column among those to write", 2, sees="difficulty is a generated column, which only the database")
def generated(trial: Trial) -> None:
    trial.database.execute(f"{ALTER} drop difficulty")
    trial.database.execute(f"{ALTER} add difficulty numeric generated always as (1) stored")
    trial.refused("fix")
    trial.database.execute(f"{ALTER} alter difficulty drop expression")
    trial.truth.remember_rows()


@fault("calculations that are a view", 2, sees="is not a table that can be written to; name the table behind it")
def view(trial: Trial) -> None:
    trial.database.execute(f"{ALTER} rename to behind")
    trial.database.execute(f"create view {TABLE} as select * from behind")
    trial.refused("fix")
    trial.database.execute(f"drop view {TABLE}")
    trial.database.execute(f"alter table behind rename to {TABLE}")


@fault("rows in a child by INHERITS, for which the parent's unique index does not speak")
def inherited(trial: Trial) -> None:
    trial.database.add_unique_index()
    trial.database.execute(f"create table child () inherits ({TABLE})")
    trial.database.execute(f"insert into child select * from only {TABLE} where settlement_date = '{DATES[9]}'")
    trial.database.execute(f"delete from only {TABLE} where settlement_date = '{DATES[9]}'")
    trial.truth.remember_rows()
    trial.recon("fix")


@fault("an audit trigger whose body has an exception block")
def audited(trial: Trial) -> None:
    trial.database.execute("create table audit (farm text not null)")
    trial.database.execute(
        "create function audited() returns trigger language plpgsql as $$ begin"
        " begin insert into audit values (new.farm_id); exception when others then null; end; return new; end $$"
    )
    trial.database.execute(f"create trigger audited before insert on {TABLE} for each row execute function audited()")
    trial.recon("fix")
