"""The report as one HTML page: what it holds, its charts and calendar, its template."""
