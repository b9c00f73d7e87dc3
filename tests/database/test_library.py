"""`import recon`: the commands as functions, with the same answers and none of the program's effects."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import recon
from recon.api.arguments import Options, WindowOptions
from recon.cli.common import give_options
from recon.cli.shared_options import COMMON, EngineOptions
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import Database
from tests.support.program import CANARY, Run
from tests.support.readme import blocks
from tests.test_architecture import HEAVY, REPOSITORY

ROWS = source_rows(days(DAY, 2))
EXACT = oracle.calculations(ROWS)
FARM = "T_FARM-0"
FUNCTIONS = (
    *("status", "analyze", "plan", "fix", "explain", "verify", "report", "export_slice", "runs", "quarantine"),
)


@pytest.fixture(autouse=True)
def _home(recon_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECON_HOME", str(recon_home))


@pytest.fixture
def partial(database: Database) -> Database:
    """One date reconciled, but for a value and a duplicate; one without calculations."""
    fill(database, ROWS)
    first = [row for row in EXACT if row[0] == DAY]
    database.add_calculations((*first[0][:4], 7, first[0][5]), *first[1:], first[1])
    return database


def document(run_recon: Run, database: Database, *arguments: object) -> dict[str, Any]:
    return json.loads(run_recon(*arguments, "--json", url=database.url).stdout)


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run."""
    dates = [{**entry, "seconds": 0} for entry in answer["dates"]]
    return answer | {"seconds": 0, "run_id": answer["run_id"] and "an id", "dates": dates}


def test_reports_are_the_programs_documents_and_polars_frames(partial: Database, run_recon: Run) -> None:
    url = partial.url
    status = recon.status(values=True, database_url=url)
    assert status.to_dict() == document(run_recon, partial, "status", "--values")
    assert status.to_frame().select("settlement_date", "missing").rows() == [
        (DAY, 0),
        (days(DAY, 2)[1], len(EXACT) // 2),
    ]
    assert (status.exit_code, status.values and status.values.wrong) == (1, 1)

    explanation = recon.explain(DAY, 1, FARM, database_url=url)
    assert explanation.to_dict() == document(run_recon, partial, "explain", DAY, 1, FARM)
    assert explanation.to_frame().select("miner_model", "stored").sort("miner_model").rows()[1:] == [
        ("S19J_PRO", 2),
        ("S9", 1),
    ]
    exact = {row[3]: row[4] for row in EXACT if row[:3] == (DAY, 1, FARM)}
    assert dict(explanation.to_frame().select("miner_model", "bitcoin_mined").iter_rows()) == exact

    proof = recon.verify(first=str(DAY), last=DAY, database_url=url)
    assert proof.to_dict() == document(run_recon, partial, "verify", "--from", DAY, "--to", DAY)
    (row,) = proof.to_frame().to_dicts()
    stored = sum(btc for *key, btc, _ in oracle.stored(partial) if key[3] == "S9")
    assert (row["settlement_date"], row["keys"], row["btc_S9"]) == (DAY, 9, stored)

    options = ("--repair", "missing,wrong,duplicate")
    plan = recon.plan(repair=options[1], database_url=url)
    assert timeless(plan.to_dict()) == timeless(document(run_recon, partial, "fix", "--dry-run", *options))
    assert plan.to_frame().get_column("status").to_list() == ["pending", "pending"]
    assert partial.count("pg_namespace", "nspname = 'recon'") == 0, "a plan writes nothing"

    with pytest.raises(recon.UsageError, match="2 stored rows would be replaced or removed") as refused:
        recon.fix(repair=options[1], database_url=url)
    assert (refused.value.code, refused.value.exit_code) == ("consent", 2)
    fixed = recon.fix(repair=options[1], yes=True, batch_size=1, workers="auto", database_url=url)
    assert oracle.stored(partial) == EXACT
    assert (fixed.inserted, fixed.exit_code) == (len(EXACT) // 2 + 1, 0)
    assert document(run_recon, partial, "runs", fixed.run_id)["runs"][0]["run_id"] == fixed.run_id
    assert fixed.to_frame().get_column("inserted").sum() == fixed.inserted

    analysis = recon.analyze(values=True, database_url=url)
    assert analysis.to_dict() == document(run_recon, partial, "analyze", "--values")
    assert analysis.to_frame().get_column("code").to_list() == [found.code for found in analysis.findings]
    history, one = recon.runs(database_url=url), recon.runs(fixed.run_id, database_url=url)
    assert history.to_dict() == document(run_recon, partial, "runs")
    assert one.to_dict() == document(run_recon, partial, "runs", fixed.run_id)
    assert history.to_frame().get_column("run_id").to_list() == [fixed.run_id]
    assert one.to_frame().equals(fixed.to_frame().with_columns(one.to_frame().get_column("seconds")))
    kept = recon.quarantine(fixed.run_id, database_url=url)
    assert kept.to_dict() == document(run_recon, partial, "quarantine", "list", fixed.run_id)
    assert kept.to_frame().select("settlement_date", "reason").rows() == [(DAY, "stale"), (DAY, "duplicate")]
    with pytest.raises(recon.LedgerError, match="there is no run 00000000"):
        recon.runs("00000000", database_url=url)

    for report in (status, explanation, proof, plan, fixed, analysis, history, one, kept):
        with pytest.raises(dataclasses.FrozenInstanceError):
            report.exit_code = 0  # type: ignore[misc, assignment]
        assert isinstance(report.to_frame(), pl.DataFrame)
        json.dumps(report.to_dict())


def test_a_date_with_a_wrong_value_is_incomplete_where_values_were_compared(partial: Database) -> None:
    newest = "(select max(id) from historical_bitcoin_calculations)"
    partial.execute(f"delete from historical_bitcoin_calculations where id = {newest}")  # the duplicate
    unseen = recon.status(first=DAY, last=DAY, database_url=partial.url)
    assert unseen.reconciled and unseen.dates.get_column("wrong").to_list() == [None]
    seen = recon.status(first=DAY, last=DAY, values=True, database_url=partial.url)
    assert not seen.reconciled and seen.to_frame().get_column("wrong").to_list() == [1]
    assert seen.incomplete.get_column("settlement_date").to_list() == [DAY]
    assert seen.months.to_dicts() == [{"month": "2024-04", "dates": 1, "missing": 0, "wrong": 1}]
    assert seen.to_dict()["dates"] == {"total": 1, "complete": 0, "partial": 1, "empty": 0}


def test_the_documents_examples_and_the_notebook_run(partial: Database, run_recon: Run, tmp_path: Path) -> None:
    run_recon("fix", "--repair", "missing,wrong,duplicate", "--yes", url=partial.url)
    assert run_recon("export", "--out", tmp_path / "out", url=partial.url).returncode == 0
    found = recon.status(from_export=tmp_path / "out")
    assert (found.reconciled, found.total("matched"), found.damage) == (True, len(EXACT), ())
    shutil.copytree(tmp_path / "out", tmp_path / "slice")
    examples = blocks("python")
    assert len(examples) == 2
    (tmp_path / "examples.py").write_text("\n".join(examples))
    done = script(tmp_path / "examples.py", partial, tmp_path)
    assert re.search(r"│ 2024-04 ", done)
    assert "True 0\n" in done
    done = script(REPOSITORY / "benchmarks" / "notebook.py", partial, tmp_path)
    assert done.startswith("100.0 % reconciled, 0 missing\n")
    assert "'2024-13-01' is not a date (exit code 2): dates are written YYYY-MM-DD" in done


def script(path: Path, database: Database, place: Path) -> str:
    """What a user's script prints that runs to its end, in a directory with an export in `slice`."""
    done = subprocess.run(
        [sys.executable, path],
        env={**os.environ, "RECON_DATABASE_URL": database.url, "PYTHONPATH": str(REPOSITORY)},
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_safe_in_a_notebook_and_in_threads(partial: Database, capfd: pytest.CaptureFixture[str]) -> None:
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    handlers, umask = list(logging.getLogger("recon").handlers), os.umask(0o022)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(recon.fix, database_url=partial.url) for _ in range(2)]
        calls += [threads.submit(recon.status, database_url=partial.url) for _ in range(2)]  # type: ignore[misc]
        reports = [call.result() for call in calls]
    assert sum(report.inserted for report in reports[:2]) == len(EXACT) // 2
    with pytest.raises(recon.ReconError):
        recon.status(database_url="postgresql://nobody@127.0.0.1:1/none")
    assert capfd.readouterr() == ("", "")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == signals
    assert (logging.getLogger("recon").handlers, os.umask(umask)) == (handlers, 0o022)


def test_what_cannot_be_right_is_an_error_that_keeps_secrets() -> None:
    url = f"postgresql://ana:{CANARY}@127.0.0.1:1/none"
    wrong: dict[str, tuple[Callable[[], Any], type[recon.ReconError], int]] = {
        "nobody listens": (lambda: recon.status(database_url=url), recon.ConnectError, 3),
        "no URL": (lambda: recon.verify(database_url=f"mysql://ana:{CANARY}@h/db"), recon.UsageError, 2),
        "no date": (lambda: recon.plan(first="yesterday", database_url=url), recon.UsageError, 2),
        "no period": (lambda: recon.explain("2024-03-31", 47, FARM, database_url=url), recon.UsageError, 2),
        "no fleet": (lambda: recon.status(fleet="half", database_url=url), recon.UsageError, 2),  # type: ignore[arg-type]
        "no order": (lambda: recon.plan(order="best", database_url=url), recon.UsageError, 2),  # type: ignore[arg-type]
        "no batch": (lambda: recon.fix(batch_size=0, database_url=url), recon.UsageError, 2),
        "no tolerance": (lambda: recon.status(rtol=-1, database_url=url), recon.UsageError, 2),
        "no worker": (lambda: recon.fix(workers=0, database_url=url), recon.UsageError, 2),
        "no file": (lambda: recon.status(miners="/nonexistent", database_url=url), recon.DataFileError, 2),
        "no export": (lambda: recon.status(from_export="/nonexistent"), recon.DataFileError, 2),
    }
    for what, (call, kind, code) in wrong.items():
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.exit_code == code, what
        assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.hint}", what
    with pytest.raises(TypeError, match=r"status\(\) got an unexpected keyword argument 'flet'"):
        recon.status(flet="whole")  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        recon.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_options_are_the_programs() -> None:
    of_the_output = {"json", "quiet", "verbose", "profile", "log_file", "log_format"}
    assert set(Options.__annotations__) == set(COMMON) - of_the_output
    elsewhere = {  # what only a command has: `dry_run` is `recon.plan`
        ("fix", "fix"): {"dry_run"},
        ("analyze", "analyze"): set(),
        ("report", "report"): set(),
        ("export", "export_slice"): {"form"},  # `format`
        ("runs", "runs"): set(),
    }
    for (module, name), others in elsewhere.items():
        command = getattr(importlib.import_module(f"recon.cli.commands.{module}"), module)
        give_options(command)
        wrapped = inspect.signature(command).parameters.keys() - {"ctx", "first", "last"}
        of_the_library = {"first", "last", *WindowOptions.__annotations__}
        mine = inspect.signature(getattr(recon, name)).parameters.keys() - of_the_library
        mine -= {"format"}
        assert mine == wrapped - ({*COMMON, *vars(EngineOptions())} - {"workers"}) - others, name


def test_importing_it_is_cheap_and_no_module_hides_a_function() -> None:
    code = "import recon, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "recon" in loaded
    assert not loaded & (HEAVY | {"typer", "rich"})
    assert not [name for name in recon.__all__ if importlib.util.find_spec(f"recon.{name}")]
    assert all(name in dir(recon) and getattr(recon, name) for name in recon.__all__)
    assert {name for name in recon.__all__ if inspect.isfunction(getattr(recon, name))} == set(FUNCTIONS)


PROGRAM = """
from datetime import date
import polars as pl
import recon

found: recon.Status = recon.status(first="2024-04-20", last=date(2024, 4, 30), fleet="whole", values=True)
frame: pl.DataFrame = found.to_frame()
code: int = recon.fix(workers="auto", repair="missing,wrong", yes=True).exit_code
try:
    recon.explain("2024-04-20", 24, "T_VKNGW-1", database_url="embedded")
except recon.DatabaseError as error:
    state: str | None = error.sqlstate
"""
MISTAKES = """
import recon

recon.status(flet="whole")
recon.explain("2024-04-20", "24", "T_VKNGW-1")
recon.nonsense
"""


def test_a_users_program_is_type_checked_against_the_installed_package(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="pip install '.[lint]'")
    for name, text in (("program.py", PROGRAM), ("mistakes.py", MISTAKES)):
        (tmp_path / name).write_text(text)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "program.py", "mistakes.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    said = [
        line.split(" ", 1)[0] + " " + line.rsplit("[", 1)[-1] for line in done.stdout.splitlines() if "error:" in line
    ]
    assert said == ["mistakes.py:4: call-arg]", "mistakes.py:5: arg-type]", "mistakes.py:6: attr-defined]"], done.stdout


def answers(url: str, place: Path) -> list[Any]:
    """One of each kind that the library gives."""
    return [
        recon.status(values=True, database_url=url),
        recon.status(values=True, database_url=url).values,
        recon.analyze(database_url=url),
        recon.plan(repair="missing,stale", database_url=url),
        recon.explain(DAY, 1, FARM, database_url=url),
        recon.verify(database_url=url),
        recon.fix(database_url=url),
        recon.runs(database_url=url),
        recon.quarantine(database_url=url),
        recon.report(place / "page.html", database_url=url),
        recon.export_slice(place / "files", database_url=url),
    ]


def test_every_answer_is_one_line_and_in_a_notebook_a_table_whatever_a_farm_is_called(
    database: Database, tmp_path: Path
) -> None:
    farm = "<b>\n\x1b[31m&"
    fill(database, [(*row[:2], farm, *row[3:]) for row in ROWS])
    rows, first = oracle.calculations([(*row[:2], farm, *row[3:]) for row in ROWS]), DAY
    database.add_calculations((*rows[0][:4], 7, rows[0][5]), *rows[1:9], rows[1])
    found = [*answers(database.url, tmp_path), recon.explain(first, 1, farm, database_url=database.url)]
    for answer in found:
        line, html = repr(answer), answer._repr_html_()
        assert line == f"<{type(answer).__name__}: {line.partition(': ')[2]}" and line.endswith(">")
        assert line.isprintable() and "shape:" not in line and len(line) < 400, line
        tags = set(re.findall(r"<(/?\w+)", html))
        assert tags <= {name for tag in ("div", "table", "tr", "th", "td", "p") for name in (tag, f"/{tag}")}, tags
        assert "color" not in html and "background" not in html, "colours are the notebook's"
        assert html.isprintable()
    assert "&lt;b&gt;" in found[-1]._repr_html_() and "not reconciled" in repr(found[0])
    many = recon.quarantine(database_url=database.url)
    assert repr(many) == "<Quarantine: the quarantine is empty>"


def test_a_report_and_a_slice_are_the_programs(partial: Database, run_recon: Run, tmp_path: Path) -> None:
    page = recon.report(tmp_path / "page.html", values=True, first=DAY, last=DAY, database_url=partial.url)
    window = ("--from", DAY, "--to", DAY)
    assert page.to_dict() == document(run_recon, partial, "report", "--values", *window, "--out", page.out)
    assert page.out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert page.sentence == f"{page.out}: 1 date ({DAY}), not reconciled"
    with pytest.raises(recon.UsageError, match="is not a directory"):
        recon.report(tmp_path / "none" / "page.html", database_url=partial.url)
    mine = recon.export_slice(tmp_path / "mine", database_url=partial.url)
    theirs = document(run_recon, partial, "export", "--out", tmp_path / "theirs")
    assert mine.to_dict() == theirs | {"out": str(tmp_path / "mine")}
    assert mine.to_frame().get_column("keys").sum() == theirs["rows"]
    assert (tmp_path / "mine" / "_manifest.json").read_bytes() == (tmp_path / "theirs" / "_manifest.json").read_bytes()
    with pytest.raises(recon.UsageError, match="format is 'xls'"):
        recon.export_slice(tmp_path / "mine", format="xls", database_url=partial.url)  # type: ignore[arg-type]


def test_a_window_has_two_names_for_each_end(partial: Database) -> None:
    url, (_, second) = partial.url, days(DAY, 2)
    by_name = recon.verify(first=second, last=second, database_url=url)
    assert recon.verify(from_=str(second), to=second, database_url=url) == by_name
    assert recon.verify(first=second, from_=str(second), last=second, database_url=url) == by_name
    for function in (recon.status, recon.analyze, recon.plan, recon.fix, recon.verify, recon.report):
        with pytest.raises(recon.UsageError, match=f"last is {DAY} and to is {second}; they mean the same"):
            function(last=DAY, to=second, database_url=url)  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"explain\(\) got an unexpected keyword argument 'to'"):
        recon.explain(DAY, 1, FARM, to=DAY, database_url=url)  # type: ignore[call-arg]


def test_every_frame_calls_the_date_settlement_date(partial: Database, tmp_path: Path) -> None:
    for answer in answers(partial.url, tmp_path):
        frames = [answer.to_frame(), *(value for value in vars(answer).values() if isinstance(value, pl.DataFrame))]
        dated = [name for frame in frames for name, kind in frame.schema.items() if kind == pl.Date]
        assert set(dated) <= {"settlement_date", "first_date", "last_date"}, type(answer)
        assert not {"date", "day"} & {name for frame in frames for name in frame.columns}, type(answer)


def test_help_says_what_each_argument_means() -> None:
    for name in FUNCTIONS:
        function = getattr(recon, name)
        text, parameters = inspect.getdoc(function) or "", inspect.signature(function).parameters
        explained = {word for line in re.findall(r"^([a-z_, ]+): ", text, re.M) for word in line.split(", ")}
        assert parameters.keys() - explained <= {"from_", "to"}, name
        assert explained <= parameters.keys(), name
        assert max(map(len, text.splitlines())) <= 120, name


def test_dir_is_the_library_whatever_has_been_loaded() -> None:
    code = (
        "import recon, pkgutil, importlib; before = dir(recon);"
        "rooms = [m.name for m in pkgutil.iter_modules(recon.__path__, 'recon.') if '__' not in m.name];"
        "[importlib.import_module(name) for name in rooms];"
        "assert recon.export and dir(recon) == before; print(*before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if not name.startswith("__")} == set(recon.__all__)


def test_progress_is_told_to_a_function_or_on_stderr_and_otherwise_to_nobody(
    partial: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, int]] = []
    recon.status(values=True, progress=lambda done, of: told.append((done, of)), database_url=partial.url)
    assert told[-1] == (1, 1), "of one date values are stored"
    assert capfd.readouterr() == ("", "")
    told.clear()
    recon.fix(progress=lambda done, of: told.append((done, of)), database_url=partial.url)
    assert told[-2:] == [(0, 1), (1, 1)]
    recon.status(values=True, progress=False, database_url=partial.url)
    assert capfd.readouterr() == ("", "")
    recon.status(values=True, progress=True, database_url=partial.url)
    values = "\r1/2 dates compared\r2/2 dates compared\n"  # a date that is right by its sums, then the other
    assert capfd.readouterr().err == f"\r1/1 dates compared{values}", "keys, then values"


CELLS = """
import recon
recon.status(values=True)
recon.fix()
recon.status(values=True, progress=False)
"""


def test_a_notebooks_kernel_shows_bars_tables_and_sentences(partial: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="pip install ipykernel nbclient")
    notebooks = pytest.importorskip("nbformat", reason="pip install ipykernel nbclient")
    monkeypatch.setenv("RECON_DATABASE_URL", partial.url)
    notebook = notebooks.v4.new_notebook(cells=[notebooks.v4.new_code_cell(line) for line in CELLS.split("\n")[1:-1]])
    client.NotebookClient(notebook, kernel_name="python3").execute()
    _, first, fixed, last = ([output.data for output in cell.outputs] for cell in notebook.cells)
    assert [len(first), len(fixed), len(last)] == [2, 2, 1], "a bar, which is empty in the end, and the answer"
    assert "<table>" in first[1]["text/html"] and first[1]["text/plain"].startswith("<Status: not reconciled: ")
    assert first[0]["text/html"] == fixed[0]["text/html"] == ""
