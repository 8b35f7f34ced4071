"""Landed files, their lines and the JSON records in them, with no knowledge of an engine."""
