"""`recon version`, which `recon --version` is, too."""

from __future__ import annotations

import typer

from recon.cli.common import callback
from recon.core.errors import document
from recon.core.version import __version__


@callback
def version(ctx: typer.Context) -> None:
    """The version of this program.

    Risks: {needs_no_database}
    Output: recon and its version; with --json one document.
    Exit status: 0 the version was shown; 2.
    Examples:
        recon version
        recon version --json
    """
    tell(as_json=bool(ctx.obj.given["json"]))


def tell(*, as_json: bool) -> None:
    """The version, as text or as a document. No setting is read for it: what says them may be wrong."""
    if as_json:
        import json

        print(json.dumps(document("version", version=__version__), indent=2))
    else:
        print(f"recon {__version__}")
