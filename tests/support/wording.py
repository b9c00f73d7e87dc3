"""The program's sentences: a scenario per kind of command is run on a real server and compared with what is stored in
`tests/wording/NAME.txt`; `python -m tests.support.wording` writes these files anew.

So tests of behaviour need no sentences: they ask for codes, counts, dates and commands, of a text by its `facts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import adbc_driver_postgresql.dbapi as adbc

from tests.support import oracle
from tests.support.builders import DAY, MODELS, days, fill, source_rows
from tests.support.databases import CURTAILMENT, TABLE, Database, make_template, new_database
from tests.support.forked import bare_variables, start_python
from tests.support.patterns import CALCULATE, CLUSTERED, IN_CALCULATIONS, IN_SOURCE, SOURCE, sow, sow_in_source
from tests.support.program import NOBODY, Run
from tests.support.readme import timeless
from tests.support.servers import embedded_programs, start_server, temporary_home

STORED = Path(__file__).parents[1] / "wording"
ALL = "missing,wrong,duplicate,orphan"
AUTUMN = date(2024, 10, 27)
UNPRICED = date(2035, 1, 1)
"""A date whose difficulty nobody knows yet."""


def facts(text: str) -> list[str]:
    """The dates, numbers, names and units of a sentence, in order: words with digits, or in capitals.

    >>> facts("2024-04-20 lacks 1,289 rows of S19J_PRO, but 0.5 BTC of another model.")
    ['2024-04-20', '1,289', 'S19J_PRO', '0.5', 'BTC']
    """
    return [word.rstrip(".,:;") for word in re.findall(r"[\w.,:%-]*\d[\w.,:%-]*|\b[A-Z]+\b", text)]


class Stage:
    """A database, the program, and what was said so far."""

    def __init__(self, database: Database, run_recon: Run) -> None:
        self.database, self._run = database, run_recon
        self.said: list[str] = []

    def recon(self, *arguments: object) -> None:
        """Runs the program and notes both its streams."""
        done = self._run(*arguments, url=self.database.url)
        self._note(arguments, done.stdout + done.stderr, done.returncode)

    def findings(self, *options: str) -> None:
        """Runs `recon analyze --json` and notes all its findings; for people it cuts them short."""
        done = self._run("analyze", *options, "--json", url=self.database.url)
        found = json.loads(done.stdout)["findings"]
        lines = ["{severity}: {code} ({count})\n  {example}\n  -> {advice}".format(**finding) for finding in found]
        self._note(("analyze", *options), "\n".join(lines) + "\n", done.returncode)

    def _note(self, arguments: Sequence[object], said: str, code: int) -> None:
        command = " ".join(["$ recon", *map(str, arguments)])
        self.said.append(f"{command}\n{said}[exit code {code}]\n")

    def checks(self, *names: str, url: str | None = None) -> None:
        """Runs `recon diagnose` and notes what it says of these checks; the others depend on the machine."""
        done = self._run("diagnose", "--json", url=url or self.database.url)
        found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        lines = [
            f"{found[name]['status']} {name}: {found[name]['detail']}\n  -> {found[name]['advice']}" for name in names
        ]
        self._note(["diagnose"], "\n".join(lines) + "\n", done.returncode)

    def text(self) -> str:
        """All of it, without what differs from run to run."""
        text = timeless("\n".join(self.said)).replace(f"/{self.database.name}", "/power")
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:5432", text)
        text = re.sub(r"(?<=pid )\d+|(?<=for )\d+(?= s\b)", "_", text)
        text = re.sub(r"(?<=Failing row contains )\(.*?\)", "(_)", text)
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def filled(stage: Stage) -> list[oracle.Calculation]:
    """Four reconciled dates; their calculations."""
    right = oracle.calculations(fill(stage.database, source_rows(days(DAY, 4))))
    stage.database.add_calculations(*right)
    return right


def spoil(stage: Stage) -> None:
    """Wrong values, duplicates, orphans, an unknown model, and gaps: of a model, of a date, and of single rows."""
    right, database = filled(stage), stage.database
    first, second, third, last = (next(row for row in right if row[0] == day) for day in days(DAY, 4))
    database.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined where {_where(first)}")
    database.add_calculations(second, (*second[:4], 7, second[5]))
    database.execute(f"delete from {TABLE} where {_where(third)}")
    database.execute(f"delete from {TABLE} where settlement_date = '{last[0]}' and miner_model = '{MODELS[0]}'")
    database.add_calculations((*third[:2], "T_GONE-1", *third[3:]), (*third[:3], "T17", *third[4:]))
    fill(database, source_rows(days(date(2024, 6, 1), 2)))


def _where(row: tuple[Any, ...]) -> str:
    names = ("settlement_date", "settlement_period", "farm_id", "miner_model")
    return " and ".join(f"{name} = '{value}'" for name, value in zip(names, row, strict=False))


def status(stage: Stage) -> None:
    stage.recon("status")
    spoil(stage)
    stage.recon("status")
    stage.recon("status", "--values")
    stage.recon("status", "--to", "2024-04-21", "--values")


def fix(stage: Stage) -> None:
    fill(stage.database, source_rows([*days(DAY, 2), UNPRICED]))
    stage.recon("fix", "--dry-run")
    stage.recon("fix")
    stage.recon("fix", "--to", "2024-12-31")
    stage.recon("range", "2024-04-20", "2024-04-21")
    stage.recon("date", UNPRICED)
    stage.recon("resume")


def repair(stage: Stage) -> None:
    spoil(stage)
    stage.recon("fix", "--repair", ALL, "--dry-run")
    stage.recon("fix", "--repair", ALL)
    stage.recon("fix", "--repair", ALL, "--yes", "--max-changes", "1")
    stage.recon("fix", "--repair", ALL, "--yes", "--max-changes", "100%")
    run_id = stage.database.scalar("select run_id from recon.runs")
    stage.recon("quarantine", "list")
    stage.recon("quarantine", "list", run_id)
    stage.recon("runs")
    stage.recon("verify", "--to", "2024-04-21")
    stage.recon("quarantine", "restore", run_id, "--dry-run")
    stage.recon("quarantine", "restore", run_id)
    stage.recon("quarantine", "restore", run_id, "--yes")
    stage.recon("quarantine", "restore", run_id, "--yes")
    stage.recon("quarantine", "restore", "nosuchrun")


def analyze(stage: Stage) -> None:
    stage.recon("analyze")
    spoil(stage)
    stage.recon("analyze")
    stage.recon("analyze", "--values")


def findings(stage: Stage) -> None:
    """Every pattern at once; and those that show only where others do not hide them."""
    stage.database.add_unique_index()
    stage.database.execute(SOURCE)
    sow_in_source(stage.database, *IN_SOURCE.values())
    for planted in IN_CALCULATIONS.values():
        sow(stage.database, planted)
    stage.findings()
    for planted in CLUSTERED.values():
        stage.database.execute(f"truncate {TABLE}")
        stage.database.execute(CALCULATE)
        sow(stage.database, planted)
        stage.findings("--from", "2024-10-16", "--to", "2024-11-08")


def daily(stage: Stage) -> None:
    stage.recon("runs")
    complete, missing, twice, refused = days(AUTUMN, 4)
    exact = oracle.calculations(fill(stage.database, source_rows([complete, missing, twice, refused])))
    stage.database.add_calculations(*(row for row in exact if row[0] == complete))
    stage.database.add_calculations(*[row for row in exact if row[0] == twice][:1] * 2)
    stage.database.execute(
        f"alter table {TABLE} add constraint not_this_date check (settlement_date <> '{refused}') not valid"
    )
    stage.recon("daily", "--today", refused, "--days", 4)
    stage.database.execute(f"alter table {TABLE} drop constraint not_this_date")
    stage.recon("daily", "--today", refused, "--days", 4)
    stage.recon("daily", "--today", AUTUMN, "--days", 1)
    stage.recon("daily", "--today", "2030-01-01")
    stage.recon("daily", "--today", "2024-11-03", "--days", "1")


def tables(stage: Stage) -> None:
    """What keeps a run from its tables."""
    fill(stage.database, source_rows([DAY]))
    stage.recon("status", "--calculations-table", "nowhere.calculations")
    for change in (
        f"alter table {TABLE} alter bitcoin_mined type numeric(20,6)",
        f"alter table {TABLE} alter bitcoin_mined type numeric, drop difficulty",
        f"alter table {CURTAILMENT} rename to elsewhere",
    ):
        stage.database.execute(change)
        stage.recon("fix")


def diagnose(stage: Stage) -> None:
    """Tables without an index, one that somebody holds, one with an index too many, one that is gone; no server."""
    fill(stage.database, source_rows([DAY]))
    stage.checks("index_curtailment_records", "index_historical_bitcoin_calculations", "unique_index")
    with adbc.connect(stage.database.url) as holder, holder.cursor() as cursor:
        cursor.execute(f"lock table {TABLE} in access exclusive mode")
        stage.checks("table_locks", "query_complex", "table_historical_bitcoin_calculations")
        holder.rollback()
    stage.database.add_unique_index()
    stage.database.execute(f"create index by_date on {TABLE} (settlement_date)")
    stage.checks("superfluous_index")
    stage.database.execute(f"drop table {TABLE}")
    stage.checks("layout", "query_complex")
    stage.checks("tcp", "connect", url=NOBODY)


SCENARIOS: dict[str, Callable[[Stage], None]] = {
    play.__name__: play for play in (status, fix, repair, analyze, findings, daily, tables, diagnose)
}


def played(name: str, database: Database, run_recon: Run) -> str:
    """What the program says today in a scenario that begins with empty tables."""
    stage = Stage(database, run_recon)
    SCENARIOS[name](stage)
    return stage.text()


def stored(name: str) -> str:
    """What it is to say."""
    return (STORED / f"{name}.txt").read_text(encoding="utf-8")


def main() -> None:
    """Writes what is said in every scenario into its file."""
    STORED.mkdir(exist_ok=True)
    with temporary_home() as home, closing(start_server(embedded_programs(), stays=True)) as server:
        make_template(server)

        def run(*arguments: object, url: str) -> CompletedProcess[str]:
            variables = bare_variables() | {"RECON_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
            program = ["recon", *map(str, arguments)]
            process = start_python(program, variables | {"RECON_DATABASE_URL": url}, home)
            stdout, stderr = process.communicate(timeout=60)
            return CompletedProcess(program, process.returncode, stdout, stderr)

        for name in SCENARIOS:
            database = new_database(server)
            (STORED / f"{name}.txt").write_text(played(name, database, run), encoding="utf-8")
            database.drop()


if __name__ == "__main__":
    main()
