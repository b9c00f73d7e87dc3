"""The charts of `recon report`, as Vega-Lite. They are drawn in the browser, from the document embedded in the page.

Every colour is a variable of the page's style sheet, so that charts are light or dark with the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import altair as alt

from recon.analysis.calendar import Band

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
BAND_COLOURS = [f"var(--band-{band.name.lower()})" for band in Band]
MODEL_COLOURS = 8
"""How many the style sheet has; a ninth miner model begins anew."""
ROW_PX, RULER_PX = 17, 26
"""The heights of a month in the calendar, and of the ruler above."""
MARKS = ("circle", "square", "triangle-up", "diamond", "cross")
Chart = alt.Chart | alt.LayerChart | alt.FacetChart
Spec = dict[str, Any]


def specs(document: dict[str, Any]) -> dict[str, Spec]:
    """Every chart of the page by its name: `calendar-YEAR`, `months`, `models` and `btc`."""
    stored = [row["miner_model"] for row in document["btc_by_month"]]
    priced = list(dict.fromkeys([*document["miner_models"], *stored]))
    held, priced_months = (_months_of(document[name]) for name in ("by_month", "btc_by_month"))
    charts: dict[str, Chart] = {f"calendar-{year}": _calendar(year, list(months)) for year, months in years(held)}
    charts |= {"months": _months(held), "models": _models(document["miner_models"])}
    charts["btc"] = _btc(priced, priced_months)
    return {name: _finished(chart) for name, chart in charts.items()}


def _months_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["month"] for row in rows))


def years(months: Iterable[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """The months of each year, in order.

    >>> [(year, list(months)) for year, months in years(["2023-11", "2023-12", "2024-04"])]
    [('2023', ['2023-11', '2023-12']), ('2024', ['2024-04'])]
    """
    return groupby(months, key=lambda month: month[:4])


def _finished(chart: Chart) -> Spec:
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


def _calendar(year: str, months: Sequence[str]) -> Chart:
    """A line per month that has dates, a cell per date; a dot where rows are missing and others too many or wrong."""
    shares = "datum.expected ? format(datum.percent, '.2f') + ' %' : 'none expected'"
    wrong = "datum.wrong === null ? 'not checked' : format(datum.wrong, ',')"
    tooltip = [
        alt.Tooltip("date", type="nominal"),
        alt.Tooltip("share", type="nominal", title="share there"),
        *_counts("duplicate", "orphan"),
        alt.Tooltip("wrong_rows", type="nominal", title="wrong"),
        alt.Tooltip("band", type="nominal", title="colour"),
    ]
    names = [MONTHS[int(month[5:]) - 1] for month in months]
    dates: alt.Chart = (
        alt.Chart()
        .transform_filter(f"substring(datum.date, 0, 4) === '{year}'")
        .transform_calculate(
            share=shares,
            wrong_rows=wrong,
            day="toString(toNumber(substring(datum.date, 8, 10)))",
            month=f"{MONTHS}[toNumber(substring(datum.date, 5, 7)) - 1]",
        )
        .encode(**_place(names), tooltip=tooltip)
    )
    cells = dates.mark_rect(cornerRadius=2, stroke="var(--panel)", strokeWidth=1.5).encode(color=_band())
    dots = dates.transform_filter("datum.missing && datum.surplus").mark_circle(
        size=34, opacity=1, color="var(--band-surplus)", stroke="var(--panel)", strokeWidth=1.5
    )
    return alt.layer(cells, dots, data=alt.NamedData("calendar"), height=len(names) * ROW_PX)


def _band() -> alt.Color:
    bands = [str(band) for band in Band]
    return alt.Color("band", type="nominal", legend=None).scale(domain=bands, range=BAND_COLOURS)


def _place(names: Sequence[str]) -> dict[str, Any]:
    """Where the cell of a date is."""
    days, months = (alt.Scale(domain=n, paddingInner=0) for n in ([str(day) for day in range(1, 32)], names))
    return {
        "x": alt.X("day", type="ordinal", title=None, scale=days).axis(
            labelAngle=0, ticks=False, orient="top", values=["1", "5", "10", "15", "20", "25", "31"]
        ),
        "y": alt.Y("month", type="ordinal", title=None, scale=months).axis(ticks=False),
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
        alt.Tooltip("less", type="nominal", title="not counted"),
    ]
    chart: alt.Chart = (
        alt.Chart(alt.NamedData("btc_by_month"), height=240)
        .transform_calculate(amount="toNumber(datum.btc)", less="datum.why || 'nothing'")
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
