# SPDX-License-Identifier: Apache-2.0
"""The server against a slow model in Python that was written from the reference, not from its code.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from typing import Iterator

from lib import protobuf
from lib.exposition import Page
from lib.formats import PROTOBUF
from torture.model.cases import ask, try_cases
from torture.model.dice import Case
from torture.model.server import Model
from torture.promise import Trial, promise

LINES = 120        # of a case

# How the server counts what the model counts: family and the label that the rest of the key is.
FAMILIES = {
    "lines": ("statsd_exporter_lines_total", None),
    "samples": ("statsd_exporter_samples_total", None),
    "tags": ("statsd_exporter_tags_total", None),
    "tag_errors": ("statsd_exporter_tag_errors_total", None),
    "unmapped": ("statsd_exporter_events_unmapped_total", None),
    "events_dogstatsd": ("bacowr_statsd_dogstatsd_events_total", None),
    "service_checks": ("bacowr_statsd_dogstatsd_service_checks_total", None),
    "sample_errors": ("statsd_exporter_sample_errors_total", "reason"),
    "events_error": ("statsd_exporter_events_error_total", "reason"),
    "events": ("statsd_exporter_events_total", "type"),
    "actions": ("statsd_exporter_events_actions_total", "action"),
}


def model_of(case: Case) -> Model:
    model = Model(copy.deepcopy(case.mapping) or {}, case.options, case.gauge_mode)
    for data in [b"\n".join(case.datagrams)] if case.stream else case.datagrams:
        model.datagram(data, case.stream)
    return model


# ---- comparing ----

def spelled(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Bounds as the model spells them."""
    def one(key: str, value: str) -> str:
        try:
            return repr(float(value)) if key in ("le", "quantile") else value
        except ValueError:  # a sender's own label of that name
            return value

    return tuple(sorted((key, one(key, value)) for key, value in labels))


def same(wanted: float | None, found: float) -> bool:
    if wanted is None or math.isnan(wanted):
        return wanted is None or math.isnan(found)
    return math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-300)


def differences(case: Case, name: str) -> Iterator[str]:
    model = model_of(case)
    page, (wire,) = ask(case, name, model.counts["lines"], [], [PROTOBUF])
    yield from compare_series(model, page)
    yield from compare_heads(model, page)
    yield from compare_counts(model.counts, page)
    yield from compare_formats(page, wire)


def compare_series(model: Model, page: Page) -> Iterator[str]:
    wanted = {(name, spelled(labels)): value for (name, labels), value in model.page().items()}
    found = {(name, spelled(labels)): value for family in page.families.values() if not family.own
             for (name, labels), value in family.samples.items()}
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found or key not in wanted or not same(wanted[key], found[key]):
            yield (f"{key} is {found.get(key, 'missing')}, "
                   f"the model says {wanted.get(key, 'nothing')}")


def compare_heads(model: Model, page: Page) -> Iterator[str]:
    for name, family in model.families.items():
        shown = page.families.get(name)
        wanted = "gauge" if family.type == "set" else family.type
        if shown and shown.type != wanted:
            yield f"{name} is a {shown.type}, the model says {wanted}"
        if shown and family.help and shown.help != family.help:
            yield f"help of {name} is {shown.help!r}, the model says {family.help!r}"


def compare_counts(counts: Counter[str], page: Page) -> Iterator[str]:
    wanted = {key: n for key, n in counts.items() if n}
    found: dict[str, float] = {}
    for name, (family, label) in FAMILIES.items():
        for (_, labels), value in page.families[family].samples.items():
            found[f"{name} {dict(labels)[label]}" if label else name] = value
    conflicts = page.families.get("statsd_exporter_events_conflict_total")
    for (_, labels), value in (conflicts.samples if conflicts else {}).items():
        found[f"conflict {dict(labels)['type']} {dict(labels)['metric_name']}"] = value
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key, 0) != found.get(key, 0):
            yield f"count of {key} is {found.get(key, 0):g}, the model says {wanted.get(key, 0)}"


def compare_formats(page: Page, wire: bytes) -> Iterator[str]:
    """The same samples in protobuf, as a reader of its own finds them."""
    text = {(name, spelled(labels)): value for family in page.families.values() if not family.own
            for (name, labels), value in family.samples.items()}
    binary = {(name, spelled(labels)): value for message in protobuf.read(wire)
              if message.name in page.families and not page.families[message.name].own
              for name, labels, value in message.samples}
    for key in sorted(text.keys() | binary.keys()):
        if key not in text or key not in binary or not same(text[key], binary[key]):
            yield f"{key} is {text.get(key)} as text and {binary.get(key)} in protobuf"


# ---- the promise ----

@promise("model", "any lines under any mapping give the page that the reference gives",
         build="asan")
def model(trial: Trial) -> str:
    """Random mappings, flags and lines, the whole page and all counters held against a model in
    Python written from the reference; protobuf read back too"""
    n = try_cases(trial, trial.seconds(5, 1200), lambda dice: dice.case(LINES), differences)
    return f"{n} mappings, {n * LINES} lines: no page differs"
