"""Faults: what recon survives, and proof that nothing is lost. `python -m tests.faults` runs them all."""
