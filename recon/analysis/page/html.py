"""The page of `recon report`: one file that loads nothing from elsewhere, which its own security policy enforces."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import altair
import jinja2
import vl_convert

from recon.analysis.calendar import Band
from recon.analysis.page import charts
from recon.core.wording import counted

TOP_DATES = 20
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render(document: dict[str, Any]) -> str:
    """The page that shows a document of `page.Page.to_dict`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recon.analysis", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"grouped": grouped, "css": _css_class}
    scripts = [_renderer(), environment.get_template("report.js").render()]
    years = charts.years(month["month"] for month in document["by_month"])
    heights = {year: charts.RULER_PX + charts.ROW_PX * len(list(months)) for year, months in years}
    return environment.get_template("report.html").render(
        found=document,
        state=state(document),
        bands=list(Band),
        heights=heights,
        worst=_worst(document),
        top=TOP_DATES,
        charts=charts.specs(document),
        scripts=scripts,
        policy=f"{POLICY}; script-src {_hashes(scripts)}",
    )


def _worst(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The dates that are not reconciled: most missing first, then most wrong, newest first among equals."""
    off = [day for day in document["calendar"] if day["band"] != Band.RECONCILED]
    return sorted(off, key=lambda day: (day["missing"], day["wrong"] or 0, day["date"]), reverse=True)


def _css_class(band: str) -> str:
    return f"band-{Band(band).name.lower()}"


def _renderer() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, of the version that Altair writes for."""
    version = altair.SCHEMA_VERSION.rpartition(".")[0]
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)


def _hashes(scripts: Sequence[str]) -> str:
    """Only these scripts may run, byte by byte: none that a name in the data could smuggle in."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def grouped(value: int | str | None) -> str:
    """A count or an exact decimal with its thousands apart.

    >>> grouped(75462), grouped("1234.50000000"), grouped(None)
    ('75,462', '1,234.50000000', 'not checked')
    """
    if value is None:
        return "not checked"
    return f"{Decimal(value):,f}"


def state(document: dict[str, Any]) -> str:
    """How things stand, in one sentence."""
    values = document["values"]["wrong"] if document["values_checked"] else None
    unchecked = "; the stored values were not checked" if values is None else ""
    if document["reconciled"] and not document["expected"]:
        here = "this window has no curtailment to price"
        return f"Nothing to reconcile: {here if document['newest_curtailment'] else 'there is no curtailment'}."
    if document["reconciled"]:
        right = "" if values is None else ", each with the right value"
        dates = counted(document["dates"]["total"], "date")
        whole = f"all {document['expected']:,} calculations of {dates} are there{right}"
        return f"Reconciled: {whole}{unchecked}."
    parts = (
        (document["missing"], f"of {document['expected']:,} calculations missing ({_where(document, 'missing')})"),
        (document["duplicate"] + document["orphan"], f"surplus ({_surplus(document)})"),
        (values or 0, f"stored with a wrong value ({_where(document, 'wrong')})"),
    )
    found = [f"{count:,} {what}" for count, what in parts if count]
    return f"Not reconciled: {' and '.join(filter(None, (', '.join(found[:-1]), found[-1])))}{unchecked}."


def _surplus(document: dict[str, Any]) -> str:
    return ", ".join(f"{document[kind]:,} {kind}" for kind in ("duplicate", "orphan") if document[kind])


def _where(document: dict[str, Any], name: str) -> str:
    dates = sum(bool(day[name]) for day in document["calendar"])
    return f"on {dates:,} of {counted(document['dates']['total'], 'date')}"
