"""`recon init`: the ledger, and the unique index that keeps duplicates out for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recon import ledger
from recon.config import Settings, Timeouts
from recon.database import connect, sql
from recon.errors import ExitCode, SchemaError
from recon.report import SCHEMA_VERSION
from recon.schema import CALC_KEY
from recon.tables import Layout, inspect


@dataclass(frozen=True)
class InitReport:
    """What `recon init` found, did, or (with a dry run) would do; `index_statement` is None where one exists."""

    ledger_existed: bool
    ledger_version: int | None
    ledger_ddl: str
    index_existed: bool
    index_statement: str | None
    index_created: bool
    duplicates: int | None
    dry_run: bool

    exit_code = ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon init`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": "init",
            "ledger": {
                "existed": self.ledger_existed,
                "created": not self.ledger_existed and not self.dry_run,
                "upgraded": self.ledger_existed and not self.ledger_fits and not self.dry_run,
            },
            "unique_index": {
                "existed": self.index_existed,
                "created": self.index_created,
                "statement": self.index_statement,
                "duplicates": self.duplicates,
            },
            "statements": [] if self.ledger_fits else [self.ledger_ddl],
            "dry_run": self.dry_run,
        }

    @property
    def ledger_fits(self) -> bool:
        """Whether the ledger was there, and of this version."""
        return self.ledger_version == ledger.VERSION


def index_statement(layout: Layout) -> str:
    """The statement that creates the unique index; concurrently where the table allows it (not when partitioned)."""
    columns = ", ".join(layout.calculations.column(name) for name in CALC_KEY)
    how = "" if layout.partitioned else "concurrently "
    return f"create unique index {how}on {layout.calculations.name.quoted} ({columns})"


def init(settings: Settings, *, name: str, unique_index: bool, dry_run: bool) -> InitReport:
    """Creates the ledger and, where asked, the unique index. SchemaError when duplicates stand in its way."""
    patient = Timeouts(settings.timeouts.connect_s, 86_400, settings.timeouts.lock_s, settings.timeouts.idle_s)
    with connect(settings, name) as session:
        layout = inspect(session, settings)
        existed, version = ledger.require(session), ledger.version(session)
        statement = None if layout.unique_index else index_statement(layout)
        duplicates = None
        if unique_index and statement:
            duplicates = int(session.rows(sql("duplicates", **layout.parts))[0]["duplicates"])
            if duplicates and not dry_run:
                raise SchemaError(
                    f"{layout.calculations.name} holds {duplicates} duplicate rows, which a unique index refuses",
                    "remove them with 'recon fix --repair duplicate,orphan --yes', then run this again",
                )
        if not dry_run:
            ledger.ensure(session)
            if unique_index and statement:
                session.limit(patient)
                session.execute(statement)
    return InitReport(
        ledger_existed=existed,
        ledger_version=version,
        ledger_ddl=ledger.ddl(),
        index_existed=layout.unique_index,
        index_statement=statement,
        index_created=bool(unique_index and statement and not dry_run),
        duplicates=duplicates,
        dry_run=dry_run,
    )
