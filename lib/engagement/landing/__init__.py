"""Stage 01: the landing as tables, and what Firehose could not deliver."""
