"""The connection string that the driver gets: what the user gave, and a bound for every wait."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from recon.core.settings import Settings, Timeouts
from recon.postgres.driver import connection_string

URL = "postgresql://ana@db/power"


def parameters(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(connection_string(Settings(database_url=url), "recon/fix/7f3a")).query)


class TestConnectionString:
    def test_names_the_application_and_bounds_every_wait(self) -> None:
        assert parameters(URL) == {
            "application_name": ["recon/fix/7f3a"],
            "connect_timeout": ["10"],
            "keepalives_idle": ["30"],
            "keepalives_interval": ["10"],
            "keepalives_count": ["3"],
            "tcp_user_timeout": ["60000"],
            "client_encoding": ["UTF8"],
        }

    @pytest.mark.parametrize("url", [URL + "?client_encoding=LATIN1", "host=db client_encoding=LATIN1"])
    def test_speaks_utf8_whatever_the_url_says(self, url: str) -> None:
        """The last of several of a name counts."""
        assert (
            re.findall(r"client_encoding='?(\w+)", connection_string(Settings(database_url=url), "recon"))[-1] == "UTF8"
        )

    def test_keeps_what_the_user_gave(self) -> None:
        given = parameters(URL + "?connect_timeout=3&application_name=mine&sslmode=require")
        assert given["connect_timeout"] == ["3"]
        assert given["application_name"] == ["mine"]
        assert given["sslmode"] == ["require"]

    @pytest.mark.parametrize("end", ["", "?", "?sslmode=require", "?sslmode=require&"])
    def test_is_a_url_whatever_the_given_one_ends_with(self, end: str) -> None:
        text = connection_string(Settings(database_url=URL + end), "recon")
        assert text.count("?") == 1
        assert "&&" not in text
        assert "?&" not in text

    def test_takes_libpqs_keyword_form(self) -> None:
        text = connection_string(Settings(database_url="service=power connect_timeout = 4"), "recon/status/1")
        assert text.startswith("service=power connect_timeout = 4 ")
        assert text.count("connect_timeout") == 1
        assert "application_name='recon/status/1'" in text

    def test_never_asks_libpq_for_less_than_two_seconds(self) -> None:
        settings = Settings(database_url=URL, timeouts=Timeouts(connect_s=0.2))
        assert "connect_timeout=2" in connection_string(settings, "recon")
