"""The server: sessions, the two tables as they are, what is read of them, and the ledger. Imports core."""
