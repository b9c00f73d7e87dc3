"""What could make a run time out. Imports core and postgres."""
