"""Difficulty: the epochs known (files, days, rules), merged, updated, and looked up for a settlement date."""
