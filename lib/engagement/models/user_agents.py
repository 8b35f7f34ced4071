"""What user agents say: who asks (a bot or not), on what kind of device, with what browser, system.

Browser, system and device are read by ua-parser's rules, in ua-parser-rs's compiled matcher, which
also takes the list of crawlers and the project's own rules. A text is read once, however many
events have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

UNKNOWN = "unknown"
"""What a rule says where the text does not tell: NULL in the table."""

_MOST_CHARACTERS = 4_096
"""No browser says more: of a longer text, the rest is not looked at."""


class _First:
    """Patterns in an order: what the first that matches stands for.

    Raises
    ------
    ValueError
        When a pattern is none.
    """

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        from ua_parser_rs import UserAgentExtractor

        ordered = list(patterns)
        self._values = [value for _, value in ordered]
        # Numbers take the families' place: in a value, the matcher would fill in "$1".
        self._matcher = UserAgentExtractor(
            (pattern, str(number), None, None, None, None)
            for number, (pattern, _) in enumerate(ordered)
        )

    def __call__(self, text: str) -> str | None:
        found = self._matcher.extract(text)
        return self._values[int(found.family)] if found else None


class Reader:
    """Reads user agents by the rules, families and exceptions of the seeds.

    Parameters
    ----------
    rules
        ``attribute, precedence, pattern, value``: patterns over the text in lower case, of which
        the first that matches decides. ``harmless`` ones are parts of a text that no bot is told
        by, all of them, each with what takes its place. A ``device`` pattern may also look at what
        the parser made of it, in lines of their own: ``device=<brand> <model>`` and
        ``os=<system>``.
    families
        ``attribute, family, name``: the project's name for a parser's family, or ``unknown``.
    exceptions
        ``entry, instead``: an entry of the list of crawlers, and what takes its place, if anything.
    """

    def __init__(
        self, rules: pd.DataFrame, families: pd.DataFrame, exceptions: pd.DataFrame
    ) -> None:
        from crawleruseragents import CRAWLER_USER_AGENTS_DATA as LISTED
        from ua_parser.loaders import load_builtins
        from ua_parser.regex import Resolver

        resolver = Resolver(load_builtins())
        self._browser, self._system, self._device = resolver.ua, resolver.os, resolver.de
        ordered = _rows(rules.sort_values(["attribute", "precedence", "pattern"]))
        self._rules = {
            attribute: _First(
                (rule["pattern"], rule["value"])
                for rule in ordered
                if rule["attribute"] == attribute
            )
            for attribute in ("bot", "device", "browser", "os")
        }
        self._harmless = [
            (
                re.compile(rule["pattern"].replace(r"\z", r"\Z"), re.IGNORECASE),
                re.sub(r"\$([0-9])", r"\\g<\1>", rule["value"]),
            )
            for rule in ordered
            if rule["attribute"] == "harmless"
        ]
        instead = {row["entry"]: row["instead"] for row in _rows(exceptions)}
        entries = (instead.get(entry["pattern"], entry["pattern"]) for entry in LISTED)
        self._listed = _First((entry, "true") for entry in entries if entry)
        self._names = {(row["attribute"], row["family"]): row["name"] for row in _rows(families)}

    def read(self, text: str) -> tuple[bool, str | None, str | None, str | None]:
        """Whether it is a bot; the kind of device, browser and system, ``None`` where unknown."""
        text = text[:_MOST_CHARACTERS]
        lower = text.lower()
        bare = self._without_harmless(text)
        browser = self._rules["browser"](lower) or self._browser_of(text, bare)
        system = self._rules["os"](lower) or self._named("os", self._system.extract(text))
        device = self._device.extract(text)
        about = f"{lower}\ndevice={device.brand} {device.model}" if device else lower
        kind = self._rules["device"](f"{about}\nos={system}".lower())
        is_bot = self._is_bot(bare)
        if is_bot and browser and self._is_bot(browser):
            browser = None  # a bot's own name is no browser
        return is_bot, _known(kind), _known(browser), _known(system)

    def _is_bot(self, bare: str) -> bool:
        own = self._rules["bot"](bare.lower())
        return (own if own is not None else self._listed(bare)) == "true"

    def _without_harmless(self, text: str) -> str:
        for pattern, instead in self._harmless:
            text = pattern.sub(instead, text)
        return text

    def _browser_of(self, text: str, bare: str) -> str | None:
        found = self._browser.extract(text)
        if found and found.family in text and found.family not in bare:
            # The parser takes the name of a model ("M bot 60") for that of a bot.
            found = self._browser.extract(bare)
        return self._named("browser", found)

    def _named(self, attribute: str, found: Any) -> str | None:
        return self._names.get((attribute, found.family), found.family) if found else None


def _known(value: str | None) -> str | None:
    return None if value == UNKNOWN else value


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with ``None`` for what is missing."""
    plain = frame.astype(object)
    rows: list[dict[str, Any]] = plain.where(plain.notna(), None).to_dict("records")
    return rows


def user_agents(frames: Mapping[str, pd.DataFrame], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Read the texts of ``agents`` by ``rules``, ``families`` and ``exceptions``."""
    del parameters
    reader = Reader(frames["rules"], frames["families"], frames["exceptions"])
    texts = list(frames["agents"]["user_agent"])
    return pd.DataFrame(
        [(text, *reader.read(text)) for text in texts],
        columns=["user_agent", "is_bot", "device_type", "browser", "os"],
    )
