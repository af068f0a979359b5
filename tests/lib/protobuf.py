# SPDX-License-Identifier: Apache-2.0
"""A reader of delimited io.prometheus.client.MetricFamily messages, from the wire format up.

It knows field numbers and wire types and nothing of our encoder. A field that it does not know, a
length that does not fit, or a varint that is longer than need be is an error.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Iterator

TYPES = {0: "counter", 1: "gauge", 2: "summary", 4: "histogram"}
VALUE_FIELDS = {"gauge": 2, "counter": 3, "summary": 4, "histogram": 7}
CREATED_FIELDS = {"counter": 3, "summary": 4, "histogram": 15}

Value = int | float | bytes
Fields = dict[int, list[Value]]
Labels = tuple[tuple[str, str], ...]


class WireError(Exception):
    """These bytes are no such message."""


@dataclass
class Native:
    """The native buckets of one histogram: absolute counts by index."""
    schema: int
    zero_threshold: float
    zero_count: int
    positive: dict[int, int]
    negative: dict[int, int]
    n_spans: int

    def count(self) -> int:
        return self.zero_count + sum(self.positive.values()) + sum(self.negative.values())


@dataclass
class Exemplar:
    """What stands behind a sample."""
    labels: Labels
    value: float
    time: float | None


@dataclass
class Message:
    """One MetricFamily, its metrics as the samples that they stand for."""
    name: str
    help: str
    type: str
    size: int
    n_metrics: int = 0
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)
    created: list[tuple[Labels, float]] = field(default_factory=list)
    native: dict[Labels, Native] = field(default_factory=dict)
    exemplars: dict[tuple[str, Labels], Exemplar] = field(default_factory=dict)  # by sample


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise WireError("cut within a varint")
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise WireError("a varint that is too long")
            return value, at
    raise WireError("a varint without an end")


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        if wire not in (1, 2):
            raise WireError(f"wire type {wire}")
        length, at = (8, at) if wire == 1 else varint(data, at)
        if at + length > len(data):
            raise WireError("a field beyond its message")
        piece = data[at:at + length]
        at += length
        yield number, struct.unpack("<d", piece)[0] if wire == 1 else piece


def message(data: Value, known: str) -> Fields:
    """The fields of a message; @known are the numbers that may be there, those with + repeatedly."""
    if not isinstance(data, bytes):
        raise WireError("no message where one should be")
    repeated = {int(word[:-1]) for word in known.split() if word.endswith("+")}
    once = {int(word) for word in known.split() if not word.endswith("+")}
    found: Fields = {}
    for number, value in fields(data):
        if number not in once | repeated or (number in once and number in found):
            raise WireError(f"field {number} of {known}")
        found.setdefault(number, []).append(value)
    return found


def text(value: Value) -> str:
    if not isinstance(value, bytes):
        raise WireError("no text where it should be")
    return value.decode()


def number(value: Value) -> float:
    if isinstance(value, bytes):
        raise WireError("no number where it should be")
    return float(value)


def read(data: bytes) -> list[Message]:
    """All messages of a page."""
    messages, at = [], 0
    while at < len(data):
        length, at = varint(data, at)
        if at + length > len(data):
            raise WireError("a message beyond the page")
        messages.append(_family(data[at:at + length]))
        at += length
    return messages


def _family(data: bytes) -> Message:
    found = message(data, "1 2 3 4+")
    family = Message(text(found[1][0]), text(found[2][0]), TYPES[int(number(found[3][0]))],
                     len(data))
    for metric in found.get(4, []):
        _metric(family, metric)
        family.n_metrics += 1
    return family


def _metric(family: Message, data: Value) -> None:
    value_field = VALUE_FIELDS[family.type]
    found = message(data, f"1+ {value_field}")
    labels = _labels(found)
    read_value = {"summary": _summary, "histogram": _histogram}.get(family.type, _single)
    value = read_value(family, labels, found[value_field][0])
    for stamp in value.get(CREATED_FIELDS.get(family.type, 0), []):
        family.created.append((labels, _time(stamp)))


def _labels(found: Fields) -> Labels:
    labels: Labels = ()
    for pair in found.get(1, []):
        label = message(pair, "1 2")
        labels += ((text(label[1][0]), text(label[2][0])),)
    return labels


def _time(stamp: Value) -> float:
    parts = message(stamp, "1 2")
    return number(parts[1][0]) + number(parts[2][0]) / 1e9


def _exemplar(data: Value) -> Exemplar:
    found = message(data, "1+ 2 3")
    return Exemplar(_labels(found), number(found[2][0]),
                    _time(found[3][0]) if 3 in found else None)


def _single(family: Message, labels: Labels, data: Value) -> Fields:
    value = message(data, "1 2 3" if family.type == "counter" else "1")
    family.samples.append((family.name, labels, number(value[1][0])))
    if 2 in value:
        family.exemplars[family.name, labels] = _exemplar(value[2][0])
    return value


def _totals(family: Message, labels: Labels, value: Fields) -> None:
    family.samples.append((f"{family.name}_count", labels, number(value[1][0])))
    family.samples.append((f"{family.name}_sum", labels, number(value[2][0])))


def _summary(family: Message, labels: Labels, data: Value) -> Fields:
    value = message(data, "1 2 3+ 4")
    for piece in value.get(3, []):
        quantile = message(piece, "1 2")
        family.samples.append((family.name, (*labels, ("quantile", _float(quantile[1][0]))),
                               number(quantile[2][0])))
    _totals(family, labels, value)
    return value


def _histogram(family: Message, labels: Labels, data: Value) -> Fields:
    value = message(data, "1 2 3+ 5 6 7 9+ 10+ 12+ 13+ 15")
    if 5 in value:
        family.native[labels] = _native(value)
    for piece in value.get(3, []):
        bucket = message(piece, "1 2 3")
        bound, count = number(bucket[2][0]), number(bucket[1][0])
        key = (f"{family.name}_bucket", (*labels, ("le", _le(bound))))
        if 3 in bucket:
            family.exemplars[key] = _exemplar(bucket[3][0])
        if not math.isinf(bound):
            family.samples.append((*key, count))
        elif 3 not in bucket or count != number(value[1][0]):
            raise WireError("+Inf is the count")
    family.samples.append((f"{family.name}_bucket", (*labels, ("le", "+Inf")),
                           number(value[1][0])))
    _totals(family, labels, value)
    return value


def _native(value: Fields) -> Native:
    native = Native(_signed(value[5][0]), number(value[6][0]), _whole(value[7][0]),
                    _buckets(value, 12, 13), _buckets(value, 9, 10),
                    len(value.get(9, [])) + len(value.get(12, [])))
    if native.n_spans == 0:
        raise WireError("no span, not even an empty one")
    if native.count() > _whole(value[1][0]):
        raise WireError("more in native buckets than in all")
    return native


def _buckets(value: Fields, spans: int, deltas: int) -> dict[int, int]:
    """As Prometheus reads them: spans say which buckets there are, deltas how full each is."""
    found: dict[int, int] = {}
    left = [_signed(delta) for delta in value.get(deltas, [])]
    index, count = 0, 0
    for nth, piece in enumerate(value.get(spans, [])):
        span = message(piece, "1 2")
        offset = _signed(span[1][0])
        if nth > 0 and offset < 0:
            raise WireError("spans that overlap")
        index += offset
        for _ in range(_whole(span[2][0])):
            if not left:
                raise WireError("more buckets than deltas")
            count += left.pop(0)
            if count < 0:
                raise WireError("a bucket with less than nothing")
            found[index] = count
            index += 1
    if left:
        raise WireError("more deltas than buckets")
    return {at: n for at, n in found.items() if n > 0}


def _whole(value: Value) -> int:
    if not isinstance(value, int):
        raise WireError("no varint where it should be")
    return value


def _signed(value: Value) -> int:
    """Zigzag."""
    return _whole(value) >> 1 ^ -(_whole(value) & 1)


def _float(value: Value) -> str:
    return repr(number(value))


def _le(bound: float) -> str:
    return "+Inf" if bound == math.inf else repr(bound)
