"""Settings: who says what they are, and what a file may not say."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from recon.cli.common import find_settings
from recon.cli.settings import read
from recon.cli.shared_options import COMMON, KINDS, OTHERWISE, NightlyOptions
from recon.core.environment import parse_settings
from recon.core.errors import UsageError
from recon.core.settings import Settings
from tests.support.builders import DAY, fill, source_rows
from tests.support.databases import Database
from tests.support.program import CANARY, Run


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working directory."""
    return tmp_path


@pytest.fixture
def users(recon_home: Path) -> Path:
    """Where the user's own file is; see `environment`."""
    folder = recon_home / "config" / "recon"
    folder.mkdir(parents=True)
    return folder / "recon.toml"


def settings(done: Any) -> dict[str, tuple[str | None, str, str | None]]:
    """(value, source, where) of each setting."""
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["settings"]
    return {row["name"]: (row["value"], row["source"], row["where"]) for row in found}


def test_a_flag_wins_over_the_environment_and_that_over_the_files(run_recon: Run, here: Path, users: Path) -> None:
    mine = here / "recon.toml"
    users.write_text(
        'database_url = "postgresql://users"\nfleet = "whole"\nlock_timeout = 1\nstatement_timeout = 1\nquiet = true\n'
        f'miners = "m.csv"\nwebhook = "https://hooks.example.com/{CANARY}?x={CANARY}"\n'
    )
    mine.write_text('database_url = "postgresql://mine"\nstatement_timeout = 2.5\nlock_timeout = 2\n')
    arguments = ("--lock-timeout", "3", "config", "show", "--json", "--reader", "connectorx")
    url = f"postgresql://ana:{CANARY}@db.example.com/power?password={CANARY}"
    done = run_recon(*arguments, url=url, cwd=here)
    found = settings(done)
    assert set(found) == set(KINDS)
    assert found["lock_timeout"] == ("3.0", "flag", None)
    assert found["reader"] == ("connectorx", "flag", None)
    assert found["database_url"] == ("postgresql://ana@db.example.com/power", "environment", "RECON_DATABASE_URL")
    assert found["statement_timeout"] == ("2.5", "file", str(mine))
    assert found["fleet"] == ("whole", "file", str(users))
    assert found["miners"] == (str(users.parent / "m.csv"), "file", str(users)), "a path begins at its file"
    assert found["webhook"] == ("https://hooks.example.com/...", "file", str(users))
    assert found["idle_timeout"] == ("the role's own, else 60", "default", None)
    assert found["difficulty"] == ("updated, else packaged", "default", None)
    assert found["log_file"] == (None, "default", None)
    assert found["calculations_columns"] == ("none renamed", "default", None)
    assert (found["quiet"], found["verbose"]) == (("true", "file", str(users)), ("false", "default", None))
    assert found["home"][1:] == ("environment", "RECON_HOME")
    text = run_recon("config", "show", "--database-url", url, cwd=here)
    assert re.search(r"^database_url +postgresql://ana@db.example.com/power +flag$", text.stdout, re.MULTILINE)
    assert re.search(r"^log_file +not set +default$", text.stdout, re.MULTILINE)
    assert all(len(re.split(" {2,}", line)) == 3 for line in text.stdout.splitlines()[: 1 + len(KINDS)])
    assert text.stdout.endswith(f"{mine}: read\n{users}: read\n")
    assert CANARY not in done.stdout + text.stdout + text.stderr
    libpq = settings(run_recon("config", "show", "--json", env={"PGHOST": "db"}))
    assert libpq["database_url"][1] == "file", "what libpq would add does not undo what recon was told"
    users.unlink()
    libpq = settings(run_recon("config", "show", "--json", env={"PGHOST": "db"}))
    assert libpq["database_url"] == ("postgresql://", "environment", "PG*")


def test_what_the_file_says_is_what_a_command_does(database: Database, run_recon: Run, here: Path) -> None:
    fill(database, source_rows([DAY], farms=1))
    database.execute("alter table curtailment_records rename to odd")
    (here / "recon.toml").write_text(
        f'database_url = "{database.url}"\ncurtailment_table = "public.odd"\n'
        'metrics_file = "recon.prom"\nlog_file = "recon.log"\n'
    )
    assert run_recon("daily", "--today", DAY, cwd=here).returncode == 0
    assert {path.name for path in here.iterdir()} == {"recon.toml", "recon.prom", "recon.log"}
    assert "recon_daily_inserted_rows 9.0" in (here / "recon.prom").read_text()
    assert run_recon("status", "--curtailment-table", "none", cwd=here).returncode == 2


def settle_all() -> Settings:
    """The settings of a command without flags, in this very process."""
    found = find_settings(dict.fromkeys(COMMON))
    return parse_settings({name: setting.value for name, setting in found.items()}, database=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statment_timeout = 3", "has a key 'statment_timeout', which is no setting; did you mean statement_timeout?"),
        ("database-url = 'x'", "did you mean database_url?"),
        ("json = true", "has a key 'json', which is no setting"),
        ("[daily]\ndays = 3", "has a key 'daily', which is no setting; settings are "),
        ("quiet = 1", "quiet is 1; write true or false"),
        ("lock_timeout = '3'", "lock_timeout is '3'; write a number"),
        ("lock_timeout = true", "lock_timeout is True; write a number"),
        ("miners = 3", "miners is 3; write a path in quotes"),
        ("fleet = 'half'", "fleet is 'half'; write 'fractional' or 'whole'"),
        ("fleet", "is not TOML: "),
        (b"fleet = '\xff'", "is not TOML: it is not UTF-8 text"),
        ("database_url = 'mysql://ana:c4n4ry@h/db'", "recon.toml: mysql:// is not a PostgreSQL URL"),
        ("database_url = 'postgresql://ana:c4n4ry@h/db'", "holds a password and others may read it; chmod 600 "),
        ("database_url = 'host=h password=c4n4ry'", "holds a password and others may read it"),
        ("ping_url = 3", "ping_url is 3; write text in quotes"),
        ("lock_timeout = -1", "--lock-timeout is -1"),
    ],
)
def test_a_file_that_cannot_be_right_is_one_line(
    monkeypatch: pytest.MonkeyPatch, here: Path, text: str | bytes, words: str
) -> None:
    file = here / "recon.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o644)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here))
    with pytest.raises(UsageError) as caught:
        settle_all()
    line = str(caught.value)
    assert words in line
    assert (str(file) in line) == ("--" not in words)
    assert "\n" not in line and CANARY not in line


def test_it_ends_with_2_whichever_command_it_is(run_recon: Run, here: Path) -> None:
    (here / "recon.toml").write_text("flet = 'whole'\n")
    for command in (["status"], ["config", "show"]):
        done = run_recon(*command, cwd=here)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(
            f"recon: {here}/recon.toml has a key 'flet', which is no setting; did you mean fleet?"
        )
    assert run_recon("help-all", cwd=here).returncode == 0


def test_a_file_with_a_password_may_be_its_owners_alone(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    file = here / "recon.toml"
    file.write_text(f"database_url = 'postgresql://ana:{CANARY}@h/db'\n")
    file.chmod(0o600)
    monkeypatch.chdir(here)
    monkeypatch.delenv("RECON_DATABASE_URL", raising=False)
    assert find_settings(dict.fromkeys(COMMON))["database_url"].value == f"postgresql://ana:{CANARY}@h/db"


def test_what_is_shown_as_a_default_is_what_holds() -> None:
    nobody = parse_settings(dict.fromkeys([*COMMON, "home"]), database=False)
    assert nobody == Settings(home=nobody.home)
    held = {
        "connect_timeout": f"{nobody.timeouts.connect_s:g}",
        "curtailment_table": str(nobody.curtailment.name),
        "calculations_table": str(nobody.calculations.name),
        "synchronous_commit": "on" if nobody.synchronous_commit else "off",
    } | {name: str(getattr(nobody, name)) for name in ("reader", "fleet", "log_format")}
    assert held == {name: OTHERWISE[name] for name in held}
    others = ["statement_timeout", "lock_timeout", "idle_timeout", "miners", "difficulty", "subsidy"]
    others += ["curtailment_columns", "calculations_columns"]
    assert set(OTHERWISE) - set(held) == set(others)
    assert set(KINDS) == set(COMMON) - {"json"} | set(vars(NightlyOptions())) | {"home"}


class TestTrust:
    """A file that is only found must be its user's: it names the database, the log file, and whom to tell."""

    @pytest.fixture
    def file(self, here: Path) -> Path:
        here.chmod(0o755)
        file = here / "recon.toml"
        file.write_text('fleet = "whole"\n')
        file.chmod(0o644)
        return file

    def refused(self, run_recon: Run, file: Path, words: str) -> None:
        done = run_recon("config", "show", cwd=file.parent)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1 and words in done.stderr, done.stderr
        assert f"RECON_CONFIG={file}" in done.stderr
        named = settings(run_recon("config", "show", "--json", cwd=file.parent, env={"RECON_CONFIG": str(file)}))
        assert named["fleet"] == ("whole", "file", str(file)), "a file that is named is taken"

    @pytest.mark.parametrize("mode", [0o666, 0o664, 0o646, 0o620, 0o602])
    def test_a_file_that_others_may_write_is_refused(self, run_recon: Run, file: Path, mode: int) -> None:
        file.chmod(mode)
        self.refused(run_recon, file, f"others may write {file}; chmod go-w {file}")

    def test_so_is_one_that_others_may_replace(self, run_recon: Run, file: Path) -> None:
        file.parent.chmod(0o777)
        self.refused(run_recon, file, f"others may replace {file}; chmod o-w {file.parent}")
        file.parent.chmod(0o1777)
        assert settings(run_recon("config", "show", "--json", cwd=file.parent))["fleet"][0] == "whole", "as /tmp is"

    def test_what_counts_is_the_file_that_a_link_points_to(self, run_recon: Run, file: Path, tmp_path: Path) -> None:
        target = tmp_path / "elsewhere"
        file.rename(target)
        file.symlink_to(target)
        assert settings(run_recon("config", "show", "--json", cwd=file.parent))["fleet"][0] == "whole"
        target.chmod(0o666)
        self.refused(run_recon, file, "others may write")

    def test_the_users_own_file_is_looked_at_in_the_same_way(self, run_recon: Run, users: Path) -> None:
        users.write_text('fleet = "whole"\n')
        users.chmod(0o666)
        done = run_recon("config", "show")
        assert done.returncode == 2 and f"others may write {users}" in done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_a_file_of_another_user_is_refused_but_roots_is_taken(
        self, run_recon: Run, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.chown(file, 54321, 54321)
        self.refused(run_recon, file, f"{file} belongs to another user")
        os.chown(file, 0, 0)
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        assert read(file, KINDS)["fleet"].value == "whole"

    def test_a_file_that_is_named_has_to_be_there_and_is_the_only_one(self, run_recon: Run, file: Path) -> None:
        other = file.with_name("other.toml")
        done = run_recon("status", cwd=file.parent, env={"RECON_CONFIG": str(other)})
        assert done.returncode == 2 and f"{other} cannot be read: No such file" in done.stderr
        other.write_text("quiet = true\n")
        found = settings(run_recon("config", "show", "--json", cwd=file.parent, env={"RECON_CONFIG": "other.toml"}))
        assert found["quiet"] == ("true", "file", str(other)) and found["fleet"][1] == "default"
