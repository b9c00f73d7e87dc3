"""PostgreSQL that runs without being installed, for `recon demo` and tests."""
