"""recon as a library: what the commands of the same names do, as functions that return frozen answers.

Every answer has `.to_dict()`, which is the command's `--json` document, `.to_frame()`, its rows as a Polars frame,
`.exit_code`, what the command would end with, and `.sentence`, what there is to say in one line; a notebook shows it
as a table and that line. Nothing is printed or logged (a notebook gets a bar while something goes on), no signal
handler is installed, the process is never ended, and every call opens and closes connections of its own: any thread may
call. Ctrl-C ends a call of the main thread within two seconds: what was in hand is rolled back, KeyboardInterrupt is
raised, and the next call works.

What goes wrong is a ReconError with `message`, `hint`, `code` and `exit_code`:

2   UsageError, DataFileError   an argument, a setting or a file that cannot be right
2   SchemaError, LedgerError    tables or a ledger that do not fit
3   DatabaseError, and among them ConnectError and PermissionDenied
4   IncompleteError             another run or export is in the way

Differences are no errors: they are in the answer. The room may import all others but `cli/`.
"""
