"""Segments and the files that carry them to Pinpoint and Customer Profiles."""
