"""Shared helpers of the workbook: one folder per stage of the data's way."""
