"""Removing a person: from landed files, tables, exports and what they leave behind."""
