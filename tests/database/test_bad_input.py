"""Bad input: each has one clear line, the right exit code, and nothing is lost."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows, write
from tests.support.databases import TABLE, Database
from tests.support.program import Run, Start, document, one_line
from tests.support.servers import Server, free_port


class TestServer:
    def test_there_is_none(self, run_recon: Run) -> None:
        line = one_line(run_recon("status", url=f"postgresql://ana:s3cret@127.0.0.1:{free_port()}/power"), 3)
        assert "cannot connect to postgresql://ana@127.0.0.1" in line
        assert "Connection refused" in line
        assert "s3cret" not in line

    def test_the_password_is_wrong(self, database: Database, run_recon: Run) -> None:
        role = f"ana_{database.name}"
        database.server.create_role(role, "right")
        line = one_line(run_recon("status", url=database.server.role_url(role, "wr0ng", database.name)), 3)
        assert f'password authentication failed for user "{role}"' in line
        assert "wr0ng" not in line

    def test_the_database_does_not_exist(self, server: Server, run_recon: Run) -> None:
        line = one_line(run_recon("status", url=server.role_url("postgres", database="none")), 3)
        assert 'database "none" does not exist; check the database\'s name in the URL' in line

    def test_the_database_has_not_the_tables(self, empty_database: Database, run_recon: Run) -> None:
        line = one_line(run_recon("fix", url=empty_database.url), 2)
        assert "the database has no table curtailment_records" in line
        assert empty_database.count("pg_namespace", "nspname = 'recon'") == 0

    def test_the_tables_are_empty_which_is_reconciled(self, database: Database, run_recon: Run) -> None:
        found = document(run_recon("status", "--json", url=database.url))
        assert (found["expected"], found["matched"], found["reconciled"], found["percent"]) == (0, 0, True, 100.0)
        assert found["dates"] == {"total": 0, "complete": 0, "partial": 0, "empty": 0}
        shown = run_recon("status", url=database.url).stdout
        assert "nothing to reconcile: there is no curtailment at all\n" in shown and "100" not in shown
        assert document(run_recon("fix", "--json", url=database.url))["run_id"] is None
        assert document(run_recon("analyze", "--json", url=database.url))["worst_dates"] == []


class TestSourceRows:
    BAD = (
        (DAY, 0, "T_ZERO-1", "-5"),
        (DAY, 49, "T_LATE-1", "-5"),
        (DAY, -1, "T_EARLY-1", "-5"),
        (DAY, 1, "T_NAN-1", "NaN"),
        (date(2024, 3, 31), 47, "T_SPRING-1", "-5"),
        (date(2024, 10, 27), 51, "T_AUTUMN-1", "-5"),
    )
    GOOD = ((DAY, 48, "T_A-1", "-5"), (date(2024, 3, 31), 46, "T_A-1", "-5"), (date(2024, 10, 27), 50, "T_A-1", "-5"))

    def test_what_cannot_be_priced_is_counted_warned_about_and_left_alone(
        self, database: Database, run_recon: Run
    ) -> None:
        database.execute("alter table curtailment_records alter volume drop not null")
        rows = fill(database, [*self.BAD, *self.GOOD, (DAY, 2, "T_NULL-1", None), (DAY, 48, "T_A-1", "NaN")])
        done = run_recon("fix", "--json", url=database.url)
        found = document(done)
        assert (found["inserted"], found["reconciled"]) == (9, True)
        assert oracle.stored(database) == oracle.calculations(rows)
        (line,) = done.stderr.splitlines()
        assert "8 source rows cannot be priced" in line
        assert "first on 2024-03-31" in line
        status = document(run_recon("status", "--json", url=database.url))
        assert {n: status[n] for n in ("curtailment_rows", "invalid", "keys")} == {
            "curtailment_rows": 11,
            "invalid": 8,
            "keys": 3,
        }

    def test_infinite_volumes_are_not_energy(self, database: Database, run_recon: Run) -> None:
        fill(database, [(DAY, 1, "T_A-1", "-5"), (DAY, 1, "T_B-1", "Infinity"), (DAY, 1, "T_B-1", "-Infinity")])
        assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 3
        assert document(run_recon("status", "--json", url=database.url))["invalid"] == 2

    def test_nan_in_float_columns_is_no_energy_either(self, database: Database, run_recon: Run) -> None:
        database.execute("alter table curtailment_records alter volume type float8")
        fill(database, [(DAY, 1, "T_A-1", "-5"), (DAY, 1, "T_B-1", "NaN")])
        assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 3

    @pytest.mark.parametrize(
        "farm",
        ["T_O'Neil-1", "x'; drop table curtailment_records; --", "風力 発電 ☂", ' "a" b\t', "{}$1%s", "a\\b", ""],
    )
    def test_farm_ids_are_only_ever_values(self, database: Database, run_recon: Run, farm: str) -> None:
        rows = fill(database, [(DAY, 1, farm, "-5"), (DAY, 1, "T_A-1", "-5")])
        assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 6
        assert oracle.stored(database) == oracle.calculations(rows)
        explained = document(run_recon("explain", "--json", DAY, 1, "--", farm, url=database.url))
        assert explained["key"]["farm_id"] == farm
        assert explained["agrees"] is True

    def test_nan_stored_as_bitcoin_is_counted_as_a_row_and_explained_as_wrong(
        self, database: Database, run_recon: Run
    ) -> None:
        fill(database, [(DAY, 1, "T_A-1", "-5")])
        database.add_calculations(*((DAY, 1, "T_A-1", m, "NaN", "NaN") for m in oracle.MINERS))
        assert document(run_recon("status", "--json", url=database.url))["matched"] == 3
        assert document(run_recon("fix", "--json", url=database.url))["inserted"] == 0
        found = document(run_recon("explain", DAY, 1, "T_A-1", "--json", url=database.url), 1)
        assert {model["verdict"] for model in found["models"]} == {"differs"}


class TestReferenceFiles:
    """Refused before a connection is made: there is no server behind this URL."""

    URL = "postgresql://nobody@127.0.0.1:1/none"

    @pytest.mark.parametrize(
        ("option", "text", "words"),
        [
            ("--difficulty", "date,difficulty\n2024-04-10,-5", "line 2: difficulty is '-5'"),
            ("--difficulty", "date,difficulty\n2024-04-10,0", "line 2: difficulty is '0'"),
            ("--difficulty", "date,difficulty\n2024-04-10,5\n2024-04-10,5", "line 3: 2024-04-10 00:00 UTC comes after"),
            ("--miners", "miner_model,hashrate_ths,power_w\nS9,13.5,0", "line 2: power_w is '0'"),
            ("--miners", "miner_model,hashrate_ths,power_w\nS9,1,1\nS9,2,2", "line 3: miner_model S9 is there twice"),
            ("--subsidy", "starts_on,subsidy_btc\n2024-04-20,free", "line 2: subsidy_btc is 'free'"),
        ],
    )
    def test_a_line_that_cannot_be_right_is_named(
        self, run_recon: Run, tmp_path: Path, option: str, text: str, words: str
    ) -> None:
        file = write(tmp_path / "file.csv", text)
        line = one_line(run_recon("fix", option, file, url=self.URL), 2)
        assert f"{file}, {words}" in line

    def test_a_file_that_is_not_there_is_named(self, run_recon: Run, tmp_path: Path) -> None:
        line = one_line(run_recon("status", "--miners", tmp_path / "none.csv", url=self.URL), 2)
        assert "none.csv cannot be read: No such file" in line


class Role:
    """A role with a password and only the privileges it is given."""

    def __init__(self, database: Database) -> None:
        self.name = f"ben_{database.name}"
        self.url = database.server.role_url(self.name, "pw", database.name)
        self._database = database
        database.server.create_role(self.name, "pw")

    def grant(self, *privileges: str) -> Role:
        for privilege in privileges:
            self._database.execute(f"grant {privilege} to {self.name}")
        return self


READ = ("select on curtailment_records", f"select on {TABLE}")
WRITE = (*READ, f"insert on {TABLE}", f"usage on sequence {TABLE}_id_seq")


class TestPrivileges:
    @pytest.fixture
    def role(self, database: Database) -> Role:
        fill(database, source_rows(days(DAY, 2)))
        return Role(database)

    @pytest.mark.parametrize(
        ("granted", "wanted"),
        [
            ((), "GRANT SELECT ON public.curtailment_records TO"),
            (READ[:1], f"GRANT SELECT ON public.{TABLE} TO"),
            (READ, f"GRANT INSERT ON public.{TABLE} TO"),
            (WRITE[:3], f"GRANT USAGE ON SEQUENCE public.{TABLE}_id_seq TO"),
        ],
    )
    def test_the_grant_that_is_missing_is_named(
        self, database: Database, run_recon: Run, role: Role, granted: tuple[str, ...], wanted: str
    ) -> None:
        line = one_line(run_recon("fix", url=role.grant(*granted).url), 3)
        assert f'{wanted} "{role.name}"' in line
        assert database.count(TABLE) == 0

    def test_a_reader_may_look(self, run_recon: Run, role: Role) -> None:
        role.grant(*READ)
        for command in (["status"], ["analyze"], ["fix", "--dry-run"]):
            assert document(run_recon(*command, "--json", url=role.url), 1)

    def test_columns_granted_one_by_one_do_for_reading_and_not_for_writing(self, run_recon: Run, role: Role) -> None:
        columns = "settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty"
        role.grant(
            "select (settlement_date, settlement_period, farm_id, volume) on curtailment_records",
            f"select ({columns}) on {TABLE}",
            f"insert ({columns}) on {TABLE}",
        )
        assert document(run_recon("status", "--deep", "--json", url=role.url), 1)["keys"]
        assert f"GRANT SELECT ON public.{TABLE} TO" in one_line(run_recon("fix", url=role.url), 3)

    def test_a_role_that_may_not_create_the_ledger_gets_its_ddl(
        self, database: Database, run_recon: Run, role: Role
    ) -> None:
        done = run_recon("fix", url=role.grant(*WRITE).url)
        assert done.returncode == 3
        first, *ddl = done.stderr.splitlines()
        assert "the ledger cannot be created" in first
        assert "ask an administrator to run:" in first
        assert database.count(TABLE) == 0
        for statement in "\n".join(ddl).split(";\n"):
            if statement.strip():
                database.execute(statement)
        role.grant("usage on schema recon", "select, insert, update on all tables in schema recon")
        assert document(run_recon("fix", "--json", url=role.url))["reconciled"] is True

    def test_a_ledger_that_may_not_be_written_is_named(self, database: Database, run_recon: Run, role: Role) -> None:
        document(run_recon("init", "--json", url=database.url))
        done = run_recon("fix", url=role.grant(*WRITE).url)
        line = one_line(done, 3)
        assert "permission denied for schema recon" in line
        assert "GRANT" in line
        assert database.count(TABLE) == 0


def test_a_server_that_hangs_up_in_the_middle_loses_nothing(database: Database, start_recon: Start) -> None:
    """Our session is ended by an administrator: the date is tried again on a new one."""
    rows = fill(database, source_rows([DAY]))
    database.execute(
        "create function hang_up() returns trigger language plpgsql as $$ begin"
        " if not pg_try_advisory_xact_lock_shared(98) then perform pg_terminate_backend(pg_backend_pid()); end if;"
        " return new; end $$"
    )
    database.execute(f"create trigger odd before insert on {TABLE} for each statement execute function hang_up()")
    database.execute("select pg_advisory_lock(98)")
    process = start_recon("fix", "--json", "-v", url=database.url)
    line = process.stderr.readline()
    while "trying" not in line:
        assert line
        line = process.stderr.readline()
    database.execute("select pg_advisory_unlock(98)")
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    (entry,) = json.loads(stdout)["dates"]
    assert (entry["status"], entry["attempts"] >= 2) == ("done", True)
    assert oracle.stored(database) == oracle.calculations(rows)


def test_the_smallest_and_the_largest_energy_are_exact(database: Database, run_recon: Run) -> None:
    volumes = ["-0.00000001", "-0.0000304", "-9999999.123456789", "-1e-30", "123456789012.5"]
    rows = fill(database, [(DAY, n + 1, "T_A-1", volume) for n, volume in enumerate(volumes)])
    document(run_recon("fix", "--json", url=database.url))
    for mine, exact in zip(oracle.stored(database), oracle.calculations(rows), strict=True):
        assert mine[:4] == exact[:4]
        assert abs(mine[4] - exact[4]) <= exact[4] * Decimal("1e-15") + Decimal("1e-30")
