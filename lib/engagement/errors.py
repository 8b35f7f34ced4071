"""What can go wrong, as the command line sees it: wrong input, or a failure on the way.

Each room has error types of its own; they inherit from one of these two, which decide the exit
code. Anything else that is raised is a defect and shows its traceback.
"""

from __future__ import annotations


class WrongInputError(Exception):
    """Parameters, files or arguments that cannot be used; the message says where. Exit code 2."""


class FailedError(Exception):
    """Something that could not be done; running it again may help. Exit code 1."""
