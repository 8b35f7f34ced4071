"""The one interface to an engine, and its implementations."""
