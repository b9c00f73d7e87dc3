"""What is the same everywhere: the order of miner models, how amounts are written, lines that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import oracle
from tests.support.builders import DAY, days, fill, source_rows
from tests.support.databases import TABLE, Database
from tests.support.program import Run, document
from tests.support.terminal import on_a_terminal, plain

CONFIGURED = ["S19J_PRO", "S9", "M20S"]
"""In the order of the packaged file, which is not that of the alphabet."""
FARM = "T_FARM-0"
WORD = re.compile(r"[^\s,:;]+")


@pytest.fixture
def tables(database: Database) -> Database:
    """A small amount that is right, a round one that is not, and gaps."""
    rows = [*source_rows(days(DAY, 3)), (DAY, 7, FARM, "-0.001")]
    database.add_calculations(*oracle.calculations(fill(database, rows)))
    database.execute(f"update {TABLE} set bitcoin_mined = 0.1 where settlement_period = 24")
    database.execute(f"delete from {TABLE} where settlement_date = '{days(DAY, 3)[2]}' and settlement_period = 1")
    database.add_calculations((DAY, 7, FARM, "A_MODEL", 1, 1))
    return database


def orders(value: Any) -> Iterator[list[str]]:
    """The configured miner models in the order in which each part of a document names several of them."""
    if isinstance(value, dict):
        yield [name for name in value if name in CONFIGURED]
        for part in value.values():
            yield from orders(part)
    elif isinstance(value, list):
        named = [part.get("miner_model") if isinstance(part, dict) else part for part in value]
        yield list(dict.fromkeys(name for name in named if name in CONFIGURED))
        for part in value:
            yield from orders(part)


def test_miner_models_stand_in_the_configured_order_everywhere(tables: Database, run_recon: Run, tmp_path: Any) -> None:
    page = tmp_path / "page.html"
    for command in (
        ("status", "--values"),
        ("analyze", "--values"),
        ("explain", DAY, 7, FARM),
        ("report", "--values", "--out", page),
        ("fix",),
    ):
        found = json.loads(run_recon(*command, "--json", url=tables.url).stdout)
        named = [order for order in orders(found) if len(order) > 1]
        assert named and all(order == [m for m in CONFIGURED if m in order] for order in named), (command, named)
    embedded = re.search(r'<script[^>]*id="document"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)
    assert embedded
    months = json.loads(embedded[1])["btc_by_month"]
    assert [row["miner_model"] for row in months] == [*CONFIGURED, "A_MODEL"]
    shown = run_recon("status", "--values", url=tables.url).stdout
    assert re.search(r"^verdict +S19J_PRO +S9 +M20S +A_MODEL$", shown, re.M)
    told = run_recon("explain", DAY, 7, FARM, url=tables.url).stdout
    assert re.findall(r"^(\w+): .* TH/s", told, re.M) == CONFIGURED
    assert run_recon("export", "--out", tmp_path / "slice", "--format", "csv", url=tables.url).returncode in (0, 1)
    (part,) = (tmp_path / "slice").rglob("*.csv")
    assert re.findall(r"btc_(\w+)", part.read_text().splitlines()[0]) == CONFIGURED


def amounts(value: Any) -> Iterator[str]:
    """Every amount of a document that is a string."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name in ("btc", "bitcoin_mined") and isinstance(part, str):
                yield part
            elif name == "btc" and isinstance(part, dict):
                yield from part.values()
            else:
                yield from amounts(part)
    elif isinstance(value, list):
        for part in value:
            yield from amounts(part)


def test_amounts_keep_their_eight_decimals(tables: Database, run_recon: Run, tmp_path: Any) -> None:
    eight = re.compile(r"[\d,]+\.\d{8}")
    for period in (7, 24):
        told = run_recon("explain", DAY, period, FARM, url=tables.url).stdout
        said = re.findall(r"(\S+) BTC(?! \()", told.replace("block subsidy  3.125 BTC", ""))
        assert len(said) >= 6 and all(map(eight.fullmatch, said)), told
        found = list(amounts(json.loads(run_recon("explain", DAY, period, FARM, "--json", url=tables.url).stdout)))
        assert len(found) >= 6 and all(map(eight.fullmatch, found)), found
    planned = run_recon("fix", "--repair", "stale,orphan", "--dry-run", url=tables.url).stdout
    said = re.findall(r"(\S+) BTC", planned)
    assert said and all(map(eight.fullmatch, said)), planned
    page = tmp_path / "page.html"
    run_recon("report", "--out", page, url=tables.url)
    sums = re.search(r'<script[^>]*id="document"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)
    assert sums and all(map(eight.fullmatch, amounts(json.loads(sums[1])["btc_by_month"])))
    filled = document(run_recon("fix", "--json", url=tables.url), 1)
    assert all(map(eight.fullmatch, amounts(filled)))
    logged = run_recon(
        "fix", "-v", "--log-format", "json", "--repair", "stale", "--yes", "--max-changes", "100%", url=tables.url
    )
    lines = [json.loads(line) for line in logged.stderr.splitlines()]
    written = [text for line in lines for text in amounts(line)]
    assert written and all(map(eight.fullmatch, written)), written


def test_a_pipe_has_no_width(tables: Database, run_recon: Run, environment: dict[str, str]) -> None:
    assert "COLUMNS" not in environment
    name = "T_" + "LONG_NAME_" * 9
    fill(tables, [(DAY, 3, name, "-5"), (DAY, 4, name, "-5")])
    assert run_recon("fix", url=tables.url).returncode == 1
    tables.execute(f"update {TABLE} set bitcoin_mined = 7 where farm_id = '{name}'")
    repaired = ("fix", "--repair", "stale,orphan", "--yes", "--max-changes", "100%")
    run_id = document(run_recon(*repaired, "--json", url=tables.url))["run_id"]
    listed = run_recon("quarantine", "list", run_id, url=tables.url).stdout
    assert listed.count(f" {name} ") >= 1 and not re.search(r"^LONG_NAME|^NAME_", listed, re.M)
    for command in (("diagnose",), ("analyze",), ("status", "--values")):
        piped = run_recon(*command, url=tables.url).stdout
        wide = run_recon(*command, url=tables.url, env={"COLUMNS": "1000"}).stdout
        assert len(piped.splitlines()) == len(wide.splitlines()), command


def test_in_sixty_columns_no_sentence_breaks_inside_a_word(
    tables: Database, run_recon: Run, environment: dict[str, str]
) -> None:
    for command in (("status", "--values"), ("analyze", "--values"), ("fix", "--dry-run"), ("explain", DAY, 24, FARM)):
        _, shown = on_a_terminal(environment, "-q", "-d", tables.url, *map(str, command), columns=60)
        piped = run_recon("-d", tables.url, *command).stdout
        for line in plain(shown).splitlines():
            whole = "recon -d " in line  # a command is never broken, so that it can be copied
            assert len(line) <= 60 or whole or " " not in line.strip(), (command, line)
        long = "\n".join(line for line in piped.splitlines() if len(line) > 60)
        assert sorted(set(WORD.findall(long)) - set(WORD.findall(plain(shown)))) == [], command
    _, shown = on_a_terminal(environment, "-d", "postgresql://nobody@127.0.0.1:1/none", "status", columns=60)
    said = plain(shown)[plain(shown).index("recon: ") :]
    assert max(map(len, said.splitlines())) <= 60 and "check that the server runs" in " ".join(said.split())


def test_one_of_anything_is_named_as_one(database: Database, run_recon: Run, tmp_path: Any) -> None:
    """A date, a row, a key, a farm, a settlement period."""
    rows = source_rows([DAY], farms=2, periods=(1, 2, 3))
    database.add_calculations(*oracle.calculations(fill(database, rows)))
    database.execute(f"delete from {TABLE} where settlement_period = 2")
    fill(database, [(DAY, 51, FARM, "-1")])
    page = tmp_path / "page.html"
    when = ("--from", DAY, "--to", DAY)
    said = ""
    for command in (
        ("analyze", "--values", *when),
        ("fix", "--dry-run", *when),
        ("report", "--out", page, *when),
        ("fix", *when),
        ("runs",),
        ("difficulty", "show"),
        ("daily", "--days", 1, "--today", DAY),
    ):
        done = run_recon(*command, url=database.url)
        said += done.stdout + done.stderr
    said += re.sub(r"<[^>]+>", " ", page.read_text().partition("<main")[2].partition("<script")[0])
    assert "1 source row cannot be priced" in said
    assert f"{DAY} lacks settlement period 2" in said, said
    assert not re.search(
        r"(?<![\d,./:])1 (?:[a-z]+ )?(rows|dates|keys|farms|days|periods|months|runs|values)\b", said
    ), said
    assert not re.search(r"(\d{4}-\d\d-\d\d) to \1", said)
