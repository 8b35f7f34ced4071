"""An invented shop's RudderStack events, as Kinesis Data Firehose lands them."""

from engagement.landing.generator.card import write_data_card
from engagement.landing.generator.generation import generate
from engagement.landing.generator.report import DayTruth, GeneratorReport
from engagement.landing.generator.settings import (
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
