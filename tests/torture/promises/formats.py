# SPDX-License-Identifier: Apache-2.0
"""One world in three formats, each read by a reader that shares nothing with its encoder."""

from __future__ import annotations

import math
import random
import re
import struct
from collections import Counter
from typing import Iterator

from lib.exposition import Family, Page, series_key
from lib.formats import (OPENMETRICS, PROTOBUF, Exemplar, Scraped, read_openmetrics, read_protobuf,
                         read_text)
from torture.model.cases import ask, try_cases
from torture.model.dice import Case, Dice
from torture.promise import Trial, promise
from torture.promises.model import model_of, same

LINES = 80         # of those that the model promise sends
WILD = 60          # lines with any number, a label's value of any bytes, and a trace id
FLAGS = ["--web.enable-openmetrics", "--statsd.exemplar-tag=trace_id"]
BYTES = [*"\"\\{}#= \t\x01\x7f/'k", "\\n", "é", "😱", "\u2028", "# EOF", "le"]
WILD_COUNTER = re.compile(rb"^wild_total:1\|c\|#k:(.*),trace_id:(.*)$", re.MULTILINE)
APART = 0.002      # seconds: births and exemplars are told to the millisecond


# ---- what is sent ----

def any_text(dice: random.Random) -> str:
    return "".join(dice.choice(BYTES) for _ in range(dice.choice([1, 1, 2, 5, 12])))


def any_number(dice: random.Random) -> str:
    """Of any bits, or one that is usual."""
    if dice.randrange(3):
        return str(dice.choice([0, 1, -3, 0.5, 250, 1e15, "nan", "inf", "-inf", -0.0]))
    return repr(struct.unpack("<d", dice.randbytes(8))[0])


def wild_line(dice: random.Random, texts: list[str]) -> bytes:
    name, kind = dice.choice([("wild_total", "c"), ("wild_total", "c"), ("wild_g", "g"),
                              ("wild_h", "h"), ("wild_s", "ms"), ("wild_seen", "s")])
    value = "1" if kind == "c" else any_number(dice)
    trace = any_text(dice).replace("}", "]")  # where prometheus_client 0.16 ends an exemplar's labels
    return f"{name}:{value}|{kind}|#k:{dice.choice(texts)},trace_id:{trace}".encode()


def make(dice: Dice) -> Case:
    """As the model promise has them, and wild ones among them."""
    case = dice.case(LINES)
    if case.mapping and dice.maybe(60):
        case.mapping["mappings"].append({
            "match": "wild_h", "name": "wild_h", "observer_type": "histogram", "match_type": "glob",
            "histogram_options": {"buckets": dice.one([[0, 1], [-1, 5], [0.1, 1e6, 1e300], [1]])}})
    texts = [any_text(dice.dice) for _ in range(8)]
    for _ in range(WILD):
        case.datagrams.insert(dice.dice.randrange(len(case.datagrams) + 1),
                              wild_line(dice.dice, texts))
    return case


# ---- what OpenMetrics has no room for ----

def negative(value: float) -> bool:
    return math.isnan(value) or value < 0


def left_out(family: Family) -> set[str]:
    """Sums that are no counters, and quantiles below zero; see docs/statsd-exporter.md."""
    below_zero = set()  # series with a negative bound: two of a family may have other ones
    for name, labels in family.samples:
        if name == family.name + "_bucket" and float(dict(labels)["le"]) < 0:
            below_zero.add(tuple(label for label in labels if label[0] != "le"))
    out = set()
    for (name, labels), value in family.samples.items():
        if name == family.name and family.type == "summary" and value < 0:
            out.add(series_key(name, labels))
        elif name == family.name + "_sum" and (negative(value) or labels in below_zero):
            out.add(series_key(name, labels))
            if family.type == "histogram":
                out.add(series_key(family.name + "_count", labels))
    return out


# ---- comparing ----

def whole_name(key: str) -> str:
    """Of a birth: OpenMetrics names a counter's without its _total."""
    name, brace, rest = key.partition("{")
    return f"{name}_total{brace}{rest}"


def compare_values(what: str, wanted: dict[str, float], found: dict[str, float]) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys()):
        if key not in wanted or key not in found or not same(wanted[key], found[key]):
            yield f"{what}: {key} is {found.get(key, 'missing')}, wanted {wanted.get(key, 'none')}"


def compare_heads(text: Scraped, om: Scraped, wire: Scraped) -> Iterator[str]:
    if text.types != wire.types or text.helps != wire.helps:
        yield "types: protobuf has other types or helps than text"
    for name, kind in text.types.items():
        stem = name.removesuffix("_total")
        is_stem = kind == "counter" and om.types.get(stem) == "counter"
        shown = om.types.get(stem if is_stem else name, "missing")
        if shown != ("unknown" if kind == "counter" and not is_stem else kind):
            yield f"types: {name} is {kind} as text and {shown} in OpenMetrics"
        if om.helps.get(stem if is_stem else name) != text.helps[name]:
            yield f"types: the help of {name} differs"


def compare_births(om: Scraped, wire: Scraped) -> Iterator[str]:
    """Each birth that OpenMetrics tells, and each that it can tell."""
    told = {key if key in wire.created else whole_name(key): when
            for key, when in om.created.items()}
    for key, when in told.items():
        if abs(wire.created.get(key, 0) - when) > APART:
            yield f"births: {key} was born {when}, and in protobuf {wire.created.get(key)}"
    for key in wire.created.keys() - told.keys():
        if om.types.get(key.partition("{")[0]) != "unknown":
            yield f"births: {key} has none in OpenMetrics"


def alike(a: Exemplar, b: Exemplar) -> bool:
    return a[0] == b[0] and same(a[1], b[1]) and abs((a[2] or 0) - (b[2] or 0)) <= APART


def compare_exemplars(case: Case, om: Scraped, wire: Scraped) -> Iterator[str]:
    for key in om.exemplars.keys() | wire.exemplars.keys():
        if key not in om.exemplars:
            if om.types.get(key.partition("{")[0]) != "unknown":
                yield f"exemplars: {key} has none in OpenMetrics"
        elif key not in wire.exemplars or not alike(om.exemplars[key], wire.exemplars[key]):
            yield f"exemplars: {key} has {om.exemplars[key]} and {wire.exemplars.get(key)}"
    sent = [(series_key("wild_total", (("k", k.decode()),)), trace.decode())
            for k, trace in WILD_COUNTER.findall(b"\n".join(case.datagrams))]
    last = dict(sent)
    for key, n in Counter(key for key, _ in sent).items():
        shown = om.exemplars.get(key, ({"trace_id": "none"}, 0, 0))[0]
        if case.options.dogstatsd and om.users.get(key) == n and shown != {"trace_id": last[key]}:
            yield f"exemplars: {key} shows {shown}, the last that came was {last[key]!r}"


def differences(case: Case, name: str) -> Iterator[str]:
    n_lines = model_of(case).counts["lines"]
    page, (om_page, wire_page) = ask(case, name, n_lines, FLAGS, [OPENMETRICS, PROTOBUF])
    text, wire = read_text(page), read_protobuf(wire_page)
    om = read_openmetrics(om_page.decode())
    out = {key for family in page.families.values() for key in left_out(family)}
    yield from compare_values("protobuf", text.users, wire.users)
    yield from compare_values("openmetrics", {key: value for key, value in text.users.items()
                                              if key not in out}, om.users)
    yield from compare_heads(text, om, wire)
    yield from compare_births(om, wire)
    yield from compare_exemplars(case, om, wire)


@promise("formats", "a page says the same in each format, births and exemplars too")
def formats(trial: Trial) -> str:
    """Random mappings, flags and lines, numbers of any bits, label values and trace ids of any
    bytes; text, OpenMetrics and protobuf of each page are read by readers that are not the
    encoders', OpenMetrics by prometheus_client's, which refuses a page for one breach"""
    n = try_cases(trial, trial.seconds(3, 600), make, differences)
    return f"{n} worlds of {LINES + WILD} lines: no format differs, none is refused"
