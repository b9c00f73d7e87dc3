"""`recon init`: the ledger, and the unique index that keeps duplicates out for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recon.core.errors import ExitCode, SchemaError, document
from recon.core.settings import Settings
from recon.postgres import ledger
from recon.postgres.inspect import opened
from recon.postgres.invalid_index import InvalidIndex, invalid_indexes, telling
from recon.postgres.obstacles import check_standby
from recon.postgres.tables import Tables

LONGEST_BUILD_S = 86_400
"""How long building the index may take."""


@dataclass(frozen=True)
class InitReport:
    """Result of `recon init`, or with a dry run what it would do; `index_statement` is None where one exists."""

    ledger_existed: bool
    ledger_version: int | None
    ledger_ddl: str
    index_existed: bool
    index_statement: str | None
    index_created: bool
    duplicates: int | None
    dry_run: bool
    invalid_index: str | None = None
    """One that an earlier `init` left unfinished: dropped, or (with a dry run) to be dropped."""

    exit_code = ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `recon init`."""
        return {
            **document("init"),
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
                "invalid": self.invalid_index,
            },
            "statements": [] if self.ledger_fits else [self.ledger_ddl],
            "dry_run": self.dry_run,
        }

    @property
    def ledger_fits(self) -> bool:
        """Whether the ledger was there, and of this version."""
        return self.ledger_version == ledger.VERSION


def init(settings: Settings, *, name: str, unique_index: bool, dry_run: bool) -> InitReport:
    """Creates the ledger and, where asked, the unique index. SchemaError when duplicates stand in its way."""
    with opened(settings, name) as tables:
        session, layout = tables.session, tables.layout
        if unique_index and not (layout.unique_index or layout.partitioned or dry_run):
            session.check_direct("building an index without locking its table")
        existed, version = ledger.require(session), ledger.version(session)
        statement = None if layout.unique_index else layout.index_statement
        wanted = statement if unique_index else None
        unfinished = _unfinished(tables) if wanted else None
        duplicates = _duplicates(tables, allowed=dry_run) if wanted else None
        if not dry_run:
            check_standby(session)
            ledger.ensure(session)
            with telling(settings, layout, name):
                for step in (unfinished.drop if unfinished else None, wanted):
                    if step:
                        _build(tables, step)
    return InitReport(
        ledger_existed=existed,
        ledger_version=version,
        ledger_ddl=ledger.ddl(),
        index_existed=layout.unique_index,
        index_statement=statement,
        index_created=bool(wanted and not dry_run),
        duplicates=duplicates,
        dry_run=dry_run,
        invalid_index=unfinished.name if unfinished else None,
    )


def _unfinished(tables: Tables) -> InvalidIndex | None:
    """The INVALID index that an earlier `init` left; SchemaError where an index cannot be built or is being built."""
    layout = tables.layout
    if layout.has_heirs:
        raise SchemaError(
            f"{layout.calculations.name} has tables that inherit from it, whose rows no index of its own covers",
            "move their rows into it, or partition the table instead",
        )
    found = next((index for index in invalid_indexes(tables.session, layout) if index.is_ours), None)
    if found and found.is_being_built:
        raise SchemaError(f"the index {found.name} is being built by another session", "wait until it is done")
    return found


def _duplicates(tables: Tables, *, allowed: bool) -> int:
    """How many duplicate rows there are; SchemaError where there are any and they are not allowed."""
    rows = int(tables.rows("postgres/duplicates")[0]["duplicates"])
    if rows and not allowed:
        raise SchemaError(
            f"{tables.layout.calculations.name} holds {rows} duplicate rows, which a unique index refuses",
            "remove them with 'recon fix --repair duplicate,orphan --yes', then run this again",
        )
    return rows


def _build(tables: Tables, statement: str) -> None:
    """Builds or drops an index: concurrently outside of any transaction, else within one."""
    session = tables.session
    if not tables.layout.partitioned:
        session.alone(statement, LONGEST_BUILD_S)
        return
    with session.transaction():
        session.execute(f"set local statement_timeout = {LONGEST_BUILD_S * 1000}")
        session.execute(statement)
