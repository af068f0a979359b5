# SPDX-License-Identifier: Apache-2.0
"""Several ingest threads beside scrapes, reloads and expiry. Run under the thread sanitizer too."""

from __future__ import annotations

import threading
import unittest
from pathlib import Path

from lib.harness import Server, ServerTest
from lib.load import send_flat_out

MAPPING = """
defaults:
  observer_type: histogram
mappings:
- match: mapped.*
  name: mapped
  labels: {which: "$1"}
- match: short.*
  name: short
  ttl: 100ms
  labels: {which: "$1"}
"""
CPU = "bacowr_statsd_ingest_thread_cpu_seconds_total"
ROUNDS = 30
SOURCES = [f"127.0.0.{i}" for i in range(1, 9)]  # threads are chosen by source address


def datagrams_of(source: str, number: int) -> list[bytes]:
    lines = [f"total:1|c\nper.source:1|c|#source:{source}\ntook:{i}|ms\nlevel:{i}|g\n"
             f"mapped.n{i}:1|c\nshort.n{(number * 7 + i) % 50}:1|g\nseen:{source}{i}|s"
             for i in range(20)]
    return [line.encode() for line in lines]


class ThreadsTest(ServerTest):
    def begin(self, threads: int) -> Server:
        return self.start(f"--statsd.ingest-threads={threads}", mapping=MAPPING)

    def send_rounds(self, server: Server, sources: list[str]) -> None:
        for number in range(ROUNDS):
            for source in sources:
                send_flat_out(server.ports.udp, datagrams_of(source, number), source)

    def test_the_system_knows_them_by_name_and_a_page_tells_their_time(self) -> None:
        server = self.begin(2)
        tasks = Path(f"/proc/{server.process.pid}/task")
        folders = {(task / "comm").read_text().strip(): task for task in tasks.iterdir()}
        self.assertEqual(set(folders), {"bacowr-statsd", "ingest-0", "ingest-1"})
        before = server.scrape()
        self.send_rounds(server, SOURCES)
        server.settle()
        for worker in "01":
            file = folders[f"ingest-{worker}"] / "schedstat"
            least = int(file.read_text().split()[0]) / 1e9
            told = server.scrape().value(CPU, worker=worker)
            most = int(file.read_text().split()[0]) / 1e9
            self.assertGreater(told, before.value(CPU, worker=worker))
            self.assertTrue(least - 0.001 <= told <= most + 0.001, (least, told, most))

    def test_totals_are_exact(self) -> None:
        """Whatever goes on beside them; and no counter is ever seen to fall."""
        server = self.begin(2)
        senders = [threading.Thread(target=self.send_rounds, args=(server, SOURCES[i::2]))
                   for i in range(2)]
        for sender in senders:
            sender.start()
        seen = {"total": 0.0, "took_count": 0.0, "statsd_exporter_lines_total": 0.0}
        n_reloads = 0
        while any(sender.is_alive() for sender in senders):
            page = server.scrape()
            for name, before in seen.items():
                seen[name] = page.get(name)
                self.assertGreaterEqual(seen[name], before, name)
            server.reload()
            n_reloads += 1
        for sender in senders:
            sender.join()
        n = ROUNDS * len(SOURCES) * 20
        server.sent_datagrams = n
        page = server.eventually("what expires has expired", lambda p: p.total("short") == 0)
        page = server.settle()
        self.assertEqual(page.total("bacowr_statsd_udp_kernel_dropped_datagrams_total"), 0)
        self.assertEqual((page.value("total"), page.value("took_count")), (n, n))
        self.assertEqual(page.total("mapped"), n)
        for source in SOURCES:
            self.assertEqual(page.value("per_source", source=source), ROUNDS * 20)
        self.assertEqual(page.value("seen"), len(SOURCES) * 20)
        self.assertEqual(page.value("statsd_exporter_config_reloads_total", outcome="success"),
                         n_reloads)

    def test_streams_are_dealt_to_all_threads(self) -> None:
        server = self.begin(3)
        connections = [server.connect() for _ in range(12)]
        for _ in range(20):
            for connection in connections:
                connection.sendall(b"stream:1|c\nlevel:+1|g\n")
        for connection in connections:
            connection.close()
        page = server.settle(lines=480)
        self.assertEqual((page.value("stream"), page.value("level")), (240, 240))


if __name__ == "__main__":
    unittest.main()
