"""Charts and reports on the aggregates."""
