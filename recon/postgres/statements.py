"""What is done with one statement of the driver: values bound, rows taken or ignored, frames appended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import adbc_driver_manager
import polars as pl
from adbc_driver_manager import AdbcStatement, StatementOptions

from recon.core.names import TableName

Use = Callable[[AdbcStatement], Any]
"""What is done with a statement that is ready to run."""


def fetched(statement: AdbcStatement) -> pl.DataFrame:
    """The rows of a statement that runs without COPY: the server has sent all of them before the first one is read, and
    no error comes later.
    """
    handle, _ = statement.execute_query()
    return pl.DataFrame(handle)


def streamed(statement: AdbcStatement) -> pl.DataFrame:
    """The rows of a statement that runs with COPY, as they come. An error on the way keeps its SQLSTATE, which Polars
    would lose; the reader that knows better brings PyArrow.
    """
    handle, _ = statement.execute_query()
    from adbc_driver_manager._reader import AdbcRecordBatchReader  # while the server is at work

    return pl.DataFrame(pl.from_arrow(AdbcRecordBatchReader._import_from_c(handle.address).read_all()))


def ignore_rows(statement: AdbcStatement) -> None:
    """Runs a statement whose rows nobody wants. As a query, since that takes one message each way."""
    handle, _ = statement.execute_query()
    handle.release()


def send(statement: AdbcStatement) -> None:
    """Sends a text as it is. Only so several statements go out in one message: a query is prepared, one by one."""
    statement.execute_update()


def append_to(table: TableName, temporary: bool) -> dict[str, str]:
    """What tells the driver to append to a table."""
    options = {
        StatementOptions.INGEST_TARGET_TABLE.value: table.name,
        StatementOptions.INGEST_MODE.value: adbc_driver_manager.INGEST_OPTION_MODE_APPEND,
    }
    if temporary:
        options[StatementOptions.INGEST_TEMPORARY.value] = "true"
    elif table.schema:
        options[StatementOptions.INGEST_TARGET_DB_SCHEMA.value] = table.schema
    return options


def _type(value: object) -> pl.DataType | None:
    """The type of a value that does not show it."""
    if value is None:
        return pl.String()
    return pl.List(pl.Date) if value == [] else None


def bound(values: Sequence[object]) -> pl.DataFrame:
    """Values as the one row ADBC binds; an empty list is one of dates, as all our lists are, null is text."""
    return pl.DataFrame([pl.Series(f"v{i}", [value], _type(value)) for i, value in enumerate(values)])
