"""The dialect as Athena reads it: models are written in it, so nothing is rewritten."""

from __future__ import annotations

from engagement.sql.rendering import Rendering
from engagement.warehouse.athena.functions import FUNCTIONS

ATHENA = Rendering("athena", FUNCTIONS)
