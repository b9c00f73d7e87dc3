"""What the design promises of the code as a whole: imports point down, one module knows the drivers, help is light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.databases import Database

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "recon"
LAYERS = {
    1: "schema window errors address url_parameters config reading advice wording",
    2: (
        "gaps bitcoin difficulty audit ratios partitions planning verification report slices manifest "
        "server_errors checks findings gap_shapes gap_findings source_patterns source_periods "
        "difficulty_files difficulty_days difficulty_rules difficulty_merge coverage epochs data_lines "
        "sample_recipe sample_curtailment sample_faults month_calendar page_charts"
    ),
    3: "database profile handshake stopping transactions",
    4: (
        "tables engine engine_dask carrying load ledger leases reference parameters repair changes whole_rows "
        "quarantine restoring undated obstacles ranges invalid_index source_findings embedded embedded_server "
        "embedded_programs files export_files sample_files sample_load download notify metrics page_html extras"
    ),
    5: (
        "survey pipeline analysis values minimal daily explanation proof export export_check api setup "
        "sample page "
        "interruption diagnose diagnose_network diagnose_queries diagnose_server difficulty_update"
    ),
    6: "cli __main__",
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names.split()}
DRIVERS = {"adbc_driver_manager", "adbc_driver_postgresql", "connectorx", "psycopg", "psycopg2", "asyncpg"}
EFFECTS = {"os", "sys", "time", "logging", "subprocess", "socket", "threading", "urllib", "tempfile", "shutil"}
EXTRAS = ("dask", "metrics", "report")
"""Those whose packages recon imports by itself, when it needs them."""
OPTIONAL = {"altair", "jinja2", "vl_convert", "prometheus_client", "distributed", "dask", "tornado"}
"""What these bring."""
HEAVY = DRIVERS | OPTIONAL | {"polars", "pyarrow", "pandas", "numpy"}
SLOW = {"asyncio", "csv", "email", "http", "rich", "socket", "tempfile", "zipfile"}
"""What is not worth its time where nothing is done."""
READS_ENVIRONMENT = {
    "config": "the one place where settings are read",
    "embedded_server": "hands its variables on to PostgreSQL's own programs",
    "cli.options": "hands the environment to config",
}

CLOCKS = {"datetime.now", "date.today", "datetime.today", "datetime.utcnow", "time.time"}
MAY_IMPORT = {"config": {"os"}, "address": {"urllib"}}
"""config reads the environment, address takes URLs apart."""

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


def layer(module: str) -> int:
    """The module's layer; the highest but the shell for one that is in none, which has a test of its own."""
    return LAYER.get(module.partition(".")[0], 5)


def roots(module: str) -> set[str]:
    """The top-level packages that the module imports."""
    return {name.partition(".")[0] for name in imported(module)}


def called(module: str) -> set[str]:
    """What the module calls, as it is written: `print`, `datetime.now`."""
    return {ast.unparse(node.func) for node in ast.walk(tree(module)) if isinstance(node, ast.Call)}


def offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {module: names for module, names in found.items() if names}


def test_every_module_has_a_layer() -> None:
    homeless = {module for module in MODULES if module.partition(".")[0] not in LAYER}
    assert not homeless, "add these to LAYERS in tests/test_architecture.py"


def test_imports_point_down_or_sideways() -> None:
    upward = {m: {name for name in own_imports(m) if layer(name) > layer(m)} for m in MODULES}
    assert not offenders(upward)


def test_there_is_no_import_cycle() -> None:
    """TopologicalSorter raises CycleError with the modules of a cycle."""
    TopologicalSorter({m: own_imports(m) - {m, "cli"} for m in MODULES}).prepare()


def test_only_database_knows_a_driver() -> None:
    assert not offenders({m: roots(m) & DRIVERS for m in MODULES if m != "database"})


def test_words_and_pure_modules_have_no_effects() -> None:
    pure = [m for m in MODULES if layer(m) <= 2]
    assert not offenders({m: (roots(m) & EFFECTS) - MAY_IMPORT.get(m, set()) for m in pure})
    assert not offenders({m: called(m) & {"open", "input", *CLOCKS} for m in pure})


def test_the_environment_is_read_in_one_place() -> None:
    names = {m: {ast.unparse(n) for n in ast.walk(tree(m)) if isinstance(n, ast.Attribute)} for m in MODULES}
    assert not offenders({m: names[m] & {"os.environ", "os.getenv"} for m in MODULES if m not in READS_ENVIRONMENT})


def test_only_the_command_line_prints_and_exits() -> None:
    assert not offenders(
        {m: called(m) & {"print", "sys.stdout.write", "sys.exit", "exit"} for m in MODULES if layer(m) < 6}
    )


def test_only_the_command_line_reads_the_clock() -> None:
    """Clock and run id are arguments; elapsed time (`time.monotonic`) is another matter."""
    assert not offenders({m: called(m) & CLOCKS for m in MODULES if layer(m) < 6})


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


def test_nothing_is_named_utils() -> None:
    assert not {m for m in MODULES if any(word in m for word in ("util", "helper", "misc"))}


def test_every_sql_file_is_named_in_some_module() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in MODULES.values())
    assert not {path.stem for path in (PACKAGE / "sql").glob("*.sql") if f'"{path.stem}"' not in text}


def loaded(*arguments: str) -> set[str]:
    """Every module that a command of the program loads."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "recon", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    modules = {module.partition(".")[0] for module in loaded(option)}
    assert "typer" in modules
    assert not modules & (HEAVY | SLOW)


def test_a_command_that_finds_nothing_to_do_loads_no_more_than_it_needs(database: Database) -> None:
    modules = loaded("fix", "--json", "-d", database.url)
    assert {"polars", "pyarrow.lib", "adbc_driver_manager._lib"} <= modules
    assert not modules & {"adbc_driver_manager.dbapi", "pyarrow.dataset", "rich", "asyncio", "tenacity", "connectorx"}
