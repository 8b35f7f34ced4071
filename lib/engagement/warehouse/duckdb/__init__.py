"""The engine on a laptop: DuckDB in one file."""
