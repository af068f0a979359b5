# SPDX-License-Identifier: Apache-2.0
"""Random cases: a mapping, flags, and datagrams that meet each other often.

Few words make the names, so that rules match, types conflict and series repeat. Most lines are well
formed; the rest are well formed but for a byte or three.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any

from torture.model.line import Options

WORDS = ["a", "b", "foo", "x-y", "q--", "é", "0z", "_u", "*", "", "bar_9", "a_count", "b_sum",
         "foo_bucket", "A"]
GLOB_WORDS = ["a", "b", "foo", "x-y", "_u"]
KEYS = ["k", "a.b", "le", "quantile", "9d", "env", "__x", "é", "a-b"]
LABELS = ["env", "ab", "le", "_z", "k0"]
VALUES = ["1", "2", "0", "3.5", "-1", "+4", "-0", "1e3", "0x1p4", "1_000", ".5", "7.", "inf", "-Inf",
          "NaN", "1e400", "1e-400", "abc", "", "0x10", "+nan", "12345678901234567890", "0.1",
          "300", "5", "1__0", "_1", "1e1_0", "0x_1p4", "infinity", "1e", "٣"]
RATES = ["0.1", "0.5", "2", "1", "0", "-0.5", "abc", "", "1e400", "0.3", "nan", "inf", "1e-3",
         "1e-20", "0.25"]
TYPES = ["c", "g", "ms", "h", "d", "s"]
SPECIAL = [b":", b"|", b"@", b"#", b",", b"=", b"[", b"]", b";", b".", b"\r", b"\n", b"\0", b"\xe9",
           b"\xc3\xa9", b"-", b" ", b"\"", b"\\", b"c", b"s", b"T", b"1", b"$"]
REGEXES = [r"^a\.(.*)$", r"foo", r"(?P<n>[a-z]+)\.b", r"^(a|b)\.(\w+)", r"(.*?)_count$", r"^$",
           r"[^.]+$", r"x?(-)y", r"(b)|(a)", r"(?i)FOO\.(\d*)", r"^(?:a\.)+?(b|)$"]
REGEX_TEMPLATES = ["$1", "${1}", "$0", "${n}", "$$1", "x$1_y", "$2-$1", "100% $1", "$", "${1",
                   "plain", "$9"]
GLOB_TEMPLATES = ["$1", "${1}_${2}", "$2", "$1_foo", "$$1", "$0", "100% $1", "$1}", "${1", "plain",
                  "$1-$2", "a$", "$10-$1", "x y\"z\\"]
NAMES = ["m", "a", "foo", "m_$1", "${1}_x", "a_count", "$1", "m_sum", "B9"]
SCALES = [0, 2, 0.001, -1, 1e3]
GLOB = re.compile(r"[\w*-]+(\.[\w*-]+)*", re.ASCII)


@dataclass
class Case:
    mapping: dict[str, Any] | None = None
    options: Options = field(default_factory=Options)
    gauge_mode: str = "delta"
    datagrams: list[bytes] = field(default_factory=list)
    stream: bool = False  # all of it over one TCP connection, in pieces
    threads: int = 1


class Dice:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.one = dice.choice
        self.pool: list[tuple[str, str]] = []  # of names with their usual types
        self.usual_type = "c"

    def maybe(self, percent: int) -> bool:
        return self.dice.randrange(100) < percent

    def case(self, n_lines: int) -> Case:
        case = Case(self.mapping() if self.maybe(85) else None)
        if self.maybe(30):
            case.options = Options(self.maybe(80), self.maybe(80), self.maybe(80), self.maybe(80),
                                   self.one(["error", "true", "empty", "ignore"]), self.maybe(80))
        if self.maybe(25):
            case.gauge_mode = self.one(["absolute", "etsy"])
        self.pool = [(self.pool_name(case.mapping or {}), self.one(TYPES)) for _ in range(12)]
        case.stream = self.maybe(25)
        case.threads = self.one([1, 1, 1, 2])
        lines = [self.line() for _ in range(n_lines)]
        while lines:
            n = self.one([1, 1, 2, 5])
            case.datagrams.append(self.one([b"\n", b"\n", b"\r\n"]).join(lines[:n])
                                  + (b"\n" if self.maybe(10) else b""))
            lines = lines[n:]
        return case

    # ---- lines ----

    def line(self) -> bytes:
        name, self.usual_type = self.one(self.pool)
        if self.maybe(15):
            name = self.name()
        line = (name + self.name_tags() + ":" + self.samples()).encode()
        if self.maybe(15):
            for _ in range(self.one([1, 1, 2, 3])):
                at = self.dice.randrange(len(line) + 1)
                line = line[:at] + self.one([*SPECIAL, b""]) + line[at + self.one([0, 1]):]
        return self.one([b"_e{1,1}:", b"_sc|"]) + line if self.maybe(1) else line

    def pool_name(self, mapping: dict[str, Any]) -> str:
        """One that a glob of the mapping takes, more often than not."""
        globs = [rule["match"] for rule in mapping.get("mappings", [])
                 if GLOB.fullmatch(rule["match"])]
        if not globs or self.maybe(35):
            return self.name()
        return "".join(self.one(GLOB_WORDS) if letter == "*" else letter
                       for letter in self.one(globs))

    def name(self) -> str:
        return ".".join(self.one(WORDS) for _ in range(self.one([1, 1, 1, 2, 2, 3])))

    def tags(self, separator: str) -> str:
        return ",".join(f"{self.one(KEYS)}{separator}{self.one(['v', 'w', 'x:y', 'q', '=', 'é'])}"
                        if self.maybe(92) else self.one(["", "bare", separator, f"k{separator}"])
                        for _ in range(self.one([1, 1, 2, 3])))

    def name_tags(self) -> str:
        if self.maybe(85):
            return ""
        tags = self.tags("=").replace(":", "")
        return self.one([f"#{tags}", f",{tags}", f"[{tags}]", f"[{tags}]end", "["])

    def samples(self) -> str:
        if self.maybe(10):
            values = ":".join(self.one(VALUES) for _ in range(self.one([2, 3])))
            return f"{values}|{self.one(['ms', 'h', 'd', 'c', 's'])}{self.sections(True)}"
        if self.maybe(10):
            return ":".join(f"{self.value()}|{self.one(TYPES)}{self.sections(False)}"
                            for _ in range(self.one([2, 3])))
        return f"{self.value()}|{self.type()}{self.sections(True)}"

    def value(self) -> str:
        return self.one(VALUES) if self.maybe(50) else str(self.dice.randrange(1, 500))

    def type(self) -> str:
        if self.maybe(80):
            return self.usual_type
        return self.one(TYPES) if self.maybe(90) else self.one(["C", "m", "", "cc", "sx"])

    def sections(self, with_tags: bool) -> str:
        text = ""
        while self.maybe(35):
            kind = self.dice.randrange(10)
            if kind < 4:
                text += f"|@{self.one(RATES)}"
            elif kind < 8:
                text += f"|#{self.tags(':')}" if with_tags else "|T5"
            else:
                text += self.one(["|T1656581400", "|c:ci-ab", "|e:in-1", "|card:low", "|x-y:z",
                                  "|", "|zz", "|c", "|c:", "|c:a:2|c"])
        return text

    # ---- mappings ----

    def mapping(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {}
        self.observer(defaults, 40)
        if self.maybe(15):
            defaults["match_type"] = self.one(["glob", "regex"])
        if self.maybe(30):
            defaults["glob_disable_ordering"] = True
        elif self.maybe(20):
            defaults["match_order"] = "file"
        if self.maybe(8):
            defaults["unmapped"] = "drop"
        if self.maybe(10):
            defaults["labels"] = {self.one(["site", "a_b", "env"]): "here"}
        self.labels_and_units(defaults, 7)
        rules = [self.rule(defaults) for _ in range(self.dice.randrange(1, 8))]
        return {"defaults": defaults, "mappings": rules}

    def observer(self, settings: dict[str, Any], percent: int) -> None:
        if not self.maybe(percent):
            return
        settings["observer_type"] = self.one(["histogram", "summary"])
        if self.maybe(50):
            options = {"histogram": {"buckets": self.one([[1, 2, 5], [0.1, 100], [-1, 0, 300]])},
                       "summary": {"quantiles": [{"quantile": q, "error": 0.01} for q in
                                                 self.one([[0.5], [0, 0.25, 1], [0.9, 0.99]])]}}
            key = settings["observer_type"]
            settings[f"{key}_options"] = options[key]

    def labels_and_units(self, settings: dict[str, Any], percent: int) -> None:
        if self.maybe(percent):
            settings["keep_labels"] = self.dice.sample(["k", "env", "a_b", "le"], 2)
        if self.maybe(percent):
            settings["drop_labels"] = [self.one(["k", "a_b", "quantile"])]
        if self.maybe(percent):
            settings["rename_labels"] = {self.one(["k", "env"]): self.one(["other", "a_b"])}
        if self.maybe(percent):
            settings["unit"] = self.one(["ns", "us", "ms", "s", "m", "h"])
        if self.maybe(percent):
            settings["gauge_mode"] = self.one(["delta", "absolute", "etsy"])

    def glob(self) -> str:
        def segment() -> str:
            return self.one(GLOB_WORDS) if self.maybe(50) else self.one(["*", "*", "*", "f*", "*o"])

        return ".".join(segment() for _ in range(self.one([1, 1, 2, 2, 3])))

    def rule(self, defaults: dict[str, Any]) -> dict[str, Any]:
        rule: dict[str, Any] = {}
        if self.maybe(30):
            rule["match_type"] = self.one(["glob", "regex"])
        is_glob = (rule.get("match_type") or defaults.get("match_type") or "glob") == "glob"
        rule["match"] = self.glob() if is_glob else self.one(REGEXES)
        rule["name"] = self.one(NAMES)
        templates = GLOB_TEMPLATES if is_glob else REGEX_TEMPLATES
        if self.maybe(40):
            rule["labels"] = {self.one(LABELS): self.one(templates)
                              for _ in range(self.one([1, 2]))}
        if self.maybe(20):
            rule["honor_labels"] = True
        if self.maybe(25):
            rule["match_metric_type"] = self.one(["counter", "gauge", "observer"])
        if self.maybe(10):
            rule["action"] = "drop"
        if self.maybe(15):
            rule["scale"] = self.one(SCALES)
        if self.maybe(20):
            rule["help"] = self.one(["some", "other \\ \" help\nof two lines"])
        if self.maybe(10):
            rule["except"] = [self.glob() if is_glob else self.one(REGEXES)]
        if self.maybe(10):
            rule["match_labels"] = {self.one(["k", "env", "a_b"]): self.one(["v", "*", "", "x*"])}
        if "observer_type" not in defaults or self.maybe(50):
            self.observer(rule, 30)
        self.labels_and_units(rule, 6)
        return rule
