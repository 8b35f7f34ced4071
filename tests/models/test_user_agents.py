"""What user agents say: texts as devices really send them, with what a reader sees in them."""

from __future__ import annotations

import pytest

from tests.models.conftest import Bench

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
