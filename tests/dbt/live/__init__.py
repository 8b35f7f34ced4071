"""Exported projects run by dbt itself, which has an environment of its own: make test-dbt."""
