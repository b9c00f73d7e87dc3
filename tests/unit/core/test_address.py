"""Connection strings: every spelling is understood as libpq does, and no password is ever shown."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.core.address import (
    EMBEDDED,
    normalize_url,
    search_path,
    secrets_in,
    server_address,
    socket_url,
    with_parameters,
    without_password,
)
from recon.core.errors import UsageError
from recon.core.url_parameters import CHOICES, NUMBERS

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


class TestParametersOfOtherPrograms:
    """Frameworks hand one DATABASE_URL to every program, with what their own driver takes."""

    @pytest.mark.parametrize(
        ("query", "left", "path"),
        [
            ("schema=power", "", '"power"'),
            ("schema=Power%20Grid", "", '"Power Grid"'),
            ("%73chema=power&sslmode=require", "?sslmode=require", '"power"'),
            ("schema=first&schema=last", "", '"last"'),
            ("schema=", "", None),
            ("currentSchema=power", "", '"power"'),
            ("search_path=power,public", "", "power,public"),
            ("schema_search_path=power", "", "power"),
            ("pgbouncer=true", "", None),
            ("pgbouncer=true&connection_limit=1&pool_timeout=0&connect_timeout=5", "?connect_timeout=5", None),
            ("uselibpqcompat=true&sslmode=require", "?sslmode=require", None),
            ("pool=5&encoding=utf8&prepared_statements=false", "", None),
            ("sslaccept=accept_invalid_certs", "", None),
            ("ssl=true", "?sslmode=require", None),
            ("ssl=0", "?sslmode=disable", None),
            ("", "", None),
        ],
    )
    def test_in_a_url_are_taken_or_left_out(self, query: str, left: str, path: str | None) -> None:
        text = f"postgres://u:p@h/db?{query}"
        assert normalize_url(text).removesuffix("?") == f"postgresql://u:p@h/db{left}"
        assert search_path(text) == path

    def test_in_the_other_form_too(self) -> None:
        text = "host=/run/pg schema='Po wer' user=ana pgbouncer=true ssl=1"
        assert normalize_url(text) == "host=/run/pg user=ana sslmode=require"
        assert search_path(text) == '"Po wer"'

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("sslmode=no-verify", "sslmode=no-verify, which is not understood; sslmode=require"),
            ("pgbouncer=maybe", "pgbouncer=maybe, which is not understood; pgbouncer is one of true, false"),
            ("sslmode=", "sslmode="),
            ("SSLMODE=require", "SSLMODE=require"),
            ("ssl=no-verify", "ssl=no-verify"),
            ("sslaccept=strict", "sslmode=verify-full"),
            ("channel_binding=maybe", "channel_binding is one of disable, prefer, require"),
            (
                "connect_timeout=soon",
                "connect_timeout=soon, which is not understood; connect_timeout is a whole number",
            ),
            ("keepalives=", "keepalives="),
            ("statement_timeout=5000", "--statement-timeout"),
            ("colour=blue", "colour=blue"),
            ("colou%72=blue", "colour=blue"),
            ("colour", "without a value: colour"),
        ],
    )
    def test_anything_else_is_refused_by_name(self, query: str, words: str) -> None:
        with pytest.raises(UsageError) as caught:
            normalize_url(f"postgresql://u:s3cret@h/db?{query}")
        assert words in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            "postgresql://h/db?api_token=s3cret",
            "postgresql://h/db?my%50assword=s3cret",
            "postgresql://u:a/b?c=s3cret@h/db",
            "postgresql://h/db?password=half&other=s3cret",
            "postgresql://h/db?password=half&s3cret",
            "postgresql://h/db?what=s3cret%20s3cret",
            "host=h password=half other=s3cret",
            "host=h PASSWORD=s3cret",
        ],
    )
    def test_what_may_be_a_secret_is_not_shown(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            normalize_url(text)
        assert "s3cret" not in str(caught.value)

    def test_what_libpq_knows_passes(self) -> None:
        """Asked of libpq itself, of the version that the driver is built with."""
        pq = pytest.importorskip("psycopg.pq")
        for option in pq.Conninfo.get_defaults():
            name = option.keyword.decode()
            value = {**{name: kinds[-1] for name, kinds in CHOICES.items()}, **dict.fromkeys(NUMBERS, "3")}.get(
                name, "x"
            )
            assert normalize_url(f"postgresql://h/db?{name}={value}") == f"postgresql://h/db?{name}={value}"
            assert normalize_url(f"host=h {name}={value}") == f"host=h {name}={value}"

    def test_several_hosts_a_socket_and_a_service_pass(self) -> None:
        for text in (
            "postgresql://a:1,b:2/db?target_session_attrs=read-write&load_balance_hosts=random",
            "postgresql://u@/db?host=%2Frun%2Fpg&port=5433",
            "postgresql://u@%2Frun%2Fpg/db",
            "service=power sslmode='verify-full'",
        ):
            assert normalize_url(text) == text

    def test_connectorx_gets_none_of_them(self) -> None:
        assert socket_url(normalize_url("postgresql://u@/db?host=/run/pg&schema=x")) == "postgresql://u@%2Frun%2Fpg/db"
        assert socket_url(normalize_url("postgresql://u@h/db?pgbouncer=true")) == "postgresql://u@h/db"
