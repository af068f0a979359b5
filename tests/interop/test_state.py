# SPDX-License-Identifier: Apache-2.0
"""What a real Prometheus makes of counters when the server under it is restarted, or killed.

The law: over an orderly restart increase() is what was sent; over a kill at most that. increase()
extrapolates to the edges of its window, so what is held to be exact is the same sum over the very
samples that Prometheus has stored; its own answer has to agree within that margin.
"""

from __future__ import annotations

import threading
import unittest
from typing import Callable

from lib import programs
from lib.harness import Ports, Server, ServerTest, free_port, new_folder, wait_until

FAST = """\
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
- job_name: bacowr
  static_configs: [{targets: ['127.0.0.1:%d']}]
"""
MAPPING = """\
mappings:
- {match: timed, name: timed, observer_type: histogram, histogram_options: {buckets: [1, 10]}}
- {match: quant, name: quant, observer_type: summary}
"""
LINES = "load:1|c\nload:0.5|c\ntimed:2|h\nquant:3|h"
# Expression, and what one datagram of LINES adds to it.
ADDED = {"load": 1.5, "timed_count": 1, 'timed_bucket{le="10"}': 1, "timed_sum": 2,
         "quant_count": 1, "quant_sum": 3}


def increase_of(values: list[float]) -> float:
    """As increase() adds up samples: one that is lower began anew."""
    return sum(now - before if now >= before else now for before, now in zip(values, values[1:]))


class StateTest(ServerTest):
    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())
        self.ports = Ports()
        self.server = self.serve()
        self.prometheus = programs.Prometheus(self, self.folder, free_port(),
                                              config=FAST % self.ports.web)
        self.send(1)
        self.n_sent = 0  # from what Prometheus has seen on
        wait_until("Prometheus has the first", lambda: self.prometheus.value("load") == 1.5, 30)

    def serve(self) -> Server:
        """Killed or ended by the test itself, and held to a clean end only in the second case."""
        server = Server([f"--state.file={self.folder / 'state'}", "--state.interval=300ms"],
                        MAPPING, self.id(), self.ports)
        self.addCleanup(server.kill)
        return server

    def send(self, n: int) -> None:
        for _ in range(n):
            self.server.send(LINES)
        self.n_sent = getattr(self, "n_sent", 0) + n

    def samples(self, expression: str) -> list[float]:
        (series,) = self.prometheus.query(f"{expression}[1h]")
        return [float(value) for _, value in series["values"]]

    def seen(self, expression: str, value: float) -> Callable[[], bool]:
        return lambda: self.prometheus.value(expression) == value

    def test_orderly_restarts(self) -> None:
        for _ in range(4):
            self.send(50)
            self.server.settle()
            self.server.stop()
            self.server = self.serve()
            self.send(25)
            self.server.settle()
        for expression, each in ADDED.items():
            with self.subTest(expression):
                wait_until("it is stored", self.seen(expression, (self.n_sent + 1) * each), 30)
                self.assertEqual(increase_of(self.samples(expression)), self.n_sent * each)
                self.assertEqual(self.prometheus.value(f"resets({expression}[1h])"), 0)
                told = self.prometheus.value(f"increase({expression}[1h])")
                self.assertAlmostEqual(told, self.n_sent * each, delta=0.5 * self.n_sent * each)
        self.server.stop()

    def test_kills_under_load(self) -> None:
        """Lines come until the kill and beyond; the next ones only when Prometheus has seen what the
        new process begins with, which is little: that nothing of the old one is in it."""
        ended, quiet = threading.Event(), threading.Event()

        def load() -> None:
            while not ended.wait(0.001):
                if quiet.is_set():
                    continue
                try:
                    self.send(1)
                except OSError:  # nobody listens just now: it is sent, and lost
                    self.n_sent += 1

        sender = threading.Thread(target=load)
        sender.start()
        try:
            for _ in range(3):
                before = self.prometheus.value("load") or 0
                wait_until("more is stored",
                           lambda: (self.prometheus.value("load") or 0) > before + 500, 30)
                self.server.process.kill()
                self.server.process.wait()
                quiet.set()
                self.server = self.serve()
                self.send(1)
                self.server.eventually("the next is counted", lambda p: p.get("load") > 0)
                n_stored = len(self.samples("load"))
                wait_until("it is stored", lambda: len(self.samples("load")) >= n_stored + 2, 30)
                quiet.clear()
        finally:
            ended.set()
            sender.join()
        last = self.server.settle().value("load")
        wait_until("the last is stored", self.seen("load", last), 30)
        for expression, each in ADDED.items():
            with self.subTest(expression):
                increase = increase_of(self.samples(expression))
                self.assertGreater(increase, 0)
                self.assertLessEqual(increase, self.n_sent * each)
                self.assertEqual(self.prometheus.value(f"resets({expression}[1h])"), 3)
        self.server.stop()


if __name__ == "__main__":
    unittest.main()
