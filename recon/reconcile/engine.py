"""Who works on chunks side by side: an engine is given work, and gives what each batch of dates came to as it finishes.

`Threads` works in this process; `dask.engine` on a cluster. Whoever gives work does not know which of them has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from recon.core.errors import ReconError

if TYPE_CHECKING:
    from recon.postgres.pool import Pool

Retrying = Callable[[Sequence[date], ReconError], None]
"""Told which dates are tried again, and why."""
Task = Callable[["Pool", Sequence[date], Retrying], list[Any]]
"""What is done with a batch of dates, on one connection of the pool at a time. A `partial` of a function of this
package and of plain values, so that any engine can carry it to a worker."""
Finished = Iterator[tuple[Sequence[date], list[Any]]]
"""Each batch with what the task made of it."""


def unheard(_dates: Sequence[date], _error: ReconError) -> None:
    """Nobody wants to know what is tried again."""


@dataclass(frozen=True)
class Work:
    """A task and the batches it is done with: in their order, side by side, each batch once.

    pool: how to connect, and this process's sessions. workers: connections at work in this process (see
    `side_by_side`); an engine with workers elsewhere has other bounds.
    """

    task: Task
    batches: Sequence[Sequence[date]]
    pool: Pool
    workers: int
    retrying: Retrying = unheard


Engine = Callable[[Work], Finished]


@dataclass(frozen=True)
class Threads:
    """The work on threads of this process. What an unfinished iteration leaves is not begun any more.

    workers: so many, whatever the work asks for; None: as many as it asks for.
    """

    workers: int | None = None

    def __call__(self, work: Work) -> Finished:
        """Each batch as it is finished."""
        from recon.postgres.pool import side_by_side

        workers = side_by_side(work.pool, work.workers if self.workers is None else self.workers)
        work.pool.share_out(workers)
        with ThreadPoolExecutor(workers, thread_name_prefix="chunk") as executor:
            futures = {
                executor.submit(copy_context().run, work.task, work.pool, dates, work.retrying): dates
                for dates in work.batches
            }
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                executor.shutdown(cancel_futures=True)


THREADS = Threads()
"""As many threads as the work asks for."""


def works_here(engine: Engine) -> bool:
    """Whether an engine works in this process, and so with what this process knows already."""
    return isinstance(engine, Threads)
