"""The metrics of a nightly run, as a file for node_exporter's textfile collector."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recon.core import extras
from recon.core.errors import UsageError

SUFFIX = ".prom"
LAST_RUN = "recon_daily_last_run_timestamp_seconds"
LAST_SUCCESS = "recon_daily_last_success_timestamp_seconds"


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


def values(document: Mapping[str, Any], ended_at: float, last_success: float | None) -> dict[str, float]:
    """The value of each metric that is known; one that is not is left out, never invented.

    document: the JSON of the run; of one without a result, what is known of it. Times are in seconds since 1970.
    """
    success = ended_at if document["exit_code"] == 0 else last_success
    found = {metric.name: document.get(metric.field) for metric in METRICS if metric.field}
    found |= {LAST_RUN: ended_at, LAST_SUCCESS: success}
    return {name: float(value) for name, value in found.items() if value is not None}


def last_success(path: Path) -> float | None:
    """When a run last succeeded, by the file that it or a later one left; None for a file that does not say."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    samples = (sample for family in families for sample in family.samples)
    return next((sample.value for sample in samples if sample.name == LAST_SUCCESS), None)


def write(path: Path, values: Mapping[str, float]) -> None:
    """The whole file or none of it. As the umask has it: the collector is another user, who has to read it. OSError."""
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    for metric in METRICS:
        if metric.name in values:
            Gauge(metric.name, metric.help, registry=registry).set(values[metric.name])
    write_to_textfile(str(path.resolve()), registry)
