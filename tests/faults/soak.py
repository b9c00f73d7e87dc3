"""`python -m tests.faults.soak`: an application writes to both tables while recon fills, repairs and restores them.

Every change of both tables is logged by a trigger, with who made it. What recon says and what it keeps is compared with
that log, and the table in the end with what has to be in it.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.faults import results
from tests.faults.application import Session, turns
from tests.faults.data import DATES
from tests.faults.harness import Stage, Trial
from tests.faults.judge import has_ledger
from tests.faults.program import Outcome, ended
from tests.support import oracle
from tests.support.databases import TABLE, Database
from tests.support.forked import Forks
from tests.support.servers import temporary_home

STORED = Path(__file__).parent / "soak.csv"
SESSIONS = 3
"""Of the application."""
RUN_S = 90
MOST_NOTES = 20
OPEN = ("-infinity", "infinity")
"""The ends of a window that is open on that side."""
YES = ("--yes", "--max-changes", 1_000_000)
EVERYTHING = "missing,wrong,duplicate,orphan"
RIGHT_CODES = {0, 1, 4}
"""Of runs that others disturb; the last one has to end with 0."""
AUDIT = (
    """
create table audit (
    number bigserial, transaction xid8 default pg_current_xact_id(),
    who text default current_setting('application_name'), place text, action text, day date, was jsonb
)""",
    "create index on audit (transaction)",
    f"""
create function audited() returns trigger language plpgsql as $$
declare
    before jsonb;
begin
    if tg_op <> 'INSERT' and tg_table_name = '{TABLE}' then
        before := jsonb_object(
            array['id', 'settlement_date', 'settlement_period', 'farm_id', 'miner_model', 'bitcoin_mined', 'difficulty',
                'calculated_at'],
            array[old.id, old.settlement_date, old.settlement_period, old.farm_id, old.miner_model, old.bitcoin_mined,
                old.difficulty, old.calculated_at]::text[]);
    end if;
    insert into public.audit (place, action, day, was)
    values (tg_table_name, tg_op, coalesce(old.settlement_date, new.settlement_date), before);
    return null;
end $$""",
    *(
        f"create trigger audited after insert or update or delete on {table} for each row execute function audited()"
        for table in ("curtailment_records", TABLE)
    ),
)
"""Each change with who made it, and each row as it was, as the quarantine has it: every column as text."""
DISTURBED = """
select count(*) from audit where not pg_visible_in_snapshot(transaction, '{snapshot}'::pg_snapshot)
    and (who not like 'recon/%' or who like 'recon/quarantine/%')
    and day between '{first}' and '{last}'
"""
"""Changes that were committed since, of the application or of a restore, which brings back what was wrong."""
TAKEN = f"""
select split_part(who, '/', 3) as run_id, was from audit
where place = '{TABLE}' and who like 'recon/%' and action <> 'INSERT'
"""
KEPT = """
select run_id, whole_row from recon.quarantine
union all
select restored_by, row_after from recon.quarantine where restored_by is not null and action = 'replace'
"""
"""A restore overwrites only what the quarantine has beside the row that it restores."""
TOUCHED = "select who, action from audit where who like 'recon/%' and place = 'curtailment_records'"
RESTORABLE = "select run_id from recon.quarantine where restored_by is null group by 1 order by max(id) desc limit 6"
Document = dict[str, Any]


@dataclass(frozen=True)
class Lane:
    """Runs of one kind, one after another."""

    name: str
    arguments: Callable[[random.Random, Database], Sequence[object]]
    """Of the next run; none: there is nothing for it to do now."""


def some_dates(chance: random.Random) -> list[date]:
    """A few dates in a row; sometimes all."""
    if chance.random() < 0.3:
        return []
    first = chance.randrange(len(DATES) - 2)
    return DATES[first : first + chance.randint(1, 3)]


def fix(chance: random.Random, *repair: object) -> Sequence[object]:
    """A run of `fix`."""
    days = some_dates(chance)
    window = ("--from", days[0], "--to", days[-1]) if days else ()
    pace = (chance.choice((1, 2, 5, 60)), "--workers", chance.choice((1, 2)))
    return ("fix", *pace, "--order", chance.choice(("newest", "oldest")), *window, *repair)


def daily(chance: random.Random) -> Sequence[object]:
    """A night's run."""
    more = chance.choice([(), ("--values",), ("--force", *YES), ("--repair", EVERYTHING, *YES, "--values")])
    return ("daily", "--today", chance.choice(DATES[2:]), "--days", chance.choice((1, 2, 3)), *more)


def restore(chance: random.Random, database: Database) -> Sequence[object]:
    """A restore of what one of the last repairs took."""
    runs = database.rows(RESTORABLE) if has_ledger(database) else []
    return ("quarantine", "restore", chance.choice(runs)[0], "--yes") if runs else ()


LANES = (
    Lane("fix", lambda chance, _: fix(chance)),
    Lane("fix --repair wrong", lambda chance, _: fix(chance, "--repair", "wrong", *YES)),
    Lane("fix --repair duplicate,orphan", lambda chance, _: fix(chance, "--repair", "duplicate,orphan", *YES)),
    Lane("daily", lambda chance, _: daily(chance)),
    Lane("quarantine restore", restore),
)


@dataclass
class Soak:
    """What came of one soak; each of `WRONG` has to be 0."""

    unique_index: bool
    seconds: float = 0
    operations: int = 0
    gave_way: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    said: int = 0
    """How often "reconciled" was said of dates that nobody else wrote to meanwhile."""
    changes: Counter[str] = field(default_factory=Counter)
    untrue: int = 0
    """And how often that was not so."""
    broken: int = 0
    """Runs with another exit code, a traceback, no document, or numbers that are not those of the log."""
    untraced: int = 0
    """Rows that recon removed or overwrote, and that are not in the quarantine; or the other way round."""
    touched: int = 0
    """Changes of the curtailment by recon."""
    missing: int = 0
    duplicate: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """0, or something is wrong."""
        return sum(getattr(self, name) for name in WRONG)

    def blame(self, kind: str, what: object) -> None:
        """Something of WRONG."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.notes.append(f"{kind}: {what}")

    def to_line(self) -> dict[str, object]:
        """For the file."""
        runs = {lane.name: self.runs[lane.name] for lane in LANES}
        return {
            "unique index": "yes" if self.unique_index else "no",
            "seconds": round(self.seconds),
            "operations": self.operations,
            "gave way": self.gave_way,
            "runs": sum(self.runs.values()),
            **runs,
            "exit codes": " ".join(f"{code}:{times}" for code, times in sorted(self.codes.items())),
            **{name: self.changes[name] for name in ("inserted", "overwritten", "removed")},
            "rows changed": self.changes.total(),
            "reconciled said of quiet dates": self.said,
            **{name: getattr(self, name) for name in WRONG},
            "lost": self.lost,
        }


WRONG = ("untrue", "broken", "untraced", "touched", "missing", "duplicate", "wrong")


def soak(stage: Stage, seed: object, seconds: float, *, unique_index: bool) -> Soak:
    """So many seconds of everything at once, the last run, and the verdict."""
    found = Soak(unique_index)
    with stage.trial(f"{seed}/soak") as trial:
        prepare(trial.database, unique_index)
        stop, started = threading.Event(), time.monotonic()
        writing = [Session(trial.rival(), turns(seed, n, DATES), stop) for n in range(SESSIONS)]
        running = [_Runs(lane, trial, found, stop, seed) for lane in LANES]
        for thread in (*writing, *running):
            thread.start()
        stop.wait(seconds)
        found.seconds = time.monotonic() - started
        stop.set()
        for thread in (*running, *writing):
            thread.join()
        for thread in (*running, *writing):
            if thread.error:
                raise thread.error
        found.operations = sum(session.operations for session in writing)
        found.gave_way = sum(session.gave_way for session in writing)
        conclude(trial, found)
    return found


def prepare(database: Database, unique_index: bool) -> None:
    """The log, and the unique index where it is to be."""
    for statement in AUDIT:
        database.execute(statement)
    if unique_index:
        database.add_unique_index()


class _Runs(threading.Thread):
    """The runs of a lane, each looked at as soon as it has ended."""

    def __init__(self, lane: Lane, trial: Trial, found: Soak, stop: threading.Event, seed: object) -> None:
        super().__init__()
        self.lane, self.trial, self.found, self.stop = lane, trial, found, stop
        self.database = trial.rival()
        self.chance = random.Random(f"{seed}/{lane.name}")
        self.error: BaseException | None = None

    def run(self) -> None:
        """One run after another, until it is told to stop."""
        try:
            while not self.stop.is_set():
                if arguments := self.lane.arguments(self.chance, self.database):
                    self._one(arguments)
                else:
                    self.stop.wait(0.2)
        except BaseException as error:  # noqa: BLE001 raised where the thread is waited for
            self.error = error

    def _one(self, arguments: Sequence[object]) -> None:
        snapshot = self.database.scalar("select pg_current_snapshot()::text")
        outcome = ended(self.trial.start(*arguments, "--json"), RUN_S)
        with LOCK:
            self.found.runs[self.lane.name] += 1
            self.found.codes[outcome.code] += 1
        document = _document(outcome)
        said = " ".join(map(str, arguments))
        if document is None or outcome.code not in RIGHT_CODES:
            self.found.blame("broken", f"{said}: exit {outcome.code}: {outcome.stderr or outcome.stdout}")
        elif document.get("run_id"):
            check_numbers(self.database, self.found, document, said)
        if document and document.get("reconciled"):
            check_truth(self.database, self.found, document, snapshot, said)


LOCK = threading.Lock()


def _document(outcome: Outcome) -> Document | None:
    """What it wrote to stdout, unless something else is there or a traceback."""
    try:
        return None if "Traceback" in outcome.stderr else dict(json.loads(outcome.stdout))
    except ValueError:
        return None


def check_numbers(database: Database, found: Soak, document: Document, said: str) -> None:
    """The rows that a run says it wrote, overwrote and removed are those of the log."""
    rows = database.rows(
        f"select action, count(*) from audit where who like 'recon/%/{document['run_id']}' group by action"
    )
    logged = Counter(dict(rows))
    replaced = document.get("replaced", logged["UPDATE"])
    inserted = document["inserted"] - replaced if "inserted" in document else document["restored"] - replaced
    if (inserted, replaced, document["removed"]) != (logged["INSERT"], logged["UPDATE"], logged["DELETE"]):
        found.blame("broken", f"{said}: the log has {dict(logged)}: {document}")


def check_truth(database: Database, found: Soak, document: Document, snapshot: str, said: str) -> None:
    """What was said to be reconciled is so, unless somebody else has made it otherwise since the run began."""
    days = [end or open_end for end, open_end in zip(document["window"].values(), OPEN, strict=True)]
    database.execute("begin isolation level repeatable read")
    try:
        if database.scalar(DISTURBED.format(snapshot=snapshot, first=days[0], last=days[1])):
            return
        where = f"where settlement_date between '{days[0]}' and '{days[1]}'"
        off = differences(database, where, values=document["values_compared"])
    finally:
        database.execute("rollback")
    with LOCK:
        found.said += 1
    if any(off.values()):
        found.blame("untrue", f"{said}: {dict(off)}: {document}")


def differences(database: Database, where: str = "", *, values: bool = True) -> Counter[str]:
    """What is missing, twice (or there for no key and model), and wrong, by the independent answer."""
    source = database.rows(
        f"select settlement_date, settlement_period, farm_id, volume::text from curtailment_records {where}"
    )
    right = {row[:4]: row[4:] for row in oracle.calculations(source)}
    stored = database.rows(
        "select settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
        f" from {TABLE} {where}"
    )
    pairs = Counter(row[:4] for row in stored)
    return Counter(
        missing=sum(pair not in pairs for pair in right),
        duplicate=sum(count - (pair in right) for pair, count in pairs.items()),
        wrong=sum(row[:4] in right and right[row[:4]] != row[4:] for row in stored) if values else 0,
    )


def conclude(trial: Trial, found: Soak) -> None:
    """The last run, and what is then in the table, the log and the quarantine."""
    database = trial.database
    last = trial.program.run("fix", "--repair", EVERYTHING, *YES, "--json", url=trial.url)
    if last.code != 0:
        found.blame("broken", f"the last run: exit {last.code}: {last.stderr or last.stdout}")
    for kind, rows in differences(database).items():
        if rows:
            setattr(found, kind, rows)
            found.notes.append(f"{kind}: {rows} rows in the end")
    for one, other in ((TAKEN, KEPT), (KEPT, TAKEN)):
        for row in database.rows(f"select run_id, was::text from (({one}) except all ({other})) t (run_id, was)"):
            found.blame("untraced", row)
    for row in database.rows(
        "select who, action from audit where who like 'recon/%' and place = 'curtailment_records'"
    ):
        found.blame("touched", row)
    actions = {"INSERT": "inserted", "UPDATE": "overwritten", "DELETE": "removed"}
    for action, rows in database.rows("select action, count(*) from audit where who like 'recon/%' group by action"):
        found.changes[actions[action]] = rows


def write(path: Path, facts: dict[str, str], soaks: Sequence[Soak]) -> None:
    """The circumstances as comment lines, then a line for each soak."""
    lines = [each.to_line() for each in soaks]
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {name}: {value}\n" for name, value in facts.items())
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def main(arguments: list[str] | None = None) -> int:
    """Soaks without and with the unique index, and writes the file; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long, without and with the unique index (120)")
    parser.add_argument("--seed", type=int, default=1, help="from which everything random is drawn (1)")
    parser.add_argument("--out", type=Path, default=STORED, help="the file to write (soak.csv beside this program)")
    options = parser.parse_args(arguments)
    forks = Forks()
    with temporary_home() as home:
        stage = Stage(home, begin=forks.start)
        try:
            command = "python -m tests.faults.soak " + " ".join(sys.argv[1:] if arguments is None else arguments)
            facts = results.circumstances(stage.server(), options.seed, command)
            soaks = [soak(stage, options.seed, options.seconds, unique_index=index) for index in (False, True)]
        finally:
            stage.close()
            forks.close()
    write(options.out, facts, soaks)
    for each in soaks:
        print(each.to_line(), *each.notes[:MOST_NOTES], sep="\n", file=sys.stderr)
    return 1 if any(each.lost for each in soaks) else 0


if __name__ == "__main__":
    sys.exit(main())
