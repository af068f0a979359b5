# SPDX-License-Identifier: Apache-2.0
"""The lines of the log that tell a run, as logfmt and as JSON: start, reload, faults, end."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
import unittest

from lib.harness import (HOST, Server, ServerTest, free_port, new_folder,
                         wait_until)

RULE = "mappings:\n- match: a.*\n  name: aa\n"
TWO_RULES = RULE + "- match: b.*\n  name: bb\n"
BAD = "mappings:\n- match: a.*\n  nam: aa\n"
TICKS = 0.3  # seconds: the log would have had its second line by then
FLOOD = 3000  # datagrams; the least buffer holds a few

# A key, and its value bare or quoted as in JSON.
FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)')


def logfmt(line: str) -> dict[str, str]:
    found = FIELD.findall(line)
    assert " ".join(f"{key}={value}" for key, value in found) == line, line
    return {key: json.loads(value) if value[0] == '"' else value for key, value in found}


def as_json(line: str) -> dict[str, str]:
    """Its values as logfmt has them, which knows no types."""
    return {key: str(value) for key, value in json.loads(line).items()}


READERS = {"logfmt": logfmt, "json": as_json}


class JournalTest(ServerTest):
    def lines(self, server: Server, event: str) -> list[dict[str, str]]:
        """Every line of the log can be read; those of @event."""
        read = READERS["json" if "--log.format=json" in server.flags else "logfmt"]
        lines = [read(line) for line in server.log().splitlines()]
        return [line for line in lines if line["event"] == event]

    def line(self, server: Server, event: str) -> dict[str, str]:
        [found] = self.lines(server, event)
        return found

    def test_the_start(self) -> None:
        """One line: what listens where, buffers, mapping, limits."""
        for form in READERS:
            admin = f"{HOST}:{free_port()}"
            server = self.start(f"--log.format={form}", "--statsd.ingest-threads=2",
                                "--statsd.max-series-per-family=70", "--statsd.max-label-values=7",
                                "--statsd.tcp-max-connections=12", "--web.max-connections=13",
                                "--statsd.read-buffer=65536", f"--statsd.listen-admin={admin}",
                                mapping=RULE)
            ports = server.ports
            said = self.line(server, "ready")
            with self.subTest(form):
                self.assertLess(float(said.pop("seconds")), 60)
                self.assertTrue(said.pop("ts").endswith("Z"))
                self.assertEqual(said, {
                    "level": "info", "event": "ready", "udp": f"{HOST}:{ports.udp}",
                    "tcp": f"{HOST}:{ports.tcp}", "unixgram": "", "unix": "", "admin": admin,
                    "web": f"{HOST}:{ports.web}", "path": "/metrics", "ingest_threads": "2",
                    "receive_buffer_bytes": "131072", "mapping": str(server.mapping_file),
                    "rules": "1", "max_series": "1000000", "max_series_per_family": "70",
                    "max_label_values": "7", "tcp_max_connections": "12",
                    "web_max_connections": "13"})

    def test_a_reload(self) -> None:
        """Each has one line with its outcome."""
        for form in READERS:
            server = self.start(f"--log.format={form}", mapping=RULE)
            with self.subTest(form):
                self.assertEqual(self.line(server, "mapping_loaded")["rules_before"], "0")
                server.write_mapping(TWO_RULES)
                server.reload()
                said = self.line(server, "reload_done")
                self.assertEqual((said["level"], said["rules"], said["rules_before"]),
                                 ("info", "2", "1"))
                self.assertLess(float(said["seconds"]), 60)
                server.write_mapping(BAD)
                server.reload()
                said = self.line(server, "reload_failed")
                self.assertEqual((said["level"], said["effect"]),
                                 ("error", "the previous rules stay active"))
                self.assertIn(':3:3: unknown key "nam"', said["error"])

    def test_the_end(self) -> None:
        """One line with the totals."""
        for form in READERS:
            with new_folder() as folder:
                server = self.start(f"--log.format={form}",
                                    f"--statsd.listen-unixgram={folder / 'gram'}",
                                    f"--statsd.listen-unix={folder / 'stream'}")
                server.send("a:1|c\nb:1|c", "nocolon", "a:1|c")
                server.stream("a:1|c\n")
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gram, \
                        socket.socket(socket.AF_UNIX) as stream:
                    gram.sendto(b"a:1|c\nb:2|c", str(folder / "gram"))
                    stream.connect(str(folder / "stream"))
                    stream.sendall(b"\5\0\0\0a:1|c")
                    server.settle(lines=8)
                server.stop()
            said = self.line(server, "stopped")
            with self.subTest(form):
                for key, value in {"lines": "8", "refused": "1", "series_born": "2",
                                   "udp_datagrams": "3", "udp_bytes": "23",
                                   "udp_kernel_dropped": "0", "tcp_connections": "1",
                                   "tcp_bytes": "6", "unixgram_datagrams": "1",
                                   "unixgram_bytes": "11", "unix_connections": "1",
                                   "unix_bytes": "9"}.items():
                    self.assertEqual(said[key], value, key)
                self.assertLess(float(said["seconds"]), 60)

    def test_drops_are_told_once_a_minute(self) -> None:
        """The kernel drops thousands; the log says so in one line, with the remedy."""
        for form in READERS:
            server = self.start(f"--log.format={form}", "--statsd.read-buffer=4096")
            with self.subTest(form), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(2):
                    before = self.dropped(server)
                    while self.dropped(server) == before:
                        for _ in range(FLOOD):
                            sender.sendto(b"a:1|c", (HOST, server.ports.udp))
                    wait_until("it is told", lambda: self.lines(server, "udp_datagrams_dropped"))
                    time.sleep(TICKS)
                said = self.line(server, "udp_datagrams_dropped")
                self.assertGreater(int(said["n"]), 0)
                self.assertEqual(said["level"], "warn")
                self.assertTrue(said["remedy"].startswith("remove --statsd.read-buffer, "))
                server.stop()

    def test_drops_of_the_largest_buffer(self) -> None:
        """Where no flag holds the buffer small, the remedy is the system's limit."""
        server = self.start()
        server.signal(signal.SIGSTOP)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(10 * FLOOD):
                    sender.sendto(b"a:1|c", (HOST, server.ports.udp))
        finally:
            server.signal(signal.SIGCONT)
        wait_until("it is told", lambda: self.lines(server, "udp_datagrams_dropped"))
        self.assertTrue(self.line(server, "udp_datagrams_dropped")["remedy"].startswith(
            "raise net.core.rmem_max and restart, "))

    def dropped(self, server: Server) -> float:
        return server.scrape().total("bacowr_statsd_udp_kernel_dropped_datagrams_total")


if __name__ == "__main__":
    unittest.main()
