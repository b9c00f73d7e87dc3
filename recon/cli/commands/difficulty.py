"""`recon difficulty`: which difficulty applies, and newer ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.core.errors import ExitCode, UsageError
from recon.core.suggestions import PUBLIC_DIFFICULTY, UPDATE_DIFFICULTY
from recon.core.window import parse_date
from recon.core.wording import between, counted
from recon.reference.difficulty.coverage import hole_text

TOP = 20
group = typer.Typer(help="The mining difficulty of each date, and newer ones.")


@group.command("show")
@command(database=False)
def show(
    call: Call,
    day: Annotated[str | None, typer.Option("--date", metavar="DATE", help="A settlement date.")] = None,
) -> int:
    """The difficulty of a date, its epoch, and what is covered.

    Risks: {needs_no_database}
    Output: the difficulty of a date (today's), its epoch, what is covered, and the file it comes from.
    Exit status: 0 it is known; 2; 4 no difficulty is known for the date.
    Examples:
        recon difficulty show
        recon difficulty show --date 2024-04-20
    """
    parsed = parse_date(day) if day else None
    from recon.reference.difficulty import update as difficulty_update
    from recon.reference.difficulty.update import holes_of

    found = difficulty_update.show(call.reference, parsed)
    if call.json:
        call.print_json(found.to_dict())
    elif found.difficulty is None:
        call.say(f"{found.day}: no difficulty is known; run '{UPDATE_DIFFICULTY}'")
    else:
        call.say(f"{found.day}: {found.difficulty.normalize():f}")
        call.say(f"  epoch     from {found.starts_at_utc}, block {found.height or 'unknown'}")
    call.say(f"  coverage  {between(found.coverage.first, found.coverage.known_through)}")
    if holes := holes_of(found.coverage):
        call.say(f"  unknown   {hole_text(holes)}; run '{UPDATE_DIFFICULTY}'")
    call.say(f"  source    {found.source}")
    return found.exit_code


@group.command("check")
@command(database=False)
def check(call: Call, origin: Annotated[str, typer.Argument(metavar="FILE|URL", help="CSV or JSON.")]) -> int:
    """Whether a file of difficulties can be right.

    Risks: {needs_no_database}
    Output: a line per thing that cannot be right, the dates that it leaves out, those that would have no difficulty
        after an update with it, and how many epochs there are.
    Exit status: 0 no trouble; 1 troubles found; 2; 3 an address that cannot be reached.
    Examples:
        recon difficulty check difficulty.csv
    """
    from recon.reference.difficulty import update as difficulty_update

    today, patience = datetime.now(UTC).date(), call.timeouts.connect_s
    source = difficulty_update.Origin(origin, timeout_s=patience)
    found, shown = difficulty_update.check(call.reference, source, today=today), source.shown
    if call.json:
        call.print_json(found.to_dict())
    for problem in found.problems[:TOP]:
        call.say(f"{shown}, {problem}")
    if len(found.problems) > TOP:
        call.say(f"... and {len(found.problems) - TOP} more (--json shows all)")
    if found.left_out:
        call.say(f"{shown} leaves out {hole_text(found.left_out)}")
    if found.blocked:
        call.say(f"with it no difficulty is known for {hole_text(found.blocked)}; run '{UPDATE_DIFFICULTY}'")
    through = f" through {found.source.known_through}" if found.source.epochs else ""
    call.say(f"{counted(len(found.source.epochs), 'epoch')}{through}, {counted(len(found.problems), 'trouble')}")
    return ExitCode.DIFFERENCES if found.problems else ExitCode.OK


@group.command("update")
@command(database=False)
def update(
    call: Call,
    origin: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE|URL", help="A list of difficulties: CSV or JSON, by epoch or by day."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The list is up to date: its last difficulty holds through today (UTC).")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Let the list change known epochs (never by figures of days, nor by means).")
    ] = False,
) -> None:
    """Take newer difficulties into the user's file, which then wins over the packaged one.

    Difficulty says how many hashes a block takes. It holds for an epoch of 2,016 blocks, about 14 days; the last epoch
    of a list counts for 10 of them, with --live also through today.

    Risks: it replaces the user's own file of difficulties, which wins over the packaged one. With --live of a list that
        is not up to date, today's difficulty can be that of the epoch before.
    Output: the epochs added and changed, through which date difficulty is known, and for which dates before it is not.
    Exit status: 0 the file is up to date; 2; 3 an address that cannot be reached.
    Examples:
        recon difficulty update --live --from https://mempool.space/api/v1/mining/difficulty-adjustments
    """
    if not origin:
        raise UsageError("no source of difficulties is named", f"give --from FILE, or --from {PUBLIC_DIFFICULTY}")
    from recon.reference.difficulty import update as difficulty_update
    from recon.reference.difficulty.update import holes_of

    today, patience = datetime.now(UTC).date(), call.timeouts.connect_s
    source = difficulty_update.Origin(origin, live, patience)
    done = difficulty_update.update(call.reference, source, call.home, today=today, force=force)
    if call.json:
        return call.print_json(done.to_dict())
    changed = f", {done.changed} changed" if done.changed else ""
    through = done.coverage.known_through
    call.say(f"{counted(done.added, 'epoch')} added{changed}; difficulty is known through {through} ({done.path})")
    if holes := holes_of(done.coverage):
        call.say(f"no difficulty is known for {hole_text(holes)}; run '{UPDATE_DIFFICULTY}'")
