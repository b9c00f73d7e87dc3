"""Messages that are sent on: posted again with the same text, within bounds, and never without their protection."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from io import BytesIO

import pytest

from recon.cli.nightly.notify import MOST_REDIRECTIONS, _Astray, _PostAgain, post
from tests.support.inbox import Inbox, inbox

CODES = (301, 302, 303, 307, 308)
KIND = "application/json"


@pytest.fixture
def messages() -> Iterator[Inbox]:
    with inbox() as kept:
        yield kept


@pytest.mark.parametrize("code", CODES)
def test_a_message_that_is_sent_on_arrives_with_its_text(messages: Inbox, code: int) -> None:
    messages.moved = {"/old": (code, "/new?key=1")}
    assert post(f"{messages.url}/old", '{"missing": 3}', KIND) is None
    old, new = messages.taken()
    assert (old[0], new[0]) == ("/old", "/new?key=1")
    assert old[1:] == new[1:] == (f"{KIND}; charset=utf-8", '{"missing": 3}')


@pytest.mark.parametrize("code", CODES)
def test_a_message_may_be_sent_on_to_another_server(messages: Inbox, code: int) -> None:
    with inbox() as other:
        messages.moved = {"/": (code, f"{other.url}/here")}
        assert post(f"{messages.url}/c4n4ry", "text", "text/plain") is None
        assert [(path, body) for path, _, body in other.taken()] == [("/here", "text")]


@pytest.mark.parametrize("code", CODES)
def test_a_message_that_goes_round_and_round_or_nowhere_is_said_to_have_failed(messages: Inbox, code: int) -> None:
    messages.moved = {f"/{hop}": (code, f"/{hop + 1}") for hop in range(9)} | {"/lost": (code, "")}
    assert post(f"{messages.url}/0", "", KIND) == f"it was sent on more than {MOST_REDIRECTIONS} times"
    assert len(messages.taken()) == MOST_REDIRECTIONS + 1
    assert post(f"{messages.url}/lost", "", KIND) == f"it answered {code}"
    messages.moved = {"/": (code, "file:///etc/passwd")}
    assert post(f"{messages.url}/", "", KIND) == f"it answered {code}"


def test_a_refusal_at_the_new_address_is_a_failure(messages: Inbox) -> None:
    messages.moved, messages.answers = {"/old": (302, "/new")}, {"/new": 405}
    assert post(f"{messages.url}/old", "", KIND) == "it answered 405"


@pytest.mark.parametrize("place", ["http://h/c4n4ry", "ftp://h/c4n4ry"])
def test_what_began_with_tls_does_not_go_on_without(place: str) -> None:
    asked = urllib.request.Request("https://h/", b"text")
    with pytest.raises(_Astray) as caught:
        _PostAgain().redirect_request(asked, BytesIO(), 308, "", HTTPMessage(), place)
    assert "c4n4ry" not in str(caught.value)
