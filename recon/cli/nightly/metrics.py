"""The metrics of a nightly run, as a file for node_exporter's textfile collector."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recon.core import extras
from recon.core.errors import UsageError

SUFFIX = ".prom"
LAST_RUN = "recon_daily_last_run_timestamp_seconds"
LAST_SUCCESS = "recon_daily_last_success_timestamp_seconds"
NEWEST = "recon_newest_curtailment_timestamp_seconds"
LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
"""The name of a label; those that begin with two underscores are Prometheus's own."""


@dataclass(frozen=True)
class Metric:
    """A gauge: its name, what it says, and the field of the JSON document of `recon daily` that it repeats."""

    name: str
    help: str
    field: str | None = None


METRICS = (
    Metric(LAST_RUN, "When the last run ended."),
    Metric(LAST_SUCCESS, "When the last run with exit code 0 ended."),
    Metric("recon_daily_exit_code", "Exit code of the last run.", "exit_code"),
    Metric("recon_daily_duration_seconds", "How long the last run took.", "seconds"),
    Metric(NEWEST, "00:00 UTC of the newest settlement date of the curtailment that is not after today."),
    Metric("recon_daily_expected_rows", "Rows that the window should have.", "expected"),
    Metric("recon_daily_missing_rows", "Rows still missing in the window.", "remaining"),
    Metric("recon_daily_duplicate_rows", "Rows beyond the first of a key and miner model.", "duplicate"),
    Metric("recon_daily_orphan_rows", "Rows without curtailment or with an unknown miner model.", "orphan"),
    Metric("recon_daily_wrong_rows", "Rows with a wrong value; only with --values.", "wrong"),
    Metric("recon_daily_inserted_rows", "Rows that the last run wrote.", "inserted"),
    Metric("recon_daily_blocked_dates", "Dates without a known difficulty.", "blocked_dates"),
    Metric("recon_daily_failed_dates", "Dates whose transaction failed.", "failed_dates"),
    Metric(
        "recon_difficulty_coverage_days",
        "Days from today to the last date of known difficulty.",
        "difficulty_coverage_days",
    ),
)


def ready(path: Path) -> None:
    """Refuses before any work what could not be written after it: UsageError."""
    if find_spec("prometheus_client") is None:
        raise UsageError(
            "--metrics-file needs the package prometheus_client",
            extras.install("metrics"),
            code="no_metrics",
        )
    if (path.exists() and not path.is_file()) or not os.access(path.resolve().parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"the metrics file {path} cannot be written", "name a file in a directory that is there with --metrics-file"
        )
    if path.suffix != SUFFIX:
        raise UsageError(
            f"the metrics file {path} would not be read", f"node_exporter reads *{SUFFIX} and nothing else"
        )


def labels(given: Iterable[str]) -> dict[str, str]:
    """The labels that are given as NAME=VALUE; UsageError for what cannot be one.

    >>> labels(["site=north", "db=a=b"])
    {'site': 'north', 'db': 'a=b'}
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not LABEL.fullmatch(name) or not value or not _is_text(value):
            hint = "give NAME=VALUE, as site=north; a name has letters, digits and _, and begins with a letter"
            raise UsageError(f"--metrics-label is {text!r}", hint)
        if name in found:
            raise UsageError(f"--metrics-label gives {name} twice", "give each name once")
        found[name] = value
    return found


def _is_text(value: str) -> bool:
    try:
        return bool(value.encode())
    except UnicodeEncodeError:  # bytes of the command line that are none
        return False


def values(document: Mapping[str, Any], ended_at: float, last_success: float | None) -> dict[str, float]:
    """The value of each metric that is known; one that is not is left out, never invented.

    document: the JSON of the run; of one without a result, what is known of it. Times are in seconds since 1970.
    """
    success = ended_at if document["exit_code"] == 0 else last_success
    found = {metric.name: document.get(metric.field) for metric in METRICS if metric.field}
    newest = document.get("newest_curtailment")
    midnight = datetime.fromisoformat(newest).replace(tzinfo=UTC).timestamp() if newest else None
    found |= {LAST_RUN: ended_at, LAST_SUCCESS: success, NEWEST: midnight}
    return {name: float(value) for name, value in found.items() if value is not None}


def last_success(path: Path, labels: Mapping[str, str]) -> float | None:
    """When a run of these labels last succeeded, by the file that it or a later one left; None for a file that does not
    say.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    samples = (sample for family in families for sample in family.samples)
    return next((one.value for one in samples if (one.name, one.labels) == (LAST_SUCCESS, labels)), None)


def write(path: Path, values: Mapping[str, float], labels: Mapping[str, str]) -> None:
    """The whole file or none of it; every metric has the labels. As the umask has it: the collector is another user,
    who has to read it. OSError.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    for metric in METRICS:
        if metric.name in values:
            gauge = Gauge(metric.name, metric.help, labels, registry=registry)
            (gauge.labels(**labels) if labels else gauge).set(values[metric.name])
    write_to_textfile(str(path.resolve()), registry)
