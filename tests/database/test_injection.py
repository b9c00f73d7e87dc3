"""Names, farm ids, file names and variables are only ever names and values, whatever they hold."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recon.core.names import CALCULATION_COLUMNS, CURTAILMENT_COLUMNS, Table, TableName
from recon.core.window import Window
from recon.reconcile import fix, proof, survey
from recon.reconcile.request import FixRequest, Job
from recon.reconcile.value_check import ValueCheck
from recon.reconcile.watcher import Watcher
from recon.reference.reference import load
from recon.values import explanation
from tests.support import oracle
from tests.support.builders import DAY, fill
from tests.support.databases import TABLE, Database
from tests.support.program import Run

REFERENCE = load(None, None, None, Path("nowhere"))
DROP = "'; drop table curtailment_records; --"
NASTY = (
    DROP,
    '"; drop table untouched; --',
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "%s%n{0}{x}",
    "[/red]:x:",
)
EVIL = st.sampled_from(NASTY) | st.text("\"'`;\\%s{}[]$1-/*() \n\t:?,=.&|<>é☂\x1b", min_size=1, max_size=12)
FEW = settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sql_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def columns(ours: tuple[str, ...], theirs: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(ours, theirs, strict=True))


def relations(database: Database) -> list[tuple]:
    """Every table outside the server's own schemas."""
    return database.rows(
        "select n.nspname::text as schema, c.relname::text as name from pg_class c join pg_namespace n "
        "on n.oid = relnamespace where relkind = 'r' and nspname !~ '^(pg_|information_schema|recon$)' order by 1, 2"
    )


@FEW
@given(names=st.lists(EVIL, min_size=11, max_size=11, unique=True), farm=EVIL)
def test_tables_and_columns_may_be_called_anything(database: Database, names: list[str], farm: str) -> None:
    schema, *rest = names
    source, stored = TableName("s" + rest[0], schema), TableName("c" + rest[1], schema)
    curtailment = Table(source, columns(CURTAILMENT_COLUMNS, rest[2:6]))
    calculations = Table(stored, columns(CALCULATION_COLUMNS, [*rest[6:10], "btc" + rest[0], "difficulty" + rest[1]]))
    assert TableName.parse(source.quoted) == source
    database.execute(f"create schema {sql_name(schema)}")
    before = relations(database)
    for table, types in (
        (curtailment, "date, integer, text, numeric"),
        (calculations, "date, integer, text, text, numeric, numeric"),
    ):
        name = f"{sql_name(schema)}.{sql_name(table.name.name)}"
        pairs = zip(table.columns, types.split(", "), strict=True)
        database.execute(
            f"create table {name} ({', '.join(f'{sql_name(theirs)} {kind}' for (_, theirs), kind in pairs)})"
        )
    there = f"{sql_name(schema)}.{sql_name(source.name)}"
    database.execute(f"insert into {there} values ('{DAY}', 1, {sql_text(farm)}, -5), ('{DAY}', 2, 'T_A-1', -7)")
    chosen = replace(database.settings, curtailment=curtailment, calculations=calculations)
    job = Job(f"{abs(hash(tuple(names))):x}", "fix", chosen, REFERENCE)
    report = fix.fix(job, FixRequest(), watcher=Watcher())
    assert (report.inserted, report.after.reconciled) == (6, True)
    found = survey.status(job, Window(), comparison=survey.KeyComparison(deep=True), check=ValueCheck())
    assert found.reconciled and found.values is not None and found.values.wrong == 0
    assert explanation.explain(chosen, REFERENCE, DAY, 1, farm, name="recon/explain").exit_code == 0
    assert proof.prove(job, Window()).dates[0].rows == 6
    rows = database.rows(f"select * from {sql_name(schema)}.{sql_name(stored.name)}")
    assert sorted(rows) == oracle.calculations([(DAY, 1, farm, "-5"), (DAY, 2, "T_A-1", "-7")])
    database.execute(f"drop schema {sql_name(schema)} cascade")
    assert relations(database) == before


@FEW
@given(name=EVIL.map(lambda text: text.replace("/", "_")), other=EVIL)
@example(name="$(touch pwned)", other="; touch pwned;")
def test_files_and_variables_may_be_called_anything(
    database: Database, run_recon: Run, tmp_path: Path, name: str, other: str
) -> None:
    place = tmp_path / f"a{name}"
    place.mkdir(exist_ok=True)
    log, out, miners = place / f"log{name}", place / f"out{name}", place / f"miners{name}"
    miners.write_text("miner_model,hashrate_ths,power_w\nS9,13.5,1323\n")
    env = {"RECON_HOME": str(place / "home"), "PGAPPNAME": other, "COLUMNS": other, "LC_ALL": other, "TMPDIR": other}
    files = ("--log-file", log, "--miners", miners, "--out", out)
    done = run_recon("verify", *files, url=database.url, env=env, cwd=place)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in place.iterdir()} == {log.name, out.name, miners.name}
    assert not [path for path in tmp_path.rglob("*") if path.name == "pwned"]


def test_such_a_farm_is_just_a_farm(database: Database, run_recon: Run, tmp_path: Path) -> None:
    farms = (DROP, "[/red]{0}%s\x1b[31m $(touch pwned)\n")
    rows = fill(database, [(DAY, period, farm, f"-{period}") for period in (1, 2) for farm in farms])
    exact = oracle.calculations(rows)

    def run(*arguments: object, code: int = 0) -> str:
        done = run_recon(*arguments, url=database.url)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "\x1b" not in done.stdout + done.stderr
        return str(done.stdout)

    assert json.loads(run("minimal", "spot-fix", DAY, 1, "--json", "--", DROP))["inserted"] == 3
    run("fix", "-v", "--log-file", tmp_path / "recon.log")
    assert oracle.stored(database) == exact
    for farm in farms:
        assert "agrees" in run("explain", DAY, 1, "--", farm)
    near = [line.partition(": ")[2] for line in run("explain", DAY, 3, DROP, code=1).splitlines() if "near by" in line]
    assert [DROP in shlex.split(line) for line in near if DROP[1:] in line] == [True, True]
    database.execute(f"update {TABLE} set bitcoin_mined = 1")
    run("analyze", "--values", code=1)
    repair = ("fix", "--repair", "wrong", "--max-changes", "100%")
    run(*repair, "--dry-run", code=1)
    run_id = json.loads(run(*repair, "--yes", "--json"))["run_id"]
    assert oracle.stored(database) == exact
    run("quarantine", "list")
    run("quarantine", "restore", run_id, "--yes")
    assert database.count(TABLE, "bitcoin_mined = 1") == 12
    assert database.count("curtailment_records") == 4
