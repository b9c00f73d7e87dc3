"""`recon verify`: equal data give equal bytes, and whatever else changed is named by its date."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
from collections import defaultdict
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import recon_cwd
from tests.support import oracle
from tests.support.builders import DAY, MODELS, days, fill, source_rows
from tests.support.databases import TABLE, Database, new_database
from tests.support.program import Run, document
from tests.support.servers import free_port

DATES = days(DAY, 3)
NOBODY = "postgresql://nobody@127.0.0.1:{port}/nothing"

UMASK = os.umask(0)
os.umask(UMASK)


@pytest.fixture
def tables(database: Database) -> Database:
    """Three dates, reconciled."""
    database.add_calculations(*oracle.calculations(fill(database, source_rows(DATES))))
    return database


def source(database: Database) -> list[tuple]:
    return database.rows("select settlement_date, settlement_period, farm_id, volume from curtailment_records")


def bitcoin(database: Database) -> dict[str, dict[str, Decimal]]:
    """The sums per date and model of what should be stored."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for day, _, _, model, btc, _ in oracle.calculations(source(database)):
        sums[str(day)][model] += btc
    return sums


class TestWhatItSays:
    def test_every_date_has_its_rows_keys_exact_sums_and_checksum(self, tables: Database, run_recon: Run) -> None:
        found = document(run_recon("verify", "--json", url=tables.url))
        assert list(found) == ["schema_version", "command", "window", "dates", "checksum"]
        assert (found["schema_version"], found["command"]) == (1, "verify")
        assert [entry["date"] for entry in found["dates"]] == [str(day) for day in DATES]
        counted, energy, sums = oracle.status_by_date(tables), oracle.energies(source(tables)), bitcoin(tables)
        for entry in found["dates"]:
            day = date.fromisoformat(entry["date"])
            assert list(entry) == ["date", "curtailment_rows", "keys", "energy_mwh", "rows", "btc", "checksum"]
            assert entry["curtailment_rows"] == counted[day]["curtailment_rows"]
            assert entry["keys"] == counted[day]["keys"]
            assert Decimal(entry["energy_mwh"]) == sum(mwh for key, mwh in energy.items() if key[0] == day)
            assert entry["rows"] == counted[day]["matched"] == 3 * entry["keys"]
            assert {model: Decimal(btc) for model, btc in entry["btc"].items()} == sums[entry["date"]]
        checksums = [entry["checksum"] for entry in found["dates"]] + [found["checksum"]]
        assert len({c for c in checksums if re.fullmatch("[0-9a-f]{64}", c)}) == 4

    def test_csv_says_the_same(self, tables: Database, run_recon: Run) -> None:
        tables.execute(f"delete from {TABLE} where miner_model = 'S9' and settlement_date = '2024-04-21'")
        done = run_recon("verify", "--format", "csv", url=tables.url)
        head, *lines = csv.reader(io.StringIO(done.stdout))
        fixed = ["date", "curtailment_rows", "keys", "energy_mwh", "rows"]
        assert head == [*fixed, *(f"btc_{model}" for model in sorted(MODELS)), "checksum"]
        entries = document(run_recon("verify", "--json", url=tables.url))["dates"]
        wanted = [
            [*(str(e[name]) for name in fixed), *(e["btc"].get(m, "") for m in sorted(MODELS)), e["checksum"]]
            for e in entries
        ]
        assert lines == wanted
        assert lines[1][head.index("btc_S9")] == ""
        assert "\r" not in done.stdout

    def test_for_people_it_is_the_sums_and_the_one_checksum(self, tables: Database, run_recon: Run) -> None:
        proof = document(run_recon("verify", "--json", url=tables.url))
        done = run_recon("verify", url=tables.url)
        head, *models, counts, checksum = done.stdout.splitlines()
        total = {model: sum(sums[model] for sums in bitcoin(tables).values()) for model in MODELS}
        assert [line.split() for line in models] == [[model, f"{total[model]:,.8f}"] for model in MODELS]
        energy = sum(oracle.energies(source(tables)).values())
        rows = 3 * len(oracle.energies(source(tables)))
        assert head.split() == ["miner", "model", "BTC"]
        assert f"3 dates: {rows} calculations;" in counts
        assert Fraction(counts.partition("; ")[2].split()[0]) == energy
        assert checksum == f"checksum {proof['checksum']}"
        assert done.returncode == 0

    def test_of_empty_tables_it_is_nothing_with_a_checksum(self, database: Database, run_recon: Run) -> None:
        counts, checksum = run_recon("verify", url=database.url).stdout.splitlines()
        assert counts == "0 dates: 0 calculations; 0 MWh in 0 keys of 0 curtailment rows"
        assert re.fullmatch("checksum [0-9a-f]{64}", checksum)

    def test_a_window_is_a_part_of_the_whole(self, tables: Database, run_recon: Run) -> None:
        whole = document(run_recon("verify", "--json", url=tables.url))
        part = document(run_recon("verify", "--json", "--from", "2024-04-21", "--to", "2024-04-21", url=tables.url))
        assert part["window"] == {"first": "2024-04-21", "last": "2024-04-21"}
        assert part["dates"] == whole["dates"][1:2]
        assert part["checksum"] != whole["checksum"]

    def test_what_should_not_be_there_is_proved_too(self, tables: Database, run_recon: Run) -> None:
        first, gone, new = str(DAY), date(2024, 5, 1), date(2024, 5, 2)
        tables.add_calculations((gone, 1, "T_GONE-1", "T17", "0.50", "1"), (DAY, 1, "T_FARM-0", "S9", "NaN", "1"))
        tables.add_curtailment((new, 1, "T_A-1", "-2.50"), (DAY, 49, "T_A-1", "-7"), (DAY, 50, "T_A-1", "NaN"))
        before, _, _, orphans, empty = document(run_recon("verify", "--json", url=tables.url))["dates"]
        counted = oracle.status_by_date(tables)[DAY]
        assert (before["date"], before["btc"]["S9"], before["rows"]) == (first, "NaN", counted["matched"] + 1)
        assert (before["curtailment_rows"], before["keys"]) == (counted["curtailment_rows"], counted["keys"])
        assert {k: v for k, v in orphans.items() if k != "checksum"} == {
            "date": "2024-05-01",
            "curtailment_rows": 0,
            "keys": 0,
            "energy_mwh": "0",
            "rows": 1,
            "btc": {"T17": "0.5"},
        }
        assert (empty["keys"], empty["energy_mwh"], empty["rows"], empty["btc"]) == (1, "2.5", 0, {})

    def test_empty_tables_have_a_proof(self, database: Database, run_recon: Run) -> None:
        assert document(run_recon("verify", "--json", url=database.url))["dates"] == []
        done = run_recon("verify", "--format", "csv", url=database.url)
        assert (done.returncode, done.stdout) == (0, "date,curtailment_rows,keys,energy_mwh,rows,checksum\n")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_equal_data_give_equal_bytes_wherever_they_lie(tables: Database, run_recon: Run, form: str) -> None:
    """Other ids, another order, other times, trailing zeros, an index and dead rows: none of it is in the proof."""
    other = new_database(tables.server)
    try:
        rows, right = source(tables), oracle.stored(tables)
        random.Random(4).shuffle(rows)
        random.Random(5).shuffle(right)
        other.execute("alter sequence historical_bitcoin_calculations_id_seq restart with 70000")
        other.add_calculations(*((*row[:4], f"{row[4]}00", f"{row[5]}.000") for row in right))
        other.execute(f"update {TABLE} set calculated_at = '2020-01-01' where miner_model = 'S9'")
        other.add_curtailment(*((*row[:3], f"{row[3]}0") for row in rows))
        other.execute("update curtailment_records set lead_party_name = 'someone', payment = 7")
        other.add_unique_index()
        one = run_recon("verify", "--format", form, url=tables.url)
        two = run_recon("verify", "--format", form, url=other.url)
        again = run_recon("verify", "--format", form, url=tables.url)
        assert one.returncode == two.returncode == 0
        assert len(one.stdout) > 300
        assert one.stdout == two.stdout == again.stdout
    finally:
        other.drop()


def test_binary_columns_of_the_same_digits_give_the_same_bytes(tables: Database, run_recon: Run) -> None:
    numeric = run_recon("verify", "--json", url=tables.url).stdout
    tables.execute(
        f"alter table {TABLE} alter bitcoin_mined type float8 using bitcoin_mined::text::float8, "
        "alter difficulty type float8 using difficulty::text::float8"
    )
    assert run_recon("verify", "--json", url=tables.url).stdout == numeric


class TestOut:
    def test_the_file_holds_what_stdout_would_and_nothing_else_is_left(
        self, tables: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        proof = tmp_path / "proof.json"
        done = run_recon("verify", "--out", proof, url=tables.url)
        assert proof.read_text() == run_recon("verify", "--json", url=tables.url).stdout
        checksum = json.loads(proof.read_text())["checksum"]
        assert done.stdout == f"3 dates, checksum {checksum}, written to {proof}\n"
        assert os.listdir(tmp_path) == ["proof.json"]
        assert proof.stat().st_mode & 0o777 == 0o666 & ~UMASK
        said = document(run_recon("verify", "--out", proof, "--json", url=tables.url))
        assert said == {"schema_version": 1, "command": "verify", "out": str(proof), "checksum": checksum}

    def test_csv_goes_to_a_file_as_it_is(self, tables: Database, run_recon: Run, environment: dict[str, str]) -> None:
        plain = run_recon("verify", "--format", "csv", url=tables.url).stdout
        document(run_recon("verify", "--format", "csv", "--out", "here.csv", "--json", url=tables.url))
        assert Path(recon_cwd(environment), "here.csv").read_bytes() == plain.encode()

    def test_a_file_is_replaced_at_once_and_never_half(self, tables: Database, run_recon: Run, tmp_path: Path) -> None:
        """Who has the old file open goes on reading it; a link to it leads to the new one."""
        proof, link = tmp_path / "proof.json", tmp_path / "link.json"
        proof.write_text("the old one")
        link.symlink_to("proof.json")
        with proof.open() as opened:
            assert run_recon("verify", "--out", link, url=tables.url).returncode == 0
            assert opened.read() == "the old one"
        assert len(json.loads(proof.read_text())["dates"]) == 3
        assert link.is_symlink()
        assert sorted(os.listdir(tmp_path)) == ["link.json", "proof.json"]

    def test_what_fails_leaves_the_old_file_and_no_other(self, run_recon: Run, tmp_path: Path) -> None:
        proof = tmp_path / "proof.json"
        proof.write_text("the old one")
        done = run_recon("verify", "--out", proof, url=NOBODY.format(port=free_port()))
        assert done.returncode == 3
        assert (proof.read_text(), os.listdir(tmp_path)) == ("the old one", ["proof.json"])

    @pytest.mark.parametrize(("name", "why"), [("", "is not a file"), ("missing/proof.json", "No such file")])
    def test_where_no_file_can_be_none_is_left(
        self, tables: Database, run_recon: Run, tmp_path: Path, name: str, why: str
    ) -> None:
        (tmp_path / "inside").mkdir()
        done = run_recon("verify", "--out", tmp_path / "inside" / name, url=tables.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr and done.stderr.count("\n") == 1
        assert [files for _, _, files in os.walk(tmp_path)] == [[], []]

    def test_a_device_or_pipe_is_not_replaced_by_a_file(self, tables: Database, run_recon: Run, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        assert run_recon("verify", "--out", pipe, url=tables.url).returncode == 2
        assert pipe.is_fifo()


CHANGES = [
    "update {stored} set bitcoin_mined = bitcoin_mined + 0.00000001 where id = {one}",
    "update {stored} set bitcoin_mined = 'NaN' where id = {one}",
    "update {stored} set difficulty = difficulty + 1 where id = {one}",
    "update {stored} set farm_id = 'T_FARM-9' where id = {one}",
    "update {stored} set settlement_period = 2 where id = {one}",
    "update {stored} set miner_model = 's9' where id = {one}",
    "update {stored} set farm_id = translate(farm_id, '01', '10') where {here} and settlement_period = 1",
    "delete from {stored} where id = {one}",
    (
        "insert into {stored} select id + 100000, settlement_date, settlement_period, farm_id, miner_model, 0, 1"
        " from {stored} where id = {one}"
    ),
    "update curtailment_records set volume = volume - 0.00000000000001 where {here} and settlement_period = 24",
    "update curtailment_records set farm_id = translate(farm_id, '01', '10') where {here} and settlement_period = 1",
    "update curtailment_records set farm_id = 'T_FARM-9' where {here} and farm_id = 'T_FARM-2'",
    (
        "insert into curtailment_records select id + 100000, settlement_date, 60, farm_id, null, 1, 0, 0, 0"
        " from curtailment_records where {here} limit 1"
    ),
]
"""One for every second date."""
NO_CHANGES = [
    f"update {TABLE} set calculated_at = now(), id = id + 100000",
    "update curtailment_records set created_at = now(), payment = 5, id = id + 100000",
    "update curtailment_records set volume = -volume where settlement_period = 46",
    f"alter table {TABLE} alter bitcoin_mined type numeric(30, 12)",
]


class TestAgainst:
    @pytest.mark.parametrize("form", ["json", "csv"])
    def test_exactly_the_dates_that_changed_are_named(
        self, database: Database, run_recon: Run, tmp_path: Path, form: str
    ) -> None:
        dates, proof = days(DAY, 2 * len(CHANGES) + 2), tmp_path / f"proof.{form}"
        database.add_calculations(*oracle.calculations(fill(database, source_rows(dates))))
        run_recon("verify", "--format", form, "--out", proof, url=database.url)
        for day, change in zip(dates[1::2], CHANGES, strict=False):
            here = f"settlement_date = '{day}'"
            one = f"(select min(id) from {TABLE} where {here})"
            database.execute(change.format(stored=TABLE, here=here, one=one))
        database.execute(f"delete from {TABLE} where settlement_date = '{dates[-1]}'")
        database.execute(f"delete from curtailment_records where settlement_date = '{dates[-1]}'")
        database.add_curtailment((date(2024, 3, 1), 1, "T_A-1", "-1"))
        found = document(run_recon("verify", "--against", proof, "--json", url=database.url), code=1)
        assert found["changed"] == [str(day) for day in dates[1 : 2 * len(CHANGES) : 2]]
        assert (found["added"], found["removed"], found["equal"]) == (["2024-03-01"], [str(dates[-1])], False)

    def test_for_people_it_is_a_line_per_date(self, tables: Database, run_recon: Run, tmp_path: Path) -> None:
        proof = tmp_path / "proof.json"
        run_recon("verify", "--out", proof, url=tables.url)
        done = run_recon("verify", "--against", proof, url=tables.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "nothing changed\n", "")
        tables.execute(f"delete from {TABLE} where settlement_date = '2024-04-21'")
        tables.add_curtailment((date(2024, 5, 1), 1, "T_A-1", "-1"))
        done = run_recon("verify", "--against", proof, url=tables.url)
        assert done.returncode == 1
        assert done.stdout == "2024-04-21 changed\n2024-05-01 added\n2 dates differ\n"

    @pytest.mark.parametrize("form", ["json", "csv"])
    def test_what_changes_no_data_is_no_change(
        self, tables: Database, run_recon: Run, tmp_path: Path, form: str
    ) -> None:
        proof = tmp_path / "proof"
        run_recon("verify", "--format", form, "--out", proof, url=tables.url)
        for statement in NO_CHANGES:
            tables.execute(statement)
        found = document(run_recon("verify", "--against", proof, "--json", url=tables.url))
        assert (found["equal"], found["changed"], found["added"], found["removed"]) == (True, [], [], [])

    def test_a_repair_changes_what_was_wrong_and_a_fix_with_nothing_to_do_changes_nothing(
        self, tables: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        right, wrong = tmp_path / "right", tmp_path / "wrong"
        run_recon("verify", "--out", right, url=tables.url)
        tables.execute(f"update {TABLE} set bitcoin_mined = 2 * bitcoin_mined where settlement_date = '2024-04-21'")
        run_recon("verify", "--out", wrong, url=tables.url)
        repair = ("fix", "--repair", "wrong", "--yes", "--max-changes", "100%")
        assert run_recon(*repair, url=tables.url).returncode == 0
        assert run_recon("verify", "--against", right, url=tables.url).returncode == 0
        found = document(run_recon("verify", "--against", wrong, "--json", url=tables.url), code=1)
        assert found["changed"] == ["2024-04-21"]

    def test_only_dates_within_both_windows_are_compared(
        self, tables: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        proof = tmp_path / "proof"
        run_recon("verify", "--from", "2024-04-21", "--out", proof, url=tables.url)
        tables.execute(f"delete from {TABLE} where settlement_date in ('2024-04-20', '2024-04-22')")
        found = document(run_recon("verify", "--against", proof, "--json", url=tables.url), code=1)
        assert (found["changed"], found["added"], found["removed"]) == (["2024-04-22"], [], [])
        part = ("verify", "--against", proof, "--to", "2024-04-21")
        assert run_recon(*part, url=tables.url).returncode == 0

    def test_the_same_file_is_compared_first_and_written_then(
        self, tables: Database, run_recon: Run, tmp_path: Path
    ) -> None:
        proof = tmp_path / "proof"
        run_recon("verify", "--out", proof, url=tables.url)
        tables.execute(f"delete from {TABLE} where settlement_date = '2024-04-22'")
        nightly = ("verify", "--against", proof, "--out", proof)
        assert [run_recon(*nightly, url=tables.url).returncode for _ in range(2)] == [1, 0]

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "",
            "{",
            "[]",
            '{"dates": []}',
            '{"dates": 7}',
            '{"dates": [{"date": "2024-04-20"}]}',
            "date,rows\n2024-04-20,7\n",
        ],
    )
    def test_a_file_that_is_no_proof_is_refused_before_any_connection(
        self, run_recon: Run, tmp_path: Path, text: str | None
    ) -> None:
        file = tmp_path / "file"
        if text is not None:
            file.write_text(text)
        done = run_recon("verify", "--against", file, url=NOBODY.format(port=free_port()))
        assert (done.returncode, done.stdout) == (2, "")
        assert str(file) in done.stderr and done.stderr.count("\n") == 1


def test_csv_and_json_at_once_are_refused(run_recon: Run) -> None:
    done = run_recon("verify", "--json", "--format", "csv", url=NOBODY.format(port=free_port()))
    assert document(done, code=2)["error"]["message"] == "--json and --format csv contradict each other"


def test_who_may_only_read_can_prove_and_nothing_is_written(tables: Database, run_recon: Run, tmp_path: Path) -> None:
    reader = tables.server.create_role("reader", "secret")
    tables.execute(f"grant select on curtailment_records, {TABLE} to {reader}")
    before = tables.count("pg_class")
    url = tables.server.role_url(reader, "secret", tables.name)
    for option in ("--out", "--against"):
        done = run_recon("verify", option, tmp_path / "proof", url=url)
        assert done.returncode == 0, done.stderr
    assert tables.count("pg_class") == before


def test_the_server_enforces_that_it_only_reads(tables: Database, run_recon: Run) -> None:
    """A view that writes when it is read is refused by the transaction itself."""
    tables.execute("create table seen (at timestamp)")
    tables.execute(
        "create function spy() returns boolean language plpgsql volatile as "
        "$$ begin insert into public.seen values (now()); return true; end $$"
    )
    tables.execute("create view spied as select * from curtailment_records where spy()")
    done = run_recon("verify", "--curtailment-table", "spied", url=tables.url)
    assert done.returncode == 3
    assert "read-only transaction" in done.stderr
    assert tables.count("seen") == 0
