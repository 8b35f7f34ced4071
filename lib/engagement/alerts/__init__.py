"""Alerts: what somebody should look at before the figures are believed."""

from engagement.alerts.finding import Alert, Data, as_records, found, look, read

__all__ = ["Alert", "Data", "as_records", "found", "look", "read"]
