"""A text file from a URL: bounded in time and size, with one clear line for whatever goes wrong."""

from __future__ import annotations

import gzip
import io
import time
import urllib.error
import urllib.request
import zlib
from http.client import HTTPException, HTTPResponse, IncompleteRead
from urllib.parse import urlsplit

from recon.core.address import without_password
from recon.core.errors import ExitCode, ReconError, UsageError

TIMEOUT_S = 10.0
LARGEST_BYTES = 20 * 2**20
PATIENCE = 6
"""The whole answer may take so many times as long as any one part of it."""
GZIP = b"\x1f\x8b"
HINT = "check the address, or save the file and give its path"


class DownloadError(ReconError):
    """What was asked for could not be had from its server."""

    exit_code = ExitCode.DATABASE
    code = "download"


def is_url(text: str) -> bool:
    """Whether a source is to be downloaded, by its spelling."""
    return text.startswith(("http://", "https://"))


def fetch(url: str, *, timeout_s: float = TIMEOUT_S, largest: int = LARGEST_BYTES) -> str:
    """The text behind an http or https URL, redirects followed, gzip undone. DownloadError when it cannot be had,
    UsageError for what cannot be an address.
    """
    shown = without_password(url)
    request = _request(url, shown)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 as above
            body = _read(answer, shown, largest + 1, time.monotonic() + PATIENCE * timeout_s)
    except urllib.error.HTTPError as error:
        first_line = str(error.reason).partition("\n")[0]  # of a circle of redirects, urllib makes three
        raise DownloadError(f"{shown} answered {error.code} {first_line}", HINT) from None
    except TimeoutError:
        raise DownloadError(f"{shown} did not answer within {timeout_s:g} s", HINT) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        said = f"did not answer within {timeout_s:g} s" if isinstance(reason, TimeoutError) else f"failed: {reason}"
        raise DownloadError(f"{shown} {said}", HINT) from None
    text = _unpacked(body, shown, largest) if body.startswith(GZIP) else body
    if len(text) > largest:
        raise DownloadError(f"{shown} sends more than {largest // 2**20} MiB", "that is no list of difficulties")
    return _decoded(text, shown)


def _request(url: str, shown: str) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            raise ValueError
        return urllib.request.Request(url, headers={"Accept-Encoding": "gzip", "User-Agent": "recon"})  # noqa: S310 is_url
    except ValueError:
        raise UsageError(f"{shown} is not an address", "write http(s)://host/path, or give a file") from None


def _read(answer: HTTPResponse, shown: str, most: int, deadline: float) -> bytes:
    """At most so many bytes. A server that sends a few now and then is not waited for beyond the deadline."""
    parts, left = [], most
    while left and (part := answer.read1(left)):
        parts.append(part)
        left -= len(part)
        if time.monotonic() > deadline:
            raise DownloadError(f"{shown} sends its answer too slowly", HINT)
    if left and answer.length:
        raise IncompleteRead(b"", answer.length)
    return b"".join(parts)


def _unpacked(body: bytes, shown: str, largest: int) -> bytes:
    """At most one byte more than allowed, however much was packed into it."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            return file.read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DownloadError(f"{shown} sends broken gzip: {error}", HINT) from None


def _decoded(body: bytes, shown: str) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise DownloadError(f"{shown} does not send text", HINT) from None
