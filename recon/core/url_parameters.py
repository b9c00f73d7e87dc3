"""Parameters of a connection string: what libpq knows, what other programs' drivers add, and what is unknown.

Frameworks hand one DATABASE_URL to every program. What theirs adds and what has no meaning here is left out; a search
path is taken; anything else is refused, since it was written for a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from recon.core.errors import UsageError

LIBPQ = {
    *("service", "user", "password", "passfile", "dbname", "host", "hostaddr", "port", "client_encoding", "options"),
    *("application_name", "fallback_application_name", "connect_timeout", "keepalives", "keepalives_idle"),
    *("keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslmode", "sslnegotiation", "sslcompression"),
    *("sslcert", "sslkey", "sslcertmode", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requiressl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "sslkeylogfile", "min_protocol_version"),
    *("max_protocol_version", "channel_binding", "requirepeer", "require_auth", "gssencmode", "krbsrvname", "gsslib"),
    *("gssdelegation", "replication", "target_session_attrs", "load_balance_hosts", "scram_client_key"),
    *("scram_server_key", "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"),
}
"""The parameters of libpq 18, which the driver is built with."""
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
    "pgbouncer": ("true", "false"),
}
NUMBERS = {
    *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    "tcp_user_timeout",
}
PATHS = {"schema": True, "currentSchema": True, "search_path": False, "schema_search_path": False}
"""Prisma's and JDBC's one schema; pgx's and Rails' search path, which is SQL already."""
WITHOUT_MEANING = {
    *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size"),  # Prisma
    *("max_connection_lifetime", "max_idle_connection_lifetime", "single_use_connections"),
    *("uselibpqcompat", "encoding", "supa", "workaround"),  # node-postgres, and hosts that give URLs to its users
    *("pool", "checkout_timeout", "reaping_frequency", "prepared_statements"),  # Rails
    *("pool_size", "max_overflow", "pool_recycle", "pool_pre_ping", "prepared_statement_cache_size"),  # SQLAlchemy
    *("conn_max_age", "pool_max_conns", "pool_min_conns"),  # Django, pgx
}
"""How a program pools its connections and prepares its statements: its own affair."""
MEANT = {
    ("sslmode", "no-verify"): "sslmode=require encrypts without a look at the certificate",
    ("sslmode", "allow-insecure"): "sslmode=require encrypts without a look at the certificate",
    ("ssl", "no-verify"): "sslmode=require encrypts without a look at the certificate",
    ("sslaccept", "strict"): "sslmode=verify-full looks at the certificate",
    ("statement_timeout", None): "give --statement-timeout SECONDS",
    ("lock_timeout", None): "give --lock-timeout SECONDS",
}
"""What to write instead."""
SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
SHOWN = re.compile(r"[\w.,:+-]{1,40}", re.ASCII)
SECRET = re.compile(r"pass|pwd|secret|token|key|cred|auth", re.IGNORECASE)


def known(name: str, value: str, *, shown: bool = True) -> tuple[str, str] | None:
    """The parameter as libpq takes it; None for what has no meaning here. UsageError for everything else.

    shown: whether a refusal may show the value; one that could be a secret it never does.

    >>> known("ssl", "true"), known("pgbouncer", "true")
    (('sslmode', 'require'), None)
    """
    if name == "ssl" and value in SSL:
        return "sslmode", SSL[value]
    chosen = value in CHOICES.get(name, (value,))
    if (name in WITHOUT_MEANING and chosen) or name in PATHS or (name, value) == ("sslaccept", "accept_invalid_certs"):
        return None
    fits = chosen and (name not in NUMBERS or re.fullmatch(r"\s*[+-]?\d+\s*", value))
    if name in LIBPQ and fits:
        return name, value
    what = f"{name}={value}" if shown and _may_be_shown(name, value) else name if SHOWN.fullmatch(name) else "something"
    hint = MEANT.get((name, value)) or MEANT.get((name, None)) or _advice(name)
    raise UsageError(f"the database URL has {what}, which is not understood", hint)


def _may_be_shown(name: str, value: str) -> bool:
    plain = SHOWN.fullmatch(name) and (not value or SHOWN.fullmatch(value))
    return bool(plain) and (name in CHOICES or name in NUMBERS or not SECRET.search(name))


def _advice(name: str) -> str:
    if name in CHOICES:
        return f"{name} is one of {', '.join(CHOICES[name])}"
    if name in NUMBERS:
        return f"{name} is a whole number"
    return "take it out; libpq's own parameters, schema=NAME and search_path=NAMES are"


def search_path(parameters: Iterable[tuple[str, str]]) -> str | None:
    """The search path that the parameters set, as SQL; None where they set none. The last one counts, as for libpq.

    >>> search_path([("schema", "Power"), ("sslmode", "require")])
    '"Power"'
    """
    found = [(name, value) for name, value in parameters if name in PATHS and value.strip()]
    if not found:
        return None
    name, value = found[-1]
    if "\0" in value:
        raise UsageError(f"{name} of the database URL holds a NUL byte", "check the schema's name")
    return '"' + value.replace('"', '""') + '"' if PATHS[name] else value
