"""What others are told of a nightly run, however it ends: by a metrics file, a ping, a webhook. No message can fail it,
and a metrics file that cannot be written ends with 2 what would have ended with 0.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from recon.cli.call import Call
from recon.cli.log import LOG, TextLines, close_log, sum_up, summary
from recon.cli.nightly import metrics, notify
from recon.cli.shared_options import NightlyOptions
from recon.core.errors import BUG, ExitCode, ReconError, UsageError
from recon.postgres import ledger
from recon.postgres.session import connect
from recon.reconcile.daily import DailyReport, coverage_days

if TYPE_CHECKING:
    from recon.core.window import Window


LAST_LINES = 50
MOST_CHARACTERS = 10_000
BUSY = "busy"
"""The error's word of a run that gives way to another."""
NO_LEDGER = {ExitCode.DATABASE, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
"""How runs end whose database cannot be asked for the state before, nor hold this one: told every time."""


class LastLines(logging.Handler):
    """The newest log lines, for the body of a ping."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self.setFormatter(TextLines("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the line."""
        self._lines.append(self.format(record))

    @property
    def text(self) -> str:
        """The lines, cut at their beginning where they are too many."""
        return "".join(f"{line}\n" for line in self._lines)[-MOST_CHARACTERS:]


class Night:
    """A nightly run, entered before it begins; `found` is its result, once there is one.

    One that gives way to another tells nobody: the night is the other one's to tell of.
    """

    found: DailyReport | None = None

    def __init__(self, call: Call, window: Window, tell: NightlyOptions) -> None:
        if tell.metrics_file:
            metrics.ready(tell.metrics_file)
        self._labels = metrics.labels(tell.metrics_label or ())
        for option, url in (("--ping-url", tell.ping_url), ("--webhook", tell.webhook)):
            if url:
                notify.check(option, url)
        self._call, self._window, self._to = call, window, tell
        self._lines = LastLines()
        self._started = time.monotonic()
        self._telling = threading.Lock()
        self._begun = self._told = self._missing_file = False

    def __enter__(self) -> Night:
        LOG.addHandler(self._lines)
        self._call.invocation.endings.append(self._failed)
        return self

    def begin(self) -> None:
        """It works, and no other instance does."""
        if not self._begun:
            self._begun = True
            self._ping("start", "")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None and self.found:
            self._tell(self.found.to_dict())
            if self._missing_file:
                raise UsageError("the night is done, but for its metrics file", "see the error above")
        elif kind and not issubclass(kind, ReconError):
            LOG.error("a bug: %s", kind.__name__)
            self._failed(ReconError(f"a bug: {kind.__name__}", code="bug"), BUG)

    def _failed(self, error: ReconError, exit_code: int | None = None) -> None:
        """Also called on the main thread, for a run whose own waits for a server that does not answer."""
        if error.code == BUSY:
            fields = {"command": self._call.command, "error": error.to_dict()["error"]}
            close_log(self._call.given, logging.WARNING, f"daily: {error.message}", **fields)
            return
        code = int(error.exit_code) if exit_code is None else exit_code
        result = self.found.to_dict() if self.found else {"seconds": round(time.monotonic() - self._started, 3)}
        with suppress(ReconError):
            result["difficulty_coverage_days"] = coverage_days(self._call.reference.coverage, self._window)
        self._tell(result | error.to_dict() | {"command": self._call.command, "exit_code": code})

    def _tell(self, document: dict[str, Any]) -> None:
        """Tells everybody, once. The thread that comes second waits for the first, but not for ever."""
        if not self._telling.acquire(timeout=3 * notify.PATIENCE_S):
            return
        try:
            if not self._told:
                self._told = True
                self.begin()  # also a night that failed before it could
                if not self._write_metrics(document) and document["exit_code"] == ExitCode.OK:
                    document = document | {"exit_code": ExitCode.USAGE}
                    self._missing_file = True
                self._ping(str(document["exit_code"]), f"{self._lines.text}{summary(document)}\n")
                self._tell_change(document)
                sum_up(self._call.given, document)
        finally:
            self._telling.release()

    def _write_metrics(self, document: dict[str, Any]) -> bool:
        """Whether there is nothing to complain of."""
        if not self._to.metrics_file:
            return True
        now = datetime.now(UTC).timestamp()
        try:
            success = metrics.last_success(self._to.metrics_file, self._labels)
            metrics.write(self._to.metrics_file, metrics.values(document, now, success), self._labels)
        except OSError as error:
            LOG.error("the metrics file %s cannot be written: %s", self._to.metrics_file, error.strerror)
            return False
        return True

    def _ping(self, what: str, body: str) -> None:
        if self._to.ping_url:
            self._post("ping", notify.below(self._to.ping_url, what), body, "text/plain")

    def _tell_change(self, document: dict[str, Any]) -> None:
        """Posts the result if its exit code is not the one that was posted last, by the ledger."""
        if not self._to.webhook:
            return
        code = document["exit_code"]
        if code in NO_LEDGER:
            self._post_result(document, None)
            return
        try:
            with connect(self._call.settings, self._call.name) as session:
                before = ledger.last_posted(session)
                if before != code and self._post_result(document, before):
                    ledger.note_posted(session, self._call.run_id, self._window.bounds, code)
        except ReconError as error:
            LOG.warning("whether the webhook has to be told is not known: %s", error)

    def _post_result(self, document: dict[str, Any], before: int | None) -> bool:
        assert self._to.webhook
        told = document | {"previous_exit_code": before, "text": f"recon daily: {summary(document)}"}
        return self._post("webhook", self._to.webhook, json.dumps(told, ensure_ascii=False), "application/json")

    @staticmethod
    def _post(what: str, url: str, body: str, kind: str) -> bool:
        trouble = notify.post(url, body, kind)
        if trouble:
            LOG.warning("the %s to %s failed: %s", what, notify.place(url), trouble)
        return trouble is None
