"""What greets the next person: the guide names files that exist, and the forms are ones that GitHub reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
GUIDE = REPOSITORY / "recon" / "README.md"
TEXT = GUIDE.read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w./]+(?:/|\.(?:py|sql|csv|md)))`", TEXT)))
LINKED = sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)))


def test_the_guide_to_the_code_is_short() -> None:
    assert len(TEXT.splitlines()) < 100


@pytest.mark.parametrize("path", NAMED)
def test_a_file_that_the_guide_names_is_there(path: str) -> None:
    assert any((place / path).exists() for place in (GUIDE.parent, REPOSITORY))


@pytest.mark.parametrize("path", LINKED)
def test_a_link_of_the_guide_leads_somewhere(path: str) -> None:
    assert (GUIDE.parent / path).is_file()


def test_the_guide_names_every_room() -> None:
    rooms = {f"{path.parent.name}/" for path in GUIDE.parent.glob("*/__init__.py")}
    assert rooms - {"cli/"} <= set(NAMED)


def test_every_push_and_pull_request_runs_what_has_to_hold() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert workflow[True].keys() == {"push", "pull_request"}, "YAML reads `on` as true"
    assert {"run": ".ci/run"} in workflow["jobs"]["run"]["steps"]


def test_a_report_of_a_bug_says_the_version_the_command_and_what_was_expected() -> None:
    form = yaml.safe_load((REPOSITORY / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    required = {field["id"] for field in form["body"] if field.get("validations", {}).get("required")}
    assert required == {"version", "command", "expected"}
