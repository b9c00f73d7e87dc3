"""Answers on the terminal: tables, calendar, progress."""
