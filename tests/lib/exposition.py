# SPDX-License-Identifier: Apache-2.0
"""A strict reader of the Prometheus text format 0.0.4.

Prometheus itself forgives much: series that appear twice, families in pieces, buckets in disorder.
A page of ours must not need that, so this reader forgives nothing: every family is one HELP line,
one TYPE line and at least one sample, families stand in byte order of their names, no series
appears twice, and histograms and summaries are complete.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
OWN_PREFIXES = ("bacowr_statsd_", "statsd_exporter_", "statsd_metric_mapper_", "process_",
                "promhttp_")

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d{2,3})?|[+-]Inf|NaN")
_ESCAPE = re.compile(r"\\(.)")


class FormatError(Exception):
    """The page is not what the format allows."""


Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    name: str
    type: str
    help: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """The server's own, not made from what was sent."""
        return self.name.startswith(OWN_PREFIXES)


def number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise FormatError(f"not a number: {text!r}")
    return float(text)


def series_key(name: str, labels: Labels) -> str:
    """One spelling for a series, so that le="1" and le="1.0" are the same bucket."""
    parts = []
    for key, value in sorted(labels):
        if key in ("le", "quantile"):
            value = _bound_text(value)
        parts.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    return name + ("{" + ",".join(parts) + "}" if parts else "")


def _bound_text(text: str) -> str:
    try:
        value = float(text)
    except ValueError:  # a sender's own label of that name
        return text
    if math.isinf(value) or math.isnan(value):
        return text
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


class Page:
    """A scraped page: families by name, and values by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = parse(text)

    def value(self, name: str, **labels: str) -> float:
        """The value of exactly this series; a test that names an absent one has failed."""
        family = self._family(name)
        key = (name, tuple(sorted(labels.items())))
        if family is None or key not in family.samples:
            raise AssertionError(f"no series {series_key(*key)} on the page")
        return family.samples[key]

    def get(self, name: str, **labels: str) -> float:
        """As value(), but an absent series counts as zero."""
        family = self._family(name)
        key = (name, tuple(sorted(labels.items())))
        return 0.0 if family is None else family.samples.get(key, 0.0)

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series of the name that have these labels among theirs."""
        family = self._family(name)
        wanted = set(labels.items())
        return sum(value for (sample, have), value in (family.samples if family else {}).items()
                   if sample == name and wanted <= set(have))

    def users(self) -> dict[str, float]:
        """Every series that was made from what was sent, by its spelling."""
        return {series_key(name, labels): value
                for family in self.families.values() if not family.own
                for (name, labels), value in family.samples.items()}

    def traffic(self) -> str:
        """All that traffic changes: two pages between which nothing arrived have the same."""
        return repr([family for family in self.families.values()
                     if not family.own or family.name.startswith("statsd_exporter_")])

    def refused(self) -> dict[str, float]:
        """How many lines and samples were refused, by reason; only reasons that occurred."""
        counts = {"conflict": self.total("statsd_exporter_events_conflict_total"),
                  "dogstatsd_event": self.get("bacowr_statsd_dogstatsd_events_total"),
                  "dogstatsd_service_check":
                      self.get("bacowr_statsd_dogstatsd_service_checks_total")}
        for name in ("statsd_exporter_sample_errors_total", "statsd_exporter_events_error_total"):
            family = self.families.get(name)
            counts |= {dict(labels)["reason"]: value
                       for (_, labels), value in (family.samples if family else {}).items()}
        return {reason: value for reason, value in counts.items() if value}

    def _family(self, name: str) -> Family | None:
        if name in self.families:
            return self.families[name]
        return self.families.get(re.sub(r"_(bucket|sum|count)$", "", name))


def parse(text: str) -> dict[str, Family]:
    if text and not text.endswith("\n"):
        raise FormatError("the last line has no end")
    families: dict[str, Family] = {}
    helped: tuple[str, str] | None = None
    family: Family | None = None
    for at, line in enumerate(text.split("\n")[:-1], 1):
        try:
            if line.startswith("# HELP "):
                _finish(family, helped)
                name, _, rest = line[7:].partition(" ")
                helped, family = (name, _unescape(rest, '\\n')), None
            elif line.startswith("# TYPE "):
                name, _, kind = line[7:].partition(" ")
                family = _begin(families, helped, name, kind)
                helped = None
            elif family is None:
                raise FormatError("a sample without HELP and TYPE before it")
            else:
                _add_sample(family, line)
        except FormatError as error:
            raise FormatError(f"line {at}: {error}: {line[:200]}") from None
    _finish(family, helped)
    _refuse_shared_names(families)
    return families


def _begin(families: dict[str, Family], helped: tuple[str, str] | None, name: str,
           kind: str) -> Family:
    if helped is None or helped[0] != name:
        raise FormatError("TYPE does not follow its HELP")
    if not _NAME.fullmatch(name) or kind not in TYPES:
        raise FormatError("bad name or type")
    if families and name <= next(reversed(families)):
        raise FormatError("families are not in order, or one appears twice")
    families[name] = Family(name, kind, helped[1])
    return families[name]


def _add_sample(family: Family, line: str) -> None:
    match = _NAME.match(line)
    if not match:
        raise FormatError("no metric name")
    name, at, labels = match.group(), match.end(), []
    if line[at:at + 1] == "{":
        at += 1
        while match := _LABEL.match(line, at):
            labels.append((match.group(1), _unescape(match.group(2), '\\n"')))
            at = match.end()
            if line[at:at + 1] != ",":
                break
            at += 1
        if not labels or line[at:at + 1] != "}":
            raise FormatError("bad labels")
        at += 1
    if line[at:at + 1] != " ":
        raise FormatError("no single space before the value")
    if len({key for key, _ in labels}) != len(labels):
        raise FormatError("a label appears twice")
    allowed = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
    if name not in [family.name + suffix for suffix in allowed.get(family.type, ("",))]:
        raise FormatError(f"a sample of another family within {family.name}")
    key = (name, tuple(sorted(labels)))
    if key in family.samples:
        raise FormatError("a series appears twice")
    family.samples[key] = number(line[at + 1:])


def _unescape(text: str, known: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match.group(1) not in known:
            raise FormatError(f"unknown escape \\{match.group(1)}")
        return "\n" if match.group(1) == "n" else match.group(1)

    if re.sub(r"\\.", "", text).endswith("\\"):
        raise FormatError("a backslash at the end")
    return _ESCAPE.sub(one, text)


def _finish(family: Family | None, helped: tuple[str, str] | None) -> None:
    """Check what can be said of a family only when it is whole."""
    if helped is not None:
        raise FormatError(f"HELP of {helped[0]} without TYPE")
    if family is None:
        return
    if not family.samples:
        raise FormatError(f"{family.name} has no sample")
    if family.type in ("histogram", "summary"):
        _check_parts(family)


def _check_parts(family: Family) -> None:
    special = "le" if family.type == "histogram" else "quantile"
    parts: dict[Labels, dict[str, list[tuple[float, float]]]] = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != special)
        bound = [text for key, text in labels if key == special]
        part = name[len(family.name):]
        if bool(bound) != (part in ("", "_bucket")):
            raise FormatError(f"{special} where it does not belong: {series_key(name, labels)}")
        where = parts.setdefault(rest, {}).setdefault(part, [])
        where.append((float(bound[0]) if bound else 0.0, value))
    for rest, have in parts.items():
        where_text = series_key(family.name, rest)
        if "_sum" not in have or "_count" not in have:
            raise FormatError(f"no _sum or _count: {where_text}")
        steps = have.get("_bucket", have.get("", []))
        bounds = [bound for bound, _ in steps]
        if bounds != sorted(set(bounds)):
            raise FormatError(f"bounds out of order: {where_text}")
        if family.type == "histogram":
            counts = [count for _, count in steps]
            if not bounds or bounds[-1] != math.inf or counts != sorted(counts):
                raise FormatError(f"buckets are not cumulative up to +Inf: {where_text}")
            if counts[-1] != have["_count"][0][1]:
                raise FormatError(f"+Inf differs from _count: {where_text}")


def _refuse_shared_names(families: dict[str, Family]) -> None:
    """No family's name may be the name of a sample of another one."""
    for family in families.values():
        for name in {sample for sample, _ in family.samples} - {family.name}:
            if name in families:
                raise FormatError(f"{name} is a family and a sample of {family.name}")
