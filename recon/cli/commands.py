"""The commands of the main job. What is heavy is imported when a command runs, so that `--help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from recon.cli.call import Call, program
from recon.cli.completion import run_ids, unfinished_run_ids
from recon.cli.options import (
    DEFAULT_ATOL,
    DEFAULT_RTOL,
    DEFAULT_WORKERS,
    Atol,
    BatchSize,
    CheckValues,
    Day,
    Deep,
    DryRun,
    EndDay,
    Farm,
    FirstDate,
    LastDate,
    MaxChanges,
    MetricsFile,
    Period,
    PingUrl,
    Repair,
    Rtol,
    ValueOptions,
    Webhook,
    Workers,
    Yes,
    with_common,
)
from recon.config import ChangeLimit, Order, parse_repairs, parse_workers
from recon.window import Window, parse_date, today_in_london

DEFAULT_BATCH = 60
DEFAULT_LIMIT = "10%"
DEFAULT_MAX_FARM_MW = 1500.0
MaxFarm = Annotated[
    float, typer.Option("--max-farm-mw", help="Report keys with more energy than this power makes in half an hour.")
]
WhichFirst = Annotated[Order, typer.Option("--order", help="Which dates first.")]
_RUN_ID = {"metavar": "RUN_ID", "help": "A run's id, as 'recon runs' shows it."}
RunId = Annotated[str | None, typer.Argument(**_RUN_ID, autocompletion=run_ids)]
LimitOfRun = Annotated[
    str | None,
    typer.Option(
        "--max-changes",
        metavar="N|P%",
        help="How many stored rows the run may change in all (else as it began, up to 10%).",
    ),
]
UnfinishedRunId = Annotated[str | None, typer.Argument(**_RUN_ID, autocompletion=unfinished_run_ids)]


def add_to(app: typer.Typer) -> None:
    """Registers the commands, in the order in which a newcomer meets them."""
    for command in (status, analyze, fix, date, range_, resume, runs, explain, daily, init):
        app.command(command.__name__.rstrip("_"))(command)


@with_common(read_only=True, unless="from_export", engine=True, compares=True)
def status(
    call: Call,
    compare: ValueOptions,
    first: FirstDate = None,
    last: LastDate = None,
    deep: Deep = False,
    from_export: Annotated[
        Path | None,
        typer.Option("--from-export", metavar="DIR", help="Check what 'recon export' wrote instead of the tables."),
    ] = None,
) -> int:
    """Exact counts, key by key; read-only.

    With --from-export no database is asked: rows are checked against the export's manifest, every value is computed
    anew with the reference data, and every file is compared with its checksum.

    Risks: {reads}
    Output: rows and keys, a line per miner model, the dates by how far they are, and the verdict. With --json one
        document, in which everything is counted exactly; of an export, `damage` lists files that are not as written,
        `left_out` what was left out of it.
    Exit status: 0 reconciled; 1 differences found; 2; 3.
    Examples:
        recon status
        recon status --from 2024-04-01 --to 2024-04-30 --json
        recon status --values --workers auto
        recon status --from-export slice
    """
    window = Window.parse(first, last)
    from recon import export_check, pipeline
    from recon.cli import progress, render

    with progress.comparing(call) as compared:
        check = compare.check(call, compared, always=bool(from_export))
        if from_export and check:
            found = export_check.status(from_export, call.settings, call.reference, window, check)
        else:
            found = pipeline.status(
                call.settings, call.reference, window, name=call.name, deep=deep, check=check, compared=compared
            )
    render.status(call, found)
    return found.exit_code


@with_common(read_only=True, engine=True, compares=True)
def analyze(
    call: Call,
    compare: ValueOptions,
    first: FirstDate = None,
    last: LastDate = None,
    deep: Deep = False,
    max_farm_mw: MaxFarm = DEFAULT_MAX_FARM_MW,
) -> int:
    """Status, every incomplete date, patterns, what to run.

    Risks: {reads}
    Output: what status prints, every incomplete date, months, findings with advice, and commands to run, most useful
        first.
    Exit status: 0 reconciled; 1 differences found; 2; 3.
    Examples:
        recon analyze
        recon analyze --from 2024-04-20 --json
    """
    window = Window.parse(first, last)
    from recon import analysis
    from recon.cli import progress, render

    with progress.comparing(call) as compared:
        check = compare.check(call, compared)
        found = analysis.analyze(
            call.settings,
            call.reference,
            window,
            name=call.name,
            deep=deep,
            max_farm_mw=max_farm_mw,
            check=check,
            compared=compared,
            program=program(),
        )
    render.analysis(call, found)
    return found.exit_code


@dataclass(frozen=True)
class _Fix:
    """What the commands that fill dates have in common."""

    batch_size: int = DEFAULT_BATCH
    workers: str = DEFAULT_WORKERS
    order: Order = Order.NEWEST
    dry_run: bool = False
    repair: str = "missing"
    yes: bool = False
    max_changes: str = DEFAULT_LIMIT
    atol: float = DEFAULT_ATOL
    rtol: float = DEFAULT_RTOL

    def run(self, call: Call, window: Window) -> int:
        repairs, limit = parse_repairs(self.repair), ChangeLimit.parse(self.max_changes)
        workers = parse_workers(self.workers)
        from recon import pipeline
        from recon.audit import Tolerance
        from recon.cli import progress, render_runs
        from recon.cli.consent import consent
        from recon.parameters import Mending, Pace

        with progress.Progress(call) as watcher:
            report = pipeline.fix(
                call.settings,
                call.reference,
                window,
                Pace(self.batch_size, workers, self.order),
                command=call.command,
                run_id=call.run_id,
                watcher=watcher,
                dry_run=self.dry_run,
                mending=Mending(repairs, Tolerance(self.atol, self.rtol), limit),
                confirm=consent(call, self.yes),
                engine=call.engine,
            )
        render_runs.fix(call, report)
        if report.changes is not None and not limit.allows(report.changes.height, report.after.stored):
            call.say(f"more than --max-changes {limit}: to do it, give --max-changes {report.changes.height}, too")
        return report.exit_code


@with_common(engine=True)
def fix(
    call: Call,
    batch_size: BatchSize = DEFAULT_BATCH,
    workers: Workers = DEFAULT_WORKERS,
    order: WhichFirst = Order.NEWEST,
    first: FirstDate = None,
    last: LastDate = None,
    dry_run: DryRun = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
) -> int:
    """Fill every gap: survey, plan, price, load, verify, record.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon fix --dry-run
        recon fix
        recon fix 30 --workers auto --order oldest --from 2024-01-01
        recon fix --repair missing,stale,duplicate,orphan --dry-run
    """
    window = Window.parse(first, last)
    return _Fix(batch_size, workers, order, dry_run, repair, yes, max_changes, atol, rtol).run(call, window)


@with_common()
def date(
    call: Call,
    day: Day,
    dry_run: DryRun = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
) -> int:
    """Fill one date.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon date 2024-04-20
    """
    parsed = parse_date(day)
    plan = _Fix(DEFAULT_BATCH, "1", Order.NEWEST, dry_run, repair, yes, max_changes, atol, rtol)
    return plan.run(call, Window(parsed, parsed))


@with_common(engine=True)
def range_(
    call: Call,
    first: Day,
    last: EndDay,
    batch_size: BatchSize = DEFAULT_BATCH,
    workers: Workers = DEFAULT_WORKERS,
    order: WhichFirst = Order.NEWEST,
    dry_run: DryRun = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
) -> int:
    """Fill an inclusive range of dates.

    Risks: {fills}
    Output: {filled}
    Exit status: 0; 1; 2; 3; 4.
    Examples:
        recon range 2024-04-01 2024-04-30
        recon range 2024-04-01 2024-04-30 5 --dry-run
    """
    window = Window.parse(first, last)
    return _Fix(batch_size, workers, order, dry_run, repair, yes, max_changes, atol, rtol).run(call, window)


@with_common(engine=True)
def resume(call: Call, run_id: UnfinishedRunId = None, yes: Yes = False, max_changes: LimitOfRun = None) -> int:
    """Go on with an unfinished run, as it was planned.

    The newest one, unless another is named; its stored plan and parameters count, on the tables that are named now.

    Risks: those of the command that began the run. Where it repairs, that is said, and --yes is needed anew.
    Output: {filled}
    Exit status: 0 done and reconciled, or nothing to resume; 1; 2; 3; 4.
    Examples:
        recon resume
        recon resume 7f3a0c21
        recon resume 7f3a0c21 --max-changes 500 --yes
    """
    limit = None if max_changes is None else ChangeLimit.parse(max_changes)
    from recon import pipeline
    from recon.cli import progress, render_runs
    from recon.cli.consent import consent

    agreed = consent(call, yes, "the run repairs, too: ")
    with progress.Progress(call) as watcher:
        report = pipeline.resume(
            call.settings,
            call.reference,
            run_id,
            watcher=watcher,
            engine=call.engine,
            confirm=agreed,
            limit=limit,
        )
    if report is None:
        return render_runs.nothing_to_resume(call)
    render_runs.fix(call, report)
    return report.exit_code


@with_common(read_only=True)
def runs(call: Call, run_id: RunId = None) -> None:
    """The history of runs, or one run date by date.

    A run is recorded from when it has something to write. One that found nothing to do, had blocked dates only, or
    ended before is not among them: see its log.

    Risks: {reads}
    Output: a line per run, newest first; of one run also a line per date.
    Exit status: 0 the history was shown; 2; 3.
    Examples:
        recon runs
        recon runs 7f3a0c21 --json
    """
    from recon import pipeline
    from recon.cli import render_runs

    history, dates = pipeline.history(call.settings, run_id, name=call.name)
    render_runs.runs(call, history, dates)


@with_common(read_only=True)
def explain(call: Call, day: Day, period: Period, farm: Farm) -> int:
    """The arithmetic of one key, and what is stored.

    Risks: {reads}
    Output: energy, difficulty and subsidy of the key, and per miner model each step with its unit, what is stored,
        and whether it agrees. Of a period that the day has not, only the rows that stand there.
    Exit status: 0 the stored rows agree; 1 they are missing or differ; 2; 3; 4 no difficulty is known for the date.
    Examples:
        recon explain 2024-04-20 24 T_VKNGW-1
    """
    parsed = parse_date(day)
    from recon import explanation as story
    from recon.cli import render

    found = story.explain(call.settings, call.reference, parsed, period, farm, name=call.name)
    render.explanation(call, found)
    return found.exit_code


@with_common(engine=True)
def daily(
    call: Call,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many dates, today included.")] = 2,
    force: Annotated[
        bool, typer.Option("--force", help="Compare every key and compute wrong rows anew (needs --yes).")
    ] = False,
    repair: Repair = "missing",
    yes: Yes = False,
    max_changes: MaxChanges = DEFAULT_LIMIT,
    values: CheckValues = False,
    atol: Atol = DEFAULT_ATOL,
    rtol: Rtol = DEFAULT_RTOL,
    today: Annotated[
        str | None, typer.Option("--today", metavar="DATE", help="Check as if this were today (Europe/London).")
    ] = None,
    metrics_file: MetricsFile = None,
    ping_url: PingUrl = None,
    webhook: Webhook = None,
) -> int:
    """The nightly check: today and the days before it.

    Risks: those of fix, for the last dates. Only one instance works at a time.
    Output: a line per date (fully_reconciled, fixed, partial, failed or blocked), then what fix prints. With --json
        one document, whose figures are those of the metrics file. The log ends with one line that sums the night up.
    Exit status: 0; 1; 2; 3; 4 some dates failed or are blocked, or another instance is at work.
    Examples:
        recon daily --days 3 --quiet --log-file recon.log
        recon daily --values --metrics-file recon.prom --ping-url https://hc-ping.com/your-check
        recon daily --webhook https://hooks.example.com/recon --log-format json
    """
    day = parse_date(today) if today else today_in_london(datetime.now(UTC))
    repairs = parse_repairs(repair) | ({"stale"} if force else set())
    limit = ChangeLimit.parse(max_changes)
    from recon import daily as story
    from recon.audit import Tolerance
    from recon.cli import progress, render_runs
    from recon.cli.consent import consent
    from recon.cli.night import Night
    from recon.parameters import Mending
    from recon.values import unwatched

    with Night(call, story.window(day, days), metrics_file, ping_url, webhook) as night:
        with progress.Progress(call) as watcher:
            night.found = story.daily(
                call.settings,
                call.reference,
                day,
                days,
                run_id=call.run_id,
                watcher=watcher,
                force=force,
                check=ValueOptions(values, atol, rtol).check(call, unwatched),
                mending=Mending(repairs, Tolerance(atol, rtol), limit),
                confirm=consent(call, yes),
                engine=call.engine,
                begun=night.begin,
            )
        render_runs.daily(call, night.found)
        return night.found.exit_code


@with_common()
def init(
    call: Call,
    unique_index: Annotated[
        bool, typer.Option("--unique-index", help="Also create the unique index, concurrently.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the statements; run none.")] = False,
) -> int:
    """Create the ledger; offer the unique index.

    Risks: it creates the schema recon and, with --unique-index, an index (concurrently: nobody has to wait).
    Output: what exists, what was created; with --dry-run the statements.
    Exit status: 0 everything is as asked for; 2; 3.
    Examples:
        recon init --dry-run
        recon init --unique-index
    """
    from recon import setup
    from recon.cli import progress, render

    with progress.comparing(call, "indexing" if unique_index else "reading"):
        found = setup.init(call.settings, name=call.name, unique_index=unique_index, dry_run=dry_run)
    render.init(call, found)
    return found.exit_code
