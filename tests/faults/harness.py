"""One trial: a database, a fault while recon works on it, the next run that finishes the job, and the verdict."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults import data
from tests.faults.image import difference, image
from tests.faults.judge import Truth, Verdict, judge, unfinished
from tests.faults.program import Outcome, Program, ended
from tests.support.cluster import WORKERS, Cluster, cluster
from tests.support.databases import Database
from tests.support.forked import Process, start_python
from tests.support.proxy import COMMIT, COMMITTED, Proxy, proxy
from tests.support.servers import CONFIGURATION, Server, embedded_programs, start_server, wait_until

DURABLE = CONFIGURATION.replace("fsync = off", "fsync = on").replace("full_page_writes = off", "full_page_writes = on")
DURABLE += """
max_connections = 20
wal_buffers = '16MB'
wal_writer_delay = '10s'          # so that a crash does lose what was committed asynchronously
wal_writer_flush_after = '1GB'
max_prepared_transactions = 0
"""
SURVEY = rb"-- One row per settlement date of the curtailment"
NEW_LEDGER = rb"create schema if not exists recon\0"
PLAN = rb"insert into recon\.runs"
PLAN_DATES = rb"insert into recon\.run_dates"
LOCK = rb"select pg_advisory_xact_lock\(-?\d+, day\)"
READ = rb"COPY \((?s:.*)energy_mwh"
COPY = rb"FROM STDIN WITH"
ROWS = rb"PGCOPY\n\xff"
SETTLE = rb"set constraints all immediate"
VERIFY = rb"-- Per settlement date and miner model of the calculations within a scope, one row of what a run wrote"
RECORD = rb"update recon\.run_dates"
CLOSE = rb"update recon\.runs"
CHUNK = [LOCK, RECORD]
MOMENTS = {
    "surveying": [SURVEY],
    "creating the ledger": [NEW_LEDGER],
    "planning": [PLAN],
    "storing the plan": [PLAN_DATES],
    "taking the lock": [LOCK],
    "reading": [LOCK, READ],
    "copying": [LOCK, COPY, ROWS],
    "verifying": [LOCK, SETTLE, VERIFY],
    "recording": [LOCK, RECORD],
    "before COMMIT": [LOCK, RECORD, COMMIT],
    "after COMMIT": [LOCK, RECORD, COMMITTED],
    "closing the run": [LOCK, CLOSE],
}
"""What passes between recon and the server in each phase: the last of the patterns, after the others in order."""
SLOWLY = ("fix", 1, "--workers", 1, "--order", "newest")
"""A transaction per date, one after another."""
FINISHING = 4
_numbers = count(1)


@dataclass
class Stage:
    """Where trials are played: a server for most, and one that may be crashed; each is started when first needed."""

    home: Path
    bindir: Path = field(default_factory=embedded_programs)
    long_s: float = 12
    """How long what takes long takes: recovery, above all."""
    quick: bool = False
    """Whether the runs after a fault may do without processes of their own."""
    begin: Callable[..., Process] = start_python
    """How the program is started."""
    _servers: dict[bool, Server] = field(default_factory=dict, repr=False)
    _cluster: Cluster | None = field(default=None, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def server(self, *, durable: bool = False) -> Server:
        """The server; `durable`: the one with fsync, which faults may stop, crash and set otherwise."""
        with self._lock:
            if durable not in self._servers:
                self._servers[durable] = start_server(
                    self.bindir, DURABLE if durable else CONFIGURATION, stays=not durable
                )
                data.make_template(self._servers[durable])
            return self._servers[durable]

    def cluster(self, workers: int = WORKERS) -> Cluster:
        """The Dask cluster with so many workers; whatever was killed of it is started again."""
        if self._cluster is None:
            self._cluster = self._open.enter_context(cluster())
        self._cluster.heal(workers)
        return self._cluster

    def close(self) -> None:
        """Ends the servers and the cluster."""
        self._open.close()
        for server in self._servers.values():
            server.close()

    @contextmanager
    def trial(self, seed: object = 0, *, durable: bool = False, tampering: str = "") -> Iterator[Trial]:
        """A fresh database to try something on."""
        server = self.server(durable=durable)
        name = f"faults_{next(_numbers)}"
        database = Database(server, name, server.create_database(name, data.TEMPLATE))
        trial = Trial(self, database, Program(self.home, tampering, self.quick, self.begin), random.Random(str(seed)))
        try:
            trial.truth.remember_rows()
            trial.truth.remember_tables()
            yield trial
        finally:
            trial.close()


@dataclass
class Trial:
    """A database that something happens to while recon works on it."""

    stage: Stage
    database: Database
    program: Program
    chance: random.Random
    seen: list[Outcome] = field(default_factory=list)
    """What the user saw of the runs that met the fault."""
    finished_by: list[str] = field(default_factory=list)
    note: str = ""
    """What the table should say of it besides."""
    afterwards: ExitStack = field(default_factory=ExitStack, repr=False)
    """What is to be undone once the database is gone."""
    harm: Verdict = field(default_factory=Verdict)
    """What runs changed that were to change nothing."""
    truth: Truth = field(init=False)
    url: str = field(init=False)
    """The address that recon is given; a fault may put another in its place."""
    _running: list[Process] = field(default_factory=list, repr=False)
    _rivals: list[Database] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.truth = Truth(self.database)
        self.url = self.database.url

    @property
    def server(self) -> Server:
        return self.database.server

    def start(self, *arguments: object, url: str | None = None, **options: Any) -> Process:
        """Starts recon and goes on; whatever still runs in the end is killed."""
        process = self.program.start(*arguments, url=url or self.url, **options)
        self._running.append(process)
        return process

    def watch(self, process: Process, timeout: float = 90) -> Outcome:
        """Waits for a run that meets the fault, and keeps what its user saw."""
        outcome = ended(process, timeout)
        self.seen.append(outcome)
        return outcome

    def recon(self, *arguments: object, url: str | None = None, timeout: float = 90) -> Outcome:
        """A run that meets the fault, from its start to its end."""
        return self.watch(self.start(*arguments, url=url), timeout)

    def refused(self, *arguments: object, url: str | None = None) -> Outcome:
        """A run that meets the fault and is to leave everything as it is, whoever it belongs to."""
        before = image(self.database)
        outcome = self.recon(*arguments, url=url)
        self.harm += difference(before, image(self.database))
        return outcome

    def move(self, options: str) -> None:
        """The same rows in a new database with these options of CREATE DATABASE, in place of the trial's own."""
        name = f"faults_{next(_numbers)}"
        self.server.execute(f'create database "{name}" template template0 {options}')
        self.database.drop()
        self.url = self.server.role_url("postgres", database=name)
        self.database = Database(self.server, name, f"{self.url}?client_encoding=UTF8")
        data.set_up(self.database)
        self.truth = Truth(self.database)
        self.truth.remember_rows()
        self.truth.remember_tables()

    def rival(self) -> Database:
        """Another session in the same database."""
        self._rivals.append(Database(self.server, self.database.name, self.database.url))
        return self._rivals[-1]

    @contextmanager
    def at(
        self, moment: str | Sequence[bytes], act: Callable[[bytes], bytes | None], *, skip: int = 0
    ) -> Iterator[Proxy]:
        """Between recon and the server: `act` is called, once, with what passes at the moment, before it passes on.

        What it returns passes instead; None cuts the connection. `skip` chunks go by before. That the moment came is
        checked. recon's address is that of the proxy as long as the block runs.
        """
        patterns = MOMENTS[moment] if isinstance(moment, str) else list(moment)
        came: Future[None] = Future()

        def acting(piece: bytes) -> bytes | None:
            came.set_running_or_notify_cancel()
            changed: bytes | None = None
            try:
                changed = act(piece)
            except BaseException as error:  # noqa: BLE001 raised below, where somebody listens
                came.set_exception(error)
            else:
                came.set_result(None)
            return changed

        with proxy(self.server.port) as passing:
            passing.when(CHUNK * skip + patterns, acting)
            self.url = passing.url(self.database.name)
            yield passing
            self.url = self.database.url
        assert came.running() or came.done(), f"the moment {moment} never came: {self.seen}"
        came.result(timeout=10)

    def finish(self) -> Verdict:
        """The next runs, until nothing is unfinished, and the verdict on what is then in the table."""
        for _ in range(FINISHING):
            if not unfinished(self.database):
                break
            self._next("resume")
        if "resume" not in self.finished_by or judge(self.truth, finished=True).missing:
            self._next("fix")
        return judge(self.truth, finished=True)

    def _next(self, command: str) -> None:
        outcome = self.program.run(command, url=self.url)
        self.finished_by.append(command)
        assert outcome.code in (0, 1), f"{command} ended with {outcome.code}: {outcome.stderr}"

    def sessions_end(self) -> None:
        """Waits until the server has noticed that the runs so far are gone."""
        wait_until(lambda: not backend_pids(self.database), what="the end of recon's sessions")

    def close(self) -> None:
        """Ends whatever is left over, and drops the database."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.communicate()
        for rival in self._rivals:
            rival.disconnect()
        with self.afterwards:
            self.database.drop()


def backend_pids(database: Database, working: str = "%") -> list[int]:
    """recon's backends in this database, by what they do (a pattern of LIKE)."""
    rows = database.rows(
        "select pid from pg_stat_activity where application_name like 'recon/%' and datname = current_database()"
        f" and query like '{working}'"
    )
    return [pid for (pid,) in rows]


def kill(process: Process, how: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal to one process of ours."""
    os.kill(process.pid, how)


def one_line(outcome: Outcome) -> bool:
    """Whether a user who did not ask for more gets one line at most on stderr, and no traceback."""
    return len(outcome.lines) <= 1 and not re.search("Traceback", outcome.stderr)
