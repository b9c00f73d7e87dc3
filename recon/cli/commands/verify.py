"""`recon verify`: the proof as an artefact."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recon.cli.call import Call
from recon.cli.common import command
from recon.cli.options import WindowOptions
from recon.core.errors import ExitCode, UsageError, document
from recon.core.wording import amount, counted

if TYPE_CHECKING:
    from recon.reconcile.proof import Comparison, Proof


class ProofFormat(StrEnum):
    """How a proof is written."""

    JSON = "json"
    CSV = "csv"


@command(read_only=True)
def verify(
    call: Call,
    when: WindowOptions,
    form: Annotated[
        ProofFormat | None, typer.Option("--format", help="How the proof is written (json); without --out, to stdout.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it to a file.")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Tell which of its dates changed since.")
    ] = None,
) -> int:
    """A proof of what is stored: sums and checksums per date.

    Equal data give equal bytes; --against tells which dates changed.

    Risks: {reads}
    Output: dates, rows, BTC per miner model, and the one checksum of all; with --json, --format or --out the proof:
        exact sums and checksums per date. With --against a line per date that changed.
    Exit status: 0 the proof was written, or nothing changed; 1 dates changed; 2; 3.
    Examples:
        recon verify
        recon verify --out proof.json
        recon verify --against proof.json
        recon verify --format csv --out proof.csv
    """
    window = when.window
    if call.json and form is ProofFormat.CSV and not (out or against):
        raise UsageError("--json and --format csv contradict each other", "write the CSV to a file with --out")
    from recon.reconcile import proof

    earlier = proof.read(against) if against else None
    with call.comparing():
        found = proof.prove(call.job, window)
    changes = proof.compare(found, earlier) if earlier else None
    if out:
        from recon.core.files import write_out

        write_out(out, _text(found, form or ProofFormat.JSON))
    if changes is not None:
        _tell_changes(call, found, changes)
        return ExitCode.OK if changes.equal else ExitCode.DIFFERENCES
    if out:
        _tell_written(call, found, out)
    elif call.json or form:
        print(_text(found, form or ProofFormat.JSON), end="")
    else:
        _tell_sums(call, found)
    return ExitCode.OK


def _tell_sums(call: Call, found: Proof) -> None:
    """The whole proof in a few lines."""
    from recon.cli.log import visible
    from recon.cli.show import columns

    table = columns.table("miner model", "BTC")
    sums = found.btc
    configured = [model for model in call.job.reference.models if model in sums]
    for model in dict.fromkeys([*configured, *sums]):
        table.add_row(visible(str(model)), amount(sums[model]))
    if sums:
        columns.show(call, table)
    rows, keys, source = (
        sum(getattr(day, name) for day in found.dates) for name in ("rows", "keys", "curtailment_rows")
    )
    energy = f"{columns.plain(found.energy_mwh)} MWh in {counted(keys, 'key')} of {counted(source, 'curtailment row')}"
    call.say(f"{counted(len(found.dates), 'date')}: {counted(rows, 'calculation')}; {energy}")
    call.say(f"checksum {found.checksum}")


def _tell_written(call: Call, found: Proof, out: Path) -> None:
    if call.json:
        call.print_json(document("verify", out=str(out), checksum=found.checksum))
    call.say(f"{counted(len(found.dates), 'date')}, checksum {found.checksum}, written to {out}")


def _text(found: Proof, form: ProofFormat) -> str:
    import json

    return found.to_csv() if form is ProofFormat.CSV else json.dumps(found.to_dict(), indent=2) + "\n"


def _tell_changes(call: Call, found: Proof, changes: Comparison) -> None:
    if call.json:
        compared = {"equal": changes.equal, "checksum": found.checksum, **changes.to_dict()}
        return call.print_json(document("verify", window=found.window.to_dict(), **compared))
    for what, days in changes.to_dict().items():
        for day in days:
            call.say(f"{day} {what}")
    differ = sum(map(len, changes.to_dict().values()))
    call.say("nothing changed" if changes.equal else counted(differ, "date differs", "dates differ"))
