"""The charts of `recon report`, as Vega-Lite. They are drawn in the browser, from the document embedded in the page.

Every colour is a variable of the page's style sheet, so that charts are light or dark with the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from recon.analysis.calendar import Band

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
BAND_COLOURS = [f"var(--band-{band.name.lower()})" for band in Band]
MODEL_COLOURS = 8
"""How many the style sheet has; a ninth miner model begins anew."""
MARKS = ("circle", "square", "triangle-up", "diamond", "cross")
Spec = dict[str, Any]


def specs(document: dict[str, Any]) -> dict[str, Spec]:
    """Every chart of the page by its name: `calendar-YEAR`, `months`, `models` and `btc`."""
    years = {day["date"][:4] for day in document["calendar"]}
    stored = [row["miner_model"] for row in document["btc_by_month"]]
    priced = list(dict.fromkeys([*document["miner_models"], *stored]))
    months = _span([row["month"] for row in (*document["by_month"], *document["btc_by_month"])])
    charts = {f"calendar-{year}": _calendar(year) for year in years}
    charts |= {"months": _months(months), "models": _models(document["miner_models"]), "btc": _btc(priced, months)}
    return {name: _finished(chart) for name, chart in charts.items()}


def _span(months: Sequence[str]) -> list[str]:
    """Every month from the first to the last of these.

    >>> _span(["2024-02", "2023-11"])
    ['2023-11', '2023-12', '2024-01', '2024-02']
    """
    if not months:
        return []
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (min(months), max(months)))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first, last + 1)]


def _finished(chart: alt.Chart) -> Spec:
    text = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 12, "titleFontSize": 12}
    lines = {"domain": False, "tickColor": "var(--line)", "gridColor": "var(--line)", "labelPadding": 6}
    whole = chart.properties(width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    config = {
        "font": "system-ui, sans-serif",
        "background": "transparent",
        "aria": False,  # a mark for each date would be read out one by one: the tables beside the charts are for that
        "view": {"stroke": None},
        "axis": {**text, **lines, "titleFontWeight": "normal"},
        "legend": {**text, "orient": "top", "symbolType": "square", "labelLimit": 240},
    }
    return {**whole.to_dict(), "config": config}


def _counts(*more: str) -> list[alt.Tooltip]:
    names = ("expected", "matched", "missing", *more)
    return [alt.Tooltip(name, type="quantitative", format=",") for name in names]


def _calendar(year: str) -> alt.Chart:
    """A line per month, a cell per date."""
    shares = "datum.expected ? format(datum.percent, '.2f') + ' %' : 'none expected'"
    wrong = "datum.wrong === null ? 'not checked' : format(datum.wrong, ',')"
    tooltip = [
        alt.Tooltip("date", type="nominal"),
        alt.Tooltip("share", type="nominal", title="share there"),
        *_counts("duplicate", "orphan"),
        alt.Tooltip("wrong_rows", type="nominal", title="wrong"),
        alt.Tooltip("band", type="nominal", title="colour"),
    ]
    chart: alt.Chart = (
        alt.Chart(alt.NamedData("calendar"), height=12 * 17)
        .transform_filter(f"substring(datum.date, 0, 4) === '{year}'")
        .transform_calculate(
            share=shares,
            wrong_rows=wrong,
            day="toString(toNumber(substring(datum.date, 8, 10)))",
            month=f"{MONTHS}[toNumber(substring(datum.date, 5, 7)) - 1]",
        )
        .mark_rect(cornerRadius=2, stroke="var(--panel)", strokeWidth=1.5)
        .encode(**_cells(), tooltip=tooltip)
    )
    return chart


def _cells() -> dict[str, Any]:
    """Where the cell of a date is, and its colour."""
    days, months = (alt.Scale(domain=names, paddingInner=0) for names in ([str(day) for day in range(1, 32)], MONTHS))
    return {
        "x": alt.X("day", type="ordinal", title=None, scale=days).axis(
            labelAngle=0, ticks=False, orient="top", values=["1", "5", "10", "15", "20", "25", "31"]
        ),
        "y": alt.Y("month", type="ordinal", title=None, scale=months).axis(ticks=False),
        "color": alt.Color("band", type="nominal", legend=None).scale(
            domain=[str(band) for band in Band], range=BAND_COLOURS
        ),
    }


def _stack(data: str) -> alt.Chart:
    """Stacked bars: matched and missing rows."""
    chart: alt.Chart = (
        alt.Chart(alt.NamedData(data))
        .transform_fold(["matched", "missing"], as_=["what", "rows"])
        .mark_bar(cornerRadius=1)
        .encode(
            color=alt.Color("what", type="nominal", title=None).scale(
                domain=["matched", "missing"], range=["var(--band-reconciled)", "var(--band-little)"]
            )
        )
    )
    return chart


def _time(months: Sequence[str]) -> alt.X:
    name = f"{MONTHS}[toNumber(substring(datum.value, 5, 7)) - 1] + ' ' + substring(datum.value, 0, 4)"
    axis = alt.Axis(labelExpr=name, labelAngle=0, labelOverlap="greedy", labelSeparation=8, ticks=False, grid=False)
    return alt.X("month", type="ordinal", title=None, axis=axis, scale=alt.Scale(domain=list(months)))


def _months(months: Sequence[str]) -> alt.Chart:
    share = alt.Tooltip("percent", type="quantitative", format=".2f", title="share there, %")
    month = alt.Tooltip("month", type="nominal")
    dates = [alt.Tooltip(name, type="quantitative", format=",") for name in ("dates", "reconciled")]
    rows = alt.Y("rows", type="quantitative", title="calculations").axis(format="~s", tickCount=4)
    chart = _stack("by_month").properties(height=220)
    return chart.encode(x=_time(months), y=rows, tooltip=[month, *dates, share, *_counts("duplicate", "orphan")])


def _models(models: Sequence[str]) -> alt.Chart:
    model = alt.Y("miner_model", type="nominal", title=None, sort=list(models)).axis(ticks=False, labelLimit=140)
    rows = alt.X("rows", type="quantitative", title="calculations").axis(format="~s", tickCount=4)
    tooltip = [alt.Tooltip("miner_model", type="nominal", title="miner model"), *_counts()]
    chart = _stack("by_model").properties(height=40 * len(models))
    return chart.encode(x=rows, y=model, tooltip=tooltip)


def _btc(models: Sequence[str], months: Sequence[str]) -> alt.Chart:
    """A line per miner model, which months without calculations interrupt."""
    colours = [f"var(--model-{number % MODEL_COLOURS})" for number, _ in enumerate(models)]
    shapes = [MARKS[number % len(MARKS)] for number, _ in enumerate(models)]
    scale = alt.Scale(domain=list(models), range=colours)
    tooltip = [
        alt.Tooltip("month", type="nominal"),
        alt.Tooltip("miner_model", type="nominal", title="miner model"),
        alt.Tooltip("btc", type="nominal", title="BTC"),
        alt.Tooltip("rows", type="quantitative", format=",", title="calculations"),
    ]
    chart: alt.Chart = (
        alt.Chart(alt.NamedData("btc_by_month"), height=240)
        .transform_calculate(amount="toNumber(datum.btc)")
        .mark_line(point=alt.OverlayMarkDef(size=60, filled=True), strokeWidth=2)
        .encode(
            x=_time(months),
            y=alt.Y("amount", type="quantitative", title="BTC")
            .axis(tickCount=5)
            .impute(value=None, keyvals=list(months)),
            color=alt.Color("miner_model", type="nominal", title=None, scale=scale),
            shape=alt.Shape("miner_model", type="nominal", title=None).scale(domain=list(models), range=shapes),
            tooltip=tooltip,
        )
    )
    return chart
