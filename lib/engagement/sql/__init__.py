"""The dialect of every query: parsed, checked and rendered, with no knowledge of a connection."""
