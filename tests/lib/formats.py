# SPDX-License-Identifier: Apache-2.0
"""A page in each of its formats, as readers find it that share nothing with our encoders: our own
strict one for text, prometheus_client's for OpenMetrics, and one from the wire format up for
protobuf. All give the same thing, so that pages can be held against each other.
"""

from __future__ import annotations

from typing import Iterable

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lib import protobuf
from lib.exposition import OWN_PREFIXES, Page, series_key

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited")


def is_own(name: str) -> bool:
    return name.startswith(OWN_PREFIXES)


# Labels, value, time.
Exemplar = tuple[dict[str, str], float, float | None]


class Scraped:
    """A page: families with their types, samples of senders by their spelling, birth times."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self.helps: dict[str, str] = {}
        self.own_series: set[str] = set()
        self.users: dict[str, float] = {}
        self.created: dict[str, float] = {}
        self.native: dict[str, protobuf.Native] = {}
        self.exemplars: dict[str, Exemplar] = {}

    def add(self, name: str, labels: Iterable[tuple[str, str]], value: float) -> None:
        key = series_key(name, tuple(labels))
        if key in self.users or key in self.own_series:
            raise AssertionError(f"twice: {key}")
        if is_own(name):
            self.own_series.add(key)
        else:
            self.users[key] = value


def read_text(page: Page) -> Scraped:
    scraped = Scraped()
    for family in page.families.values():
        scraped.types[family.name] = family.type
        scraped.helps[family.name] = family.help
        for (name, labels), value in family.samples.items():
            scraped.add(name, labels, value)
    return scraped


def read_openmetrics(text: str) -> Scraped:
    scraped = Scraped()
    for family in text_string_to_metric_families(text):
        assert family.name not in scraped.types, f"family twice: {family.name}"
        scraped.types[family.name] = family.type
        scraped.helps[family.name] = family.documentation
        for sample in family.samples:
            if sample.name == family.name + "_created":
                key = series_key(family.name, tuple(sample.labels.items()))
                assert key not in scraped.created, f"twice: {key}"
                scraped.created[key] = sample.value
            else:
                scraped.add(sample.name, sample.labels.items(), sample.value)
            if sample.exemplar:
                scraped.exemplars[series_key(sample.name, tuple(sample.labels.items()))] = (
                    sample.exemplar.labels, sample.exemplar.value,
                    None if sample.exemplar.timestamp is None else float(sample.exemplar.timestamp))
    return scraped


def read_protobuf(data: bytes) -> Scraped:
    scraped = Scraped()
    last = ""
    for message in protobuf.read(data):
        assert message.samples, f"no metric: {message.name}"
        assert message.name >= last, f"families out of order: {message.name}"
        about = (message.type, message.help)
        if message.name == last:
            assert about == (scraped.types[last], scraped.helps[last]), f"differs: {last}"
        last = message.name
        scraped.types[last], scraped.helps[last] = about
        for name, labels, value in message.samples:
            scraped.add(name, labels, value)
        for labels, created in message.created:
            scraped.created[series_key(message.name, labels)] = created
        for labels, native in message.native.items():
            scraped.native[series_key(message.name, labels)] = native
        for (name, labels), e in message.exemplars.items():
            scraped.exemplars[series_key(name, labels)] = (dict(e.labels), e.value, e.time)
    return scraped
