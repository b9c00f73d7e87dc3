"""A real Dask cluster for the tests: a scheduler and its workers, each a process of its own that may be killed.

The workers know their database from a libpq service file, which can be pointed at another one at any time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.servers import wait_until

REPOSITORY = Path(__file__).parents[2]
KEPT = {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "USER"}
SERVICE = "recon"
WORKERS = 3
SCHEDULER = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
SCHEDULER += ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
WORKER = ["distributed.cli.dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
QUIET = {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "warning"}


@dataclass
class Cluster:
    """A scheduler with workers of one thread each. Whoever kills some of it calls `heal`, or the next user does."""

    directory: Path
    size: int = 0
    """How many workers it is to have; all else is healed."""
    scheduler: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)
    _started: int = field(default=0, repr=False)
    _whole: set[int] = field(default_factory=set, repr=False)
    """The processes of which all was there when it was last healed."""

    @property
    def scheduler_file(self) -> Path:
        return self.directory / "scheduler.json"

    @property
    def address(self) -> str:
        """The scheduler's, as `--scheduler` takes it."""
        return str(json.loads(self.scheduler_file.read_text())["address"])

    @property
    def _service_file(self) -> Path:
        return self.directory / "services.conf"

    @property
    def environment(self) -> dict[str, str]:
        """A worker's: its database by its service, and no URL."""
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        own = {"PYTHONPATH": str(REPOSITORY), "RECON_HOME": str(self.directory), **QUIET}
        return kept | own | {"PGSERVICE": SERVICE, "PGSERVICEFILE": str(self._service_file)}

    def serve(self, url: str) -> None:
        """From now on the workers' database is that of the URL; connections that are open stay as they are."""
        parts = urlsplit(url)
        lines = [f"[{SERVICE}]", f"host={parts.hostname}", f"port={parts.port}", f"dbname={parts.path[1:]}"]
        lines += [f"user={parts.username}", *([f"password={parts.password}"] if parts.password else [])]
        new = self._service_file.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        new.replace(self._service_file)

    def heal(self, size: int = WORKERS) -> None:
        """Whatever is not there any more is started again, and waited for; what is too many goes."""
        self.size = size
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        if len(self.workers) == size and self._whole and self._alive() == self._whole:
            return
        if self.scheduler is None or self.scheduler.poll() is not None:
            for worker in self.workers:
                end(worker)
            self.workers.clear()
            self.scheduler_file.unlink(missing_ok=True)
            self.scheduler = self._start(*SCHEDULER, "--scheduler-file", self.scheduler_file, "--idle-timeout", "900s")
            wait_until(self._has_written, 30, "the scheduler's start")
        while len(self.workers) > self.size:
            end(self.workers.pop())
        while len(self.workers) < self.size:
            self.join()
        self.wait_for(self.size)
        self._whole = self._alive()

    def _alive(self) -> set[int]:
        return {process.pid for process in (self.scheduler, *self.workers) if process and process.poll() is None}

    def _has_written(self) -> bool:
        return self.scheduler_file.exists() and self.scheduler_file.read_text().rstrip().endswith("}")

    def join(self, **environment: str) -> subprocess.Popen[bytes]:
        """One more worker; it is not waited for. An empty variable is taken away."""
        self._started += 1
        own = {name: value for name, value in (self.environment | environment).items() if value}
        options = ("--name", f"worker-{self._started}", "--death-timeout", "15", "--local-directory", self.directory)
        worker = self._start(*WORKER, "--scheduler-file", self.scheduler_file, *options, environment=own)
        self.workers.append(worker)
        return worker

    def wait_for(self, workers: int) -> None:
        """Waits until the scheduler knows of exactly so many workers."""
        from distributed import Client

        with Client(self.address, timeout=30, set_as_default=False) as client:
            wait_until(lambda: len(client.nthreads()) == workers, 60, f"a cluster of {workers} workers")

    def _start(self, *arguments: object, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.directory / "cluster.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *map(str, arguments)],
                env=environment or self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def close(self) -> None:
        """Ends all of it."""
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                end(process)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL) -> None:
    """Ends one process of ours and waits for it."""
    if process.poll() is None:
        process.send_signal(how)
    process.wait(30)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster for as long as the block runs; started when it is first healed."""
    directory = Path(tempfile.mkdtemp(prefix="recon-dask-"))
    running = Cluster(directory)
    try:
        yield running
    finally:
        running.close()
        shutil.rmtree(directory, ignore_errors=True)
