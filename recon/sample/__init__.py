"""Invented tables. Imports core and postgres."""
