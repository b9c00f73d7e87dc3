"""One invocation of the program: what was asked for, and where answers and log lines go."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.cli.invocation import Invocation
from recon.cli.log import folded, log_json, logs_json, start_logging, visible
from recon.cli.show.waiting import waiting
from recon.core.address import EMBEDDED
from recon.core.errors import UsageError
from recon.core.settings import LogFormat, Settings, Timeouts
from recon.core.suggestions import Advice, Program
from recon.core.wording import would_change

if TYPE_CHECKING:
    from rich.console import Console

    from recon.cli.engine import Chosen
    from recon.cli.show.progress import Progress
    from recon.reconcile.engine import Engine
    from recon.reconcile.request import Job
    from recon.reconcile.watcher import Compared
    from recon.reference.reference import Reference

PIPE_WIDTH = 10_000
MAKING_A_SERVER = ("demo", "sample load")
"""The commands that have something to put into an embedded server that is new."""


class Call:
    """A command's settings and streams. Whatever is heavy is loaded when it is first needed.

    given: the settings as they were given; where they name the embedded server, it may not have been started yet.
    elsewhere: the options of `cli.engine.choose`.
    """

    def __init__(
        self,
        command: str,
        settings: Settings,
        invocation: Invocation | None = None,
        elsewhere: dict[str, Any] | None = None,
    ) -> None:
        self.command = command
        self.invocation = invocation or Invocation()
        self.run_id = secrets.token_hex(4)
        self.given = settings
        self._elsewhere = elsewhere or {}
        self._open = ExitStack()
        start_logging(settings)

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def engine(self) -> Engine:
        """What works on chunks, as `--engine` and its kin say; left when the call ends."""
        return self._chosen[0]

    @property
    def workers(self) -> int:
        """Connections at work in this process at the same time, as a run remembers them."""
        return self._chosen[1]

    @cached_property
    def _chosen(self) -> Chosen:
        from recon.cli import engine

        chosen = engine.choose(**self._elsewhere)
        self._open.callback(chosen[2])
        return chosen

    @cached_property
    def settings(self) -> Settings:
        """The settings; with the embedded server started where it is the database."""
        if self.given.database_url != EMBEDDED:
            return self.given
        from recon.postgres.embedded import lifecycle

        new = self.command in MAKING_A_SERVER
        with waiting("starting the embedded server", self.progress, drawn=self.shows_progress):
            return replace(self.given, database_url=lifecycle.start(self.home, new=new))

    def embedded(self) -> Call:
        """The same call on the embedded server."""
        program = self.program
        self.invocation.program = replace(program, options=("-d", EMBEDDED, *program.options))
        return Call(self.command, replace(self.given, database_url=EMBEDDED), self.invocation)

    @property
    def program(self) -> Program:
        """How suggested commands begin, so that they are about the same tables as this one."""
        return self.invocation.program

    def suggest(self, advice: Advice) -> str:
        """The advice as text; its commands are about the same tables as this one."""
        return self.program.render(advice)

    @property
    def json(self) -> bool:
        """Whether stdout is to hold one JSON document."""
        return self.given.json

    @property
    def home(self) -> Path:
        """The user's data directory."""
        return self.given.home

    @property
    def timeouts(self) -> Timeouts:
        """How long to wait; no database is needed to know."""
        return self.given.timeouts

    @property
    def shows_progress(self) -> bool:
        """Whether stderr is a terminal that may be drawn on."""
        return sys.stderr.isatty() and not self.given.quiet and self.given.log_format is LogFormat.TEXT

    @cached_property
    def reference(self) -> Reference:
        """Miner models, difficulty and subsidies."""
        from recon.reference.reference import load

        s = self.given
        return load(s.miners_file, s.difficulty_file, s.subsidy_file, s.home, datetime.now(UTC).date())

    @cached_property
    def job(self) -> Job:
        """What a run of this command is."""
        from recon.reconcile.request import Job

        return Job(self.run_id, self.command, self.settings, self.reference)

    def begin(self) -> None:
        """Begins to connect, while modules are loaded; for a command whose options are known to be right."""
        from recon.postgres import driver

        driver.begin(self.settings, self.name)

    @property
    def name(self) -> str:
        """What the server shows of our sessions."""
        return f"recon/{self.command}/{self.run_id}"

    @cached_property
    def console(self) -> Console:
        """Where tables for people go; a pipe is as wide as anything."""
        from rich.console import Console

        width = None if sys.stdout.isatty() else shutil.get_terminal_size((PIPE_WIDTH, 0)).columns
        return Console(width=width, highlight=False, markup=False, emoji=False)

    def print_json(self, document: dict[str, Any]) -> None:
        """The document on stdout, plainly."""
        if self.given.profile:
            document = {**document, "profile": self._profile()}
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    @staticmethod
    def _profile() -> dict[str, dict[str, Any]]:
        from recon.postgres import profile

        return profile.totals()

    def print_profile(self) -> None:
        """With `--profile`, seconds and bytes per stage, on stderr."""
        if not self.given.profile or self.json:
            return None
        if logs_json():
            return log_json("profile", profile=self._profile())
        sys.stderr.write(f"{'stage':10} {'seconds':>9} {'bytes in':>14} {'bytes out':>14}\n")
        for name, total in self._profile().items():
            figures = f"{total['seconds']:9.3f} {total['bytes_in']:14,} {total['bytes_out']:14,}"
            sys.stderr.write(f"{name:10} {figures}\n")

    def progress(self, line: str) -> None:
        """A line on stderr while something long goes on."""
        if self.given.quiet:
            return None
        if logs_json():
            return log_json(line)
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)

    def comparing(self, doing: str = "reading") -> AbstractContextManager[Compared]:
        """Entered while keys or values are compared, or `doing` takes its time: what it gives is told of dates."""
        from recon.cli.show import progress

        return progress.comparing(self.progress, doing, drawn=self.shows_progress)

    def watching(self) -> Progress:
        """Entered while a run goes on: its watcher, who shows how far it is."""
        from recon.cli.show import progress

        return progress.Progress(self.progress, drawn=self.shows_progress)

    def consent(self, yes: bool, why: str = "") -> Callable[[int], None]:
        """Asks on a terminal before rows are changed; elsewhere --yes must have been given. why: what comes before."""

        def ask(rows: int) -> None:
            if yes:
                return
            what = f"{why}{would_change(rows)} (each is kept in recon.quarantine)"
            if self.json or not sys.stdin.isatty():
                raise UsageError(what, "look at them with --dry-run, then give --yes", code="consent")
            sys.stderr.write(f"{what}. Go on? [y/N] ")
            sys.stderr.flush()
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                raise UsageError("nothing was changed", "look at the rows with --dry-run", code="consent")

        return ask

    def say_next(self, command: Advice | None) -> None:
        """The last line for people: the one command to run next, if there is any."""
        if command:
            self.say(f"next: {self.suggest(command)}")

    def say(self, line: str) -> None:
        """A line for people; nothing with `--json`."""
        if not self.json:
            self.console.print(folded(visible(line), self.console.width), soft_wrap=True)
