"""`python -m recon`."""

from __future__ import annotations

from recon.cli.process import run

if __name__ == "__main__":
    run()
