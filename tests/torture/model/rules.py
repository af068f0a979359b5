# SPDX-License-Identifier: Apache-2.0
"""Which rule takes a name, and what its templates become. Rules are the mapping file's own dicts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]

KINDS = {"c": "counter", "g": "gauge", "ms": "observer", "h": "observer", "d": "observer",
         "s": "set"}

_GLOB_REFERENCE = re.compile(r"\$\{?([A-Za-z0-9_$]+)\}?")
_GO_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))", re.ASCII)


@dataclass
class Match:
    rule: Rule
    glob: bool
    captures: list[str]              # of a glob, from 1
    found: re.Match[str] | None = None

    def fill(self, template: str) -> str:
        return self._fill_glob(template) if self.glob else self._fill_regex(template)

    def _fill_glob(self, template: str) -> str:
        def one(match: re.Match[str]) -> str:
            word = match[1]
            nth = int(word) if word.isdigit() else 0
            return self.captures[nth - 1] if 1 <= nth <= len(self.captures) else ""

        return _GLOB_REFERENCE.sub(one, template)

    def _fill_regex(self, template: str) -> str:
        def one(match: re.Match[str]) -> str:
            if match[1]:
                return "$"
            word = match[2] or match[3]
            try:
                assert self.found
                return self.found[int(word) if word.isdigit() else word] or ""
            except IndexError:
                return ""

        return _GO_REFERENCE.sub(one, template)


def glob_parts(pattern: str, name: str) -> list[str] | None:
    """What the stars of a glob take of a name; None when it does not fit."""
    segments, words = pattern.split("."), name.split(".")
    if len(segments) != len(words):
        return None
    captures: list[str] = []
    for segment, word in zip(segments, words):
        # Ours: a star may stand beside text, and takes as little as it can.
        texts = [re.escape(text) for text in segment.split("*")]
        match = re.fullmatch("(.*?)".join(texts), word, re.DOTALL)
        if not match:
            return None
        captures += match.groups()
    return captures


def specificity(pattern: str, globs: list[str]) -> list[tuple[int, int, int]]:
    """Unordered globs, segment by segment: text, then a mixture with more text, of such that have as
    much the one that the file has first at this place, then a star."""
    segments = pattern.split(".")
    same_length = [other.split(".") for other in globs if other.count(".") == pattern.count(".")]

    def rank(nth: int) -> tuple[int, int, int]:
        if "*" not in segments[nth]:
            return 0, 0, 0
        n_text = len(segments[nth].replace("*", "").encode())
        begin = segments[:nth + 1]
        first = next(i for i, other in enumerate(same_length) if other[:nth + 1] == begin)
        return (1, -n_text, first) if n_text else (2, 0, 0)

    return [rank(nth) for nth in range(len(segments))]


def takes(mapping: dict[str, Any], rule: Rule, name: str, kind: str,
          tags: dict[str, str]) -> Match | None:
    """Would this rule take the sample, if no other did?"""
    if rule.get("match_metric_type", kind) != kind:
        return None
    match_type = type_of(mapping, rule)
    match = by_pattern(rule, rule["match"], match_type, name)
    if not match:
        return None
    if any(by_pattern(rule, pattern, match_type, name) for pattern in rule.get("except", [])):
        return None
    for key, pattern in rule.get("match_labels", {}).items():
        value = tags.get(key, "")
        if bool(pattern) != bool(value) or not fits(pattern, value):
            return None
    return match


def type_of(mapping: dict[str, Any], rule: Rule) -> str:
    return str(rule.get("match_type") or mapping.get("defaults", {}).get("match_type") or "glob")


def fits(pattern: str, value: str) -> bool:
    """A * takes any text, dots included; `eu*` fits `eu` too. That an empty tag is none was seen."""
    texts = [re.escape(text) for text in pattern.split("*")]
    return bool(re.fullmatch(".*".join(texts), value, re.DOTALL))


def by_pattern(rule: Rule, pattern: str, match_type: str, name: str) -> Match | None:
    if match_type == "glob":
        captures = glob_parts(pattern, name)
        return None if captures is None else Match(rule, True, captures)
    found = re.search(pattern, name, re.ASCII)
    return Match(rule, False, [], found) if found else None


def find(mapping: dict[str, Any], name: str, kind: str, tags: dict[str, str]) -> Match | None:
    """The rule that takes it: globs before regexes, the first of each; or as the file says."""
    defaults = mapping.get("defaults", {})
    all_matches = [match for rule in mapping.get("mappings", [])
                   if (match := takes(mapping, rule, name, kind, tags))]
    if defaults.get("match_order") == "file":
        return all_matches[0] if all_matches else None
    globs = [match for match in all_matches if match.glob]
    if globs and defaults.get("glob_disable_ordering"):
        patterns = [rule["match"] for rule in mapping["mappings"] if type_of(mapping, rule) == "glob"]
        return min(globs, key=lambda match: specificity(match.rule["match"], patterns))
    return (globs or all_matches or [None])[0]
