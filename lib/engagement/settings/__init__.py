"""Parameters of a run: one YAML file, typed and validated, every mistake reported at once.

A parameter file names everything a run depends on: where the events land, which engine holds the
tables, the reporting time zone, how business concepts map to event names. Dotted overrides
(``sessions.gap_minutes=20``) replace single values. An unknown key is an error, and so is a value
of the wrong kind; all of them are reported together, each by its key.
"""

from engagement.settings.activation import Activation, Campaign, CustomerProfiles
from engagement.settings.alerts import Alerts
from engagement.settings.audience import Audience
from engagement.settings.behaviour import Identity, Sessions, Traffic
from engagement.settings.collect import Collect, Firehose
from engagement.settings.customers import Consent, Customers, Personalize
from engagement.settings.demo import Demo
from engagement.settings.events import Concept, Events
from engagement.settings.landing import Duplicates, Landing, PlannedProperty
from engagement.settings.loading import (
    DEFAULT_PARAMS,
    PARAMS_VARIABLE,
    known_keys,
    load_settings,
    parse_override,
)
from engagement.settings.measures import Attribution, Currency, Funnel, Metrics, Models
from engagement.settings.quicksight import QuickSight
from engagement.settings.redshift import Redshift
from engagement.settings.root import Settings
from engagement.settings.section import FIRST_DAY, LAST_DAY, LATEST, ROOT, Section, SettingsError
from engagement.settings.warehouse import Athena, Databases, DuckDB, Postgres, Run, Warehouse
from engagement.settings.yaml_files import read_yaml

__all__ = [
    "DEFAULT_PARAMS",
    "FIRST_DAY",
    "LAST_DAY",
    "LATEST",
    "PARAMS_VARIABLE",
    "ROOT",
    "Activation",
    "Alerts",
    "Athena",
    "Attribution",
    "Audience",
    "Campaign",
    "Collect",
    "Concept",
    "Consent",
    "Currency",
    "CustomerProfiles",
    "Customers",
    "Databases",
    "Demo",
    "DuckDB",
    "Duplicates",
    "Events",
    "Firehose",
    "Funnel",
    "Identity",
    "Landing",
    "Metrics",
    "Models",
    "Personalize",
    "PlannedProperty",
    "Postgres",
    "QuickSight",
    "Redshift",
    "Run",
    "Section",
    "Sessions",
    "Settings",
    "SettingsError",
    "Traffic",
    "Warehouse",
    "known_keys",
    "load_settings",
    "parse_override",
    "read_yaml",
]
