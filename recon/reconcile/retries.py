"""Second chances for what fails for a reason that can pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from recon.core.errors import ConnectError, DatabaseError, ReconError
from recon.postgres.errors import is_transient, keeps_out
from recon.postgres.stopping import pause
from recon.reconcile.engine import Retrying

if TYPE_CHECKING:
    import tenacity

ATTEMPTS = 4
RECONNECT_S = 60
"""How long a lost server is waited for: recovery after a crash takes longer than most retries."""
T = TypeVar("T")


def retried(
    operation: Callable[[int], T], dates: Sequence[date], retrying: Retrying, key: AbstractSet[str] = frozenset()
) -> T:
    """What the operation returns; it gets the number of the attempt, and is repeated for errors that can pass.

    Exponential backoff with jitter, ATTEMPTS times, but as long as RECONNECT_S while there is no server. Several
    dates that time out are not repeated: the caller halves them. key: the columns of the table that is written, by
    which a rival's row is told from one that an index of somebody else's keeps out.
    """
    attempt_once = partial(_translated, operation, key)
    try:
        return attempt_once(1)
    except ReconError as error:
        first = error
    import tenacity  # brings asyncio along: 35 ms that a run without a failure need not wait for

    retries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(partial(_can_pass, len(dates))),
        stop=_enough,
        wait=tenacity.wait_exponential(multiplier=0.2, max=5) + tenacity.wait_random(0, 0.5),
        sleep=pause,
        before_sleep=partial(_say, dates, retrying),
        reraise=True,
    )
    for attempt in retries:
        with attempt:
            number = attempt.retry_state.attempt_number
            if number == 1:
                raise first
            return attempt_once(number)
    raise AssertionError("tenacity either returns or raises")


def _translated(operation: Callable[[int], T], key: AbstractSet[str], number: int) -> T:
    try:
        return operation(number)
    except DatabaseError as error:
        raise keeps_out(error, key) from None


def _can_pass(dates: int, error: BaseException) -> bool:
    halve_instead = isinstance(error, DatabaseError) and error.code == "timeout" and dates > 1
    return is_transient(error) and not halve_instead


def _enough(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ConnectError):
        return (state.seconds_since_start or 0) > RECONNECT_S
    return state.attempt_number >= ATTEMPTS


def _say(dates: Sequence[date], retrying: Retrying, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ReconError):
        retrying(dates, error)
