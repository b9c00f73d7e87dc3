"""The phases of a connection below PostgreSQL's own: name resolution, TCP, TLS."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Iterator

from recon.core.environment import server_address
from recon.core.settings import Settings
from recon.core.suggestions import Suggestion
from recon.diagnose.checks import FAIL, OK, SKIP, WARN, Check

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""The first packet of a client that wants TLS (PostgreSQL protocol, SSLRequest); the answer is one byte, S or N."""
SLOW_MS = 200.0


def phases(settings: Settings) -> Iterator[Check]:
    """One check per phase, each with its time; a phase that cannot be looked at is skipped with the reason."""
    address = server_address(settings.database_url)
    if address is None:
        for name in ("resolve", "tcp", "tls"):
            yield Check(name, SKIP, detail="a Unix socket, a service or several hosts: libpq finds its own way")
        return
    host, port = address
    timeout_s = settings.timeouts.connect_s
    resolved = _resolve(host, port)
    yield resolved
    if resolved.status == FAIL:
        return
    started = time.perf_counter()
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            yield _timed("tcp", started, f"{host} port {port} answers")
            yield _tls(link, settings.database_url)
    except OSError as error:
        detail = f"{host} port {port}: {error.strerror or error}"
        yield Check("tcp", FAIL, None, "ms", timeout_s * 1000, detail, "check address, port, firewall and VPN")


def _resolve(host: str, port: int) -> Check:
    started = time.perf_counter()
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        return Check(
            "resolve", FAIL, None, "ms", SLOW_MS, f"{host}: {error.strerror or error}", "check the host's name"
        )
    return _timed("resolve", started, f"{host} is {', '.join(sorted(map(str, found)))}")


def _timed(name: str, started: float, detail: str) -> Check:
    spent_ms = (time.perf_counter() - started) * 1000
    slow = spent_ms > SLOW_MS
    advice = Suggestion("fix", 60).because("the network is slow: large batches; or run recon nearer to the server")
    return Check(name, WARN if slow else OK, spent_ms, "ms", SLOW_MS, detail, advice if slow else "")


def _tls(link: socket.socket, url: str) -> Check:
    """Whether the server offers TLS, and how long the handshake takes; certificates are libpq's business."""
    if "sslmode=disable" in url:
        return Check("tls", SKIP, detail="sslmode=disable")
    started = time.perf_counter()
    try:
        link.sendall(SSL_REQUEST)
        answer = link.recv(1)
        if answer != b"S":
            said = "offers none" if answer == b"N" else "does not speak PostgreSQL's protocol"
            return Check("tls", SKIP, detail=f"the server {said}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(link) as secured:
            return _timed("tls", started, f"{secured.version()}")
    except TimeoutError:
        advice = "another program listens there, or the server hangs: see its log"
        return Check("tls", FAIL, None, "ms", SLOW_MS, "the server accepts connections and never answers", advice)
    except OSError as error:
        return Check("tls", WARN, None, "ms", SLOW_MS, f"{error.strerror or error}", "check the server's TLS settings")
