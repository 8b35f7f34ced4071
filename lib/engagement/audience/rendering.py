"""Segments as queries: trees of sqlglot nodes in Athena's dialect, from the allow-list.

What people did becomes one common table expression per leaf of a rule, with a row per person, and
joined to the customers: whether a person has a row is what the leaf says. Nothing of a rule or of
the data is ever put into a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from engagement.audience.comparisons import bounded, compared, in_window
from engagement.audience.conditions import CUSTOMERS, condition
from engagement.audience.happenings import (
    DAY,
    MOMENT,
    PERSON,
    Known,
    properties,
    property_column,
    relation,
)
from engagement.audience.rules import Count, Did, Happening, Rule, Sequence, Sum
from engagement.sql.dialect import literal, typed

if TYPE_CHECKING:
    from engagement.audience.segments import Segment

MEMBER = "member_id"
"""The person of a row of a leaf; a name that no feature has."""

HOLDOUT = "is_holdout"

_BUCKETS = 2**32


class Renderer:
    """Collects the leaves of a segment's rule as common table expressions while it is rendered."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._leaves: dict[str, tuple[str, exp.Query]] = {}

    def query(self, segment: Segment, columns: list[str]) -> exp.Select:
        """The query for some columns of a segment's people, in the order of ``person_id``."""
        where = self.condition(segment)
        query = exp.select(*(exp.column(name, quoted=True) for name in columns)).from_(
            CUSTOMERS.node()
        )
        person = exp.column(exp.to_identifier(PERSON, quoted=True))
        for name, leaf in self._leaves.values():
            query = query.with_(name, leaf, copy=False).join(
                exp.to_table(name),
                on=exp.EQ(this=exp.column(MEMBER, name), expression=person.copy()),
                join_type="left",
                copy=False,
            )
        return query.where(where, copy=False).order_by(person)

    def condition(self, segment: Segment, *, within_another: bool = False) -> exp.Expr:
        """The condition that a person is in a segment."""
        parts: list[exp.Expr] = []
        if segment.where is not None:
            where = condition(segment.where)
            parts.append(
                exp.Coalesce(this=exp.paren(where), expressions=[exp.false()])
                if within_another
                else where
            )
        if segment.who is not None:
            parts.append(self._rule(segment.who, segment))
        if segment.sample is not None and segment.sample < 1:
            parts.append(is_among(segment.sample, segment.salt or segment.name))
        return exp.and_(*parts) if len(parts) > 1 else parts[0]

    def _rule(self, rule: Rule, segment: Segment) -> exp.Expr:
        if rule.all is not None:
            return exp.and_(*(self._rule(part, segment) for part in rule.all))
        if rule.any is not None:
            return exp.paren(exp.or_(*(self._rule(part, segment) for part in rule.any)))
        if rule.not_ is not None:
            return exp.not_(exp.paren(self._rule(rule.not_, segment)))
        if rule.feature is not None:
            name = rule.feature.name
            column = exp.column(exp.to_identifier(name, quoted=True))
            return compared(column, self._known.features[name], rule.feature)
        if rule.did is not None:
            return self._did(rule.did)
        if rule.did_not is not None:
            return exp.not_(exp.paren(self._did(rule.did_not)))
        if rule.sequence is not None:
            return self._sequence(rule.sequence)
        other = segment.others[str(rule.segment)]
        return exp.paren(self.condition(other, within_another=True))

    def _leaf(self, kind: str, key: str, query: exp.Query) -> exp.Expr:
        """The condition that a person has a row in a query, which is rendered once."""
        name, _ = self._leaves.setdefault(key, (f"{kind}_{len(self._leaves) + 1}", query))
        return exp.not_(exp.Is(this=exp.column(MEMBER, name), expression=exp.null()))

    # --- what people did

    def _did(self, did: Did) -> exp.Expr:
        if did.when != "any":
            return self._leaf("did", _key(did), self._extreme(did))
        if did.count.allows(0) and did.sum is None:
            # Nobody has a row for what never happened: who has too many of them is left out.
            opposite = exp.not_(exp.paren(_counted(did.count)))
            return exp.not_(self._leaf("did", _key(did), self._counted(did, opposite)))
        having: exp.Expr = _counted(did.count)
        if did.sum is not None:
            having = exp.and_(having, self._summed(did, did.sum))
        return self._leaf("did", _key(did), self._counted(did, having))

    def _counted(self, did: Did, having: exp.Expr) -> exp.Select:
        rows = self._rows(did, [did.sum.of] if did.sum else [])
        return _grouped(rows).having(having)

    def _extreme(self, did: Did) -> exp.Select:
        rows = self._rows(did, [], is_any_time=True)
        extreme = exp.Min if did.when == "first" else exp.Max
        day, moment = (extreme(this=exp.column(name, "h")) for name in (DAY, MOMENT))
        return _grouped(rows).having(exp.and_(*_in_time(did, day, moment)))

    def _summed(self, did: Did, bounds: Sum) -> exp.Expr:
        name = property_column(did, bounds.of)
        kind = (properties(did, self._known) or {})[name]
        column: exp.Expr = exp.column(exp.to_identifier(name, quoted=True), "h")
        if kind == "double":
            # Doubles are added up exactly, as decimals: their sum hangs on the order of rows.
            text = exp.Anonymous(this="double_text", expressions=[column])
            column = exp.TryCast(this=text, to=exp.DataType.build("decimal(18,6)"))
        elif not kind.startswith("decimal"):
            column = exp.TryCast(this=column, to=exp.DataType.build("decimal(18,0)"))
        return bounded(exp.Sum(this=column), bounds.tests(), "decimal(38,6)")

    def _rows(
        self, happening: Happening, more: list[str], *, is_any_time: bool = False
    ) -> exp.Select:
        """What happened, of those rows that have the properties and lie in the time."""
        kinds = properties(happening, self._known) or {}
        filtered = [(property_column(happening, p.property), p) for p in happening.where]
        wanted = [name for name, _ in filtered]
        wanted += [property_column(happening, name) for name in more]
        inner = relation(happening, wanted, self._known).subquery("h")
        tests: list[exp.Expr] = [
            exp.not_(exp.Is(this=exp.column(PERSON, "h"), expression=exp.null()))
        ]
        tests += [
            compared(exp.column(exp.to_identifier(name, quoted=True), "h"), kinds[name], test)
            for name, test in filtered
        ]
        if not is_any_time:
            tests += _in_time(happening, exp.column(DAY, "h"), exp.column(MOMENT, "h"))
        return exp.Select().from_(inner, copy=False).where(*tests, copy=False)

    # --- one thing after another

    def _sequence(self, sequence: Sequence) -> exp.Expr:
        return self._leaf("sequence", _key(sequence), self._in_order(sequence))

    def _in_order(self, sequence: Sequence) -> exp.Select:
        """People with a second event after a first one, and none between that may not be.

        Of several first events, the latest before a second one leaves the shortest time between
        them: if that one does not do, no other does. So each second event is looked at with what
        came last before it, and no event is compared with all others.
        """
        happenings = [(sequence.first, "a"), (sequence.then, "b"), (sequence.without, "c")]
        parts = [self._step(h, letter) for h, letter in happenings if h is not None]
        union: exp.Query = parts[0]
        for part in parts[1:]:
            union = exp.union(union, part, distinct=False, copy=False)
        moments = (
            exp.select(exp.column(PERSON, "u"), exp.column(MOMENT, "u"))
            .select(*(exp.alias_(exp.Max(this=exp.column(one, "u")), one) for one in "abc"))
            .from_(union.subquery("u"))
            .group_by(exp.column(PERSON, "u"), exp.column(MOMENT, "u"))
        )
        seen = exp.select(
            *(exp.column(name, "m") for name in (PERSON, MOMENT, "b")),
            exp.alias_(_last_before("a"), "last_a"),
            exp.alias_(_last_before("c"), "last_c"),
        ).from_(moments.subquery("m"))
        first, between = exp.column("last_a", "s"), exp.column("last_c", "s")
        moment = exp.column(MOMENT, "s")
        tests: list[exp.Expr] = [
            exp.EQ(this=exp.column("b", "s"), expression=exp.Literal.number(1)),
            exp.not_(exp.Is(this=first, expression=exp.null())),
        ]
        if sequence.within is not None:
            until = exp.DateAdd(
                this=first.copy(),
                expression=exp.Literal.number(sequence.within.in_hours),
                unit=exp.var("HOUR"),
            )
            tests.append(exp.LTE(this=moment, expression=until))
        if sequence.without is not None:
            nothing = exp.Is(this=between.copy(), expression=exp.null())
            earlier = exp.LTE(this=between, expression=first.copy())
            tests.append(exp.paren(exp.or_(nothing, earlier)))
        return (
            exp.select(exp.alias_(exp.column(PERSON, "s"), MEMBER))
            .distinct()
            .from_(seen.subquery("s"))
            .where(*tests)
        )

    def _step(self, happening: Happening, letter: str) -> exp.Select:
        flags = (exp.alias_(exp.Literal.number(int(one == letter)), one) for one in "abc")
        return self._rows(happening, []).select(
            exp.column(PERSON, "h"), exp.column(MOMENT, "h"), *flags, copy=False
        )


def is_among(share: float, salt: str) -> exp.Expr:
    """The condition that a person is in a share of everybody that is always the same.

    It is decided by sha256 of the salt and the person, so it is the same on every engine and every
    day, and a greater share of one salt holds everybody of a smaller one.
    """
    salted = exp.DPipe(
        this=literal(f"{salt}:"), expression=exp.column(exp.to_identifier(PERSON, quoted=True))
    )
    digest = exp.Anonymous(this="sha256_hex", expressions=[salted])
    first = exp.Substring(this=digest, start=exp.Literal.number(1), length=exp.Literal.number(8))
    return exp.LT(this=first, expression=literal(threshold(share)))


def threshold(share: float) -> str:
    """The first eight hexadecimal digits that are beyond a share, below 1, of all."""
    return f"{min(round(share * _BUCKETS), _BUCKETS - 1):08x}"


def holdout(segment: Segment) -> exp.Expr:
    """Whether a person is held back, to compare with those who are contacted."""
    if not segment.holdout:
        return exp.false()
    return is_among(segment.holdout, f"{segment.salt or segment.name}:holdout")


def _key(part: Did | Sequence) -> str:
    return part.model_dump_json(exclude_defaults=True) + type(part).__name__


def _grouped(rows: exp.Select) -> exp.Select:
    return rows.select(exp.alias_(exp.column(PERSON, "h"), MEMBER)).group_by(
        exp.column(PERSON, "h")
    )


def _counted(count: Count) -> exp.Expr:
    times = exp.Count(this=exp.Star(), big_int=True)
    bounds: Mapping[type[exp.Binary], int | None] = {
        exp.EQ: count.exactly,
        exp.GTE: count.at_least,
        exp.LTE: count.at_most,
    }
    return exp.and_(
        *(
            kind(this=times.copy(), expression=exp.Literal.number(bound))
            for kind, bound in bounds.items()
            if bound is not None
        )
    )


def _in_time(happening: Happening, day: exp.Expr, moment: exp.Expr) -> list[exp.Expr]:
    tests: list[exp.Expr] = []
    for window, is_before in ((happening.within, False), (happening.before, True)):
        if window is not None:
            when, kind = (day, "date") if window.days is not None else (moment, "timestamp(3)")
            tests.append(in_window(when.copy(), window, kind, is_before=is_before))
    return tests


def _last_before(letter: str) -> exp.Expr:
    """The last moment, before that of a row, at which something happened."""
    flagged = exp.EQ(this=exp.column(letter, "m"), expression=exp.Literal.number(1))
    moment = exp.case().when(flagged, exp.column(MOMENT, "m"))
    return exp.Window(
        this=exp.Max(this=moment),
        partition_by=[exp.column(PERSON, "m")],
        order=exp.Order(expressions=[exp.Ordered(this=exp.column(MOMENT, "m"))]),
        spec=exp.WindowSpec(
            kind="ROWS",
            start="UNBOUNDED",
            start_side="PRECEDING",
            end=exp.Literal.number(1),
            end_side="PRECEDING",
        ),
    )


__all__ = ["HOLDOUT", "MEMBER", "Renderer", "holdout", "is_among", "threshold", "typed"]
