# SPDX-License-Identifier: Apache-2.0
"""The loss account: nothing is lost below overload, and under overload every loss is counted."""

from __future__ import annotations

import math
import signal
import socket
import time
import unittest

from lib.harness import HOST, ServerTest
from lib.load import make_load, send_flat_out, send_paced

DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
RECEIVED = "statsd_exporter_udp_packets_total"


class LoadTest(ServerTest):
    def test_paced_every_total_is_exact(self) -> None:
        """200 000 lines of each type."""
        load = make_load(200_000)
        server = self.start()
        send_paced(server.ports.udp, load.datagrams)
        server.sent_datagrams = len(load.datagrams)
        page = server.settle()
        self.assertEqual(page.total(DROPPED), 0)
        self.assertEqual(page.value(RECEIVED), len(load.datagrams))
        self.assertEqual(page.value("statsd_exporter_lines_total"), load.n_lines)
        self.assertEqual(page.value("statsd_exporter_samples_total"), load.n_lines)
        self.assertEqual(page.refused(), {})
        shown = {name: value for name, value in page.users().items() if "quantile=" not in name}
        self.assertEqual(set(shown), set(load.totals))
        wrong = {name: (shown[name], total) for name, total in load.totals.items()
                 if not math.isclose(shown[name], total, rel_tol=1e-9)}
        self.assertEqual(wrong, {})

    def overload(self, *flags: str) -> None:
        """Stop the server, send more than any buffer holds, let it go on."""
        datagrams = [b"\n".join([b"over:1|c"] * 100)] * 20_000
        server = self.start(*flags)
        server.signal(signal.SIGSTOP)
        send_flat_out(server.ports.udp, datagrams)
        server.signal(signal.SIGCONT)
        server.sent_datagrams = len(datagrams)
        page = server.settle()
        received, dropped = page.value(RECEIVED), page.total(DROPPED)
        self.assertGreater(received, 0)
        self.assertGreater(dropped, 0)
        self.assertEqual(received + dropped, len(datagrams))
        of_sockets = page.total("bacowr_statsd_udp_received_datagrams_total")
        self.assertEqual(of_sockets, received)
        ratio = page.value("bacowr_statsd_udp_loss_ratio", listener=f"{HOST}:{server.ports.udp}")
        self.assertAlmostEqual(ratio, dropped / len(datagrams), 6)
        self.assertEqual(page.value("over"), received * 100)
        self.assertEqual(page.value("statsd_exporter_lines_total"), received * 100)

    def test_overloaded_every_loss_is_counted(self) -> None:
        self.overload()

    def test_overloaded_with_a_small_buffer(self) -> None:
        self.overload("--statsd.read-buffer=65536")

    def test_overloaded_with_two_threads(self) -> None:
        self.overload("--statsd.ingest-threads=2")

    def test_reloads_and_the_end_lose_nothing(self) -> None:
        """At an ordinary rate, where nearly all comes in a pause; and what waits at the end."""
        server = self.start(mapping="mappings: []\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((HOST, server.ports.udp))
            for n in range(2000):
                sender.send(b"steady:1|c")
                if n % 400 == 0:
                    server.signal(signal.SIGHUP)
                if n % 4 == 0:
                    time.sleep(0.0005)
            server.signal(signal.SIGSTOP)
            for _ in range(300):
                sender.send(b"last:1|c|#a:b\n" * 14)
        server.signal(signal.SIGCONT)
        server.stop()
        self.assertIn(" udp_datagrams=2300 ", server.log())
        self.assertIn(" udp_kernel_dropped=0 ", server.log())


if __name__ == "__main__":
    unittest.main()
