"""Every command of the program on the server of `tests.support.awkward`, which is all that the tests' own is not."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recon.cli.manual import leaves
from tests.support.awkward import (
    BEYOND,
    COLUMNS,
    DATES,
    FARMS,
    SCHEMA,
    Awkward,
    Place,
    awkward_database,
    awkward_server,
)
from tests.support.builders import later_epochs
from tests.support.databases import CURTAILMENT, TABLE
from tests.support.forked import Process, start_python
from tests.support.parsing import parse, program
from tests.support.poolers import start_bouncer
from tests.support.servers import temporary_home

Begin = Callable[..., Process]
D0, D1, D2, D3, D4, D5 = DATES[:6]
ALL = "missing,wrong,duplicate,orphan"
GRUEN = FARMS[0]


@dataclass(frozen=True)
class Step:
    """A command, its exit code, and what it says; `missing`: the rows missing afterwards where it writes any.

    Where it does not say so, no row of the tables may change. {out}, {run} and {newer} are a directory, the newest run
    that repaired, and a file of newer difficulties.
    """

    line: str
    code: int = 0
    missing: int | None = None
    says: str = ""
    who: str = "recon"
    before: Callable[[Awkward], None] | None = None
    changes: bool = False


@dataclass
class Client:
    """One who has nothing: the program, the address of the pooler, and a place for files."""

    awkward: Awkward
    begin: Begin
    out: Path

    def start(self, line: str, who: str = "recon", begin: Begin | None = None) -> Process:
        known = {"out": self.out, "newer": self.out / "newer.json", "run": self.newest_repair()}
        words = [word.format(**known) for word in shlex.split(line)]
        columns = "" if "sample" in words else COLUMNS
        common = [] if line == "demo" else ["-d", self.awkward.url(who), "--calculations-columns", columns]
        return (begin or self.begin)(["recon", *common, *words], self.awkward.variables, self.awkward.directory)

    def run(self, line: str, who: str = "recon", begin: Begin | None = None) -> subprocess.CompletedProcess[str]:
        process = self.start(line, who, begin)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)

    def newest_repair(self) -> str:
        database = self.awkward.database
        if database.scalar("select to_regclass('recon.quarantine') is null"):
            return "none"
        rows = database.rows("select run_id from recon.quarantine where restored_by is null order by id desc limit 1")
        return str(rows[0][0]) if rows else "none"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with awkward_server() as place:
        yield place


@pytest.fixture
def awkward(request: pytest.FixtureRequest, place: Place) -> Iterator[Awkward]:
    on_delete = getattr(request, "param", "")
    with temporary_home() as home, awkward_database(place, home, on_delete=on_delete) as awkward:
        yield awkward


@pytest.fixture
def client(awkward: Awkward, begin: Begin, tmp_path: Path) -> Client:
    newer = later_epochs(datetime.now(UTC) - timedelta(days=12))
    (tmp_path / "newer.json").write_text(json.dumps(newer))
    return Client(awkward, begin, tmp_path)


def plant_wrong_values(awkward: Awkward) -> None:
    """Six rows are doubled, and somebody is paid by two of them."""
    database = awkward.database
    database.execute(
        f"update {TABLE} set bitcoin_mined = bitcoin_mined * 2 where settlement_date = '{D0}' and farm_id = '{GRUEN}'"
    )
    database.execute(f"insert into payouts (calc_id) select id from {TABLE} where settlement_date = '{D0}'")


def close_a_date(awkward: Awkward) -> None:
    """One of two dates that lack all their rows takes none any more: the run of both stays unfinished."""
    awkward.database.execute(f"delete from {TABLE} where settlement_date in ('{D0}', '{D1}')")
    closed = f"check (settlement_date <> '{D1}') not valid"
    awkward.database.execute(f'alter table {SCHEMA}.{TABLE} add constraint "geschloßen" {closed}')


def open_it_again(awkward: Awkward) -> None:
    awkward.database.execute(f'alter table {SCHEMA}.{TABLE} drop constraint "geschloßen"')


def plant_surplus(awkward: Awkward) -> None:
    """A row that is there twice, and one that nothing asks for."""
    database = awkward.database
    columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
    database.execute(
        f"insert into {TABLE} ({columns}) select {columns} from {TABLE} where settlement_date = '{D1}' limit 1"
    )
    database.execute(f"insert into {TABLE} ({columns}) values ('{D2}', 3, 'T_FÄHRE-1', 'S9', 1, 1)")


READING = [
    Step("status", 1),
    Step("status --values --deep", 1),
    Step("status --deep --reader connectorx", 1),
    Step("analyze --values", 1),
    Step("fix --dry-run", 1),
    Step("report --values --out {out}/before.html", 1),
]
STARTING = [
    Step("status", 3, says=f'ask its owner for: GRANT SELECT ON {SCHEMA}.{CURTAILMENT} TO "recon"'),
    Step("init --dry-run", before=Awkward.grant, says="create table if not exists recon.runs"),
    Step("init", 3, says="ask an administrator to run"),
    Step("init", who="admin"),
    Step("init", before=Awkward.grant),
]
FILLING = [
    Step(f"date {D0}", missing=72),
    Step(f"range {D1} {D1} 1", missing=60),
    Step(f"minimal spot-fix {D2} 1 {GRUEN}", missing=57),
    Step(f"minimal sequence {D2} 2", missing=48),
    Step(f"minimal critical-date {D3}", missing=36),
    Step(f"daily --today {D5} --days 1 --values", missing=24),
    Step(f"daily --today {D5} --days 1"),
    Step("minimal most-critical", missing=12),
    Step("fix 2 --workers 3", 4),
]
NEWER = [
    Step(f"difficulty show --date {BEYOND}", 4),
    Step("difficulty check {newer}"),
    Step("difficulty update --live --from {newer}"),
    Step(f"difficulty show --date {BEYOND}"),
    Step("fix", missing=0),
    Step("fix 1", 4, before=close_a_date, missing=12, says="geschloßen"),
    Step("resume", before=open_it_again, missing=0),
    Step("resume", says="nothing to resume"),
]
LOOKING = [
    Step("status --values"),
    Step(f"explain {D0} 1 {GRUEN}", says=GRUEN),
    Step(f"explain {D0} 24 {shlex.quote(FARMS[1])}"),
    Step("runs"),
    Step("verify --out {out}/proof.json"),
    Step("verify --against {out}/proof.json"),
    Step("report --out {out}/after.html"),
    Step("export --out {out}/slice"),
    Step("status --from-export {out}/slice"),
    Step("diagnose"),
    Step("diagnose analyze"),
    Step("diagnose test"),
    Step("diagnose monitor --count 1"),
    Step("config show", says="bmu"),
    Step("help-options"),
    Step("help-all"),
    Step("guide"),
    Step("guide nightly", says="recon_daily_exit_code"),
    Step("version"),
]
REPAIRING = [
    Step("status --values", 1, says="6 wrong", before=plant_wrong_values),
    Step("fix --repair wrong --max-changes 50% --dry-run", 1),
    Step("fix --repair wrong --max-changes 50% --yes", missing=0),
    Step("runs {run}"),
    Step("quarantine list", says="6 stale"),
    Step("quarantine list {run}", says=GRUEN),
    Step("quarantine restore {run} --dry-run"),
    Step("quarantine restore {run} --yes", changes=True),
    Step("status --values", 1, says="6 wrong"),
    Step("fix --repair wrong --max-changes 50% --yes", missing=0),
]
REMOVING = [
    Step("analyze", 1, before=plant_surplus),
    Step("fix --repair duplicate,orphan --dry-run", 1),
    Step(f"fix --repair {ALL} --yes", missing=0),
    Step("quarantine list {run}", says="T_FÄHRE-1"),
]
REFUSED = [
    Step("analyze", 1, before=plant_surplus),
    Step("fix --repair duplicate,orphan --dry-run", 1, says="payouts"),
    Step(f"fix --repair {ALL} --yes", 2, says="payouts"),
    Step("fix", 1, says="not reconciled: 0 missing, 1 duplicate, 1 orphan"),
]
INDEXING = [
    Step("init --unique-index", 2, says="connect directly"),
    Step("init --unique-index", 3, who="recon directly", says="owner"),
    Step("init --unique-index", who="admin directly"),
    Step("status --values"),
    Step("fix"),
]
SAMPLE = [
    Step("sample generate --days 3 --out {out}/sample"),
    Step(
        "sample load {out}/sample --curtailment-table leer.c --calculations-table leer.h", 3, says="keine Berechtigung"
    ),
    Step("sample load {out}/sample --curtailment-table leer.c --calculations-table leer.h", who="admin", changes=True),
]
DEMO = [Step("demo", says="reconciled: 75,462 of 75,462, nothing twice, nothing extra")]
STEPS = [*STARTING, *READING, *FILLING, *NEWER, *LOOKING, *REPAIRING, *REMOVING, *INDEXING, *SAMPLE, *DEMO]
BLOCKED = [
    Step("fix", 4, missing=12),
    Step("difficulty update --live --from {newer}"),
    Step("resume", missing=0),
    Step("resume", says="nothing to resume"),
]
WITHOUT_REMOVALS = [*STARTING, *BLOCKED, *REPAIRING, *REFUSED]


def carry_out(client: Client, steps: list[Step]) -> None:
    """Takes the steps one after the other; AssertionError at the first that does not end as it should."""
    awkward = client.awkward
    for step in steps:
        if step.before:
            step.before(awkward)
        before = awkward.everything()
        done = client.run(step.line, step.who)
        shown = f"{step.line}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == step.code, shown
        assert step.says in done.stdout + done.stderr, shown
        assert "Traceback" not in done.stderr, shown
        if step.missing is not None:
            assert awkward.missing() == step.missing, shown
        elif not step.changes:
            assert awkward.everything() == before, shown


def test_no_command_is_left_out() -> None:
    known = {"out": "out", "run": "run", "newer": "newer"}
    tried = {parse(shlex.split(step.line.format(**known))) for step in STEPS}
    assert tried == set(dict(leaves(program()))), "every command needs a step, and every step a command"


def test_the_server_is_awkward(awkward: Awkward, place: Place) -> None:
    """What could not be had here is said where pytest shows why tests were skipped."""
    database = awkward.database
    assert database.scalar(
        "select pg_encoding_to_char(encoding) from pg_database where datname = current_database()"
    ) == ("LATIN1")
    with pytest.raises(FileNotFoundError if awkward.directory == Path("/proc") else PermissionError):
        (awkward.directory / "written").touch()
    if place.lacks():
        pytest.skip("; ".join(place.lacks()))


@pytest.mark.timeout(300)
def test_every_command_ends_with_the_right_rows(client: Client) -> None:
    carry_out(client, STEPS)
    assert client.awkward.missing() == 0
    assert client.awkward.database.count("audit", "what = 'DELETE'") > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("awkward", ["on delete cascade"], indirect=True)
def test_where_others_would_lose_rows_none_is_removed_and_all_else_is_done(client: Client) -> None:
    carry_out(client, WITHOUT_REMOVALS)
    assert client.awkward.database.count("payouts") == 12


@pytest.mark.parametrize("line", ["fix", "fix 1 --workers 3", f"daily --today {D5} --days 6", f"date {D0}"])
def test_two_at_once_share_a_pool_of_one(client: Client, awkward: Awkward, place: Place, line: str) -> None:
    carry_out(client, STARTING)
    awkward.pooler.stop()
    awkward.pooler = start_bouncer(place.server, 1, {"recon": "pw"})
    both = [client.start(f"{line} --json") for _ in range(2)]
    ended = [(run.communicate(timeout=60), run.wait()) for run in both]
    codes = sorted(code for _, code in ended)
    right = awkward.right_rows()
    if line.startswith("fix"):
        assert codes == [4, 4], ended  # the date without difficulty
        assert awkward.missing() == 12
    elif line.startswith("date"):
        assert codes == [0, 0], ended
        assert awkward.missing() == right.total() - 12
    else:
        assert codes in ([0, 0], [0, 4]), ended  # the one that comes second gives way, or finds nothing to do
        assert awkward.missing() == 12
    inserted = [json.loads(stdout).get("inserted", 0) for (stdout, _), _ in ended]
    assert sum(inserted) == right.total() - awkward.missing(), ended


def test_without_any_variable_names_are_shown_as_they_are(client: Client) -> None:
    """In processes of their own: a fork would keep the streams that its parent was given."""
    carry_out(client, STARTING)
    assert client.run("fix", begin=start_python).returncode == 4
    told = client.run(f"explain {D0} 1 {GRUEN}", begin=start_python)
    assert (told.returncode, GRUEN in told.stdout) == (0, True), told.stderr
    exported = client.run("export --format csv --out {out}/slice", begin=start_python)
    assert exported.returncode == 4, exported.stderr
    texts = [path.read_text(encoding="utf-8") for path in client.out.joinpath("slice").rglob("*.csv")]
    assert all(farm in "".join(texts) for farm in FARMS)
