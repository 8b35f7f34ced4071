"""An invented shop's RudderStack events, as Kinesis Data Firehose lands them."""

from engagement.samples.card import write_data_card
from engagement.samples.generation import generate
from engagement.samples.report import DayTruth, GeneratorReport
from engagement.samples.settings import (
    SAMPLES,
    Dirt,
    GeneratorError,
    GeneratorSettings,
)

__all__ = [
    "SAMPLES",
    "DayTruth",
    "Dirt",
    "GeneratorError",
    "GeneratorReport",
    "GeneratorSettings",
    "generate",
    "write_data_card",
]
