"""What a status means: findings, recommendations, the calendar, the report. Imports core to reconcile."""
