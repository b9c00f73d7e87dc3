"""What could make recon call tables reconciled that are not: triggers, row security, overloads, hashes, ledgers."""

from __future__ import annotations

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import SLOWLY, Trial
from tests.support.databases import TABLE, Database

CURTAILMENT = "curtailment_records"
ONE_DATE = ("date", DATES[5])
ROLE, PASSWORD = "filtered", "not-the-least-secret"
SAME_HASH = ("T_WF030-1", "T_FAKE-06065iXw>wf<W)gYD")
"""`hashtextextended` without a seed of the command gives both the same number in period 12."""
UNDATED = ("null", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'")
OVERLOADS = (
    "hashtextextended(text, integer) returns bigint language plpgsql as $$ begin {}; return 1; end $$",
    "json_build_array(integer, text, text, text) returns json language plpgsql as $$ begin {}; return '[]'; end $$",
    "sha256(text) returns bytea language plpgsql as $$ begin {}; return ''; end $$",
    "abs(numeric) returns numeric language plpgsql as $$ begin {}; return 1; end $$",
)
PLANTED = """
with run as (
    insert into recon.runs (run_id, command, code_version, status, started_at, parameters)
    select 'deadbeef', command, code_version, 'running', now(), jsonb_set(jsonb_set(jsonb_set(parameters,
        '{repairs}', '["orphan"]'), '{calculations,name}', '"precious"'),
        '{relations,calculations}', '"public.precious"')
    from recon.runs limit 1
)
insert into recon.run_dates (run_id, settlement_date, position, status, expected, missing, inserted, updated_at)
select 'deadbeef', settlement_date, position, 'pending', expected, 0, 0, now() from recon.run_dates
"""
"""The line of a run that was never begun: it would remove what has no source from a table that is none of recon's."""


def trigger(database: Database, when: str, body: str) -> None:
    """A trigger on every row of the calculations."""
    database.execute(f"create function meddle() returns trigger language plpgsql as $$ begin {body} end $$")
    database.execute(f"create trigger meddle {when} on {TABLE} for each row execute function meddle()")


def end_trigger(database: Database) -> None:
    database.execute(f"drop trigger meddle on {TABLE}")


@fault("a trigger that writes the farms in lower case", 4, sees="the table holds rows of other keys than were written")
def other_keys(trial: Trial) -> None:
    trigger(trial.database, "before insert", "new.farm_id := lower(new.farm_id); return new;")
    trial.refused(*ONE_DATE)
    end_trigger(trial.database)


@fault("a trigger that gives the farms' rows to each other", 4, sees="the table holds other BTC than were written")
def exchanged_keys(trial: Trial) -> None:
    other = "translate(new.farm_id, '12', '21')"
    trigger(trial.database, "before insert", f"if length({other}) = 8 then new.farm_id := {other}; end if; return new;")
    trial.refused(*ONE_DATE)
    end_trigger(trial.database)


@fault(
    "row security that hides a farm from recon's role, `--repair orphan`", 3, sees="row security hides rows .*BYPASSRLS"
)
def hidden_rows(trial: Trial) -> None:
    assert trial.program.run("fix", url=trial.url).code == 0
    trial.server.create_role(ROLE, PASSWORD)
    trial.database.execute(f"grant select, insert, update, delete on {CURTAILMENT}, {TABLE} to {ROLE}")
    trial.database.execute(f"alter table {CURTAILMENT} enable row level security")
    trial.database.execute(f"create policy p on {CURTAILMENT} for select to {ROLE} using (farm_id <> 'T_FARM-7')")
    url = trial.server.role_url(ROLE, PASSWORD, trial.database.name)
    for command in (("fix", "--repair", "orphan", "--yes"), ("status",)):
        trial.refused(*command, url=url)


@fault("functions in `public` that match recon's calls better than the server's own", 0)
def overloads(trial: Trial) -> None:
    trial.database.execute("create table ran (what text)")
    for number, function in enumerate(OVERLOADS):
        trial.database.execute(f"create function {function.format(f'insert into ran values ({number})')}")
    trial.truth.remember_tables("ran")
    trial.recon("fix")
    assert trial.recon("verify").code == 0


@fault("rows of a farm whose name was made to hash like the right one's", 1, sees="0 missing, 0 duplicate, 3 orphan")
def same_hash(trial: Trial) -> None:
    right, wrong = SAME_HASH
    trial.truth.source = (*trial.truth.source, (DATES[1], 12, right, "-10"))
    trial.database.add_curtailment((DATES[1], 12, right, "-10"))
    trial.truth.remember_tables()
    trial.database.add_calculations(*((DATES[1], 12, wrong, model, 1, 1) for model in ("S19J_PRO", "S9", "M20S")))
    trial.truth.remember_rows()
    trial.recon("fix")
    assert "3 orphan" in trial.refused("status").stdout


@fault(
    "rows in both tables without a date, or of infinite or impossible ones", 1, sees="5 source rows cannot be priced"
)
def undated(trial: Trial) -> None:
    for table, columns, values in (
        (CURTAILMENT, "volume, payment, original_price, final_price", "-1, 0, 0, 0"),
        (TABLE, "miner_model, bitcoin_mined, difficulty", "'S9', 1, 1"),
    ):
        trial.database.execute(f"alter table {table} alter settlement_date drop not null")
        for day in UNDATED:
            key = f"{day}, 1, 'T_UNDATED'"
            named = f"settlement_date, settlement_period, farm_id, {columns}"
            trial.database.execute(f"insert into {table} ({named}) values ({key}, {values})")
    for command in ("status", "fix"):
        assert "5 orphan" in trial.recon(command).stdout
    for table in (CURTAILMENT, TABLE):
        assert trial.database.count(table, "farm_id = 'T_UNDATED'") == len(UNDATED)
        trial.database.execute(f"delete from {table} where farm_id = 'T_UNDATED'")


@fault("a source that changes in an inherited child, and statistics that were reset", 1, sees="3 missing, 0 duplicate")
def inherited_child(trial: Trial) -> None:
    assert trial.program.run("fix", url=trial.url).code == 0
    trial.database.execute(f"create table child () inherits ({CURTAILMENT})")
    row = (DATES[1], 12, "T_CHILD", "-10")
    key = ", ".join(f"'{value}'" for value in row)
    named = "settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price"
    trial.database.execute(f"insert into child ({named}) values ({key}, 0, 0, 0)")
    trial.database.execute("select pg_stat_reset()")
    trial.truth.source = (*trial.truth.source, row)
    trial.truth.remember_tables()
    trial.refused("status")
    assert trial.program.run("fix", url=trial.url).code == 0


@fault(
    "a trigger that keeps stored rows as they are, `--repair wrong`",
    4,
    sees="rows stay as they were .*see its triggers",
)
def kept_as_they_are(trial: Trial) -> None:
    assert trial.program.run("fix", url=trial.url).code == 0
    trigger(trial.database, "before update or delete", "return null;")
    done = trial.refused(*SLOWLY, "--repair", "wrong", "--yes", "--max-changes", "100%")
    assert "\nreconciled" not in done.stdout
    end_trigger(trial.database)
    trial.truth.hand_over("true")
    assert trial.program.run("resume", "--yes", "--max-changes", "100%", url=trial.url).code == 0


@fault(
    "orphans that another table refers to, a foreign key without cascade",
    4,
    sees="still referenced .*payouts.* end what refers",
)
def referred_to(trial: Trial) -> None:
    trial.database.add_calculations((DATES[3], 1, "T_NOBODY", "S9", 1, 1))
    orphan = "farm_id = 'T_NOBODY'"
    trial.database.execute(f"create table payouts (calc_id integer references {TABLE} (id))")
    trial.database.execute(f"insert into payouts select id from {TABLE} where {orphan}")
    trial.truth.remember_rows(orphan)
    trial.truth.remember_tables("payouts")
    trial.recon("fix", "--repair", "missing,orphan", "--yes")
    trial.database.execute("alter table payouts drop constraint payouts_calc_id_fkey")
    trial.truth.hand_over(orphan)
    assert trial.program.run("resume", "--yes", url=trial.url).code == 0


@fault("stored values that are wrong, where nobody asked for them", sees="^reconciled: .*; values not compared$")
def not_compared(trial: Trial) -> None:
    for command in ("fix", "status"):
        trial.recon(command)


@fault("the same, `status --values`", 1, sees="not reconciled: .* wrong$")
def compared(trial: Trial) -> None:
    trial.refused("status", "--values")
    assert trial.program.run("fix", url=trial.url).code == 0
    assert "0 missing" in trial.refused("status", "--values").stdout


@fault("the source is emptied in the middle of `--repair orphan`", 4, sees="would pass the 10 of --max-changes")
def emptied_source(trial: Trial) -> None:
    assert trial.program.run("fix", url=trial.url).code == 0
    trial.database.execute(f"create table kept as table {CURTAILMENT}")
    trial.database.add_calculations(*((day, 1, "T_NOBODY", "S9", 1, 1) for day in DATES[-3:]))
    rival = trial.rival()
    with trial.at("taking the lock", lambda _: rival.execute(f"truncate {CURTAILMENT}"), skip=1):
        trial.recon(*SLOWLY, "--repair", "orphan", "--yes", "--max-changes", 10)
    assert trial.database.count(TABLE, "farm_id = 'T_NOBODY'") == 2
    trial.database.execute(f"insert into {CURTAILMENT} select * from kept")
    trial.truth.remember_tables()
    assert trial.program.run("resume", "--yes", url=trial.url).code == 0


@fault("a line of the ledger that asks for removals from another table", 2, sees="is of table public.precious, not of")
def planted_run(trial: Trial) -> None:
    assert trial.program.run("fix", url=trial.url).code == 0
    trial.database.execute(f"create table precious (like {TABLE})")
    trial.database.execute(
        f"insert into precious select id + 10000, settlement_date, settlement_period, 'T_ELSE',"
        f" miner_model, 1, 1, now() from {TABLE}"
    )
    trial.truth.remember_tables("precious")
    trial.database.execute(PLANTED)
    for consent in ((), ("--yes", "--max-changes", "100%")):
        trial.refused("resume", *consent)
    for table in ("run_dates", "runs"):
        trial.database.execute(f"delete from recon.{table} where run_id = 'deadbeef'")
