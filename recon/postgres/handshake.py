"""Why a server refused a connection, by SQLSTATE.

libpq tells that of a failed connection only in the server's words, and these are in the server's language. So the first
messages of the protocol are exchanged once more, as far as they go, and the code is taken from the server's refusal.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import socket
import ssl
import struct
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

REFUSED = re.compile(
    r'connection to server (?:at "([^"]+)"(?: \(([^)]+)\))?, port (\d+)|on socket "([^"]+)") failed: [^\s:]+:  '
)
"""libpq's words before those of a server: where it was. Their severity is followed by two spaces."""
PROTOCOL_3, SSL_REQUEST = 196608, 80877103
OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
MECHANISM = b"SCRAM-SHA-256"
MOST_BYTES = 100_000
MOST_ITERATIONS = 1_000_000
LONGEST_S = 5.0
WITHHELD = ("service", "require_auth", "channel_binding")
"""Parameters under which libpq knows or asks for something that is not repeated here."""
Parameters = Mapping[str, str]
"""The decoded parameters of a connection string, completed by libpq's own variables."""


def sqlstate(said: str, parameters: Parameters) -> str | None:
    """The SQLSTATE of the refusal that libpq tells of in `said`; None where no server spoke, or not again."""
    refused = list(REFUSED.finditer(said))
    if not refused or any(parameters.get(name) for name in WITHHELD):
        return None
    with suppress(OSError, ValueError, LookupError, struct.error), _connected(refused[-1], parameters) as channel:
        return _Conversation(channel, parameters).refusal()
    return None


def _connected(refused: re.Match[str], parameters: Parameters) -> socket.socket:
    name, address, port, path = refused.groups()
    if path:
        channel = socket.socket(socket.AF_UNIX)
        channel.settimeout(LONGEST_S)
        channel.connect(path)
        return channel
    mode = parameters.get("sslmode") or "prefer"
    channel = socket.create_connection((address or name, int(port)), LONGEST_S)
    if mode in ("disable", "allow"):
        return channel
    channel.sendall(struct.pack("!ii", 8, SSL_REQUEST))
    if channel.recv(1) == b"S":
        return _encryption(mode, parameters).wrap_socket(channel, server_hostname=name)
    if mode != "prefer":
        channel.close()
        raise ConnectionError("no encryption")
    return channel


def _encryption(mode: str, parameters: Parameters) -> ssl.SSLContext:
    """As strict with certificates as libpq is."""
    root = parameters.get("sslrootcert") or str(Path("~/.postgresql/root.crt").expanduser())
    strict = mode in ("verify-ca", "verify-full")
    context = ssl.create_default_context(cafile=root if strict and root != "system" else None)
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if strict else ssl.CERT_NONE
    return context


class _Conversation:
    """The messages up to the server's refusal."""

    def __init__(self, channel: socket.socket, parameters: Parameters) -> None:
        self._channel = channel
        self._user = parameters.get("user") or _system_user()
        self._database = parameters.get("dbname") or self._user
        password = parameters.get("password") or _kept_password(parameters, self._database, self._user)
        self._password = unicodedata.normalize("NFKC", password)
        self._first = ""
        self._read_bytes = 0

    def refusal(self) -> str | None:
        """The SQLSTATE; None when the server lets us in after all, or asks for what we have not."""
        words = ("user", self._user, "database", self._database, "application_name", "recon/handshake")
        body = struct.pack("!i", PROTOCOL_3) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
        self._channel.sendall(struct.pack("!i", len(body) + 4) + body)
        while True:
            kind, answer = self._heard()
            if kind == b"E":
                fields = (field for field in answer.split(b"\0") if field)
                return next((field[1:].decode() for field in fields if field[:1] == b"C"), None)
            if kind in (b"Z", b""):
                return None
            if kind == b"R" and not self._answered(answer):
                return None

    def _heard(self) -> tuple[bytes, bytes]:
        head = self._bytes(5)
        return head[:1], self._bytes(int.from_bytes(head[1:], "big") - 4)

    def _bytes(self, count: int) -> bytes:
        self._read_bytes += count
        if not 0 <= count <= MOST_BYTES or self._read_bytes > MOST_BYTES:
            raise ValueError("no such message")
        received = b""
        while len(received) < count:
            more = self._channel.recv(count - len(received))
            if not more:
                raise ConnectionError("the server hung up")
            received += more
        return received

    def _say(self, body: bytes) -> None:
        self._channel.sendall(b"p" + struct.pack("!i", len(body) + 4) + body)

    def _answered(self, request: bytes) -> bool:
        """Answers a request to authenticate as libpq did; whether that can be."""
        how, rest = int.from_bytes(request[:4], "big"), request[4:]
        if how in (OK, SASL_FINAL):
            return True
        if not self._password:
            return False
        if how == CLEARTEXT:
            self._say(self._password.encode() + b"\0")
        elif how == MD5:
            inner = hashlib.md5((self._password + self._user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + rest, usedforsecurity=False).hexdigest()
            self._say(f"md5{outer}".encode() + b"\0")
        elif how == SASL and MECHANISM in rest.split(b"\0"):
            self._first = f"n=,r={secrets.token_urlsafe(18)}"
            first = f"n,,{self._first}".encode()
            self._say(MECHANISM + b"\0" + struct.pack("!i", len(first)) + first)
        elif how == SASL_CONTINUE:
            self._say(_scram_proof(self._password, self._first, rest.decode()))
        else:
            return False
        return True


def _scram_proof(password: str, first: str, challenge: str) -> bytes:
    """The client's last message of SCRAM-SHA-256 (RFC 5802, 7677)."""
    asked = dict(part.split("=", 1) for part in challenge.split(","))
    rounds = min(int(asked["i"]), MOST_ITERATIONS)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(asked["s"]), rounds)
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = f"c=biws,r={asked['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{challenge},{last}".encode(), "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{last},p={base64.b64encode(proof).decode()}".encode()


def _system_user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _kept_password(parameters: Parameters, database: str, user: str) -> str:
    """The password that libpq's password file has for the connection, by its first line that fits."""
    path = Path(parameters.get("passfile") or "~/.pgpass").expanduser()
    host, port = parameters.get("host") or "localhost", parameters.get("port") or "5432"
    wanted = ("localhost" if host.startswith("/") else host, port, database, user)
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", line)]
            if len(fields) == 5 and all(have in ("*", want) for have, want in zip(fields, wanted, strict=False)):
                return fields[4]
    return ""
