"""One strict pass over lines of JSON objects: is it JSON, which keys, and where the values stand.

No value is made into an object: a leaf is a place in the text, and a number for the path that
leads there. That is what makes it quick. The functions are compiled by numba when a machine calls
them for the first time, and take arrays that :class:`engagement.records.scanned.Scanned` owns.

Only the usual line is read here: one object per line, by RFC 8259, no key given twice, nested no
deeper than :data:`MOST_LEVELS`, in UTF-8. Any other is called odd, and is left to
:mod:`engagement.records.strict_json`, which is slow and says what it is. When in doubt, a line is
odd: that costs time, and changes no result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from engagement.records import compiling
from engagement.records.intrinsics import eight_bytes, prefetch

ODD, CLEAN, BLANK = 0, 1, 2
"""What a line is."""

INTEGER, DOUBLE, BOOLEAN, STRING, ARRAY, OBJECT = 1, 2, 4, 8, 16, 32
"""Kinds of leaves, as bits; an object is an empty one. NULLs are no leaves."""

ESCAPED = 64
"""Bit of a string in which a backslash stands.

Of an array: it is perhaps not as an engine prints it, without blanks and needless escapes, and with
each number in its shortest form.
"""

EMPTY = 128
"""Bit of a column in which an empty string stands; of one of arrays, one that holds nothing."""

SURE, UNSURE = 256, 512
"""Bits of a leaf that looks like more than its kind says: surely, or only perhaps.

Of a string: like a timestamp; of a number with a point: it has a fraction; of an array: it holds
more than one empty string.
"""

OTHER = 1024
"""Bit of a column in which a string stands that is not surely a timestamp, nor empty."""

_ANY = INTEGER | DOUBLE | BOOLEAN | STRING | ARRAY

MOST_LEVELS = 32
_MOST_DIGITS = 18  # of an integer: any of them fits into 64 bits
_LONGEST_NUMBER = 60

ROOT, TYPES = 0, -2
"""Nodes: of the whole object, and above the types of events, which have their names below."""

_PLAIN = np.ones(256, np.bool_)
_PLAIN[:32] = _PLAIN[128:] = _PLAIN[ord('"')] = _PLAIN[ord("\\")] = False
_HEX = np.full(256, -1, np.int64)
for _digit in "0123456789abcdefABCDEF":
    _HEX[ord(_digit)] = int(_digit, 16)


_NO_COUNTS: Any = {"_nrt": False}
"""Compiled without numba's runtime, which counts who uses an array, with every call: that took as
much as the scan itself. So no function here may make an array; numba says so where one does."""


compiling.tell()


def _compiled(function):
    """Compile a function, and keep what was compiled where there is a place for it."""
    try:
        return njit(cache=True, **_NO_COUNTS)(function)
    except RuntimeError:  # neither beside the code nor in the user's cache folder
        return njit(**_NO_COUNTS)(function)


def _form(text):
    """Eight bytes as a number, and a number that has a one for each digit in them."""
    digits = bytes(byte == ord("0") for byte in text)
    return tuple(np.frombuffer(part, "<u8")[0] for part in (text, digits))


def _view(text):
    """First half of the string view of four bytes at most, as a number."""
    return np.uint64(len(text) | int.from_bytes(text, "little") << 32)


_ONE = np.uint64(1)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)
_QUOTES = np.uint64(0x2222222222222222)
_LINE_ENDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_WORD = 8
_LINE = 64  # of the processor's cache, in bytes
_AHEAD = 3  # rows between asking for a text and reading it
_ROWS_AHEAD = 16  # and between asking for a cell and writing it
_VIEWS_A_LINE = 4
_SHORT = 12  # bytes: a text of so many stands in its view
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@_compiled
def _plain_bytes(word):
    """How many bytes of eight come before the first that a string may not just pass over.

    Such are quotes, backslashes, control characters, and parts of characters of several bytes.
    """
    # A byte less n has its highest bit set where it was less than n. Bytes after the first of
    # those may be marked by mistake: a lower one borrows from them.
    quote, backslash = word ^ _QUOTES, word ^ _BACKSLASHES
    marks = word | ((word - _SPACES) & ~word)
    marks |= ((quote - _ONES) & ~quote) | ((backslash - _ONES) & ~backslash)
    marks &= _HIGHS
    if marks == 0:
        return _WORD
    first = (marks & (~marks + _ONE)) >> np.uint64(7)
    return np.int64((((first - _ONE) & _ONES) * _ONES) >> np.uint64(56))


@_compiled
def line_ends(data, at, ends, count):
    """Find the line ends from ``at`` on, as far as there is room for them.

    Gives how many there are then, with ``count`` before, and how far it came.
    """
    while at < len(data):
        if at + _WORD <= len(data):
            word = eight_bytes(data, at) ^ _LINE_ENDS
            if (word - _ONES) & ~word & _HIGHS == 0:
                at += _WORD
                continue
        after = min(at + _WORD, len(data))
        if count + _WORD > len(ends):
            return count, at
        while at < after:
            if data[at] == 10:
                ends[count] = at
                count += 1
            at += 1
    return count, at


@_compiled
def _same(one, at, other, place, size):
    """Whether two texts have the same bytes."""
    done = 0
    while done + _WORD <= size:
        if eight_bytes(one, at + done) != eight_bytes(other, place + done):
            return False
        done += _WORD
    while done < size:
        if one[at + done] != other[place + done]:
            return False
        done += 1
    return True


@_compiled
def intern(data, start, end, parent, nodes, sizes):
    """Number of the node of a key below another; -1 where there is no room for a new one."""
    table, parents, key_at, key_size, keys = nodes
    size = end - start
    hashed = np.uint64(14695981039346656037) ^ np.uint64(parent + 3)
    for place in range(start, end):
        hashed = (hashed ^ np.uint64(data[place])) * np.uint64(1099511628211)
    hashed ^= hashed >> np.uint64(31)
    mask = len(table) - 1
    at = np.int64(hashed & np.uint64(mask))
    while table[at] >= 0:
        node = table[at]
        is_same = parents[node] == parent and key_size[node] == size
        if is_same and _same(keys, key_at[node], data, start, size):
            return node
        at = (at + 1) & mask
    node = sizes[0]
    if node >= len(parents) or sizes[1] + size > len(keys):
        return -1
    table[at] = node
    parents[node] = parent
    key_at[node] = sizes[1]
    key_size[node] = size
    for place in range(size):
        keys[sizes[1] + place] = data[start + place]
    sizes[0] += 1
    sizes[1] += size
    return node


@_compiled
def intern_again(nodes, sizes):
    """Find every node again, in a table that is new."""
    _, parents, key_at, key_size, keys = nodes
    known = sizes[0]
    sizes[:] = 0
    for node in range(known):
        at = key_at[node]
        intern(keys, at, at + key_size[node], parents[node], nodes, sizes)


@_compiled
def _four_hex(data, at, end):
    if at + 4 > end:
        return -1
    value = 0
    for place in range(at, at + 4):
        digit = _HEX[data[place]]
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


@_compiled
def _after_escape(data, at, end):
    """Where a string goes on after the backslash at ``at``; -1 where that is none to be read."""
    if at + 1 >= end:
        return -1
    byte = data[at + 1]
    if byte != 117:  # u
        # " \ / b f n r t
        known = byte in (34, 92, 47, 98, 102, 110, 114, 116)
        return at + 2 if known else -1
    value = _four_hex(data, at + 2, end)
    if value <= 0 or 0xDC00 <= value <= 0xDFFF:
        return -1
    if value < 0xD800 or value > 0xDBFF:
        return at + 6
    if at + 8 > end or data[at + 6] != 92 or data[at + 7] != 117:
        return -1
    low = _four_hex(data, at + 8, end)
    return at + 12 if 0xDC00 <= low <= 0xDFFF else -1


@_compiled
def _after_character(data, at, end):
    """Where a string goes on after a character of several bytes; -1 where it is no UTF-8."""
    first = data[at]
    low, high, size = 0x80, 0xBF, 0
    if 0xC2 <= first <= 0xDF:
        size = 2
    elif 0xE0 <= first <= 0xEF:
        size = 3
        if first == 0xE0:
            low = 0xA0
        elif first == 0xED:
            high = 0x9F
    elif 0xF0 <= first <= 0xF4:
        size = 4
        if first == 0xF0:
            low = 0x90
        elif first == 0xF4:
            high = 0x8F
    if size == 0 or at + size > end or data[at + 1] < low or data[at + 1] > high:
        return -1
    for place in range(at + 2, at + size):
        if data[place] < 0x80 or data[place] > 0xBF:
            return -1
    return at + size


@_compiled
def _string_end(data, at, end):
    """Place of the quote that ends a string, and whether a backslash stands in it; -1 if none."""
    escaped = 0
    while at < end:
        if at + _WORD <= end:
            plain = _plain_bytes(eight_bytes(data, at))
            at += plain
            if plain == _WORD:
                continue
        byte = data[at]
        if _PLAIN[byte]:
            at += 1
        elif byte == 34:
            return at, escaped
        elif byte == 92:
            escaped = ESCAPED
            at = _after_escape(data, at, end)
        elif byte >= 128:
            at = _after_character(data, at, end)
        else:
            return -1, 0
        if at < 0:
            return -1, 0
    return -1, 0


@_compiled
def _digits_end(data, at, end):
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at


@_compiled
def _number_end(data, at, end):
    """Where a number ends, and its kind; -1 where it is none, or one to look at more closely."""
    first = at
    kind = INTEGER
    if data[at] == 45:  # -
        at += 1
    whole = at
    at = _digits_end(data, at, end)
    size = at - whole
    if size == 0 or size > _MOST_DIGITS or (data[whole] == 48 and size > 1):
        return -1, 0
    if at < end and data[at] == 46:  # .
        kind = DOUBLE
        fraction = at + 1
        at = _digits_end(data, fraction, end)
        if at == fraction:
            return -1, 0
    if at < end and (data[at] == 101 or data[at] == 69):  # e, E
        kind = DOUBLE
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        exponent = at
        at = _digits_end(data, exponent, end)
        # From 1e100 on a number may be none that a double holds.
        if at == exponent or at - exponent > 2:
            return -1, 0
    is_minus_zero = kind == INTEGER and whole > first and data[whole] == 48
    if is_minus_zero or at - first > _LONGEST_NUMBER:
        return -1, 0
    return at, kind


@_compiled
def _is_printed_so(data, at, end, kind):
    """Whether a number is as an engine prints it, surely: no digit could be left out."""
    if kind != DOUBLE:
        return True
    if data[at] == 45:
        at += 1
    # Of so many digits no other number has fewer; what is below 0.1 may be printed as a power.
    if end - at > _EXACT_DIGITS or data[end - 1] == 48 or (data[at] == 48 and data[at + 2] == 48):
        return False
    while at < end and (data[at] == 46 or 48 <= data[at] <= 57):
        at += 1
    return at == end


@_compiled
def _word_end(data, at, end):
    """Where ``true``, ``false`` or ``null`` ends, and its kind (0 for null); -1 if it is none."""
    if at + 4 <= end:
        a, b, c = data[at + 1], data[at + 2], data[at + 3]
        if data[at] == 116 and a == 114 and b == 117 and c == 101:
            return at + 4, BOOLEAN
        if data[at] == 110 and a == 117 and b == 108 and c == 108:
            return at + 4, 0
        is_fals = data[at] == 102 and a == 97 and b == 108 and c == 115
        if is_fals and at + 5 <= end and data[at + 4] == 101:
            return at + 5, BOOLEAN
    return -1, 0


@_compiled
def _word_at(data, at):
    """Eight bytes from some place on; what would be behind the end is zeros."""
    last = len(data) - _WORD
    if at <= last:
        return eight_bytes(data, at)
    return eight_bytes(data, last) >> np.uint64(8 * (at - last))


@_compiled
def _low(data, at, size):
    """First half of the string view of a text: its size, and its first four bytes."""
    first = _word_at(data, at) & ((_ONE << np.uint64(8 * min(size, 4))) - _ONE)
    return np.uint64(size) | (first << np.uint64(32))


@_compiled
def _size(low):
    """Bytes of the text whose string view begins so."""
    return np.int64(low & np.uint64(0xFFFFFFFF))


@_compiled
def _high(data, at, size):
    """Second half: the other bytes of a short text, or where a longer one begins."""
    if size > _SHORT:
        return np.uint64(at) << np.uint64(32)
    if size <= 4:
        return np.uint64(0)
    return _word_at(data, at + 4) & (_ALL >> np.uint64(8 * (_SHORT - size)))


@_compiled
def _point(data, views, number, at, size):
    """Write one string view: 16 bytes that hold a short text, or lead to a longer one."""
    views[2 * number] = _low(data, at, size)
    views[2 * number + 1] = _high(data, at, size)


_USUAL_TIME = 24  # bytes
_YEAR, _YEAR_DIGITS = _form(b"0000-00-")
_DAY_AND_TIME, _DAY_AND_TIME_DIGITS = _form(b"00T00:00")
_SECONDS, _SECONDS_DIGITS = _form(b":00.000Z")
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_EXACT_DIGITS = 15  # of a decimal number that a double tells from any other


@_compiled
def _two_digits(data, at):
    """Two digits as a number; -1 where they are none."""
    tens, ones = data[at] - 48, data[at + 1] - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1


@_compiled
def _timestamp(data, at, size):
    """Whether a string without backslashes is a timestamp: surely, surely not, or only perhaps.

    It has a date, a time of day, and perhaps an offset: see ``TIMESTAMP_PATTERN``. Perhaps is what
    has a rare form.
    """
    if size < 16 or data[at + 4] != 45 or data[at + 7] != 45 or data[at + 13] != 58:
        return 0
    years, year = _two_digits(data, at), _two_digits(data, at + 2)
    month, day = _two_digits(data, at + 5), _two_digits(data, at + 8)
    if years < 0 or year < 0 or month < 0 or day < 0:
        return 0
    hour, minute = _two_digits(data, at + 11), _two_digits(data, at + 14)
    is_leap = month == 2 and year % 4 == 0 and (year > 0 or years % 4 == 0)
    is_day = 10 <= years < 99 and 1 <= month <= 12 and 1 <= day <= _DAYS[month] + is_leap
    is_time = 0 <= hour <= 23 and 0 <= minute <= 59
    if not is_day or not is_time or (data[at + 10] != 84 and data[at + 10] != 32):
        return UNSURE
    end = at + size
    at += 16
    if end - at >= 3 and data[at] == 58:
        if not 0 <= _two_digits(data, at + 1) <= 59:
            return UNSURE
        at += 3
        if at < end and data[at] == 46:
            after = _digits_end(data, at + 1, end)
            if not 2 <= after - at <= 7:
                return UNSURE
            at = after
    if at == end or (at + 1 == end and data[at] == 90):
        return SURE
    if end - at < 5 or (data[at] != 43 and data[at] != 45):
        return UNSURE
    hours = _two_digits(data, at + 1)
    at += 4 if data[at + 3] == 58 else 3
    is_offset = at + 2 == end and 0 <= hours <= 13 and 0 <= _two_digits(data, at) <= 59
    return SURE if is_offset else UNSURE


@_compiled
def _pairs(word, form, digits):
    """Numbers of two digits that stand in eight bytes, each at the place of its first digit.

    ``form`` has zeros for the digits, and ``digits`` ones; :data:`_ALL` if the others differ.
    """
    word ^= form
    too_large = (word + digits * np.uint64(6)) & (digits * np.uint64(0xF0))
    if word & ~(digits * np.uint64(0x0F)) or too_large:
        return _ALL
    return word * np.uint64(10) + (word >> np.uint64(8))


@_compiled
def _byte(word, place):
    """One of eight bytes as a number."""
    return np.int64((word >> np.uint64(8 * place)) & np.uint64(0xFF))


@_compiled
def _is_usual_time(data, at):
    """Whether 24 bytes are surely a timestamp, like ``2026-01-05T10:00:00.000Z``.

    It is not said of the 29th to 31st, which depend on month and year.
    """
    date = _pairs(eight_bytes(data, at), _YEAR, _YEAR_DIGITS)
    time = _pairs(eight_bytes(data, at + 8), _DAY_AND_TIME, _DAY_AND_TIME_DIGITS)
    rest = _pairs(eight_bytes(data, at + 16), _SECONDS, _SECONDS_DIGITS)
    if date == _ALL or time == _ALL or rest == _ALL:
        return False
    is_day = 10 <= _byte(date, 0) < 99 and 1 <= _byte(date, 5) <= 12 and 1 <= _byte(time, 0) <= 28
    return is_day and _byte(time, 3) <= 23 and _byte(time, 6) <= 59 and _byte(rest, 1) <= 59


@_compiled
def _begins_with_year(data, at):
    """Whether a string in which a backslash stands may begin as a timestamp does."""
    for place in range(at, at + 5):
        if data[place] == 92:
            return data[place + 1] == 117  # u: what is escaped may be a digit
        if data[place] != 45 if place == at + 4 else not 48 <= data[place] <= 57:
            return False
    return True


@_compiled
def _array_look(data, at, size):
    """Whether an array holds more than one empty string: surely, surely not, or only perhaps."""
    if size == 2:
        return 0
    first, second = data[at + 1], data[at + 2]
    if first == 34:  # a string
        if second != 34:
            return SURE
        if size == 4:
            return 0
        return SURE if data[at + 3] == 44 else UNSURE
    return UNSURE if first in (32, 9) else SURE


@_compiled
def _number_look(data, at, size):
    """Whether a number with a point or an exponent has a fraction, as bits."""
    digits, look, after_point = 0, 0, False
    for place in range(at, at + size):
        byte = data[place]
        if byte == 46:
            after_point = True
        elif 48 <= byte <= 57:
            digits += 1
            if after_point and byte != 48:
                look = SURE
        elif byte != 45:
            return UNSURE
    return look | UNSURE if digits > _EXACT_DIGITS else look


@_compiled
def _string_look(data, at, size, escaped):
    """Whether a string of 16 bytes or more is a timestamp, as bits."""
    if escaped:
        return UNSURE if _begins_with_year(data, at) else 0
    if size == _USUAL_TIME and _is_usual_time(data, at):
        return SURE
    return _timestamp(data, at, size)


_NO_TIME = -(1 << 63)
_DAY = 86_400_000_000  # in microseconds


@_compiled
def _moment(data, at, size):
    """Microseconds since 1970 of a sure timestamp: the UTC time, in whole milliseconds."""
    end = at + size
    year = _two_digits(data, at) * 100 + _two_digits(data, at + 2)
    month, day = _two_digits(data, at + 5), _two_digits(data, at + 8)
    minutes = _two_digits(data, at + 11) * 60 + _two_digits(data, at + 14)
    at += 16
    micros = 0
    if at < end and data[at] == 58:
        micros = _two_digits(data, at + 1) * 1_000_000
        at += 3
        if at < end and data[at] == 46:
            unit = 100_000
            at += 1
            while at < end and 48 <= data[at] <= 57:
                if unit >= 1000:
                    micros += (data[at] - 48) * unit
                unit //= 10
                at += 1
    if at < end and data[at] != 90:
        minute = at + 4 if data[at + 3] == 58 else at + 3
        offset = _two_digits(data, at + 1) * 60 + _two_digits(data, minute)
        minutes += offset if data[at] == 45 else -offset
    # Days since 1970, of years that begin with March.
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719_468
    return days * _DAY + minutes * 60_000_000 + micros


@_compiled
def _look_at_line(data, row, begin, after, leaves, texts, beside):
    """Note of a line's leaves how each begins and looks, and put its texts and times beside it.

    It is done at once since the line is in the processor's cache now, and at its end since a line
    that turns out to be odd need not be looked at.
    """
    leaf_node, leaf_at, leaf_low, leaf_kind = leaves
    text_of, time_of = texts
    views, row_texts, row_moments, is_escaped = beside
    for time in range(row_moments.shape[1]):
        row_moments[row, time] = _NO_TIME
    present = 0
    for leaf in range(begin, after):
        at, size, kind = leaf_at[leaf], _size(leaf_low[leaf]), leaf_kind[leaf]
        low = _low(data, at, size)
        leaf_low[leaf] = low
        look = 0
        if kind & STRING:
            # To call a function takes longer than to see that most are none.
            if size >= 16 and (data[at + 4] == 45 or kind & ESCAPED):
                look = _string_look(data, at, size, kind & ESCAPED)
        elif kind & DOUBLE:
            look = _number_look(data, at, size)
        elif kind & ARRAY:
            look = _array_look(data, at, size)
        leaf_kind[leaf] = kind | look
        text = text_of[leaf_node[leaf]]
        if text >= 0:
            present |= 1 << text
            views[row, 2 * text], views[row, 2 * text + 1] = low, _high(data, at, size)
            is_escaped[text] |= kind & ESCAPED > 0
            if time_of[text] >= 0 and look & SURE:
                row_moments[row, time_of[text]] = _moment(data, at, size)
    row_texts[row] = present


_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _AFTER = 0, 1, 2, 3, 4
_IS_ODD, _NO_ROOM = -1, -2


@_compiled
def _key(data, at, end, before, above, follows, nodes, sizes):
    """Give the node of the key that begins here, and where its closing quote is.

    Below 0 is a key that is odd, or for which there is no room. Keys mostly follow each other as
    they did before, so the node that followed the last one is compared first.
    """
    parents, key_at, key_size, keys = nodes[1], nodes[2], nodes[3], nodes[4]
    node = follows[before]
    quote = at + key_size[node]
    if (
        parents[node] == above
        and quote < end
        and data[quote] == 34
        and _same(keys, key_at[node], data, at, quote - at)
    ):
        return node, quote
    quote, escaped = _string_end(data, at, end)
    if quote < 0 or escaped:
        return _IS_ODD, quote
    node = intern(data, at, quote, above, nodes, sizes)
    if node < 0:
        return _NO_ROOM, quote
    follows[before] = node
    return node, quote


@_compiled
def _plain_value_end(data, at, end, is_in_array):
    """Give the end of a number or word, its kind, and whether an array may keep it as it stands."""
    if data[at] == 45 or 48 <= data[at] <= 57:
        after, kind = _number_end(data, at, end)
        is_usual = not is_in_array or after < 0 or _is_printed_so(data, at, after, kind)
        return after, kind, is_usual
    after, kind = _word_end(data, at, end)
    return after, kind, True


@_compiled
def _blanks_end(data, at, end):
    while at < end and (data[at] == 32 or data[at] == 9):
        at += 1
    return at


@_compiled
def _group(data, leaves, kind, name, nodes, sizes):
    """Give the node of an event's type and name, whose leaves are given; below 0 without room."""
    _, leaf_at, leaf_low, _ = leaves
    at, size = leaf_at[kind], _size(leaf_low[kind])
    found = intern(data, at, at + size, TYPES, nodes, sizes)
    if found >= 0 and name >= 0:
        at, size = leaf_at[name], _size(leaf_low[name])
        found = intern(data, at, at + size, found, nodes, sizes)
    return found


@_compiled
def scan(
    data,
    starts,
    ends,
    first,
    texts,
    nodes,
    sizes,
    seen_in,
    follows,
    leaves,
    rows,
    beside,
    levels,
    counts,
):
    """Scan lines from ``first`` on; gives the one before which room ran out.

    ``texts`` tells which nodes are texts that stand beside each row, and which of these are times;
    ``beside`` gets them. A line is odd, too, where such a node is anything but a string, and where
    it has no type. Node 1 is the type, 2 the name of the event. ``levels`` have room for
    :data:`MOST_LEVELS`. ``counts`` are the leaves and objects so far, and whether it is nodes that
    there is no room for (or leaves).
    """
    leaf_node, leaf_at, leaf_low, leaf_kind = leaves
    what, last_leaf, group = rows
    in_node, in_object = levels
    text_of, _ = texts
    room = len(leaf_node)
    found, objects = counts[0], counts[1]
    for row in range(first, len(starts)):
        at, end = starts[row], ends[row]
        begin = found
        depth = 0
        awaits = _VALUE
        node = before = ROOT
        array_at = array_node = array_depth = array_kind = 0
        kind_of_event, named_event = -1, -1
        is_good = True
        # Blanks around an object are left to others: a record is kept as it stands.
        is_blank = at == end
        while at < end:
            if found == room:
                counts[0], counts[1], counts[2] = begin, objects, 0
                return row
            byte = data[at]
            if byte in (32, 9):
                if depth == 0:
                    break
                array_kind |= ESCAPED
                at += 1
                continue
            kind = size = 0
            leaf = at
            if awaits == _AFTER:
                if depth == 0:
                    break
                is_object = in_object[depth - 1] > 0
                if byte == 44:
                    awaits = _KEY if is_object else _VALUE
                    at += 1
                    continue
                if byte != (125 if is_object else 93):
                    break
                depth -= 1
                at += 1
                if not is_object and depth == array_depth - 1:
                    leaf, kind, size, node = array_at, array_kind, at - array_at, array_node
                    array_depth = 0
            elif awaits in (_KEY, _KEY_OR_END):
                if byte == 125 and awaits == _KEY_OR_END:
                    depth -= 1
                    at += 1
                    awaits = _AFTER
                    kind = OBJECT if depth > 0 else 0
                    node = in_node[depth]
                else:
                    if byte != 34:
                        break
                    above = in_node[depth - 1]
                    node, quote = _key(data, at + 1, end, before, above, follows, nodes, sizes)
                    if node == _NO_ROOM:
                        counts[0], counts[1], counts[2] = begin, objects, 1
                        return row
                    if node < 0:
                        break
                    before = node
                    # A key given twice; or something below what should be a string.
                    if seen_in[node] == in_object[depth - 1] or text_of[above] >= 0:
                        break
                    seen_in[node] = in_object[depth - 1]
                    at = quote + 1
                    while at < end and (data[at] == 32 or data[at] == 9):
                        array_kind |= ESCAPED
                        at += 1
                    if at >= end or data[at] != 58:
                        break
                    at += 1
                    awaits = _VALUE
                    continue
            elif byte == 34:
                quote, escaped = _string_end(data, at + 1, end)
                if quote < 0 or depth == 0:
                    break
                leaf, size, kind = at + 1, quote - at - 1, STRING | escaped
                array_kind |= escaped
                at = quote + 1
            elif byte == 123:
                if depth == MOST_LEVELS:
                    break
                objects += 1
                in_node[depth], in_object[depth] = node, objects
                depth += 1
                at += 1
                awaits = _KEY_OR_END
                continue
            elif byte == 91:
                if depth == 0 or depth == MOST_LEVELS:
                    break
                if array_depth == 0:
                    array_at, array_node, array_depth, array_kind = at, node, depth + 1, ARRAY
                in_node[depth], in_object[depth] = node, 0
                depth += 1
                at += 1
                awaits = _VALUE_OR_END
                continue
            elif byte == 93 and awaits == _VALUE_OR_END:
                depth -= 1
                at += 1
                if depth == array_depth - 1:
                    leaf, kind, size, node = array_at, array_kind, at - array_at, array_node
                    array_depth = 0
            else:
                if depth == 0:
                    break
                at, kind, is_usual = _plain_value_end(data, leaf, end, array_depth > 0)
                if not is_usual:
                    array_kind |= ESCAPED
                if at < 0:
                    break
                size = at - leaf
            awaits = _AFTER
            if kind and array_depth == 0:
                if text_of[node] >= 0:
                    if kind & ~ESCAPED != STRING:
                        is_good = False
                        break
                    if node == 1:
                        kind_of_event = found
                    elif node == 2:
                        named_event = found
                leaf_node[found] = node
                leaf_at[found] = leaf
                leaf_low[found] = size
                leaf_kind[found] = kind
                found += 1
        if is_blank or (at < end and depth == 0 and awaits == _VALUE):
            is_blank = _blanks_end(data, at, end) == end
        is_good = is_good and at == end and depth == 0 and awaits == _AFTER and kind_of_event >= 0
        if is_good and leaf_kind[kind_of_event] == STRING:
            group[row] = _group(data, leaves, kind_of_event, named_event, nodes, sizes)
            if group[row] < 0:
                counts[0], counts[1], counts[2] = begin, objects, 1
                return row
            _look_at_line(data, row, begin, found, leaves, texts, beside)
            what[row] = CLEAN
        else:
            found = begin
            what[row] = BLANK if is_blank else ODD
        last_leaf[row] = found
    counts[0], counts[1] = found, objects
    return len(starts)


@_compiled
def _leaves_come_near(order, number, last_leaf, leaves):
    """Ask for the leaves of a row that comes soon: rows of a group lie far apart."""
    leaf_node, leaf_at, leaf_low, leaf_kind = leaves
    if number >= len(order):
        return
    row = order[number]
    for leaf in range(last_leaf[row - 1] if row else 0, last_leaf[row], _LINE // 8):
        prefetch(leaf_low, leaf)
        # A line of the cache holds twice as many of these, or more: every other step is enough.
        if leaf & (_LINE // 8):
            prefetch(leaf_node, leaf)
            prefetch(leaf_at, leaf)
            prefetch(leaf_kind, leaf)


@_compiled
def _texts_come_near(data, order, number, last_leaf, leaves, kinds):
    """Ask for those texts of a row, of some kinds, that stand in their views as to a part only."""
    _, leaf_at, leaf_low, leaf_kind = leaves
    if number >= len(order):
        return
    row = order[number]
    for leaf in range(last_leaf[row - 1] if row else 0, last_leaf[row]):
        if leaf_kind[leaf] & kinds and 4 < _size(leaf_low[leaf]) <= _SHORT:
            prefetch(data, leaf_at[leaf])


@_compiled
def summary(order, last_leaf, leaves, count, kinds, touched):
    """Count the leaves of some rows by node, with their kinds; gives how many nodes there are."""
    leaf_node, _, leaf_low, leaf_kind = leaves
    nodes = 0
    for number, row in enumerate(order):
        _leaves_come_near(order, number + _AHEAD, last_leaf, leaves)
        for leaf in range(last_leaf[row - 1] if row else 0, last_leaf[row]):
            node = leaf_node[leaf]
            if count[node] == 0:
                touched[nodes] = node
                nodes += 1
            count[node] += 1
            kind = leaf_kind[leaf]
            kinds[node] |= kind
            if _size(leaf_low[leaf]) == 0 or (kind & ARRAY and not kind & SURE):
                kinds[node] |= EMPTY
            elif kind & STRING and not kind & SURE:
                kinds[node] |= OTHER
    return nodes


@_compiled
def fill(data, order, last_leaf, leaves, column_of, quoted, views, valid):
    """Let the cells of some rows point to where their leaves stand, as Arrow's string views do.

    ``views`` has one column after the other.
    """
    leaf_node, leaf_at, leaf_low, leaf_kind = leaves
    rows = len(order)
    for number, row in enumerate(order):
        _leaves_come_near(order, number + 2 * _AHEAD, last_leaf, leaves)
        _texts_come_near(data, order, number + _AHEAD, last_leaf, leaves, _ANY)
        if number % _VIEWS_A_LINE == 0 and number + _ROWS_AHEAD < rows:
            for column in range(len(quoted)):
                prefetch(views, 2 * (column * rows + number + _ROWS_AHEAD))
        for leaf in range(last_leaf[row - 1] if row else 0, last_leaf[row]):
            column = column_of[leaf_node[leaf]]
            kind = leaf_kind[leaf]
            if column < 0 or kind & OBJECT:
                continue
            at, low = leaf_at[leaf], leaf_low[leaf]
            place = column * rows + number
            if quoted[column] and kind & STRING:
                _point(data, views, place, at - 1, _size(low) + 2)
            else:
                views[2 * place] = low
                views[2 * place + 1] = _high(data, at, _size(low))
            valid[column, number >> 3] |= np.uint8(1 << (number & 7))


@_compiled
def places(order, last_leaf, leaves, column_of, found):
    """Say of some rows where their leaves stand in the text, a row of ``found`` for each column."""
    leaf_node, leaf_at, _, leaf_kind = leaves
    for number, row in enumerate(order):
        for leaf in range(last_leaf[row - 1] if row else 0, last_leaf[row]):
            column = column_of[leaf_node[leaf]]
            if column >= 0 and not leaf_kind[leaf] & OBJECT:
                found[column, number] = leaf_at[leaf]


@_compiled
def gather(order, beside, views, valid, moments, is_time):
    """Put the texts and times that stand beside some rows into columns, one after the other."""
    row_views, row_texts, row_moments = beside
    texts, rows = len(valid), len(order)
    for number, row in enumerate(order):
        if number + 2 * _AHEAD < rows:
            soon = order[number + 2 * _AHEAD]
            prefetch(row_texts, soon)
            for place in range(2 * texts * soon, 2 * texts * (soon + 1), _LINE // 8):
                prefetch(row_views, place)
        if number % _VIEWS_A_LINE == 0 and number + _ROWS_AHEAD < rows:
            for text in range(texts):
                prefetch(views, 2 * (text * rows + number + _ROWS_AHEAD))
        bit = np.uint8(1 << (number & 7))
        for text in range(texts):
            at = 2 * (text * rows + number)
            if row_texts[row] >> text & 1:
                views[at], views[at + 1] = row_views[row, 2 * text], row_views[row, 2 * text + 1]
                valid[text, number >> 3] |= bit
            else:
                views[at] = views[at + 1] = 0
        for time in range(len(moments)):
            moment = row_moments[row, time]
            moments[time, number] = moment
            if moment != _NO_TIME:
                is_time[time, number >> 3] |= bit


@_compiled
def point_all(data, starts, ends, rows, views):
    """Let string views point to whole lines."""
    for number, row in enumerate(rows):
        _point(data, views, number, starts[row], ends[row] - starts[row])


@_compiled
def _whole(data, at, size, low):
    """Size of a whole number, which stands in its view if it is short."""
    value = np.int64(0)
    for place in range(size):
        byte = _byte(low, 4 + place) if size <= 4 else np.int64(data[at + place])
        if byte == 46:
            break
        if byte != 45:
            value = value * 10 + (byte - 48)
    return value


@_compiled
def count(data, rows, last_leaf, leaves, counts, looks, is_touched, touched):
    """Count the leaves of some rows by node and kind, with what they look like.

    ``looks`` gets, by node: numbers that have a fraction; strings that are not empty; those of them
    that are timestamps; arrays that hold something; the size of the largest whole number; and how
    many values are to be looked into more closely: the others are wrong as long as there are any.
    Gives how many nodes there are, which ``touched`` names.
    """
    leaf_node, leaf_at, leaf_low, leaf_kind = leaves
    nodes = 0
    for number, row in enumerate(rows):
        _leaves_come_near(rows, number + 2 * _AHEAD, last_leaf, leaves)
        _texts_come_near(data, rows, number + _AHEAD, last_leaf, leaves, INTEGER)
        for leaf in range(last_leaf[row - 1] if row else 0, last_leaf[row]):
            node = leaf_node[leaf]
            if not is_touched[node]:
                is_touched[node] = True
                touched[nodes] = node
                nodes += 1
            kind, size = leaf_kind[leaf], _size(leaf_low[leaf])
            is_sure, is_unsure = kind & SURE > 0, kind & UNSURE > 0
            looks[node, 5] += is_unsure
            if kind & STRING:
                counts[node, 3] += 1
                looks[node, 1] += size > 0
                looks[node, 2] += is_sure
            elif kind & INTEGER:
                counts[node, 0] += 1
                value = _whole(data, leaf_at[leaf], size, leaf_low[leaf])
                looks[node, 4] = max(looks[node, 4], value)
            elif kind & DOUBLE:
                counts[node, 1] += 1
                looks[node, 0] += is_sure
                if not is_sure and not is_unsure:
                    value = _whole(data, leaf_at[leaf], size, leaf_low[leaf])
                    looks[node, 4] = max(looks[node, 4], value)
            elif kind & BOOLEAN:
                counts[node, 2] += 1
            elif kind & ARRAY:
                counts[node, 4] += 1
                looks[node, 3] += is_sure
            else:
                counts[node, 5] += 1
    return nodes


# --- values of a column -------------------------------------------------------------------------

_TENS = 10.0 ** np.arange(_MOST_DIGITS)
"""Powers of ten that are doubles: a whole double divided by one of them is rounded once."""
_EXACT_WHOLE = 1 << 53


@_compiled
def _view_byte(data, low, high, place):
    """One byte of the text that a string view holds or leads to."""
    size = _size(low)
    if size > _SHORT:
        return np.int64(data[np.int64(high >> np.uint64(32)) + place])
    return _byte(low, 4 + place) if place < 4 else _byte(high, place - 4)


@_compiled
def whole_numbers(data, views, values):
    """Read a column of whole numbers."""
    for number in range(len(values)):
        low, high = views[2 * number], views[2 * number + 1]
        value, is_negative = np.int64(0), False
        for place in range(_size(low)):
            byte = _view_byte(data, low, high, place)
            if byte == 45:
                is_negative = True
            else:
                value = value * 10 + (byte - 48)
        values[number] = -value if is_negative else value


@_compiled
def decimals(data, views, values):
    """Read a column of numbers; what takes more than one rounding is left as NaN, for others."""
    for number in range(len(values)):
        low, high = views[2 * number], views[2 * number + 1]
        size = _size(low)
        digits = np.int64(0)
        power = 0
        is_negative = after_point = False
        # So many digits and a point at most fit into 64 bits.
        is_exact = size <= _MOST_DIGITS
        for place in range(size if is_exact else 0):
            byte = _view_byte(data, low, high, place)
            if 48 <= byte <= 57:
                digits = digits * 10 + (byte - 48)
                power += after_point
            elif byte == 46:
                after_point = True
            elif byte == 45 and place == 0:
                is_negative = True
            else:
                is_exact = False
        if not is_exact or digits > _EXACT_WHOLE:
            values[number] = np.nan
            continue
        value = digits / _TENS[power]
        values[number] = -value if is_negative else value


@_compiled
def truths(views, bits):
    """Read a column of ``true`` and ``false``; ``bits`` are zeros before."""
    for number in range(len(views) // 2):
        if _byte(views[2 * number], 4) == 116:
            bits[number >> 3] |= np.uint8(1 << (number & 7))


@_compiled
def moments(data, views, values):
    """Read a column of timestamps, none of which is unsure."""
    rows = len(values)
    for number in range(rows):
        if number + _ROWS_AHEAD < rows:
            prefetch(data, np.int64(views[2 * (number + _ROWS_AHEAD) + 1] >> np.uint64(32)))
        low, high = views[2 * number], views[2 * number + 1]
        at = np.int64(high >> np.uint64(32))
        values[number] = _moment(data, at, _size(low)) if _size(low) else 0


_NOTHING = _view(b"[]"), _view(b'[""]')
"""Arrays that count as blank."""


@_compiled
def no_empty(views, valid, are_arrays):
    """Take the bits of empty texts away, or of arrays that hold nothing."""
    for number in range(len(views) // 2):
        low = views[2 * number]
        if low in _NOTHING if are_arrays else _size(low) == 0:
            valid[number >> 3] &= ~np.uint8(1 << (number & 7))
