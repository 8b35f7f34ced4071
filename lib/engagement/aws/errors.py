"""What AWS could not do, in words."""

from __future__ import annotations

from engagement.errors import FailedError
from engagement.privacy import masked


class AwsError(FailedError):
    """A call on AWS that failed, with what to do about it.

    A service repeats the value that it could not use; personal data in it is masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))
