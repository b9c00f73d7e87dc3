"""What is shown while nobody can know how far something is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_S = 2
LINE_EVERY_S = 30


@contextmanager
def every(seconds: float, speak: Callable[[], None], first_s: float | None = None) -> Iterator[None]:
    """Speaks now and then, whatever the step waits for."""
    over = threading.Event()

    def speaking() -> None:
        pause = seconds if first_s is None else first_s
        while not over.wait(pause):
            speak()
            pause = seconds

    thread = threading.Thread(target=speaking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def waiting(doing: str, say: Callable[[str], None], *, drawn: bool) -> Iterator[None]:
    """While one single thing is waited for; what takes less than a moment is not worth a word."""
    bar = None
    if drawn:
        from recon.cli.show import bar as bars

        bar = bars.drawn()
    if bar:
        bar.add_task(doing, total=None, written="")
        with bar:
            yield
        return
    began = time.monotonic()
    with every(LINE_EVERY_S, lambda: say(f"{doing}, {time.monotonic() - began:.0f} s so far"), FIRST_S):
        yield
