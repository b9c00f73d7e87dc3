"""recon: brings curtailment_records and historical_bitcoin_calculations to exact agreement, and proves it.

As a library: `recon.status`, `plan`, `fix`, `explain` and `verify` do what the commands of these names do and return
frozen reports; see recon.api. What is heavy is loaded by the first of them that is used.
"""

from typing import TYPE_CHECKING

from recon.core.version import __version__ as __version__

if TYPE_CHECKING:
    from recon.api import Explanation, FixReport, Options, Proof, Status, explain, fix, plan, status, verify
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
    "ConnectError",
    "DataFileError",
    "DatabaseError",
    "ExitCode",
    "Explanation",
    "FixReport",
    "IncompleteError",
    "LedgerError",
    "Options",
    "PermissionDenied",
    "Proof",
    "ReconError",
    "SchemaError",
    "Status",
    "UsageError",
    "explain",
    "fix",
    "plan",
    "status",
    "verify",
]

if not TYPE_CHECKING:  # a type checker is to complain of names that are not there

    def __getattr__(name: str) -> object:
        """A name of the library, loaded when it is first asked for."""
        if name not in __all__:
            raise AttributeError(f"module 'recon' has no attribute {name!r}")
        from importlib import import_module

        errors = import_module("recon.core.errors")
        return getattr(errors if hasattr(errors, name) else import_module("recon.api"), name)

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
