"""The answer of `recon explain`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from recon.cli.call import Call
from recon.core.suggestions import UPDATE_DIFFICULTY, Suggestion, explain_command

if TYPE_CHECKING:
    from recon.values.explanation import Explanation


MOST_DIGITS = 60


def explanation(call: Call, found: Explanation) -> None:
    """The answer of `recon explain`."""
    if call.json:
        return call.print_json(found.to_dict())
    call.say(f"{found.day} settlement period {found.period}, {found.farm}, fleet {found.fleet}")
    if found.impossible:
        call.say(f"  {found.impossible}: no row of this key can be priced")
    for volume, counts in found.source_rows:
        call.say(f"  volume         {short(volume)} MWh" + ("" if counts else "   (cannot be priced)"))
    if found.energy_mwh is None:
        call.say("  no curtailment of this key that can be priced")
        for day, period, farm in found.nearest:
            call.say(f"  a key near by: {call.suggest(explain_command(day, period, farm))}")
    else:
        call.say(f"  energy         {found.energy_mwh:.10g} MWh = {found.joules:.10g} J")
        call.say(f"  difficulty     {_plain(found.difficulty)} (in force at 00:00 UTC)")
        call.say(f"  block subsidy  {found.subsidy_btc} BTC")
    for line in found.models:
        _model_lines(call, line)
    if found.orphans:
        remedy = call.suggest(Suggestion("fix", "--from", found.day, "--to", found.day, "--repair", "orphan", "--yes"))
        call.say(f"  stored without being asked for: {', '.join(found.orphans)}; '{remedy}' removes such rows")


def _plain(value: Decimal | None) -> str:
    """A decimal without trailing zeros or an exponent; 'none known' for none."""
    if value is None:
        return "none known"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _model_lines(call: Call, line: Any) -> None:
    figures = f"{line.hashrate_ths:g} TH/s at {line.power_w:g} W"
    call.say(f"{line.miner_model}: {figures} = {line.joules_per_hash:.6g} J/hash")
    call.say(f"  hashes         {line.hashes:.10g}")
    if line.expected_blocks is None:
        call.say(f"  blocked        no difficulty is known for this date; run '{UPDATE_DIFFICULTY}'")
        return
    call.say(f"  blocks         {line.expected_blocks:.10g} expected (difficulty x 2^32 hashes each)")
    call.say(f"  computed       {line.bitcoin_mined:.8f} BTC")
    stored = (
        ", ".join(f"{short(btc)} BTC at difficulty {short(difficulty)}" for btc, difficulty in line.stored_texts)
        or "nothing"
    )
    call.say(f"  stored         {stored}: {line.verdict}")
    if line.cause:
        call.say(f"  why            {line.cause}" + (f": {line.because}" if line.because else ""))


def short(value: object) -> str:
    """A number as it is stored, unless nobody can read so many digits."""
    text = str(value)
    return text if len(text) <= MOST_DIGITS else f"{text[:MOST_DIGITS]}... ({len(text)} characters)"
