# SPDX-License-Identifier: Apache-2.0
"""From samples to the page: what the reference's event handling and registry make of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torture.model.line import Options, Reader, Sample
from torture.model.rules import KINDS, Match, find
from torture.model.text import escape

BUCKETS = [.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10]
QUANTILES = [.5, .9, .99]
EXACT_QUANTILES = 45  # so many observations, and a summary's quantiles are exact
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Labels = tuple[tuple[str, str], ...]


@dataclass
class Series:
    labels: Labels
    value: float = 0.0
    members: set[str] = field(default_factory=set)
    seen: list[tuple[float, int]] = field(default_factory=list)  # observation, how often


@dataclass
class Family:
    type: str   # counter, gauge, histogram, summary, set
    help: str | None
    series: dict[Labels, Series] = field(default_factory=dict)
    points: dict[tuple[str, ...], list[float]] = field(default_factory=dict)  # by label names


@dataclass
class Model:
    mapping: dict[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    gauge_mode: str = "delta"
    families: dict[str, Family] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reader = Reader(self.options)
        self.counts: Counter[str] = self.reader.counts
        self.defaults = self.mapping.get("defaults", {})

    def datagram(self, data: bytes, stream: bool = False) -> None:
        for sample in self.reader.datagram(data, stream):
            if sample.times > 0:
                self.event(sample)

    # ---- one event ----

    def event(self, sample: Sample) -> None:
        match = find(self.mapping, sample.name, KINDS[sample.type], sample.tags)
        if not match and self.defaults.get("unmapped") == "drop":
            self.counts["unmapped"] += sample.times
        if (match.rule.get("action") if match else self.defaults.get("unmapped")) == "drop":
            self.counts["actions drop"] += sample.times
            return
        name = sample.name
        if match:
            name = match.fill(match.rule["name"])
        if not name:  # ours: of a sample without a rule too
            self.counts["events_error empty_metric_name"] += sample.times
            return
        self.counts["actions map" if match else "unmapped"] += sample.times
        self.convert(sample, match)
        self.apply(sample, escape(name), self.labels(sample, match), match)

    def convert(self, sample: Sample, match: Match | None) -> None:
        unit = self.setting(match, "unit")
        if unit and sample.type in ("ms", "h", "d"):
            sent = sample.value * 1000 if sample.type == "ms" else sample.value
            sample.value = sent * UNITS[unit]
        if match and match.rule.get("scale") is not None:
            sample.value *= match.rule["scale"]

    def setting(self, match: Match | None, key: str) -> Any:
        if match and key in match.rule:
            return match.rule[key]
        return self.defaults.get(key)

    def labels(self, sample: Sample, match: Match | None) -> dict[str, str]:
        tags = dict(sample.tags)
        keep = self.setting(match, "keep_labels")
        if keep is not None:
            tags = {key: value for key, value in tags.items() if key in keep}
        for key in self.setting(match, "drop_labels") or []:
            tags.pop(key, None)
        renames = self.setting(match, "rename_labels") or {}
        renamed = {renames[key]: value for key, value in tags.items() if key in renames}
        tags = {key: value for key, value in tags.items() if key not in renames} | renamed
        labels = dict(self.defaults.get("labels", {})) | tags
        if match:
            for key, template in match.rule.get("labels", {}).items():
                if not (match.rule.get("honor_labels") and key in tags):
                    labels[key] = match.fill(template)
        return labels

    # ---- the registry ----

    def type_of(self, sample: Sample, match: Match | None) -> str:
        kind = KINDS[sample.type]
        return str(self.setting(match, "observer_type") or "summary") if kind == "observer" else kind

    def apply(self, sample: Sample, name: str, labels: dict[str, str],
              match: Match | None) -> None:
        kind, type_name = KINDS[sample.type], self.type_of(sample, match)
        if kind == "counter" and not (sample.value >= 0 and math.isfinite(sample.value)):
            reason = "negative" if sample.value < 0 and math.isfinite(sample.value) else "non_finite"
            self.counts[f"events_error illegal_{reason}_counter"] += 1
            return
        series = self.series(name, type_name, self.rename(labels, type_name), match)
        if not series:
            self.counts[f"conflict {kind} {name}"] += sample.times
            return
        self.counts[f"events {kind}"] += sample.times
        self.change(series, sample, match)

    def change(self, series: Series, sample: Sample, match: Match | None) -> None:
        if sample.type == "c":
            series.value += sample.value
        elif sample.type == "s":
            series.members.add(sample.member)
        elif sample.type != "g":
            series.seen.append((sample.value, sample.times))
        elif self.is_delta(series, sample, match):
            series.value += sample.value
        else:
            series.value = sample.value
        series.seen = series.seen or [(0, 0)]

    def is_delta(self, series: Series, sample: Sample, match: Match | None) -> bool:
        mode = self.setting(match, "gauge_mode") or self.gauge_mode
        is_new = not series.seen or math.isnan(series.value)
        return sample.signed and (mode == "delta" or (mode == "etsy" and not is_new))

    @staticmethod
    def rename(labels: dict[str, str], type_name: str) -> Labels:
        """Ours: names that the format has for itself."""
        own = {"histogram": "le", "summary": "quantile"}.get(type_name)
        return tuple(sorted((f"exported_{key}" if key.startswith("__") or key in (own, "overflow") else key, value)
                            for key, value in labels.items()))

    def series(self, name: str, type_name: str, labels: Labels,
               match: Match | None) -> Series | None:
        family = self.families.get(name)
        if family is None:
            if self.clashes(name, type_name):
                return None
            family = self.families[name] = Family(type_name, match.rule.get("help") if match else None)
        if family.type != type_name:
            return None
        family.points.setdefault(tuple(key for key, _ in labels), self.points(match, type_name))
        return family.series.setdefault(labels, Series(labels))

    def clashes(self, name: str, type_name: str) -> bool:
        """Ours: only with names that stand on the page, whichever came first."""
        parts = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
        if any(name + part in self.families for part in parts.get(type_name, ())):
            return True
        return any(name == owner + part for owner, family in self.families.items()
                   for part in parts.get(family.type, ()))

    def points(self, match: Match | None, type_name: str) -> list[float]:
        """Buckets or quantiles: the rule's, the defaults', the reference's."""
        key, standard = {"histogram": ("histogram_options", BUCKETS),
                         "summary": ("summary_options", QUANTILES)}.get(type_name, ("", []))
        of = "buckets" if type_name == "histogram" else "quantiles"
        options = [match.rule.get(key, {}) if match else {}, self.defaults.get(key, {})]
        found = next((option[of] for option in options if option.get(of)), standard)
        return [point["quantile"] if isinstance(point, dict) else point for point in found]

    # ---- the page ----

    def page(self) -> dict[tuple[str, Labels], float | None]:
        """Every sample of the page; None: a value that nobody promises."""
        samples: dict[tuple[str, Labels], float | None] = {}
        for name, family in self.families.items():
            for labels, series in family.series.items():
                points = family.points[tuple(key for key, _ in labels)]
                for part, more, value in show(family.type, series, points):
                    samples[name + part, tuple(sorted(labels + more))] = value
        return samples


def show(type_name: str, series: Series, points: list[float]
         ) -> list[tuple[str, Labels, float | None]]:
    if type_name in ("counter", "gauge"):
        return [("", (), series.value)]
    if type_name == "set":
        return [("", (), float(len(series.members)))]
    count = sum(times for _, times in series.seen)
    total = 0.0
    for value, times in series.seen:
        total += value * times
    shown: list[tuple[str, Labels, float | None]] = [("_count", (), float(count)),
                                                     ("_sum", (), total)]
    if type_name == "histogram":
        for bound in points:
            if bound != math.inf:
                n = sum(times for value, times in series.seen if value <= bound)
                shown.append(("_bucket", (("le", repr(float(bound))),), float(n)))
        shown.append(("_bucket", (("le", "inf"),), float(count)))
    else:
        shown += [("", (("quantile", repr(float(q))),), quantile(series, q)) for q in set(points)]
    return shown


def quantile(series: Series, q: float) -> float | None:
    values = sorted(value for value, times in series.seen if not math.isnan(value)
                    for _ in range(min(times, EXACT_QUANTILES + 1)))
    if len(values) > EXACT_QUANTILES:
        return None
    return values[max(math.ceil(len(values) * q) - 1, 0)] if values else math.nan
