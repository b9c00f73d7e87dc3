"""A message to somebody else's server: never longer than a few seconds, and what goes wrong is said without secrets."""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import SplitResult, urlsplit

from recon.core.errors import UsageError
from recon.reference.download import is_url

PATIENCE_S = 3.0
"""How long a message may take, name look-up included: nothing is to wait for it any longer."""
MOST_REDIRECTIONS = 5


def check(option: str, url: str) -> None:
    """UsageError for what cannot be the address of a message; it is a secret, so that it is not shown."""
    try:
        parts = urlsplit(url)
        fit = is_url(url) and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        fit = False
    if not fit or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{option} is not an address", "give https://host/path, without a user or password")


def place(url: str) -> str:
    """Where a message goes, without what makes the address a secret.

    >>> place("https://hc-ping.com/0b7c?create=1")
    'https://hc-ping.com'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def below(url: str, what: object) -> str:
    """The address with one more step in its path.

    >>> below("https://hc-ping.com/0b7c/?create=1", "start")
    'https://hc-ping.com/0b7c/start?create=1'
    """
    parts: SplitResult = urlsplit(url)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{what}").geturl()


def post(url: str, body: str, kind: str, patience_s: float = PATIENCE_S) -> str | None:
    """Sends a text of that media type; None once it was taken, else why it was not. A server that names another
    address is followed there with the same text.

    The sending has a thread of its own: a time-out of its socket ends neither a slow name server nor slow drops.
    """
    answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    request = urllib.request.Request(  # noqa: S310 `check` has seen it
        url, body.encode(), {"Content-Type": f"{kind}; charset=utf-8", "User-Agent": "recon"}
    )
    threading.Thread(target=lambda: answer.put(_sent(request, patience_s)), name="message", daemon=True).start()
    try:
        return answer.get(timeout=patience_s)
    except queue.Empty:
        return f"no answer within {patience_s:g} s"


def _sent(request: urllib.request.Request, patience_s: float) -> str | None:
    try:
        with urllib.request.build_opener(_PostAgain).open(request, timeout=patience_s):
            return None
    except _Astray as error:
        return str(error)
    except urllib.error.HTTPError as error:
        return f"it answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return f"no answer within {patience_s:g} s"
        return getattr(reason, "strerror", None) or type(reason).__name__


class _Astray(Exception):
    """A redirection that is not followed, in words without the address, which is a secret as well."""


class _PostAgain(urllib.request.HTTPRedirectHandler):
    """Posts the text again where a server sends it. By itself urllib follows 301, 302 and 303 without the text, which
    then nobody has got, and 307 and 308 not at all.
    """

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],  # noqa: ARG002 urllib gives these
        code: int,
        msg: str,  # noqa: ARG002
        headers: HTTPMessage,  # noqa: ARG002
        newurl: str,
    ) -> urllib.request.Request:
        """The same message to the new address; _Astray when it would be too many, or be readable on the way."""
        hops = getattr(req, "hops", 0) + 1
        if hops > MOST_REDIRECTIONS:
            raise _Astray(f"it was sent on more than {MOST_REDIRECTIONS} times")
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise _Astray(f"it answered {code} with an address of {scheme}, which is not followed")
        kept = {name: value for name, value in req.header_items() if name in ("Content-type", "User-agent")}
        again = urllib.request.Request(newurl, req.data, kept)  # noqa: S310 as above
        again.hops = hops  # type: ignore[attr-defined]
        return again
