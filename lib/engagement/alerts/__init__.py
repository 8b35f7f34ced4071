"""Alerts: what to look at before you trust the figures."""

from engagement.alerts.finding import Alert, Data, as_records, found, look, read

__all__ = ["Alert", "Data", "as_records", "found", "look", "read"]
