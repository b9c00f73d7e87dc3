"""What to type where a library is missing that only some commands need: the command that adds an extra."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "curtailment-recon"


def install(extra: str) -> str:
    """The command that installs this program once more, from where it was taken, with an extra."""
    from importlib.metadata import PackageNotFoundError, distribution  # brings a fifth of the start-up along

    noted = None
    with suppress(PackageNotFoundError):
        noted = distribution(NAME).read_text("direct_url.json")  # PEP 610: where an installer took it from
    return command(extra, json.loads(noted or "{}"))


def command(extra: str, origin: Mapping[str, Any]) -> str:
    """The same of a program that was taken from `origin`; of one that came from an index nothing is noted.

    >>> print(command("report", {"url": "file:///home/ana/my%20recon", "dir_info": {}}))
    pip install '/home/ana/my recon[report]'
    >>> print(command("dask", {"url": "https://example.org/recon.git", "vcs_info": {"vcs": "git"}}))
    pip install 'curtailment-recon[dask] @ git+https://example.org/recon.git'
    >>> print(command("metrics", {}))
    pip install 'curtailment-recon[metrics]'
    """
    url, control = origin.get("url", ""), origin.get("vcs_info", {}).get("vcs")
    target = f"{NAME}[{extra}]"
    if url.startswith("file:"):
        target = f"{unquote(urlsplit(url).path)}[{extra}]"
    elif url:
        target += f" @ {control + '+' if control else ''}{url}"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}{shlex.quote(target)}"
