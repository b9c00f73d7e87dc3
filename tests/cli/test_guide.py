"""The guides: `recon guide` shows them, their links lead somewhere, and the files beside them are what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from recon.cli.commands.guide import FILES, titles
from recon.cli.nightly.metrics import METRICS
from recon.core.errors import UsageError
from recon.reference.difficulty.files import read
from tests.support.program import Run
from tests.support.readme import DOCUMENTS, GUIDES, MEASURED, ROOT, blocks
from tests.support.terminal import on_a_terminal, plain
from tests.test_architecture import HEAVY, loaded

DASHBOARD = GUIDES["nightly"].with_name("nightly-dashboard.json")
WRITTEN = [*DOCUMENTS, *MEASURED, ROOT / "recon" / "README.md"]


def test_without_a_name_it_lists_what_there_is_a_line_each(run_recon: Run) -> None:
    done = run_recon("guide")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*GUIDES, *FILES] and done.returncode == 0
    assert max(map(len, lines)) <= 80
    document = json.loads(run_recon("guide", "--json").stdout)
    assert (document["schema_version"], document["command"]) == (1, "guide")
    assert [(one["name"], one["title"]) for one in document["guides"]] == list(titles().items())


@pytest.mark.parametrize("name", [*GUIDES, *FILES])
def test_in_a_pipe_a_guide_is_the_file_as_it_is(run_recon: Run, name: str) -> None:
    text = (GUIDES["nightly"].parent / (name if name in FILES else f"{name}.md")).read_text(encoding="utf-8")
    assert run_recon("guide", name).stdout == text
    document = json.loads(run_recon("guide", name, "--json").stdout)
    assert (document["name"], document["title"], document["text"]) == (name, titles()[name], text)


def test_on_a_terminal_it_is_rendered_and_names_the_command_for_another_guide(environment: dict[str, str]) -> None:
    code, coloured = on_a_terminal(environment, "guide", "cluster", columns=80)
    shown = plain(coloured)
    assert code == 0
    assert "```" not in shown and "**" not in shown and "settings.md" not in shown and "README" not in shown
    assert "Settings ('recon guide settings')" in " ".join(shown.split())
    _, text = on_a_terminal(
        environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "guide", "export"
    )
    assert text.isascii() and "## Read it" in text, "as it is where the terminal has no such characters"


@pytest.mark.parametrize("name", GUIDES)
def test_nothing_is_cut_or_broken_on_eighty_columns(environment: dict[str, str], name: str) -> None:
    _, coloured = on_a_terminal(environment, "guide", name, columns=80)
    shown = [line.strip() for line in re.split("[\\r\\n]+", plain(coloured))]
    assert max(map(len, shown)) <= 80 and not [line for line in shown if line.endswith("\N{HORIZONTAL ELLIPSIS}")]
    typed = [line for language in ("sh", "sql", "cron", "ini", "toml") for line in lines_of(language, GUIDES[name])]
    assert {line.strip() for line in typed} <= {*shown, ""}


def lines_of(language: str, path: Path) -> list[str]:
    return "".join(blocks(language, path)).splitlines()


def test_another_name_is_a_usage_error_that_names_them_all(run_recon: Run) -> None:
    done = run_recon("guide", "nigthly")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (UsageError.exit_code, "", 1)
    assert all(name in done.stderr for name in (*GUIDES, *FILES))
    assert run_recon("guide", "../guides/nightly").returncode == UsageError.exit_code


def test_it_loads_nothing_heavy() -> None:
    assert not {module.partition(".")[0] for module in loaded("guide", "nightly")} & (HEAVY | {"rich"})


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_can_be_read_anywhere(name: str) -> None:
    text = GUIDES[name].read_text(encoding="utf-8")
    assert text.isascii(), "in any locale"
    assert text.startswith("# ") and text.count("\n# ") == len(re.findall(r"^# ", "".join(comments(text)), re.M))


def comments(text: str) -> list[str]:
    """The code in a text, where a line that begins with # is no heading."""
    return re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """What a link can name in a document, as code hosts make it of a heading."""
    text = path.read_text(encoding="utf-8")
    for code in comments(text):
        text = text.replace(code, "")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        there = path.parent / target if target else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def test_every_guide_is_linked_from_the_readme() -> None:
    text = DOCUMENTS[0].read_text(encoding="utf-8")
    assert {name for name in GUIDES if f"](recon/cli/guides/{name}.md)" in text} == set(GUIDES)


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert sorted(re.findall(r"\brecon_\w+", " ".join(asked))) == sorted(metric.name for metric in METRICS)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)) and dashboard["uid"] and dashboard["title"]
    cells = [(x, y) for panel in dashboard["panels"] for x, y in places(panel["gridPos"])]
    assert len(cells) == len(set(cells)), "no panel lies over another"
    assert all(0 <= x < 24 for x, _ in cells)


def places(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])]


def test_every_form_of_difficulties_that_the_guide_shows_is_read_without_a_trouble(
    run_recon: Run, tmp_path: Path
) -> None:
    shown = [block for language in ("csv", "json") for block in blocks(language, GUIDES["difficulty"])]
    assert len(shown) == 14
    for number, text in enumerate(shown):
        (path := tmp_path / f"{number}.txt").write_text(text)
        done = run_recon("difficulty", "check", path, "--json")
        assert (done.returncode, json.loads(done.stdout)["troubles"]) == (0, []), text
        assert {int(epoch.difficulty) for epoch in read(text, "").epochs} >= {88104191118793}
        assert run_recon("difficulty", "update", "--from", path).returncode == 0, text
