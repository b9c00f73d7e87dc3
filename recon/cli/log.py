"""Log lines: as text or JSON, on the screen and in a file."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from recon.core.errors import UsageError
from recon.core.settings import LogFormat, Settings

LOG = logging.getLogger("recon")
UNBROKEN = "\u00a0"
"""A blank at which no line ends."""
COMMAND = re.compile(r"^ *((next:|->) )?recon .*|'recon (?:[^']|'[^']*')*?'(?=[\s,;:.)]|$)")
"""What is copied from a line: all of it, or what stands in quotes."""
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """What a terminal shows and does not obey, whatever a farm is called.

    >>> print(visible("T_\x1b[31m-1"))
    T_\\x1b[31m-1
    """
    return text.translate(CONTROLS)


def folded(text: str, width: int) -> str:
    """The text with lines broken between words where they are longer than the width; a command is never broken.

    >>> print(folded("2 rows replaced; see them with 'recon quarantine list 7f3a' here", 24))
    2 rows replaced; see
    them with
    'recon quarantine list 7f3a'
    here
    """
    return "\n".join(line if len(line) <= width else _folded(line, width) for line in text.split("\n"))


def on_stderr(text: str) -> str:
    """The text as it is written to stderr: folded where that is a terminal."""
    return folded(text, os.get_terminal_size(sys.stderr.fileno()).columns or 80) if sys.stderr.isatty() else text


def _folded(line: str, width: int) -> str:
    words = COMMAND.sub(lambda command: command[0].replace(" ", UNBROKEN), line)
    indent = " " * (len(line) - len(line.lstrip(" ")))
    rows = textwrap.wrap(words, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(rows).replace(UNBROKEN, " ")


class TextLines(logging.Formatter):
    """One line per record, whatever is in it; where the pattern has its time, with the zone."""

    default_time_format = "%Y-%m-%d %H:%M:%S%z"
    default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        """The record as the pattern says."""
        return visible(super().format(record)).replace("\n", "\\n")


class ScreenLines(TextLines):
    """The same for stderr; on a terminal no word is broken."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as the pattern says."""
        return on_stderr(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object per log line."""

    default_time_format = "%Y-%m-%dT%H:%M:%S%z"
    default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        """time, level, message and whatever fields the line carries."""
        line = {"time": self.formatTime(record), "level": record.levelname.lower()}
        line |= {"message": record.getMessage()} | getattr(record, "fields", {})
        return json.dumps(line, ensure_ascii=False)


def logs_json() -> bool:
    """Whether stderr takes JSON lines and nothing else."""
    return bool(LOG.handlers) and isinstance(LOG.handlers[0].formatter, JsonLines)


def log_json(message: str, **fields: Any) -> None:
    """A JSON line on stderr of what a person would be shown there, whatever its level."""
    extra = {"fields": fields}
    LOG.handlers[0].handle(LOG.makeRecord(LOG.name, logging.INFO, "", 0, "%s", (message,), None, extra=extra))


class _Screen(logging.StreamHandler[TextIO]):
    """Log lines on stderr; where nobody can read them any more, the work goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's own name
        """Nothing: there is no place left to say it."""


class _LogFile(logging.Handler):
    """The log file. A line is one write, so that nothing of it waits to be lost, and several runs may share a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._lost = 0
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from None

    def emit(self, record: logging.LogRecord) -> None:
        """The line; what cannot be written never stops the work, but is said, at the first line."""
        left = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            self._lost += 1
            if self._lost == 1:
                _warn_on_screen(str(_unwritable(self._path, error)))

    def close(self) -> None:
        """Ends it."""
        with suppress(OSError):
            os.close(self._file)
        super().close()


def _unwritable(path: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or error
    return UsageError(f"the log file {path} cannot be written: {reason}", "name another with --log-file")


def _warn_on_screen(text: str) -> None:
    """On stderr alone, even with --quiet: the log has no place for it."""
    record = LOG.makeRecord(LOG.name, logging.ERROR, "", 0, "%s", (text,), None)
    LOG.handlers[0].handle(record)


def close_log(settings: Settings, level: int, message: str, **fields: Any) -> None:
    """The line that sums a command up, at the end of the log file; on stderr only where that is a log, too (JSON
    lines, or --verbose): there people have seen the answer.
    """
    record = LOG.makeRecord(LOG.name, level, "", 0, "%s", (message,), None, extra={"fields": fields})
    on_screen, *others = LOG.handlers
    quiet = settings.quiet and level < logging.ERROR
    wanted = [on_screen] if settings.verbose or (logs_json() and not quiet) else []
    for handler in [*wanted, *others]:
        handler.handle(record)


COUNTS = {
    "missing_before": "missing before",
    "inserted": "inserted",
    "replaced": "replaced",
    "removed": "removed",
    "remaining": "missing",
    "duplicate": "duplicate",
    "orphan": "orphan",
    "wrong": "wrong",
    "blocked_dates": "blocked",
    "failed_dates": "failed",
}
"""What a run is summed up by, in its order: fields of the JSON document, and what people call them."""
IN_LOG = (
    *("command", "run_id", "window", "dry_run", "exit_code", "outcomes", "newest_curtailment", "no_curtailment"),
    *(*COUNTS, "seconds", "difficulty_coverage_days", "error"),
)
"""The fields of the JSON document that the log line has, too."""


def summary(document: dict[str, Any]) -> str:
    """A run in one line: the exit code, and every count that is known.

    >>> summary({"exit_code": 1, "inserted": 9, "remaining": 0, "duplicate": 2, "wrong": None, "seconds": 1.25})
    'exit code 1: 9 inserted, 0 missing, 2 duplicate, 1.2 s'
    >>> summary({"exit_code": 1, "no_curtailment": True, "newest_curtailment": None, "inserted": 0, "seconds": 0.1})
    'exit code 1: no curtailment at all, 0 inserted, 0.1 s'
    >>> summary({"exit_code": 4, "error": {"message": "another one is at work"}, "seconds": 0.1})
    'exit code 4: another one is at work, 0.1 s'
    """
    parts = ["dry run"] if document.get("dry_run") else []
    parts += [f"{day} {outcome}" for day, outcome in document.get("outcomes", {}).items()]
    if document.get("no_curtailment"):
        newest = document["newest_curtailment"]
        parts.append(f"no curtailment since {newest}" if newest else "no curtailment at all")
    parts += [f"{document[name]:,} {shown}" for name, shown in COUNTS.items() if document.get(name) is not None]
    parts += [document["error"]["message"]] if "error" in document else []
    return f"exit code {document['exit_code']:d}: {', '.join(parts)}, {document['seconds']:.1f} s"


def sum_up(settings: Settings, document: dict[str, Any]) -> None:
    """Ends the log with a run in one line."""
    level = logging.ERROR if document["exit_code"] else logging.INFO
    fields = {name: document[name] for name in IN_LOG if document.get(name) is not None}
    close_log(settings, level, f"{document['command']}: {summary(document)}", **fields)


def start_logging(settings: Settings) -> None:
    """Sends the log to stderr (warnings; with -v everything) and to the log file (everything)."""
    while LOG.handlers:
        LOG.handlers.pop().close()
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    on_screen = _Screen(sys.stderr)
    on_screen.setLevel(logging.ERROR if settings.quiet else logging.DEBUG if settings.verbose else logging.WARNING)
    text = ScreenLines("%(levelname)s: %(message)s")
    in_file = TextLines("%(asctime)s %(levelname)s %(message)s")
    as_json = JsonLines() if settings.log_format is LogFormat.JSON else None
    on_screen.setFormatter(as_json or text)
    LOG.addHandler(on_screen)
    if settings.log_file:
        handler = _LogFile(settings.log_file)
        handler.setFormatter(as_json or in_file)
        LOG.addHandler(handler)
