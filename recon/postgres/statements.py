"""What is done with one statement of the driver: values bound, rows taken or ignored, frames appended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import adbc_driver_manager
import pyarrow as pa  # type: ignore[import-untyped]
from adbc_driver_manager import AdbcStatement, StatementOptions
from adbc_driver_manager._reader import AdbcRecordBatchReader

from recon.core.names import TableName

Use = Callable[[AdbcStatement], Any]
"""What is done with a statement that is ready to run."""


def read_table(statement: AdbcStatement) -> pa.Table:
    """The rows of a statement. Errors on the way keep their SQLSTATE, which Arrow's own reader would lose."""
    handle, _ = statement.execute_query()
    return AdbcRecordBatchReader._import_from_c(handle.address).read_all()


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


def _type(value: object) -> pa.DataType | None:
    """The type of a value that does not show it."""
    if value is None:
        return pa.string()
    return pa.list_(pa.date32()) if value == [] else None


def bound(values: Sequence[object]) -> pa.RecordBatch:
    """Values as the one-row batch ADBC binds; an empty list is one of dates, as all our lists are, null is text."""
    arrays = [pa.array([value], _type(value)) for value in values]
    return pa.RecordBatch.from_arrays(arrays, names=[f"v{i}" for i in range(len(arrays))])
