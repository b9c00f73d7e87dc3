"""`recon help-options` and `recon help-all`: what is beyond the help of one command."""

from __future__ import annotations

from typing import Annotated

import typer

from recon.cli.manual import ManualFormat


def help_options(ctx: typer.Context) -> None:
    """The options that all commands take, and those of a cluster.

    They stand before or after the command.

    Risks: {needs_no_database}
    Output: the options by subject.
    Exit status: 0; 2.
    Examples:
        recon help-options
    """
    from recon.cli import app, manual

    formatter = ctx.make_formatter()
    manual.write_options(app.whole(), formatter)
    print(formatter.getvalue(), end="")


def help_all(
    form: Annotated[ManualFormat, typer.Option("--format", help="What it is written as.")] = ManualFormat.MARKDOWN,
) -> None:
    """The reference of every command, as Markdown or a man page.

    Risks: {needs_no_database}
    Output: a man page for 'man -l -', or Markdown.
    Exit status: 0; 2.
    Examples:
        recon help-all --format man | man -l -
        recon help-all --format markdown
    """
    from recon.cli import app, manual

    print(manual.write(app.whole(), form), end="")
