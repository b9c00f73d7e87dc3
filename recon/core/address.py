"""Connection strings, taken apart exactly as libpq does: a URL, or `name=value` pairs. Passwords never leave here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from recon.core import url_parameters
from recon.core.errors import UsageError

EMBEDDED = "embedded"
SECRETS = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
URL = re.compile(r"(\w+)://(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]*)(/[^?]*)?(?:\?(.*))?", re.DOTALL)
PAIR = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\']|\\.)(?:[^\s\\]|\\.)*|(?=\s|$))\s*", re.DOTALL)


@dataclass(frozen=True)
class Url:
    """The parts of a URL as they are written: nothing is decoded. `parameters` are name=value texts."""

    scheme: str
    user: str | None
    password: str | None
    hosts: str
    path: str
    parameters: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Url:
        """The URL's parts; a password may hold anything but @ and /.

        >>> Url.parse("postgresql://ana:a?b#c@h1:1,h2/db?sslmode=require").hosts
        'h1:1,h2'
        """
        parts = URL.fullmatch(text)
        if not parts:
            raise UsageError("the database URL is not one", "write postgresql://user@host:5432/database")
        scheme, user, password, hosts, path, query = parts.groups()
        return cls(scheme, user, password, hosts, path or "", tuple(filter(None, (query or "").split("&"))))

    def __str__(self) -> str:
        user = "" if self.user is None else self.user + ("" if self.password is None else f":{self.password}") + "@"
        query = "?" + "&".join(self.parameters) if self.parameters else ""
        return f"{self.scheme}://{user}{self.hosts}{self.path}{query}"

    def parameter(self, name: str) -> str | None:
        """The decoded value of a parameter, whose name may be encoded too."""
        values = [text.partition("=")[2] for text in self.parameters if _name(text) == name]
        return unquote(values[-1]) if values else None


def _name(parameter: str) -> str:
    return unquote(parameter.partition("=")[0]).lower()


def _pairs(text: str) -> dict[str, str]:
    """The names and values of the other form, as libpq understands them."""
    return {name.lower(): _plain(value) for name, value in PAIR.findall(text)}


def _plain(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == "'"
    return re.sub(r"\\(.)", r"\1", value[1:-1] if quoted else value, flags=re.DOTALL)


def normalize_url(text: str) -> str:
    """A connection string as libpq takes it; SQLAlchemy's and Heroku's spellings are accepted, and what other
    programs' drivers add is left out (`search_path` has what it says of that).

    UsageError, which shows no secret of it, for what cannot be one.

    >>> normalize_url("postgres://u@h/db"), normalize_url("postgresql+psycopg://u@h/db")
    ('postgresql://u@h/db', 'postgresql://u@h/db')
    """
    if text == EMBEDDED:
        return text
    if re.match(r"\s*\w+\s*=", text):
        if not re.fullmatch(rf"\s*(?:{PAIR.pattern})*", text, re.DOTALL):
            raise UsageError("the connection string is not all name=value", "quote values that hold spaces: 'a b'")
        return PAIR.sub(_known_pair, text).strip() if _foreign(_pairs_in(text)) else text
    normal = _scheme(text)
    if not normal.startswith("postgresql://"):
        scheme = text.split("://", 1)[0] if "://" in text else ""
        what = f"{scheme}:// is not a PostgreSQL URL" if re.fullmatch(r"\w+", scheme) else "the database URL is not one"
        raise UsageError(what, "write postgresql://user@host:5432/database, or 'embedded'")
    url = Url.parse(normal)
    if "@" in url.hosts + url.path:
        raise UsageError("the database URL has an @ or / in its user or password", "write @ as %40 and / as %2F there")
    return _with_known_parameters(url) if _foreign(_parameters_of(url)) else normal


def search_path(text: str) -> str | None:
    """The search path that a connection string sets, as SQL: `schema=X` as Prisma writes it, and its kind."""
    return url_parameters.search_path(_parameters_of(Url.parse(_scheme(text))) if "://" in text else _pairs_in(text))


def _scheme(text: str) -> str:
    return re.sub(r"^postgres(ql)?(\+[a-z0-9_]+)?://", "postgresql://", text)


def _parameters_of(url: Url) -> list[tuple[str, str]]:
    """The parameters as libpq reads them: names and values decoded."""
    parameters = [(unquote(name), equals, unquote(value)) for name, equals, value in map(_parted, url.parameters)]
    pairs = [(name, value) for name, _, value in parameters]
    for name, equals, _ in parameters:
        if not equals:
            named = f": {name}" if _is_open(pairs) and url_parameters.SHOWN.fullmatch(name) else ""
            raise UsageError(f"the database URL has a parameter without a value{named}", "write name=value")
    return pairs


def _parted(parameter: str) -> tuple[str, str, str]:
    return parameter.partition("=")


def _is_open(parameters: Iterable[tuple[str, str]]) -> bool:
    """Whether none of the parameters can be the rest of a password that ought to be encoded or quoted."""
    return not any(name.lower() in SECRETS or "@" in value for name, value in parameters)


def _pairs_in(text: str) -> list[tuple[str, str]]:
    return [(name, _plain(value)) for name, value in PAIR.findall(text)]


def _foreign(parameters: Iterable[tuple[str, str]]) -> bool:
    """Whether a connection string has to be written anew for libpq; UsageError when it cannot be."""
    given = list(parameters)
    return [url_parameters.known(*pair, shown=_is_open(given)) for pair in given] != given


def _with_known_parameters(url: Url) -> str:
    taken = (url_parameters.known(*pair) for pair in _parameters_of(url))
    return str(replace(url, parameters=tuple(_encoded(filter(None, taken)))))


def _known_pair(pair: re.Match[str]) -> str:
    name, value = pair[1], _plain(pair[2])
    taken = url_parameters.known(name, value)
    return pair[0] if taken == (name, value) else f"{taken[0]}={taken[1]} " if taken else ""


def without_password(text: str) -> str:
    """A connection string fit to be shown: any password is removed.

    >>> without_password("postgresql://ana:s3cret@db:5432/power?sslmode=require&pass%77ord=x")
    'postgresql://ana@db:5432/power?sslmode=require'
    """
    if "://" not in text:
        return PAIR.sub(lambda pair: "" if pair[1].lower() in SECRETS else pair[0], text).strip()
    url = Url.parse(text)
    shown = tuple(parameter for parameter in url.parameters if _name(parameter) not in SECRETS)
    return str(replace(url, password=None, parameters=shown))


def secrets_in(text: str) -> set[str]:
    """The passwords a connection string holds, as written and as decoded: what must never be shown."""
    if "://" in text:
        url = Url.parse(text)
        secrets = {parameter.partition("=")[2] for parameter in url.parameters if _name(parameter) in SECRETS}
        secrets |= {url.password or ""}
        return {secret for secret in secrets | {unquote(secret) for secret in secrets} if secret}
    raw = {value.strip("'") for name, value in PAIR.findall(text) if name.lower() in SECRETS}
    return {secret for secret in raw | {v for k, v in _pairs(text).items() if k in SECRETS} if secret}


def with_parameters(text: str, parameters: Mapping[str, str], always: Mapping[str, str] | None = None) -> str:
    """The connection string with these parameters added, where it does not have them already, and `always` in any case:
    of several of a name, the last one counts.
    """
    forced = always or {}
    if "://" not in text:
        given = _pairs(text)
        added = {name: value for name, value in parameters.items() if name not in given} | dict(forced)
        return " ".join([text, *(f"{name}={_quoted(value)}" for name, value in added.items())])
    url = Url.parse(text)
    added = {name: value for name, value in parameters.items() if url.parameter(name) is None} | dict(forced)
    return str(replace(url, parameters=(*url.parameters, *_encoded(added.items()))))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def with_option(text: str, option: str) -> str:
    """The connection string with one more command-line option for the server's process.

    >>> with_option("host=db options='-c a=b'", "-cc=d")
    "host=db options='-c a=b' options='-c a=b -cc=d'"
    >>> with_option("postgresql://db/power?options=-ca%3Db", "-cc=d")
    'postgresql://db/power?options=-ca%3Db&options=-ca%3Db%20-cc%3Dd'
    """
    given = Url.parse(text).parameter("options") if "://" in text else _pairs(text).get("options")
    return with_parameters(text, {}, always={"options": f"{given} {option}" if given else option})


def _encoded(parameters: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{name}={quote(value, safe='')}" for name, value in parameters)


VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
}


def parameters(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What a connection string says, decoded and by libpq's names, and what libpq's variables add to it.

    >>> parameters("postgresql://ana:s%40@db/power?sslmode=require", {"PGPORT": "5433"})["password"]
    's@'
    """
    given = _pairs(text)
    if "://" in text:
        url = Url.parse(text)
        host, port = _host_and_port(url.hosts)
        written = {"user": url.user, "password": url.password, "dbname": url.path[1:]}
        given = {name: unquote(value) for name, value in written.items() if value}
        given |= {name: value for name, value in {"host": host, "port": port}.items() if value}
        given |= {_name(parameter): unquote(_parted(parameter)[2]) for parameter in url.parameters}
    from_variables = {name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable)}
    return from_variables | {name: value for name, value in given.items() if value}


def server_address(text: str, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Host and port that a connection string leads to; None for a Unix socket, a service, or several hosts.

    >>> server_address("postgresql://u@db.example.com/power?sslmode=require", {})
    ('db.example.com', 5432)
    """
    given = parameters(text, environ)
    host, port = given.get("host", ""), given.get("port", "5432")
    several = "://" in text and "," in Url.parse(text).hosts
    return (
        (host, int(port))
        if host and not host.startswith(("/", "@")) and port.isdecimal() and "," not in host and not several
        else None
    )


def _host_and_port(hosts: str) -> tuple[str, str]:
    parts = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[]*))(?::(\d*))?", hosts)
    return (unquote(parts[1] or parts[2]), parts[3] or "") if parts else ("", "")


def socket_url(text: str) -> str:
    """The URL with a `host=/directory` parameter moved into the authority, as ConnectorX needs it."""
    url = Url.parse(text) if "://" in text else None
    host = url.parameter("host") if url else None
    if url is None or not host or url.hosts:
        return text
    return str(replace(url, password=url.password or None, hosts=quote(host, safe=""), parameters=()))
