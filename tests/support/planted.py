"""Functions and operators in `public` that raise when called: one for each that recon's statements could mean."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import recon
from tests.support.databases import Database

TYPES = ("text", "name", "int2", "int4", "int8", "numeric", "float8", "date", "timestamptz", "interval", "oid", "jsonb")
OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "+", "-", "||")
BEYOND = {
    "hashtextextended": ("text, int4", "text, int2", "varchar, int4", "text, numeric"),
    "hash_numeric_extended": ("numeric, int4", "float8, int8"),
    "json_build_array": ("int4, text, text, text", "int4, text, text", "int4, text, numeric, numeric"),
    "jsonb_build_array": ("int4, text, text, text", "int4, text, text"),
    "jsonb_build_object": ("text, text", "text, text, text, text"),
    "format": ("text, text", "text, name, name", "text, text, oid", "text, oid"),
    "concat_ws": ("text, oid, tid, xid", "text, text, text"),
    "set_config": ("text, text, boolean",),
    "make_interval": ("float8",),
    "sum": ("int8", "numeric", "float8"),
    "count": ("text", "int8", "date"),
    "coalesce": ("text, text",),
}
"""Of exactly the types that recon gives them, where pg_catalog only has others, or anything at all."""
PLANT = """
do $plant$
declare it record;
begin
    for it in
        select p.proname as name, oidvectortypes(p.proargtypes) as arguments, p.proretset as many,
            format_type(p.prorettype, null) as returns
        from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any ('{{{names}}}'::name[])
    loop
        begin
            execute format('create function public.%I(%s) returns %s%s language plpgsql as '
                '''begin raise exception ''''planted %s ran''''; end''',
                it.name, it.arguments, case when it.many then 'setof ' else '' end, it.returns, it.name);
        exception when others then null;
        end;
    end loop;
end $plant$
"""


def plant(database: Database) -> int:
    """Plants them all; how many there are."""
    text = " ".join(path.read_text() for path in Path(recon.__file__).parent.rglob("*.sql"))
    names = set(re.findall(r"\b([a-z_]\w+)\(", text)) | {"version", "current_schema", "pg_advisory_xact_lock"}
    database.execute(PLANT.format(names=",".join(sorted(names))))
    for name, variants in BEYOND.items():
        for arguments in variants:
            _try(database, f'create function public."{name}"({arguments}) returns text {_body(name)}')
    statements = [
        f"create function public.op_{number}(l {left}, r {right}) returns {_returns(operator, left)} {_body(operator)};"
        f" create operator public.{operator} (function = public.op_{number}, leftarg = {left}, rightarg = {right})"
        for number, (operator, left, right) in enumerate(product(OPERATORS, TYPES, TYPES))
    ]
    database.execute("do $o$ begin " + "; ".join(statements) + "; end $o$")
    database.execute("create function public.op(l regproc, r int4) returns boolean " + _body("<>"))
    database.execute("create operator public.<> (function = public.op, leftarg = regproc, rightarg = int4)")
    return int(database.scalar("select count(*) from pg_proc where pronamespace = 'public'::regnamespace"))


def _body(name: str) -> str:
    return f"language plpgsql as $f$ begin raise exception 'planted {name} ran'; end $f$"


def _returns(operator: str, left: str) -> str:
    return "boolean" if operator in ("=", "<>", "<", ">", "<=", ">=") else left


def _try(database: Database, statement: str) -> None:
    quoted = statement.replace("$f$", "$g$")
    database.execute(f"do $t$ begin execute $s${quoted}$s$; exception when others then null; end $t$")
