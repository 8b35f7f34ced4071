"""Recommendations as a shop asks for them: from Personalize in time, else from the baselines.

What was shown goes back to the service as an event with the recommendation's id and the items as
impressions, so that it learns from what was not clicked, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, Self

import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError

from engagement.personalize.mapping import MOST_IMPRESSIONS, Put
from engagement.personalize.sending import LiveError, Sender
from engagement.warehouse import Table, Warehouse

FOR_YOU = Table("marts", "recommendations_for_you")
SIMILAR = Table("marts", "recommendations_similar_items")
POPULAR = Table("marts", "recommendations_popular")

Source = Literal["personalize", "for_you", "similar_items", "popular", "as given", "nothing"]


@dataclass(frozen=True)
class Recommended:
    """An answer: items, best first, and where they come from.

    ``id`` is the service's id of the recommendation; baselines have none. ``why`` says why the
    service did not answer, where it was asked.
    """

    items: tuple[str, ...]
    source: Source
    id: str | None = None
    why: str = ""


class Baseline(Protocol):
    """What answers where the service does not."""

    def for_user(self, user_id: str | None, count: int) -> tuple[Source, Sequence[str]]:
        """Items for a user, or for anybody."""
        ...

    def similar(self, item_id: str, count: int) -> tuple[Source, Sequence[str]]:
        """Items like one."""
        ...

    def rank(self, user_id: str | None, items: Sequence[str]) -> tuple[Source, Sequence[str]]:
        """Items in an order for a user."""
        ...


@dataclass
class TableBaseline:
    """The baselines' tables, read once; see the models of the layer recommendations.

    Attributes
    ----------
    lists
        Items for a person, by ``person_id``.
    people
        ``person_id`` by the user id that a shop knows.
    neighbours
        Items like an item.
    popular
        Items that are popular, best first.
    """

    lists: dict[str, list[str]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    neighbours: dict[str, list[str]] = field(default_factory=dict)
    popular: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, warehouse: Warehouse) -> Self:
        """Read the tables that are there; one that is not is empty."""
        with warehouse.session() as session:

            def rows(table: Table, sql: str) -> pd.DataFrame | None:
                if not session.columns(table):
                    return None
                return session.query(sql, label=f"baseline {table}")

            lists = rows(
                FOR_YOU,
                f"select r.person_id, r.product_id from {FOR_YOU} as r "
                "order by r.person_id, r.rank, r.product_id",
            )
            people = rows(
                Table("marts", "personalize_interactions"),
                "select distinct i.user_id, i.person_id from marts.personalize_interactions as i "
                "order by i.user_id, i.person_id",
            )
            neighbours = rows(
                SIMILAR,
                f"select s.product_id, s.similar_product_id from {SIMILAR} as s "
                "order by s.product_id, s.rank, s.similar_product_id",
            )
            popular = rows(
                POPULAR,
                f"select p.product_id from {POPULAR} as p where p.kind = 'overall' "
                "order by p.rank, p.product_id",
            )
        return cls(
            _lists(lists),
            {}
            if people is None
            else dict(zip(people["user_id"][::-1], people["person_id"][::-1], strict=True)),
            _lists(neighbours),
            [] if popular is None else list(dict.fromkeys(map(str, popular["product_id"]))),
        )

    def for_user(self, user_id: str | None, count: int) -> tuple[Source, Sequence[str]]:
        """The person's own list, filled up with what is popular; else what is popular."""
        own = self.lists.get(self.people.get(user_id or "", user_id or ""), [])
        if own:
            return "for_you", _filled(own, self.popular, count)
        return ("popular" if self.popular else "nothing"), self.popular[:count]

    def similar(self, item_id: str, count: int) -> tuple[Source, Sequence[str]]:
        """The item's neighbours, filled up with what is popular."""
        own = self.neighbours.get(item_id, [])
        popular = [item for item in self.popular if item != item_id]
        if own:
            return "similar_items", _filled(own, popular, count)
        return ("popular" if popular else "nothing"), popular[:count]

    def rank(self, user_id: str | None, items: Sequence[str]) -> tuple[Source, Sequence[str]]:
        """The person's own items first, then the popular ones, then the rest as given."""
        _, own = self.for_user(user_id, len(self.popular) + len(items))
        places = {item: place for place, item in enumerate(own)}
        if not any(item in places for item in items):
            return "as given", list(items)
        source: Source = "for_you" if self.people.get(user_id or "") in self.lists else "popular"
        return source, sorted(items, key=lambda item: places.get(item, len(places)))


def _lists(frame: pd.DataFrame | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if frame is not None:
        for key, item in frame.itertuples(index=False):
            found.setdefault(str(key), []).append(str(item))
    return found


def _filled(own: Sequence[str], more: Sequence[str], count: int) -> list[str]:
    return list(dict.fromkeys([*own, *more]))[:count]


class Recommendations:
    """Asks Personalize, and the baseline where it does not answer in time or at all.

    Parameters
    ----------
    client
        boto3's client of ``personalize-runtime``; ``None``: the baseline answers everything.
    timeout
        Seconds that a shop waits. A late answer is thrown away.
    """

    def __init__(
        self, client: Any, baseline: Baseline, *, timeout: float = 0.3, workers: int = 8
    ) -> None:
        self._client, self._baseline, self._timeout = client, baseline, timeout
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="recommendations")

    def close(self) -> None:
        """Give up what is still under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def for_user(
        self,
        target: str,
        user_id: str | None,
        *,
        count: int = 10,
        filter_arn: str | None = None,
        filter_values: Mapping[str, str] | None = None,
        context: Mapping[str, str] | None = None,
        exclude: Collection[str] = (),
    ) -> Recommended:
        """Items for a user. ``target`` is the ARN of a recommender or a campaign.

        Baselines know nothing of the service's filters: ``exclude`` names what they leave out.
        """
        request = _request(target, count, filter_arn, filter_values, context)
        if user_id:
            request["userId"] = user_id
        answer = self._asked("get_recommendations", request, "itemList")
        if answer.items:
            return answer
        source, items = self._baseline.for_user(user_id, count + len(exclude))
        return _from_baseline(source, items, count, exclude, answer.why)

    def similar(
        self,
        target: str,
        item_id: str,
        *,
        user_id: str | None = None,
        count: int = 10,
        filter_arn: str | None = None,
        filter_values: Mapping[str, str] | None = None,
        exclude: Collection[str] = (),
    ) -> Recommended:
        """Items like one; with a user, what filters know of them is left out."""
        request = _request(target, count, filter_arn, filter_values, None)
        request["itemId"] = item_id
        if user_id:
            request["userId"] = user_id
        answer = self._asked("get_recommendations", request, "itemList")
        if answer.items:
            return answer
        source, items = self._baseline.similar(item_id, count + len(exclude))
        return _from_baseline(source, items, count, exclude, answer.why)

    def rank(
        self,
        campaign: str,
        user_id: str,
        items: Sequence[str],
        *,
        filter_arn: str | None = None,
        filter_values: Mapping[str, str] | None = None,
    ) -> Recommended:
        """A list in the order that fits a user; none of it is lost but by a filter."""
        request: dict[str, Any] = {
            "campaignArn": campaign,
            "userId": user_id,
            "inputList": list(items),
        }
        if filter_arn:
            request["filterArn"] = filter_arn
        if filter_values:
            request["filterValues"] = _quoted(filter_values)
        answer = self._asked("get_personalized_ranking", request, "personalizedRanking")
        if answer.items:
            return answer
        source, ranked = self._baseline.rank(user_id, items)
        return Recommended(tuple(ranked), source, why=answer.why)

    def _asked(self, method: str, request: Mapping[str, Any], listed: str) -> Recommended:
        if self._client is None:
            return Recommended((), "nothing", why="nothing is set up")
        future = self._pool.submit(getattr(self._client, method), **request)
        try:
            answer = future.result(self._timeout)
        except TookTooLong:
            future.cancel()
            return Recommended((), "nothing", why=f"no answer within {self._timeout:g} s")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "an error")
            return Recommended((), "nothing", why=f"the service answered {code}")
        except BotoCoreError as error:
            return Recommended((), "nothing", why=f"no answer ({type(error).__name__})")
        items = tuple(item["itemId"] for item in answer.get(listed, []) if item.get("itemId"))
        why = "" if items else "the service has nothing to recommend"
        return Recommended(items, "personalize", answer.get("recommendationId"), why)


def _from_baseline(
    source: Source, items: Sequence[str], count: int, exclude: Collection[str], why: str
) -> Recommended:
    kept = tuple(item for item in items if item not in exclude)[:count]
    return Recommended(kept, source if kept else "nothing", why=why)


def _request(
    target: str,
    count: int,
    filter_arn: str | None,
    filter_values: Mapping[str, str] | None,
    context: Mapping[str, str] | None,
) -> dict[str, Any]:
    key = "recommenderArn" if ":recommender/" in target else "campaignArn"
    request: dict[str, Any] = {key: target, "numResults": count}
    if filter_arn:
        request["filterArn"] = filter_arn
    if filter_values:
        request["filterValues"] = _quoted(filter_values)
    if context:
        request["context"] = dict(context)
    return request


def _quoted(values: Mapping[str, str]) -> dict[str, str]:
    """Values of a filter's parameters: each in double quotes, as the service wants them."""
    return {
        name: value if value.startswith('"') else '"' + value.replace('"', '\\"') + '"'
        for name, value in values.items()
    }


def impressions(
    shown: Recommended,
    event_type: str,
    session_id: str,
    item_id: str,
    *,
    user_id: str | None = None,
    event_id: str | None = None,
    at: datetime | None = None,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Put:
    """The event that tells the service what somebody did with an item, and what it was shown among.

    Parameters
    ----------
    event_type
        Such as ``View``, as in the interactions data set.
    item_id
        What was clicked, viewed or bought.

    Raises
    ------
    LiveError
        When nothing was shown.
    """
    if not shown.items:
        raise LiveError("nothing was shown, so there is nothing to tell")
    entry: dict[str, Any] = {
        "eventId": event_id or new_id(),
        "eventType": event_type,
        "itemId": item_id,
        "sentAt": int((at or datetime.now(UTC)).timestamp()),
        "impression": list(shown.items[:MOST_IMPRESSIONS]),
    }
    if shown.id is not None:
        entry["recommendationId"] = shown.id
    return Put("PutEvents", (user_id, session_id), str(entry["eventId"]), entry)


def log_impressions(sender: Sender, put: Put) -> bool:
    """Send what was shown back as an event; tells whether the service took it."""
    return bool(sender.send([put]).accepted)


def runtime_client(region: str, timeout: float) -> Any:
    """boto3's client of the runtime; it tries once, since nobody waits for a second answer."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=timeout, read_timeout=timeout
    )
    return boto3.client("personalize-runtime", region_name=region, config=config)
