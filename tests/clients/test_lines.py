# SPDX-License-Identifier: Apache-2.0
"""What a sample looks like on the wire, and that no value breaks a line."""

from __future__ import annotations

import enum
import logging
import unittest
from decimal import Decimal

from lib.harness import ServerTest
from receiver import BACOWR

from bacowr_metrics.lines import MAX_TEXT, line, number, text
from bacowr_metrics.settings import Settings


class Status(str, enum.Enum):
    DELIVERED = "delivered"


class Plain(enum.Enum):
    DELIVERED = "delivered"


class Rude:
    def __str__(self) -> str:
        raise ValueError("no")

    __float__ = __str__  # type: ignore[assignment] # as rude


NUMBERS = [(1, "1"), (0, "0"), (0.12, "0.12"), (75.0, "75"), (4.35 * 1000, "4350"), (-0.0, "0"),
           (1e-7, "1e-07"), (1767225600.123, "1767225600.123"), (Decimal("1.5"), "1.5"),
           (True, "1"), ("2", "2"), (10 ** 15 - 1, "999999999999999"), (-1, None), (-1e-9, None),
           (float("nan"), None), (float("inf"), None), (float("-inf"), None), (10 ** 400, None),
           ("one", None), (None, None), (Rude(), None)]

TEXTS = [("delivered", "delivered"), ("a:b/c=d;e#f@g", "a:b/c=d;e#f@g"), ("a,b|c", "a_b_c"),
         ("a\nb\r\nc\0d", "a_b__c_d"), ("  a b\n", "a b"), ("", "unknown"), (" \n", "unknown"),
         (None, "None"), (7, "7"), (Status.DELIVERED, "delivered"), (Plain.DELIVERED, "delivered"),
         ("å√", "å√"), ("a\ud800b", "a?b"), ("x" * 999, "x" * MAX_TEXT),
         ("√" * 200, "√" * (MAX_TEXT // 3)), (Rude(), "unknown"), (b"ab", "b'ab'")]


class LinesTest(ServerTest):
    def test_numbers(self) -> None:
        for value, wanted in NUMBERS:
            with self.subTest(type(value).__name__, wanted=wanted):
                self.assertEqual(number(value), wanted)

    def test_texts(self) -> None:
        for value, wanted in TEXTS:
            with self.subTest(wanted):
                self.assertEqual(text(value), wanted)

    def test_a_line(self) -> None:
        tags: dict[str, object] = {"endpoint": "/jobs/{id}", "method": "GET"}
        self.assertEqual(line("n", 1, "c", tags), b"n:1|c|#endpoint:/jobs/{id},method:GET")
        self.assertEqual(line("n", 1.5, "g", {}), b"n:1.5|g")
        self.assertIsNone(line("n", float("nan"), "g", {}))

    def test_every_character_arrives_or_is_replaced(self) -> None:
        """The server takes each line as one sample, with the value that text() says."""
        server = self.start(mapping=BACOWR.read_bytes())
        values = {f"a{chr(code)}b" for code in [*range(0x180), 0x2028, 0xD800, 0xFFFD, 0x1F600]}
        for value in values:
            one = line("jobs_completed_total", 1, "c", {"status": value})
            assert one is not None
            server.send(one)
        page = server.settle()
        self.assertEqual(page.refused(), {})
        self.assertEqual(page.get("statsd_exporter_tag_errors_total"), 0)
        samples = page.families["jobs_completed_total"].samples
        found = {dict(labels)["status"]: n for (_, labels), n in samples.items()}
        wanted: dict[str, float] = {}
        for value in values:
            wanted[text(value)] = wanted.get(text(value), 0) + 1
        self.assertEqual(found, wanted)


class SettingsTest(unittest.TestCase):
    def test_the_environment(self) -> None:
        self.assertEqual(Settings.from_environment({}), Settings(True, "127.0.0.1", 8125))
        for word, enabled in (("true", True), ("1", True), ("YES", True), ("", True),
                              ("false", False), ("0", False), ("No", False), (" off ", False)):
            with self.subTest(word):
                found = Settings.from_environment({"ENABLE_METRICS": word})
                self.assertIs(found.enabled, enabled)
        found = Settings.from_environment({"STATSD_HOST": "statsd", "STATSD_PORT": "9125"})
        self.assertEqual((found.host, found.port), ("statsd", 9125))

    def test_a_mistake_is_a_word_in_the_log_and_the_default(self) -> None:
        for name, value in (("ENABLE_METRICS", "maybe"), ("STATSD_PORT", "0"),
                            ("STATSD_PORT", "65536"), ("STATSD_PORT", "-1"),
                            ("STATSD_PORT", "udp"), ("STATSD_PORT", "²")):
            with self.subTest(value), self.assertLogs("bacowr_metrics", logging.WARNING) as log:
                self.assertEqual(Settings.from_environment({name: value}), Settings())
                self.assertIn(f"{name}={value}", log.output[0])


if __name__ == "__main__":
    unittest.main()
