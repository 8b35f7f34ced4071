"""Names of the folders that tables' files are in: those that readers may not read are marked."""

from __future__ import annotations

import re

_PRIVATE = frozenset({"landing.erased", "landing.erasure_key", "landing.quarantine"})
"""Published tables that say who was erased, or hold the text of records that were set aside."""

_PRIVATE_WORK = frozenset(
    "broken_lines classified judged left_quarantine lines located records refused set_aside".split()
)
"""Working tables that hold the like."""

_PRIVATE_MARK = "private-"
"""Begins the names of their folders; no other's, since names of tables have no hyphen."""


def folder_name(name: str, of: str, number: int) -> str:
    """Name of the folder of a table's files; what readers may not read is known by it.

    Parameters
    ----------
    of
        The published table that it is made for; empty for a working table.
    """
    is_private = of in _PRIVATE or (not of and name in _PRIVATE_WORK)
    return f"{_PRIVATE_MARK if is_private else ''}{number:04d}_{plain_name(name)}"


def plain_name(name: str) -> str:
    """A name that a folder or a physical table can have."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:_LONGEST_NAME]


def made_for(label: str) -> str:
    """The published table that a statement makes, from its label; empty for a working table."""
    name = label.partition(",")[0]
    return name if "." in name else ""


_LONGEST_NAME = 60
