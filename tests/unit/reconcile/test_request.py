"""A run's parameters, there and back through the ledger's JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from recon.core.errors import LedgerError, UsageError
from recon.core.names import CALCULATION_COLUMNS, Table, TableName
from recon.core.settings import Fleet, Order, Settings
from recon.core.window import Window
from recon.reconcile.request import FixRequest, Job, check_tables, from_dict
from recon.reference.reference import Reference, load
from recon.values.policy import RepairPolicy
from recon.values.tolerance import Tolerance
from tests.support.builders import write

ODD = Table.parse('"my schema"."odd.name; --"', CALCULATION_COLUMNS, "bitcoin_mined=btc")
BEGUN = Settings(database_url="postgresql://ana:s3cret@db/power", calculations=ODD, fleet=Fleet.WHOLE)
TODAY = Settings(database_url="postgresql://ben:0ther@elsewhere/power")
REQUEST = FixRequest(
    Window(date(2024, 4, 20), None),
    RepairPolicy(frozenset({"missing", "wrong"}), Tolerance(1e-7, 1e-5)),
    batch_dates=7,
    workers=3,
    order=Order.OLDEST,
)


def job(settings: Settings, reference: Reference) -> Job:
    return Job("7f3a", "fix", settings, reference)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    miners = write(tmp_path / "m.csv", "miner_model,hashrate_ths,power_w\nX1,100,3000")
    return load(miners, None, None, tmp_path)


def test_what_was_begun_comes_back_through_json(reference: Reference, tmp_path: Path) -> None:
    stored = json.loads(json.dumps(REQUEST.to_dict(job(BEGUN, reference))))
    begun, request = from_dict(stored, job(TODAY, load(None, None, None, tmp_path)))
    assert request == REQUEST
    settings, found = begun.settings, begun.reference
    assert (settings.fleet, settings.calculations) == (Fleet.WHOLE, TODAY.calculations)
    assert settings.database_url == TODAY.database_url
    assert found.miners.equals(reference.miners)
    assert found.subsidies.equals(reference.subsidies)


def test_no_connection_and_no_secret_is_stored(reference: Reference) -> None:
    text = json.dumps(REQUEST.to_dict(job(BEGUN, reference)))
    assert not [word for word in ("s3cret", "ana", "postgresql://", "database_url") if word in text]


@pytest.mark.parametrize(
    "damage",
    [
        {"fleet": "half"},
        {"batch_dates": None},
        {"order": 3},
        {"window": {}},
        {"window": {"first": "yesterday", "last": None}},
        {"miners": [{"miner_model": 5}]},
        {"subsidies": [{"starts_on": "x", "subsidy_btc": 1}]},
        {"calculations": {"columns": []}},
        {"tolerance": {"unknown": 1}},
        {"tolerance": {"atol_btc": -1}},
        {"repairs": ["everything"]},
        {"repairs": []},
        {"workers": 100_000},
        {"relations": ["public.a"]},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_damaged_parameters_are_an_error_and_not_a_guess(reference: Reference, damage: dict) -> None:
    stored = REQUEST.to_dict(job(BEGUN, reference)) | damage
    with pytest.raises(LedgerError, match="damaged"):
        from_dict(stored, job(TODAY, reference))


def test_a_missing_parameter_is_damage(reference: Reference) -> None:
    for name in ("window", "batch_dates", "workers", "order", "fleet", "curtailment", "miners", "subsidies"):
        stored = REQUEST.to_dict(job(BEGUN, reference))
        del stored[name]
        with pytest.raises(LedgerError):
            from_dict(stored, job(TODAY, reference))


RELATIONS = {"curtailment": "public.curtailment_records", "calculations": "public.historical_bitcoin_calculations"}
OF_TODAY = Settings()


@pytest.mark.parametrize("schema", [None, "public"])
def test_a_run_is_of_the_same_tables_however_they_were_typed(reference: Reference, schema: str | None) -> None:
    begun = Settings(
        calculations=replace(OF_TODAY.calculations, name=TableName(OF_TODAY.calculations.name.name, schema))
    )
    for relations in (None, RELATIONS):  # an older version kept names only as they were typed
        stored = REQUEST.to_dict(job(begun, reference), relations)
        check_tables(stored, "7f3a", OF_TODAY, RELATIONS)


@pytest.mark.parametrize(
    ("begun", "relations", "named"),
    [
        (ODD, None, "my schema.odd.name; --"),
        (OF_TODAY.calculations, RELATIONS | {"calculations": "archive.precious"}, "archive.precious"),
        (replace(OF_TODAY.calculations, name=TableName("precious")), None, "precious"),
        (replace(OF_TODAY.calculations, columns=ODD.columns), RELATIONS, "other columns"),
    ],
)
def test_a_run_of_other_tables_is_not_gone_on_with(
    reference: Reference, begun: Table, relations: dict[str, str] | None, named: str
) -> None:
    stored = REQUEST.to_dict(job(Settings(calculations=begun), reference), relations)
    with pytest.raises(UsageError, match=re.escape(named)):
        check_tables(stored, "7f3a", OF_TODAY, RELATIONS)
