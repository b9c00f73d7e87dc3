"""First contact: roles, schemas, addresses and encodings of a server, and machines that lack what others have."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from tempfile import TemporaryDirectory

from tests.faults.catalogue import fault
from tests.faults.data import DATES
from tests.faults.harness import Trial
from tests.support.databases import TABLE

TABLES = ("curtailment_records", TABLE)
LATIN1 = "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"
UMLAUT = (DATES[2], 3, "T_MÜNÇHEN-1", "-12.5")


@fault("a role named recon, the tables in a schema named recon")
def role_and_schema(trial: Trial) -> None:
    trial.server.create_role("recon", "pw")
    trial.database.execute("create schema recon authorization recon")
    for table in TABLES:
        trial.database.execute(f"alter table {table} set schema recon")
    for kind in ("tables", "sequences"):
        trial.database.execute(f"grant all on all {kind} in schema recon to recon")
    name = trial.database.name
    trial.database.execute(f'alter database "{name}" set search_path = recon, public')
    trial.database.execute(f'alter role recon in database "{name}" set search_path = "$user", public')
    trial.database.disconnect()
    trial.url = trial.server.role_url("recon", "pw", name)
    trial.recon("fix")


@fault("the tables in the second schema of the search_path, the first one empty")
def second_schema(trial: Trial) -> None:
    for schema in ("a", "b"):
        trial.database.execute(f"create schema {schema}")
    for table in TABLES:
        trial.database.execute(f"alter table {table} set schema b")
    trial.database.execute(f'alter database "{trial.database.name}" set search_path = a, b, public')
    trial.database.disconnect()
    trial.recon("fix")


@fault("an address as Prisma writes it: ?schema=public&pgbouncer=true")
def prisma(trial: Trial) -> None:
    trial.recon("fix", url=f"{trial.url}?schema=public&pgbouncer=true&connection_limit=1")


@fault("an address as Node writes it: ?sslmode=no-verify", 2, sees="sslmode=no-verify, .*; sslmode=require encrypts")
def node(trial: Trial) -> None:
    trial.refused("fix", url=f"{trial.url}?sslmode=no-verify")


@fault("the embedded server before the demo", 2, sees="has no data yet; run 'recon demo'")
def before_the_demo(trial: Trial) -> None:
    home = trial.afterwards.enter_context(TemporaryDirectory())
    trial.program.variables = {"RECON_HOME": home}
    trial.refused("status", url="embedded")
    trial.program.variables = {}


@fault("a database in LATIN1, a client whose PGCLIENTENCODING says so, a farm with an umlaut")
def latin1(trial: Trial) -> None:
    trial.move(LATIN1)
    trial.database.add_curtailment(UMLAUT)
    trial.truth.source = (*trial.truth.source, UMLAUT)
    trial.truth.remember_tables()
    trial.program.variables = {"PGCLIENTENCODING": "LATIN1"}
    trial.recon("fix")
    trial.recon("explain", *UMLAUT[:3])
    trial.recon("report", "--out", trial.stage.home / "latin1.html")


@fault("no time zone files, no HOME, COLUMNS=0", sees="newest curtailment")
def bare(trial: Trial) -> None:
    trial.program.variables = {"PYTHONTZPATH": "", "HOME": None, "COLUMNS": "0"}
    trial.recon("daily", "--today", DATES[-1], "--days", 14)


@fault("an address of difficulties that is none", 2, sees=r"http://\[::1 is not an address")
def no_address(trial: Trial) -> None:
    trial.refused("difficulty", "check", "http://[::1")


@fault("a webhook that answers 303: it is not told so, and says so", sees="303|redirect|posted|told")
def redirected(trial: Trial) -> None:
    got: list[str] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            got.append(f"POST {self.path}")
            self.send_response(303)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            got.append(f"GET {self.path}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Redirecting) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        trial.recon("daily", "--today", DATES[-1], "--webhook", f"http://127.0.0.1:{hook.server_port}/hook")
        hook.shutdown()
    assert not [one for one in got if one.startswith("GET")], got
