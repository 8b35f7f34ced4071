"""What failed on AWS, as errors of the warehouse."""

from __future__ import annotations

from engagement.aws import s3
from engagement.warehouse.errors import WarehouseError


def problem(what: str, error: Exception) -> WarehouseError:
    """Say what could not be done, with the service's own reason and what to do about it."""
    return s3.problem(what, error, WarehouseError)
