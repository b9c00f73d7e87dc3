"""`python -m recon`."""

from recon.cli import run

if __name__ == "__main__":
    run()
