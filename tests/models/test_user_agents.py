"""What user agents say: texts as devices really send them, with what a reader sees in them.

``cases/user_agents.csv`` holds texts that were once read wrong: each has to be right.
``cases/user_agent_suite.csv`` is a broad collection, of which shares have to be right. Nobody asks
for what an empty cell would say.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from engagement.models import inputs
from tests.models.conftest import Bench

CASES = Path(__file__).parent / "cases"

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0"
_IOS = "like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 {_IOS}"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"

DEVICES = {
    f"{_WINDOWS} {_CHROME} Safari/537.36": ("desktop", "Chrome", "Windows"),
    f"{_WINDOWS} {_CHROME} Safari/537.36 Edg/155.0.0.0": ("desktop", "Edge", "Windows"),
    f"{_WINDOWS} {_CHROME} Safari/537.36 OPR/120.0.0.0": ("desktop", "Opera", "Windows"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:158.0) Gecko/20100101 Firefox/158.0": (
        "desktop", "Firefox", "Windows"),
    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko": (
        "desktop", "Internet Explorer", "Windows"),
    f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15": (
        "desktop", "Safari", "macOS"),
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME} Safari/537.36": (
        "desktop", "Chrome", "ChromeOS"),
    f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME} Safari/537.36": ("desktop", "Chrome", "Linux"),
    f"{_IPHONE} Version/19.0 Mobile/15E148 Safari/604.1": ("mobile", "Safari", "iOS"),
    f"{_IPHONE} CriOS/155.0.6000.50 Mobile/15E148 Safari/604.1": ("mobile", "Chrome", "iOS"),
    f"{_IPHONE} FxiOS/158.0 Mobile/15E148 Safari/605.1.15": ("mobile", "Firefox", "iOS"),
    f"{_IPHONE} EdgiOS/155.0 Version/18.0 Mobile/15E148 Safari/604.1": ("mobile", "Edge", "iOS"),
    f"{_IPHONE} Mobile/15E148 Instagram 390.0.0.0": ("mobile", "Instagram", "iOS"),
    f"{_IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/500.0.0]": ("mobile", "Facebook", "iOS"),
    f"{_IPHONE} Mobile/15E148": ("mobile", "iOS WebView", "iOS"),
    f"{_ANDROID} {_CHROME} Mobile Safari/537.36": ("mobile", "Chrome", "Android"),
    f"{_ANDROID} AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/148.0.0.0 "
    "Mobile Safari/537.36": ("mobile", "Samsung Internet", "Android"),
    f"Mozilla/5.0 (Linux; Android 16; Pixel 9; wv) {_CHROME} Mobile Safari/537.36": (
        "mobile", "Android WebView", "Android"),
    "Mozilla/5.0 (Android 16; Mobile; rv:158.0) Gecko/158.0 Firefox/158.0": (
        "mobile", "Firefox", "Android"),
    "Mozilla/5.0 (Android 16; Tablet; rv:158.0) Gecko/158.0 Firefox/158.0": (
        "tablet", "Firefox", "Android"),
    f"Mozilla/5.0 (iPad; CPU OS 18_6 {_IOS} Version/19.0 Mobile/15E148 Safari/604.1": (
        "tablet", "Safari", "iOS"),
    f"Mozilla/5.0 (Linux; Android 16; Some Pad) {_CHROME} Safari/537.36": (
        "tablet", "Chrome", "Android"),
    "Dalvik/2.1.0 (Linux; U; Android 16; Pixel 9 Build/BP2A.250605)": ("mobile", "App", "Android"),
    "CornerShop/4.12.0 CFNetwork/3826.600.41 Darwin/24.6.0": ("mobile", "App", "iOS"),
    f"Mozilla/5.0 (Linux; Android 12; AFTKA Build/PS7) {_CHROME} Safari/537.36": (
        "tv", "Chrome", "Android"),
    f"Mozilla/5.0 (Web0S; Linux/SmartTV) {_CHROME} Safari/537.36": ("tv", "Chrome", "webOS"),
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) {_CHROME} Safari/537.36 Edg/44": (
        "console", "Edge", "Xbox"),
    f"Mozilla/5.0 (Linux; Android 9; CUBOT_X19) {_CHROME} Mobile Safari/537.36": (
        "mobile", "Chrome", "Android"),
    "something else": (None, None, None),
}  # fmt: skip

BOTS = [
    f"{_ANDROID} {_CHROME} Mobile Safari/537.36 (compatible; Googlebot/2.1)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/155.0.0.0",
    "Mozilla/5.0 (compatible; ExampleShopBot/1.4; +https://bot.example/about)",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mediapartners-Google",
    "Mozilla/5.0 (compatible; YandexBot/3.0)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0)",
    "facebookexternalhit/1.1",
    "WhatsApp/2.24.1 A",
    "Slackbot-LinkExpanding 1.0",
    f"{_MAC} {_CHROME} Safari/537.36 (compatible; GPTBot/1.2)",
    f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36",
    f"{_ANDROID} {_CHROME} Mobile Safari/537.36 Chrome-Lighthouse",
    "curl/8.5.0",
    "python-requests/2.32.0",
    "Go-http-client/2.0",
]


def cases(name: str) -> list[dict[str, str]]:
    with (CASES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read(bench: Bench, texts: list[str]) -> dict[str, dict[str, str]]:
    """What the model makes of texts, written as in the cases."""
    bench.given(
        "sources.pages",
        [
            {"id": f"e{number}", "timestamp": "2026-01-01 10:00", "context_user_agent": text}
            for number, text in enumerate(texts)
        ],
    )
    bench.build("event_contexts", "user_agents")
    rows = bench.rows("select user_agent, browser, os, device_type, is_bot from marts.user_agents")
    return {
        text: {
            "browser": browser or "",
            "system": system or "",
            "device": device or "",
            "is_bot": str(is_bot).lower(),
        }
        for text, browser, system, device, is_bot in rows
    }


def test_every_case_that_was_once_wrong_is_right(bench: Bench) -> None:
    rows = cases("user_agents")
    found = read(bench, [row["user_agent"] for row in rows])
    for row in rows:
        text = row.pop("user_agent")
        assert {k: v for k, v in found[text].items() if row[k]} == {
            k: v for k, v in row.items() if v
        }, text


def test_most_of_a_broad_collection_is_right_and_no_browser_is_a_bot(bench: Bench) -> None:
    rows = cases("user_agent_suite")
    assert len(rows) >= 200
    found = read(bench, [row["user_agent"] for row in rows])

    def right(column: str, asked: list[dict[str, str]]) -> float:
        asked = [row for row in asked if row[column]]
        return sum(found[row["user_agent"]][column] == row[column] for row in asked) / len(asked)

    people = [row for row in rows if row["is_bot"] == "false"]
    bots = [row for row in rows if row["is_bot"] == "true"]
    as_browsers = [row for row in bots if row["user_agent"].startswith("Mozilla/")]
    assert len(as_browsers) >= 40
    assert right("browser", people) >= 0.98
    assert right("system", people) >= 0.98
    assert right("device", people) >= 0.96
    assert right("is_bot", as_browsers) >= 0.90
    assert right("is_bot", bots) >= 0.90
    assert right("is_bot", people) == 1


def test_bots_that_are_on_no_list_are_told_by_how_they_present_themselves(bench: Bench) -> None:
    chrome = f"{_WINDOWS} {_CHROME} Safari/537.36"
    found = read(
        bench,
        [
            f"{chrome} AcmePriceBot/1.0",
            f"{chrome} (+https://shop.example/why-we-read-you)",
            f"{chrome} somebody@example.com",
            f"{_WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko; compatible; Acme/1.0) Chrome/150",
            "Mozilla/5.0 (compatible; Acme/1.0)",
        ],
    )
    assert {row["is_bot"] for row in found.values()} == {"true"}


def test_a_bot_that_names_a_telephone_is_a_bot(bench: Bench) -> None:
    text = f"Mozilla/5.0 (Linux; Android 9; CUBOT X30) {_CHROME} Mobile Safari/537.36"
    found = read(bench, [text, f"{text} (compatible; Googlebot/2.1)"])
    assert [row["is_bot"] for row in found.values()] == ["false", "true"]


def test_a_bots_own_name_is_no_browser(bench: Bench) -> None:
    found = read(bench, ["Mozilla/5.0 (compatible; Googlebot/2.1)", "python-requests/2.32.0"])
    assert {row["browser"] for row in found.values()} == {""}


def test_any_text_can_be_read(bench: Bench) -> None:
    odd = ["(", "Mozilla/5.0 (" * 5_000, "$1", "\\1", "é\u2028\n", "x" * 100_000, " "]
    assert read(bench, odd).keys() == set(odd)


def test_every_exception_is_an_entry_of_the_list() -> None:
    listed = {entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA}
    file = inputs.resources.files("engagement.models") / "seeds" / "user_agent_bot_exceptions.csv"
    rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))[1:]
    assert rows
    assert {entry for entry, _, _ in rows} <= listed


def test_devices_browsers_and_systems(bench: Bench) -> None:
    bench.given(
        "sources.pages",
        [
            {"id": f"e{number}", "timestamp": "2026-01-01 10:00", "context_user_agent": text}
            for number, text in enumerate(DEVICES)
        ],
    )
    bench.build("event_contexts", "user_agents")
    rows = bench.rows("select user_agent, device_type, browser, os from marts.user_agents")
    assert {text: tuple(rest) for text, *rest in rows} == DEVICES
    assert bench.rows("select user_agent from marts.user_agents where is_bot") == []


def test_bots(bench: Bench) -> None:
    bench.given(
        "sources.tracks",
        [
            {"id": f"e{number}", "timestamp": "2026-01-01 10:00", "context_user_agent": text}
            for number, text in enumerate(BOTS)
        ],
    )
    bench.build("event_contexts", "user_agents")
    found = bench.rows("select user_agent from marts.user_agents where is_bot")
    assert sorted(BOTS) == sorted(text for (text,) in found)


@pytest.mark.parametrize(
    "source", ["pages", "screens", "tracks", "identifies", "groups", "aliases"]
)
def test_every_kind_of_event_is_looked_at_and_each_text_is_there_once(
    bench: Bench, source: str
) -> None:
    event = {"timestamp": "2026-01-01 10:00", "context_user_agent": "curl/8.5.0"}
    bench.given(f"sources.{source}", [{**event, "id": "1"}, {**event, "id": "2"}])
    bench.build("event_contexts", "user_agents")
    assert bench.rows("select user_agent, is_bot from marts.user_agents") == [("curl/8.5.0", True)]


def test_there_may_be_no_user_agent(bench: Bench) -> None:
    bench.given("sources.pages", [{"id": "1", "timestamp": "2026-01-01 10:00"}])
    bench.build("event_contexts", "user_agents")
    assert bench.rows("select user_agent from marts.user_agents") == []
