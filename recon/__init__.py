"""recon: brings curtailment_records and historical_bitcoin_calculations to exact agreement, and proves it."""

__version__ = "0.1.0"
