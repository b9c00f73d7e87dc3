"""`recon report`: the page's figures are those of `status --json`, and nothing in the data gets out of its place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from recon.core import extras
from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.page import Page
from tests.support.program import NOBODY, Run
from tests.support.roles import READER, role_url

HOSTILE = "T_</script><script>alert(1)</script>&\"'-1"


@pytest.fixture
def odd(database: Database) -> Database:
    """Eight dates: one lacks all, one a model, one has duplicates, one orphans, two wrong values; hostile names."""
    dates = days(date(2024, 4, 27), 8)
    fill(database, [*source_rows(dates), (dates[0], 3, HOSTILE, "-4")])
    database.add_calculations(*oracle.calculations(source_rows(dates)))
    database.execute(f"delete from {TABLE} where settlement_date = '{dates[1]}'")
    database.execute(f"delete from {TABLE} where settlement_date = '{dates[2]}' and miner_model = 'S9'")
    twice = oracle.calculations(source_rows(dates[3:4]))[:5]
    database.add_calculations(
        *twice, (dates[4], 9, HOSTILE, "S9", "0.5", "1"), (dates[4], 1, "T_FARM-0", HOSTILE, 1, 1)
    )
    database.execute(f"update {TABLE} set bitcoin_mined = bitcoin_mined * 2 where settlement_date >= '{dates[6]}'")
    return database


def page(run_recon: Run, url: str, out: Path, *options: object, code: int = 1) -> Page:
    done = run_recon("report", "--out", out, *options, url=url)
    assert done.returncode == code, done.stderr
    return Page(out.read_text(encoding="utf-8"))


def test_every_figure_is_that_of_status_and_of_the_tables(odd: Database, run_recon: Run, tmp_path: Path) -> None:
    assert run_recon("date", "2024-04-28", url=odd.url).returncode == 0
    status = json.loads(run_recon("status", "--values", "--json", url=odd.url).stdout)
    runs = json.loads(run_recon("runs", "--json", url=odd.url).stdout)["runs"]
    out = tmp_path / "report.html"
    done = run_recon("report", "--out", out, "--values", "--json", url=odd.url)
    assert json.loads(done.stdout) == status | {"command": "report", "out": str(out)}
    shown = Page(out.read_text(encoding="utf-8"))
    document = shown.document
    assert {name: document[name] for name in status} == status | {"command": "report"}
    assert status["values"]["wrong"] > 0 < status["missing"] and status["duplicate"] == 5 and status["orphan"] == 2

    for name, text in shown.figures.items():
        figure = status
        for part in name.split("."):
            figure = figure[part]
        assert Decimal(text.replace(",", "")) == Decimal(str(figure)), name
    assert {"expected", "matched", "missing", "duplicate", "orphan", "values.wrong", "dates.total"} <= set(
        shown.figures
    )
    by_model = [
        [model, *(f"{counts[name]:,}" for name in ("missing", "expected", "matched"))]
        for model, counts in status["by_model"].items()
    ]
    assert shown.rows["Miner models"][1:] == by_model

    counted = oracle.status_by_date(odd)
    names = ("expected", "matched", "missing", "duplicate", "orphan")
    assert {date.fromisoformat(d["date"]): [d[n] for n in names] for d in document["calendar"]} == {
        day: [counts[n] for n in names] for day, counts in counted.items()
    }
    assert sum(day["wrong"] for day in document["calendar"]) == status["values"]["wrong"]
    columns = ("missing", "expected", "matched", "duplicate", "orphan", "wrong")
    assert [[row[0], row[1], *row[3:]] for row in shown.rows["Every date"][1:]] == [
        [d["date"], *(f"{d[n]:,}" for n in columns)] for d in document["calendar"]
    ]
    months = shown.rows["Every month"][1:]
    assert [row[0] for row in months] == ["2024-04", "2024-05"]
    assert [sum(int(row[column].replace(",", "")) for row in months) for column in (3, 1, 5, 6, 7, 8, 9)] == [
        8, *(status[n] for n in columns[:-1]), status["values"]["wrong"]
    ]  # fmt: skip
    sums = odd.rows(
        f"select to_char(settlement_date, 'YYYY-MM') as month, miner_model, count(*) as n, sum(bitcoin_mined) as btc "
        f"from {TABLE} group by 1, 2 order by 1, 2"
    )
    stored = [[month, model, f"{btc:,.8f}", f"{rows:,}"] for month, model, rows, btc in sums]
    assert sorted(row[:4] for row in shown.rows["BTC per month and miner model"][1:]) == sorted(stored)
    assert sum(row["missing"] for row in document["btc_by_month"]) == status["missing"]
    assert [row[:6] for row in shown.rows["The newest runs"][1:]] == [
        [r["run_id"], r["command"], r["status"], str(r["dates_done"]), str(r["dates"]), str(r["inserted"])]
        for r in runs
    ]
    values = status["values"]
    for caption, kind, models in (
        ("Rows by verdict and miner model", "verdicts", "by_model"),
        ("Wrong rows by why they are", "wrong_by", "wrong_by_model"),
    ):
        assert [[name, *map(int, counts)] for name, *counts in shown.rows[caption][1:]] == [
            [name, *(counts.get(name, 0) for counts in values[models].values()), rows]
            for name, rows in values[kind].items()
        ]
    assert values["wrong_by"] == {"wrong_subsidy": values["wrong"]}
    text = out.read_text(encoding="utf-8")
    places = [text.index(f'id="{name}"') for name in ("values", "todo", "calendar", "worst", "findings", "runs")]
    assert places == sorted(places), "verdicts and causes, and what to do, stand above the long tables"
    worst = [row[0] for row in shown.rows["Most missing first, then most wrong"][1:]]
    assert worst[:2] == ["2024-04-29", "2024-04-27"] and len(worst) == 6
    assert status["dates"] == {"total": 8, "complete": 2, "partial": 6, "empty": 0}, "wrong values count"
    text = run_recon("analyze", "--values", url=odd.url).stdout
    assert re.search(r"^2024-05-04 +27 +27 +0 +0 +0 +27$", text, re.M) and "8 dates: 2 complete, 6 partial" in text


def test_nothing_in_the_data_is_markup_and_nothing_is_asked_for(odd: Database, run_recon: Run, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    shown = page(run_recon, odd.url, out)
    assert HOSTILE in json.dumps(shown.document, ensure_ascii=False).replace('\\"', '"')
    assert "alert(1)</script>" not in out.read_text(encoding="utf-8")
    assert [given.get("id") for tag, given in shown.tags if tag == "script"] == ["document", "charts", None, None]
    links = [given[name] for _, given in shown.tags for name in ("src", "href", "action") if given.get(name)]
    assert links and all(link.startswith(("#", "data:")) for link in links if link)
    (policy,) = [g["content"] for _, g in shown.tags if g.get("http-equiv") == "Content-Security-Policy"]
    assert policy and "default-src 'none'" in policy and "unsafe-eval" not in policy
    assert re.search(r"script-src ('sha256-\S+' ?){2}$", policy)
    assert {row[-1] for row in shown.rows["Every date"][1:]} == {"not checked"}, "and so not called right either"
    assert {day["wrong"] for day in shown.document["calendar"]} == {None}
    assert "values.wrong" not in shown.figures


def test_a_window_a_reader_and_no_curtailment_at_all(odd: Database, run_recon: Run, tmp_path: Path) -> None:
    """Somebody who may read the two tables and nothing else gets the page, without the runs."""
    run_recon("init", url=odd.url)
    odd.execute("revoke all on schema recon from public")
    url = role_url(odd, "looker", READER)
    odd.execute(f'revoke usage on schema recon from "looker_{odd.name}"')
    out = tmp_path / "report.html"
    shown = page(run_recon, url, out, "--from", "2024-05-02", "--to", "2024-05-02", code=0)
    assert [day["date"] for day in shown.document["calendar"]] == ["2024-05-02"]
    assert "permission denied" in shown.document["runs_note"]
    empty = page(run_recon, odd.url, out, "--from", "1999-01-01", "--to", "1999-01-02", code=0)
    assert empty.state == "Nothing to reconcile: this window has no curtailment to price."
    assert "percent" not in empty.figures, "of nothing there is no share"
    assert empty.document["calendar"] == [] and empty.document["runs_note"] == "no run yet"


def test_a_page_that_cannot_be_made_leaves_the_one_that_was_there(run_recon: Run, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("last night's")
    assert run_recon("report", "--out", out, url=NOBODY).returncode == 3
    assert out.read_text() == "last night's"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    done = run_recon("report", "--out", tmp_path / "none" / "report.html", url=NOBODY)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"recon: \S+/none is not a directory; [^\n]+--out\n", done.stderr)


def test_without_the_extra_one_line_says_what_to_install(environment: dict[str, str]) -> None:
    program = (
        "import sys; sys.modules['altair'] = None; sys.argv[1:] = ['-d', 'embedded', 'report']; "
        "from recon.cli import process; process.run()"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"recon: a report needs altair; {extras.install('report')}\n"


def test_a_page_of_wrong_values_that_nobody_compared_is_not_called_more_than_that(
    database: Database, run_recon: Run, tmp_path: Path
) -> None:
    database.add_calculations(*((*row[:4], 2, 3) for row in oracle.calculations(fill(database, source_rows([DAY])))))
    out = tmp_path / "report.html"
    for options, code, line in (
        ([], 0, "1 date (2024-04-20), reconciled; values not compared"),
        (["--values"], 1, "1 date (2024-04-20), not reconciled"),
    ):
        done = run_recon("report", "--out", out, *options, url=database.url)
        assert (done.returncode, done.stdout.strip()) == (code, f"{out}: {line}\nnewest curtailment 2024-04-20")


def test_a_gap_in_btc_says_why(database: Database, run_recon: Run, tmp_path: Path) -> None:
    """March is calculated but for a model, April and May have no curtailment, June lacks a date, July all; nobody knows
    the difficulty of August, which is far ahead."""
    march, june, other_june, july = (date(2024, *rest) for rest in ((3, 30), (6, 1), (6, 2), (7, 1)))
    august = date(2035, 8, 1)
    rows = fill(database, source_rows([march, june, other_june, july, august]))
    done = oracle.calculations([row for row in rows if row[0] in (march, june)])
    database.add_calculations(*(row for row in done if (row[0], row[3]) != (march, "S9")))
    shown = page(run_recon, database.url, tmp_path / "report.html")
    document = shown.document
    assert [day["month"] for day in document["by_month"]] == ["2024-03", "2024-06", "2024-07", "2035-08"]
    assert document["btc_gaps"] == [
        "2024-03 (S9): not calculated yet",
        "2024-04 to 2024-05: no curtailment",
        "2024-07: not calculated yet",
        "2024-08 to 2035-07: no curtailment",
        "2035-08: no difficulty is known",
    ]
    told = {(row[0], row[1]): row[2:] for row in shown.rows["BTC per month and miner model"][1:]}
    keys = len({row[:3] for row in rows if row[0] == june})
    assert told["2024-03", "S9"] == ["none", "0", f"{keys} calculations missing"]
    assert told["2024-04", "S9"] == ["none", "0", "no curtailment"]
    assert told["2024-06", "M20S"][1:] == [str(keys), f"{keys} calculations missing"]
    assert told["2035-08", "M20S"][2] == f"{keys} calculations missing, no difficulty is known for {keys} of them"
