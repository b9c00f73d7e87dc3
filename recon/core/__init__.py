"""Words and rules: keys, windows, settings, errors, gaps, price, plan. Imports no other room, knows no server."""
