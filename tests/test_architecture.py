"""What the design promises of the code as a whole: imports point down, one module knows the drivers, help is light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.databases import Database

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "recon"
FLOORS = (
    ("core",),
    ("reference", "postgres"),
    ("values", "diagnose", "sample"),
    ("reconcile",),
    ("analysis", "export"),
    ("api", "cli"),
)
"""The rooms of `recon/`, from the ground up: each imports only floors below its own."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DRIVERS = {"adbc_driver_manager", "adbc_driver_postgresql", "connectorx", "psycopg", "psycopg2", "asyncpg"}
EFFECTS = {"os", "sys", "time", "logging", "subprocess", "socket", "threading", "urllib", "tempfile", "shutil"}
EXTRAS = ("dask", "metrics", "report")
"""Those whose packages recon imports by itself, when it needs them."""
OPTIONAL = {"altair", "jinja2", "vl_convert", "prometheus_client", "distributed", "dask", "tornado"}
"""What these bring."""
HEAVY = DRIVERS | OPTIONAL | {"polars", "pyarrow", "pandas", "numpy"}
UNNEEDED = {
    *("adbc_driver_manager.dbapi", "asyncio", "connectorx", "pydantic", "pyarrow.lib", "rich", "tenacity"),
    "html.entities",
}
"""What is not worth its time where the tables agree and nobody reads a table of figures."""
SLOW = {"asyncio", "csv", "email", "http", "rich", "socket", "tempfile", "zipfile"}
"""What is not worth its time where nothing is done."""
READS_ENVIRONMENT = {
    "core.environment": "the one place where settings are read",
    "postgres.embedded.server": "hands its variables on to PostgreSQL's own programs",
    "cli.common": "hands the environment to core.environment",
}
EFFECTS_OF_THEIR_OWN = {
    "core.environment": "reads the environment",
    "core.files": "writes files whole",
    "core.address": "takes URLs apart",
    "core.extras": "asks how this program was installed",
    "reference.download": "fetches files",
    "reference.reference": "reads data files",
    "reference.data_lines": "reads data files",
    "reference.miner_models": "reads data files",
    "reference.subsidies": "reads data files",
    "reference.difficulty.files": "reads data files",
    "reference.difficulty.update": "writes the user's difficulty",
    "diagnose.network": "asks name servers, and opens sockets",
    "export.files": "writes and reads the files of an export",
    "sample.files": "writes and reads the files of a sample",
}
"""Modules that touch the machine although they know no server."""

MOST_AT_THE_TOP = 14
"""Files and folders of `recon/` itself."""
MOST_LINES = 330
"""Of a file."""
LONG_LINES, MOST_LONG = 30, 6
"""A function is long from so many lines on, without its docstring; and how many may be."""
MANY_PARAMETERS, MOST_WITH_MANY = 6, 8
"""A function has many parameters above so many; and how many functions may have, besides those whose parameters are
options of a command or of the library."""
MOST_IMPORTS = 4.8
"""Of modules of recon, on average."""

CLOCKS = {"datetime.now", "date.today", "datetime.today", "datetime.utcnow", "time.time"}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(module: str) -> set[str]:
    """Every module that the module imports, anywhere in it; those of recon with `recon.` and down to the module."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            children = {f"{node.module}.{alias.name}" for alias in node.names}
            own = {child for child in children if child.removeprefix("recon.") in MODULES}
            found |= own if own and len(own) == len(children) else own | {node.module}
    return found


def own_imports(module: str) -> set[str]:
    """The modules of recon that the module imports, without `recon.`."""
    return {name.removeprefix("recon.") for name in imported(module) if name.startswith("recon.")}


def room(module: str) -> str:
    return module.partition(".")[0]


def floor(module: str) -> int:
    return FLOOR.get(room(module), len(FLOORS))


def roots(module: str) -> set[str]:
    """The top-level packages that the module imports."""
    return {name.partition(".")[0] for name in imported(module)}


def called(module: str) -> set[str]:
    """What the module calls, as it is written: `print`, `datetime.now`."""
    return {ast.unparse(node.func) for node in ast.walk(tree(module)) if isinstance(node, ast.Call)}


def functions(module: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef))


def length(function: ast.FunctionDef) -> int:
    """The lines of a function without its docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return lines(function) - (lines(first) if documented else 0)


def lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parameters(function: ast.FunctionDef) -> int:
    """How many parameters a function has, besides itself."""
    arguments = function.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return sum(argument.arg not in ("self", "cls") for argument in every)


def offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {module: names for module, names in found.items() if names}


def test_every_folder_is_a_room() -> None:
    assert {room(m) for m in MODULES} - {"__main__"} == FLOOR.keys()


def test_rooms_import_only_lower_floors() -> None:
    wrong = {
        m: {o for o in own_imports(m) if room(o) in FLOOR and room(o) != room(m) and floor(o) >= floor(m)}
        for m in MODULES
    }
    assert not offenders(wrong)


def test_there_is_no_import_cycle() -> None:
    """TopologicalSorter raises CycleError with the modules of a cycle."""
    TopologicalSorter({m: own_imports(m) - {m} for m in MODULES}).prepare()


def test_only_sessions_know_a_driver() -> None:
    knows = {f"postgres.{module}" for module in ("connection", "driver", "session", "statements")}
    assert not offenders({m: roots(m) & DRIVERS for m in MODULES if m not in knows})


def reached(module: str) -> set[str]:
    """The modules that a module imports, directly or by way of others."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        new = (own_imports(todo.pop()) & MODULES.keys()) - seen
        seen |= new
        todo += new
    return seen


def test_what_knows_no_server_has_no_effects() -> None:
    pure = [
        m
        for m in MODULES
        if floor(m) < FLOOR["cli"]
        and room(m) != "postgres"
        and m not in EFFECTS_OF_THEIR_OWN
        and not any(room(other) == "postgres" for other in reached(m))
    ]
    assert len(pure) > 40
    assert not offenders({m: roots(m) & EFFECTS for m in pure})
    assert not offenders({m: called(m) & {"open", "input", *CLOCKS} for m in pure})


def test_the_environment_is_read_in_one_place() -> None:
    names = {m: {ast.unparse(n) for n in ast.walk(tree(m)) if isinstance(n, ast.Attribute)} for m in MODULES}
    assert not offenders({m: names[m] & {"os.environ", "os.getenv"} for m in MODULES if m not in READS_ENVIRONMENT})


def test_only_the_command_line_prints_and_exits() -> None:
    assert not offenders(
        {m: called(m) & {"print", "sys.stdout.write", "sys.exit", "exit"} for m in MODULES if floor(m) < FLOOR["cli"]}
    )


def test_only_the_command_line_reads_the_clock() -> None:
    """Clock and run id are arguments; elapsed time (`time.monotonic`) is another matter."""
    assert not offenders({m: called(m) & CLOCKS for m in MODULES if floor(m) < FLOOR["cli"]})


def test_nobody_imports_pandas_or_numpy() -> None:
    assert not offenders({m: roots(m) & {"pandas", "numpy"} for m in MODULES})


def test_the_package_does_not_need_its_tests() -> None:
    assert not offenders({m: roots(m) & {"tests", "pytest", "hypothesis"} for m in MODULES})


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    optional = [text for extra in EXTRAS for text in extras[extra]]
    asked = {re.split(r"[><=;\s]", text)[0].replace("-", "_") for text in [*project["dependencies"], *optional]}
    foreign = {root for m in MODULES for root in roots(m)} - sys.stdlib_module_names - {"recon"}
    assert foreign == {name.removesuffix("_python") for name in asked} - {"tzdata", "cryptography"}


def test_the_first_level_can_be_seen_at_a_glance() -> None:
    top = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert len(top) <= MOST_AT_THE_TOP


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    longest = {m: len(path.read_text(encoding="utf-8").splitlines()) for m, path in MODULES.items()}
    assert not {m: count for m, count in longest.items() if count > MOST_LINES}


def test_few_functions_are_long() -> None:
    long = [f"{m}.{function.name}" for m in MODULES for function in functions(m) if length(function) > LONG_LINES]
    assert len(long) <= MOST_LONG, long


def test_few_functions_have_many_parameters() -> None:
    inner = [m for m in MODULES if room(m) not in ("api", "cli")]
    many = [
        f"{m}.{function.name}" for m in inner for function in functions(m) if parameters(function) > MANY_PARAMETERS
    ]
    assert len(many) <= MOST_WITH_MANY, many


def test_a_module_imports_few_others() -> None:
    """Wherever in it: at its top, in a function, or for its types alone."""
    assert sum(len(own_imports(m) - {m}) for m in MODULES) <= MOST_IMPORTS * len(MODULES)


def test_nothing_is_named_utils() -> None:
    assert not {m for m in MODULES if any(word in m for word in ("util", "helper", "misc"))}


def test_every_sql_file_is_named_in_its_room_or_above() -> None:
    files = {path: f"{path.parts[-3]}/{path.stem}" for path in PACKAGE.glob("*/sql/*.sql")}
    assert set(files) == set(PACKAGE.rglob("*.sql"))
    text = {m: path.read_text(encoding="utf-8") for m, path in MODULES.items()}
    users = {name: {m for m in MODULES if f'"{name}"' in text[m]} for name in files.values()}
    assert not {name for name, modules in users.items() if not modules}
    assert not {
        (m, name)
        for name, modules in users.items()
        for m in modules
        if room(m) != room(name.replace("/", ".")) and floor(m) <= FLOOR[name.partition("/")[0]]
    }


def loaded(
    *arguments: str, program: str = "from recon.cli import process, app; assert app.main(sys.argv[1:]) == 0"
) -> set[str]:
    """Every module that a command of the program loads, or another line of Python."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}\nprint(*sys.modules)", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    modules = {module.partition(".")[0] for module in loaded(option)}
    assert "typer" in modules
    assert not modules & (HEAVY | SLOW)


def test_a_command_that_finds_nothing_to_do_loads_no_more_than_it_needs(database: Database) -> None:
    modules = loaded("fix", "--json", "-d", database.url)
    assert {"polars", "adbc_driver_manager._lib"} <= modules
    assert not modules & UNNEEDED


BEGUN_FIRST = """
from recon.cli import process, app
from recon.postgres import driver
begin, begun = driver.begin, []
def noted(*arguments):
    assert not {'polars', 'recon.postgres.session'} & {*sys.modules}
    begun.append(begin(*arguments))
driver.begin = noted
assert app.main(sys.argv[1:]) == 0 and begun
"""


@pytest.mark.parametrize("command", [["status"], ["fix"], ["fix", "--dry-run"], ["runs"], ["analyze"]])
def test_a_connection_is_begun_before_what_takes_long_to_load(database: Database, command: list[str]) -> None:
    assert "recon.postgres.session" in loaded(*command, "-q", "-d", database.url, program=BEGUN_FIRST)


def test_the_status_of_a_date_loads_no_more_than_it_needs(database: Database) -> None:
    """What it does not load costs its user nothing: PyArrow and Pydantic alone as much as the half of Polars."""
    modules = loaded("status", "--json", "--from", "2024-04-20", "--to", "2024-04-20", "-d", database.url)
    assert {"polars", "adbc_driver_manager._lib", "recon.cli.commands.status"} <= modules
    assert not modules & UNNEEDED
    own = {module.removeprefix("recon.") for module in modules if module.startswith("recon.")}
    assert {module for module in own if module.startswith("cli.commands.")} == {"cli.commands.status"}
    assert {module for module in own if module.startswith("values.")} == {"values.policy", "values.tolerance"}
    assert not {room(module) for module in own} & {"analysis", "diagnose", "export", "sample"}


def test_a_connection_is_begun_before_what_is_heavy_is_loaded() -> None:
    assert "polars" not in loaded(program="from recon.cli import engine; from recon.postgres import driver")


def test_a_command_loads_the_module_of_no_other() -> None:
    commands = {name for name in loaded("explain", "--help") if name.startswith("recon.cli.commands.")}
    assert commands == {"recon.cli.commands.explain"}
