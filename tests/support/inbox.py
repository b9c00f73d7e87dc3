"""A web server on this machine that keeps what is posted to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue


@dataclass
class Inbox:
    """Answers 200 to every message; `answers` has other codes by the beginning of a path."""

    url: str
    answers: dict[str, int] = field(default_factory=dict)
    moved: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What is answered with a redirection, by the beginning of a path: its code and its Location."""
    silent_s: float = 0.0
    """How long an answer takes."""
    _messages: SimpleQueue[tuple[str, str, str]] = field(default_factory=SimpleQueue)

    def taken(self) -> list[tuple[str, str, str]]:
        """(path, media type, body) of every message since the last time, in order."""
        return [self._messages.get() for _ in range(self._messages.qsize())]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """An inbox, for as long as the block runs."""

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            kept._messages.put((self.path, self.headers["Content-Type"], body))
            time.sleep(kept.silent_s)
            code = next((code for path, code in kept.answers.items() if self.path.startswith(path)), 200)
            code, location = next(
                (where for path, where in kept.moved.items() if self.path.startswith(path)), (code, "")
            )
            self.send_response(code)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    kept = Inbox(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
