"""A TCP proxy in front of a server that delays, cuts, resets or stalls what passes through it."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue

CHUNK = 65536
COMMIT = rb"[\x0b ]commit\0"
"""The statement on its way to be executed."""
COMMITTED = rb"COMMIT\0"
"""The server's answer to it."""
Change = Callable[[bytes], bytes | None]


def unchanged(data: bytes) -> bytes:
    """What passes when nothing is asked for."""
    return data


@dataclass
class Proxy:
    """Passes bytes between clients and 127.0.0.1:`upstream`; what it does to them may be changed at any time."""

    upstream: int
    port: int = 0
    delay_s: float = 0.0
    """Waited before anything passes on, in each direction (so a round trip takes twice that)."""
    stalled: bool = False
    """Accepts and keeps connections, but passes nothing on (half-open)."""
    refuses: bool = False
    """Closes every new connection at once."""
    to_server: Change = unchanged
    """What a client's bytes become on their way to the server; None cuts the connection."""
    to_client: Change = unchanged
    """What the server's bytes become on their way to the client; None cuts the connection."""
    bytes_in: int = 0
    """From the server, over all connections."""
    bytes_out: int = 0
    """To the server."""
    connections: int = 0
    """Accepted since the start."""
    _open: list[tuple[socket.socket, socket.socket]] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def url(self, database: str = "postgres", role: str = "postgres") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def cut(self, *, reset: bool = False) -> int:
        """Closes every connection, politely or with a reset; how many there were."""
        with self._lock:
            pairs, self._open = self._open, []
        for pair in pairs:
            for end in pair:
                close(end, reset=reset)
        return len(pairs)

    def serve(self, listener: socket.socket) -> None:
        """Accepts clients until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuses:
                close(client, reset=True)
                continue
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream), timeout=10)
        except OSError:
            close(client, reset=True)
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.append((client, server))
        for source, target, outwards in ((server, client, False), (client, server, True)):
            queue: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
            threading.Thread(target=self._receive, args=(source, queue), daemon=True).start()
            threading.Thread(target=self._deliver, args=(queue, source, target, outwards), daemon=True).start()

    def _receive(self, source: socket.socket, queue: SimpleQueue[tuple[float, bytes]]) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                queue.put((time.monotonic() + self.delay_s, data))
        queue.put((0, b""))

    def _deliver(
        self, queue: SimpleQueue[tuple[float, bytes]], source: socket.socket, target: socket.socket, outwards: bool
    ) -> None:
        """What is under way is late, not slow: the delay of one piece does not add to that of the next."""
        with suppress(OSError):
            while True:
                due, data = queue.get()
                time.sleep(max(0.0, due - time.monotonic()))
                while self.stalled:
                    time.sleep(0.01)
                passed = (self.to_server if outwards else self.to_client)(data) if data else None
                if passed is None:
                    break
                self._count(len(passed), outwards)
                target.sendall(passed)
        for end in (source, target):
            close(end)

    def _count(self, size: int, outwards: bool) -> None:
        with self._lock:
            if outwards:
                self.bytes_out += size
            else:
                self.bytes_in += size

    def cut_after(self, size: int) -> None:
        """Cuts the connection, once, with the byte `size` on its way to the server."""
        left = size

        def limited(data: bytes) -> bytes | None:
            nonlocal left
            left -= len(data)
            if left >= 0 or self.to_server is not limited:
                return data
            self.to_server = unchanged
            return None

        self.to_server = limited

    def cut_commit(self, *, reaches_server: bool) -> None:
        """Cuts the connection, once, at a COMMIT: before the server sees it, or before the client sees its answer."""
        self.when([COMMITTED if reaches_server else COMMIT], lambda _: None)

    def when(self, patterns: Sequence[bytes], change: Change) -> None:
        """Changes one piece: the first to match the last pattern after pieces that matched all others, in order.

        Patterns are regular expressions; COMMITTED is looked for in what the server sends, all others in what it gets.
        """
        left = list(patterns)
        lock = threading.Lock()

        def watch(answers: bool) -> Change:
            def passed(data: bytes) -> bytes | None:
                with lock:
                    if not left or answers != (left[0] == COMMITTED) or not re.search(left[0], data):
                        return data
                    del left[0]
                    last = not left
                return change(data) if last else data

            return passed

        self.to_server, self.to_client = watch(False), watch(True)


def close(end: socket.socket, *, reset: bool = False) -> None:
    """Ends one side, with what is under way sent first, or with a reset."""
    with suppress(OSError):
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes the thread that still receives from it: as long as it does, the system keeps the connection.
        end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    end.close()


@contextmanager
def proxy(upstream: int, **behaviour: object) -> Iterator[Proxy]:
    """A proxy in front of the server's port, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        passing = Proxy(upstream, listener.getsockname()[1], **behaviour)  # type: ignore[arg-type]
        threading.Thread(target=passing.serve, args=(listener,), daemon=True).start()
        try:
            yield passing
        finally:
            close(listener)
            passing.cut(reset=True)
