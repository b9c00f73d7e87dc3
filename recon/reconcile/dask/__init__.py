"""Chunks on a Dask cluster instead of threads."""
