"""Runs of the workbook: notebooks in batch, checks before them, what is said after them."""
