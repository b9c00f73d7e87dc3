"""How long recon takes beside what a user would pick instead; run by `python -m benchmarks`."""
