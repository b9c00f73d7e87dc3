"""A slice of the tables as files, and their check. Imports core to reconcile."""
