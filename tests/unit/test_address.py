"""Connection strings: every spelling is understood as libpq does, and no password is ever shown."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.address import (
    EMBEDDED,
    normalize_url,
    secrets_in,
    server_address,
    socket_url,
    with_parameters,
    without_password,
)
from recon.errors import UsageError

passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20)
texts = st.text(st.characters(blacklist_categories=["Cs"]), min_size=6, max_size=20).map(lambda text: f"canary{text}")


class TestSpellingsOfAUrl:
    @pytest.mark.parametrize(
        "scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg", "postgres+x_2"]
    )
    def test_every_spelling_of_the_scheme_is_libpqs(self, scheme: str) -> None:
        assert normalize_url(f"{scheme}://u@h:5433/db?sslmode=require") == "postgresql://u@h:5433/db?sslmode=require"

    @pytest.mark.parametrize("text", ["host=db dbname=power", "service=power", EMBEDDED, "postgresql://"])
    def test_libpqs_other_forms_stay_as_they_are(self, text: str) -> None:
        assert normalize_url(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            "mysql://u:secret@h/db",
            "u:secret@h/db",
            "u:secret=@h/db",
            "power",
            "sqlite:///secret.db",
            "postgresql://u:a@secret@h/db",
            "postgresql://u:a/secret@h/db",
            "host=h password=a secret",
            "host=h password='secret",
        ],
    )
    def test_anything_else_is_refused_without_being_shown(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            normalize_url(text)
        assert "secret" not in str(caught.value)

    def test_connectorx_gets_the_sockets_directory_as_the_host(self) -> None:
        assert socket_url("postgresql://u:@/db?host=/tmp/a b") == "postgresql://u@%2Ftmp%2Fa%20b/db"
        assert socket_url("postgresql:///db?host=%2Frun%2Fpg") == "postgresql://%2Frun%2Fpg/db"
        assert socket_url("postgresql://u@h/db?sslmode=require") == "postgresql://u@h/db?sslmode=require"


class TestPasswords:
    @given(passwords)
    def test_a_password_in_a_url_is_never_shown(self, password: str) -> None:
        for url in (
            f"postgresql://ana:{quote(password, safe='')}@db:5432/power?sslmode=require",
            f"postgresql://ana@db/power?password={quote(password, safe='')}&sslmode=require",
        ):
            shown = without_password(url)
            assert quote(password, safe="") not in shown
            assert password not in shown
            assert "ana@db" in shown
            assert shown.endswith("/power?sslmode=require")
            assert {password, quote(password, safe="")} <= secrets_in(url)

    @pytest.mark.parametrize(
        ("text", "shown", "secret"),
        [
            ("host=db password=s3cret user=ana", "host=db user=ana", "s3cret"),
            ("host=db password='s3 cret' user=ana", "host=db user=ana", "s3 cret"),
            ("host=db PASSWORD = s3cret", "host=db", "s3cret"),
            ("postgresql://db/power?sslpassword=s3cret", "postgresql://db/power", "s3cret"),
            ("postgresql://ana:s3cret@h1:1,h2:2/power", "postgresql://ana@h1:1,h2:2/power", "s3cret"),
            (r"host=db password=s3\ cret user=ana", "host=db user=ana", "s3 cret"),
            (r"host=db password='s3\'cret' user=ana", "host=db user=ana", "s3'cret"),
            ("postgresql://db/power?pass%77ord=s3cret", "postgresql://db/power", "s3cret"),
            (
                "postgresql://ana:s3?cret#@db/power?sslmode=require",
                "postgresql://ana@db/power?sslmode=require",
                "s3?cret#",
            ),
            ("postgresql://ana:s3cret\u2100@[::1]:5/power", "postgresql://ana@[::1]:5/power", "s3cret\u2100"),
            ("postgresql://db/power?oauth_client_secret=s3cret", "postgresql://db/power", "s3cret"),
        ],
    )
    def test_wherever_it_stands(self, text: str, shown: str, secret: str) -> None:
        assert without_password(text) == shown
        assert secret in secrets_in(text)

    @pytest.mark.parametrize("text", ["postgresql://ana@db/power?sslmode=require", "host=db user=ana", "postgresql://"])
    def test_a_string_without_one_is_shown_whole(self, text: str) -> None:
        assert without_password(text) == text
        assert secrets_in(text) == set()

    @given(texts)
    def test_whatever_stands_where_a_password_is(self, password: str) -> None:
        """Written as it is, it is either refused without being shown, or taken out whole."""
        quoted = password.replace("\\", "\\\\").replace("'", "\\'")
        for text in (f"postgresql://ana:{password}@db/power", f"host=db password='{quoted}'", f"password={password}"):
            try:
                shown = without_password(normalize_url(text))
            except UsageError as refused:
                shown = str(refused)
            assert "canary" not in shown


class TestParameters:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("postgresql://u:p#@db:5433/power", "db", 5433),
            ("postgresql://u@[::1]:5433/power", "::1", 5433),
            ("postgresql:///power?host=db&port=5433", "db", 5433),
            (r"host=db port=5433 password='host=other'", "db", 5433),
        ],
    )
    def test_a_server_has_one_address(self, text: str, host: str, port: int) -> None:
        assert server_address(text, {}) == (host, port)

    @pytest.mark.parametrize(
        "text", ["postgresql:///power", "service=power", "host=/run", "postgresql://a,b/power", "postgresql://[x/power"]
    )
    def test_and_sometimes_none(self, text: str) -> None:
        assert server_address(text, {}) is None

    def test_are_added_where_they_are_not_given_already(self) -> None:
        assert (
            with_parameters("postgresql://u:a?b@h/db", {"a": "x y", "b": "1"}) == "postgresql://u:a?b@h/db?a=x%20y&b=1"
        )
        assert with_parameters("postgresql://h/db?%61=1&", {"a": "2", "b": "1"}) == "postgresql://h/db?%61=1&b=1"
        assert with_parameters("host=h password='a=1'", {"a": "2"}) == "host=h password='a=1' a='2'"
