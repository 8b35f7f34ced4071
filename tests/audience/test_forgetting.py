"""People who are erased are gone from the service and from what was, or is being, sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.audience.forgetting import forget
from engagement.aws.clients import ServiceError
from engagement.errors import FailedError
from engagement.settings import Settings
from tests.audience.profiles import TUE, Shop, members, shop
from tests.fakes import NEVER, Ending, Fakes

MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(
    make_settings: Callable[..., Settings],
    use_fakes: Callable[..., Fakes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeShop:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    return lambda **overrides: shop(make_settings, use_fakes, tmp_path, **overrides)


def kept(made: Shop) -> str:
    """All that is kept of what was sent."""
    return "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(made.sender.box.folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    )


def test_a_person_is_gone_from_the_service_and_from_what_was_sent(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben", "cat"))
    assert "ben" in kept(made)
    found = forget(made.settings, ["ben", "nobody"])
    assert (found.profiles, found.rows, found.left) == (1, 1, [])
    assert sorted(made.profiles.profiles) == ["ann", "cat"]
    assert "ben" not in kept(made)
    # Neither as a leaver nor as a member does the next send bring them.
    made.send(members("ann", "cat", "dan"), TUE)
    assert sorted(made.profiles.profiles) == ["ann", "cat", "dan"]
    assert forget(made.settings, []).profiles == 0


def test_a_send_that_broke_off_goes_on_without_them(make_shop: MakeShop) -> None:
    made = make_shop()
    made.fakes.fail("customer-profiles", "CreateUploadJob", code="InternalServerException", times=8)
    with pytest.raises(FailedError):
        made.send(members("ann", "ben", "cat"))
    found = forget(made.settings, ["ben"])
    assert (found.profiles, found.rows) == (0, 2)  # of the file, and of who will have been sent
    made.send(members("ann", "cat"))
    assert sorted(made.profiles.profiles) == ["ann", "cat"]
    assert made.inside() == ["ann", "cat"]


def test_an_import_under_way_is_told_of(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload job", NEVER)
    with pytest.raises(FailedError):
        made.send(members("ann", "ben"))
    (sentence,) = forget(made.settings, ["ben"]).left
    assert "erase again when it has ended" in sentence
    for job in made.profiles.jobs.values():
        assert job.progress is not None
        job.progress.ending = Ending("SUCCEEDED")
    made.send(members("ann"))
    assert "ben" in made.profiles.profiles
    assert forget(made.settings, ["ben"]).profiles == 1


def test_a_service_that_refuses_is_not_taken_for_one_that_did_it(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben"))
    made.fakes.fail("customer-profiles", "DeleteProfile", code="AccessDeniedException")
    with pytest.raises(ServiceError, match="AccessDeniedException"):
        forget(made.settings, ["ben"])
    assert "ben" in kept(made)
    assert forget(made.settings, ["ben"]).profiles == 1


def test_where_nothing_may_be_sent_it_is_said_what_may_be_left(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben"))
    made.change(activation__send=False)
    calls = len(made.fakes.calls)
    found = forget(made.settings, ["ben"])
    assert len(made.fakes.calls) == calls
    assert found.rows == 1
    (sentence,) = found.left
    assert "it may hold the person until what was imported expires" in sentence


def test_nothing_is_asked_where_nothing_was_ever_sent(make_shop: MakeShop) -> None:
    made = make_shop(activation__send=False)
    assert forget(made.settings, ["ben"]).left == []
    assert made.fakes.calls == []
