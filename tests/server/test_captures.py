# SPDX-License-Identifier: Apache-2.0
"""Every byte that 18 real clients were seen to send, replayed.

tests/data/client-captures.json has the bytes, captures-expected.json what must become of them. The
two together account for every line: it is counted as empty, refused for a reason, or in a series.
"""

from __future__ import annotations

import json
import math
import unittest
from typing import Any

from lib.exposition import Page
from lib.harness import DATA, Server, ServerTest

CAPTURES = json.loads((DATA / "client-captures.json").read_text())
EXPECTED = json.loads((DATA / "captures-expected.json").read_text())

# Refusals of whole lines: no sample is counted for them.
OF_LINES = ("malformed_line", "mixed_tagging_styles", "not_enough_parts_after_colon",
            "invalid_extended_aggregate_type", "dogstatsd_event", "dogstatsd_service_check")


def packets(capture: dict[str, Any]) -> list[bytes]:
    return [packet.encode("latin-1") for call in capture["captured"] for packet in call["packets"]]


class CapturesTest(ServerTest):
    def replay(self, server: Server, name: str) -> Page:
        """By the transport of the capture; what came over a Unix socket goes by UDP."""
        data = packets(CAPTURES[name])
        if CAPTURES[name]["transport"] == "tcp":
            server.stream(*data)
        else:
            server.send(*data)
        return server.settle(lines=EXPECTED[name]["lines"])

    def check(self, page: Page, expected: dict[str, Any]) -> None:
        counts = {kind: page.value(f"statsd_exporter_{kind}_total")
                  for kind in ("lines", "samples", "tag_errors")}
        self.assertEqual(counts, {kind: expected[kind] for kind in counts})
        self.assertEqual(page.refused(), expected["refused"])
        shown = {key: value for key, value in page.users().items() if "quantile=" not in key}
        self.assertEqual(set(shown) - set(expected["series"]), set(), "not wanted")
        self.assertEqual(set(expected["series"]) - set(shown), set(), "missing")
        for key, value in expected["series"].items():
            same = math.isclose(shown[key], float(value), rel_tol=1e-9, abs_tol=1e-12)
            self.assertTrue(same or (math.isnan(shown[key]) and value == "NaN"),
                            f"{key} is {shown[key]}, wanted {value}")

    def check_nothing_lost(self, page: Page, data: list[bytes]) -> None:
        lines = b"\n".join(data).split(b"\n")
        n_filled = sum(1 for line in lines if line.strip(b"\r"))
        refused = page.refused()
        n_refused_lines = sum(refused.get(reason, 0) for reason in OF_LINES)
        n_refused_samples = sum(refused.values()) - n_refused_lines
        n_samples = page.value("statsd_exporter_samples_total")
        n_applied = page.total("statsd_exporter_events_total")
        self.assertGreaterEqual(n_samples, n_filled - n_refused_lines)
        self.assertEqual(n_samples, n_applied + n_refused_samples)

    def test_all_captures_have_an_expectation(self) -> None:
        self.assertEqual(CAPTURES.keys() - {"_about"}, EXPECTED.keys() - {"_about"})

    def test_each_capture(self) -> None:
        for name in EXPECTED.keys() - {"_about"}:
            with self.subTest(name):
                server = self.start()
                page = self.replay(server, name)
                self.check(page, EXPECTED[name])
                self.check_nothing_lost(page, packets(CAPTURES[name]))
                server.stop()

    def test_all_together(self) -> None:
        """Clients that know nothing of each other, on one server: it survives their clashes."""
        server = self.start()
        n_lines = n_samples = 0
        for name in sorted(EXPECTED.keys() - {"_about"}):
            data = packets(CAPTURES[name])
            server.stream(b"\n".join(data) + b"\n")
            n_lines += sum(packet.count(b"\n") for packet in data) + len(data)
            n_samples += EXPECTED[name]["samples"]
        page = server.settle(lines=n_lines)
        self.assertEqual(page.value("statsd_exporter_samples_total"), n_samples)


if __name__ == "__main__":
    unittest.main()
