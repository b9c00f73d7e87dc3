"""Several sessions that read both tables as of one moment, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import TypeVar

from recon.core.errors import ConnectError
from recon.core.window import Window
from recon.postgres.pool import Pool, side_by_side
from recon.postgres.profile import stage
from recon.postgres.tables import Tables

ONE_CONNECTION_DAYS = 92
"""A survey of up to a quarter takes less time than a second connection."""
Task = TypeVar("Task")
Result = TypeVar("Result")


@contextmanager
def as_of_one_moment(tables: Tables, pool: Pool | None, window: Window, workers: int) -> Iterator[list[Tables]]:
    """The tables, for a wide window through so many sessions, in transactions that read the same snapshot."""
    first, last = window.bounds
    session = tables.session
    with ExitStack() as held:
        held.enter_context(session.transaction(read_only=True, snapshot=True))
        sessions = [session]
        # A pooler may have no second one to lend until this one's transaction ends, which would wait for it.
        if pool and (last - first).days > ONE_CONNECTION_DAYS and not session.is_pooled:
            with suppress(ConnectError):  # a server without more to spare
                sessions.extend(held.enter_context(pool.session()) for _ in range(side_by_side(pool, workers) - 1))
        for beside in sessions[1:]:
            snapshot = session.rows("select pg_export_snapshot() as id")[0]["id"]
            held.enter_context(beside.transaction(read_only=True, snapshot=True))
            beside.execute(f"set transaction snapshot '{snapshot}'")
        yield [Tables(one, tables.layout) for one in sessions]


def spread(sides: Sequence[Tables], work: Callable[[Tables, Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """What every task comes to, in order; each session works on one at a time."""
    free: SimpleQueue[Tables] = SimpleQueue()
    for side in sides:
        free.put(side)

    def run(task: Task) -> Result:
        side = free.get()
        try:
            with stage("survey"):
                return work(side, task)
        finally:
            free.put(side)

    with ThreadPoolExecutor(len(sides), thread_name_prefix="survey") as executor:
        yield from executor.map(run, tasks)
