"""recon: brings curtailment_records and historical_bitcoin_calculations to exact agreement, and proves it.

As a library: `recon.status`, `analyze`, `plan`, `fix`, `explain`, `verify`, `report`, `export_slice`, `runs` and
`quarantine` do what the commands do and return frozen answers, which a notebook shows; see recon.api. What is heavy is
loaded by the first of them that is used.
"""

from typing import TYPE_CHECKING

from recon.core.version import __version__ as __version__

if TYPE_CHECKING:
    from recon.api.files import ExportReport, Report, export_slice, report
    from recon.api.filling import FixReport, fix, plan
    from recon.api.looking import (
        Analysis,
        Explanation,
        Options,
        Proof,
        Quarantine,
        Runs,
        Status,
        analyze,
        explain,
        quarantine,
        runs,
        status,
        verify,
    )
    from recon.core.errors import (
        ConnectError,
        DatabaseError,
        DataFileError,
        ExitCode,
        IncompleteError,
        LedgerError,
        PermissionDenied,
        ReconError,
        SchemaError,
        UsageError,
    )

__all__ = [
    "Analysis",
    "ConnectError",
    "DataFileError",
    "DatabaseError",
    "ExitCode",
    "Explanation",
    "ExportReport",
    "FixReport",
    "IncompleteError",
    "LedgerError",
    "Options",
    "PermissionDenied",
    "Proof",
    "Quarantine",
    "ReconError",
    "Report",
    "Runs",
    "SchemaError",
    "Status",
    "UsageError",
    "analyze",
    "explain",
    "export_slice",
    "fix",
    "plan",
    "quarantine",
    "report",
    "runs",
    "status",
    "verify",
]

if not TYPE_CHECKING:  # a type checker is to complain of names that are not there

    def __getattr__(name: str) -> object:
        """A name of the library, loaded when it is first asked for."""
        if name not in __all__:
            raise AttributeError(f"module 'recon' has no attribute {name!r}")
        from importlib import import_module

        homes = map(
            import_module, (f"recon.{home}" for home in ("core.errors", "api.looking", "api.filling", "api.files"))
        )
        return next(getattr(home, name) for home in homes if hasattr(home, name))

    def __dir__() -> list[str]:
        """The library: not the rooms, which are there once something has loaded them."""
        return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
