"""The command that an error names for a missing extra works from wherever it is typed."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest

from recon.core import extras


@pytest.mark.parametrize("extra", ["dask", "embedded", "metrics", "report"])
def test_the_command_installs_what_is_installed_here_with_an_extra_that_it_has(extra: str) -> None:
    program, verb, *_, target = shlex.split(extras.install(extra))
    place, _, named = target.removesuffix("]").rpartition("[")
    project = tomllib.loads((Path(place) / "pyproject.toml").read_text())["project"]
    assert (program, verb, project["name"]) == ("pip", "install", extras.NAME)
    assert Path(place).is_absolute()
    assert named == extra and extra in project["optional-dependencies"]


def test_what_is_installed_to_be_edited_stays_so() -> None:
    origin = {"url": "file:///src/recon", "dir_info": {"editable": True}}
    assert extras.command("dask", origin) == "pip install -e '/src/recon[dask]'"
