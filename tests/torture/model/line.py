# SPDX-License-Identifier: Apache-2.0
"""From a datagram to samples: the reference's algorithm, step by step, one line at a time.

Where the server differs on purpose (docs/statsd-exporter.md, "Lines"), the step says so.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field

from torture.model.text import escape, is_too_large, parse_number

TYPES = ("c", "g", "ms", "h", "d", "s")
MAX_LABELS = 128

_WORD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):")


@dataclass
class Options:
    """The flags that change how a line is read."""
    dogstatsd: bool = True
    influxdb: bool = True
    librato: bool = True
    signalfx: bool = True
    valueless: str = "error"
    container_label: bool = True

    def flags(self) -> list[str]:
        words = {"dogstatsd": self.dogstatsd, "influxdb": self.influxdb,
                 "librato": self.librato, "signalfx": self.signalfx}
        given = [f"--no-statsd.parse-{word}-tags" for word, on in words.items() if not on]
        if self.valueless != "error":
            given.append(f"--statsd.valueless-tags={self.valueless}")
        if not self.container_label:
            given.append("--no-statsd.container-id-label")
        return given


@dataclass
class Sample:
    """What one sample asks for."""
    type: str
    name: str
    tags: dict[str, str]
    value: float = 0.0
    member: str = ""
    signed: bool = False  # the value's text begins with + or -
    times: int = 1


@dataclass
class Reader:
    """Reads lines, and counts as the server does."""
    options: Options = field(default_factory=Options)
    counts: Counter[str] = field(default_factory=Counter)

    def datagram(self, data: bytes, stream: bool) -> list[Sample]:
        """Or all that a stream brings: what follows its last LF is no line when it is empty."""
        samples = []
        pieces = data.split(b"\n")
        if stream and not pieces[-1]:
            pieces.pop()
        for nth, piece in enumerate(pieces):
            if nth < len(pieces) - 1 or (stream and data.endswith(b"\n")):
                piece = piece.removesuffix(b"\r")
            self.counts["lines"] += 1
            samples += self.line(piece)
        return samples

    def refuse(self, reason: str) -> None:
        self.counts[f"sample_errors {reason}"] += 1

    def line(self, data: bytes) -> list[Sample]:
        if not data:
            return []
        try:
            line = data.decode()
        except UnicodeDecodeError:
            self.refuse("malformed_line")
            return []
        # Ours: events and service checks are known as what they are.
        for start, count in (("_e{", "events_dogstatsd"), ("_sc|", "service_checks")):
            if line.startswith(start):
                self.counts[count] += 1
                return []
        name, colon, rest = line.partition(":")
        if not colon or not name:
            self.refuse("malformed_line")
            return []
        name, name_tags = self.name_tags(name)
        if "|#" in rest and name_tags:
            self.refuse("mixed_tagging_styles")
            return []
        pieces = rest.split("|", 2)
        if len(pieces) < 2:
            self.refuse("not_enough_parts_after_colon")
            return []
        texts = self.cut(rest, pieces)
        samples = [self.sample(text, name, name_tags) for text in texts]
        return [sample for sample in samples if sample]

    def cut(self, rest: str, pieces: list[str]) -> list[str]:
        """The texts of a line's samples."""
        if ":" in pieces[0]:
            if pieces[1] == "s":  # ours: a member keeps its colons
                return [rest]
            if pieces[1] not in ("ms", "h", "d"):
                self.refuse("invalid_extended_aggregate_type")
                return []
            tail = rest[len(pieces[0]):]
            return [value + tail for value in pieces[0].split(":")]
        if "|#" in rest:
            return [rest]
        return cut_at_colons(rest)

    # ---- tags ----

    def add_tag(self, tags: dict[str, str], key: str, value: str | None) -> None:
        """@value None: there is no separator."""
        if key and not value and self.options.valueless != "error":
            if self.options.valueless == "ignore":
                return
            value = "true" if self.options.valueless == "true" else ""
        elif not key or not value:
            self.counts["tag_errors"] += 1
            return
        key = escape(key)
        if key not in tags and len(tags) == MAX_LABELS:
            self.counts["tag_errors"] += 1
            return
        tags[key] = value

    def tag_list(self, tags: dict[str, str], text: str, separator: str, hash_ok: bool) -> None:
        elements = text.split(",") if text else []
        if elements and not elements[-1]:  # a comma at the end
            elements.pop()
        for element in elements:
            if hash_ok:
                element = element.removeprefix("#")
            key, found, value = element.partition(separator)
            self.add_tag(tags, key, value if found else None)

    def name_tags(self, name: str) -> tuple[str, dict[str, str]]:
        tags: dict[str, str] = {}
        first, last = name.find("["), name.find("]")
        if self.options.signalfx and (first >= 0 or last >= 0):
            if first < 0 or last < first:  # ours: reversed brackets are an error too
                self.counts["tag_errors"] += 1
                return name, tags
            self.tag_list(tags, name[first + 1:last], "=", False)
            return name[:first] + name[last + 1:], tags
        delimiters = "#" * self.options.librato + "," * self.options.influxdb
        at = next((i for i, letter in enumerate(name) if letter in delimiters), None)
        if at is None:
            return name, tags
        self.tag_list(tags, name[at + 1:], "=", False)
        return name[:at], tags

    # ---- one sample ----

    def sample(self, text: str, name: str, name_tags: dict[str, str]) -> Sample | None:
        self.counts["samples"] += 1
        pieces = text.split("|")
        n_counted = len(pieces[:2]) + sum(not is_field(piece) for piece in pieces[2:])
        if len(pieces) < 2 or n_counted > 6:
            self.refuse("malformed_component")
            return None
        sample = Sample(pieces[1], name, dict(name_tags), signed=pieces[0][:1] in ("+", "-"))
        if not self.read_value(sample, pieces[0]):
            self.refuse("malformed_value")
            return None
        if "" in pieces[2:]:
            self.refuse("malformed_component")
            return None
        if not self.extensions(sample, pieces[2:]):
            return None
        if sample.tags:
            self.counts["tags"] += 1
        if sample.type not in TYPES:
            self.refuse("illegal_event")
            return None
        if sample.type == "ms":
            sample.value /= 1000
        return sample

    def read_value(self, sample: Sample, text: str) -> bool:
        if sample.type == "s":  # ours: sets
            sample.member = text
            return text != ""
        number = parse_number(text)
        if number is None or is_too_large(text, number):
            return False
        sample.value = number
        return True

    def extensions(self, sample: Sample, pieces: list[str]) -> bool:
        divisor = 1.0
        for piece in pieces:
            if piece[0] == "@":
                divisor *= self.rate(sample, piece[1:])
            elif piece[0] == "#":
                if self.options.dogstatsd:
                    self.tag_list(sample.tags, piece[1:], ":", True)
            elif is_field(piece):  # ours: of versions to come
                continue
            elif piece[0] == "c":
                if not piece.startswith("c:") or len(piece) < 3:
                    self.refuse("malformed_container_id")
                    return False
                if self.options.container_label:
                    sample.tags["container_id"] = piece[2:]
            elif piece[0] != "T":
                self.refuse("invalid_sample_factor")
                return False
        if sample.times > 1 << 53:  # ours: of observations
            self.refuse("invalid_sample_factor")
            return False
        if sample.type == "c":
            sample.value /= divisor
        return True

    def rate(self, sample: Sample, text: str) -> float:
        """What the value is divided by; of an observation, how often it counts."""
        number = parse_number(text)
        if number is None or is_too_large(text, number):
            self.refuse("invalid_sample_factor")
            number = number or 0.0
        if number == 0:
            number = 1.0
        if sample.type in ("ms", "h", "d"):
            times = 0.0 if math.isnan(number) else 1 / number
            sample.times = int(times) if times > 0 else 0
        return number


def is_field(piece: str) -> bool:
    """word:…, where the word is no type and does not begin with T: ignored."""
    match = _WORD.match(piece)
    return bool(match) and match[1] not in TYPES and match[1][0] != "T"


def cut_at_colons(rest: str) -> list[str]:
    """At each colon; but ours: in a field or a container id only before a number and a type."""
    texts, begin, section, n_bars = [], 0, 0, 0
    for at, letter in enumerate(rest):
        if letter == "|":
            section, n_bars = at + 1, n_bars + 1
        elif letter == ":":
            piece = rest[section:]
            held = n_bars >= 2 and (piece.startswith("c:") or is_field(piece))
            if held and not begins_sample(rest[at + 1:]):
                continue
            texts.append(rest[begin:at])
            begin = section = at + 1
            n_bars = 0
    return [*texts, rest[begin:]]


def begins_sample(text: str) -> bool:
    value, bar, rest = text.partition("|")
    kind = re.split(r"[|:]", rest, maxsplit=1)[0]
    return bool(bar) and parse_number(value) is not None and kind in TYPES
