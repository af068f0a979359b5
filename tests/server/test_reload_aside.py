# SPDX-License-Identifier: Apache-2.0
"""A reload goes on beside everything else: nothing waits for it, and it waits for nothing."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
import unittest

from lib.exposition import Page
from lib.harness import Response, Server, ServerTest, wait_until

SMALL = "mappings:\n- match: r.*\n  name: small\n"
BROKEN = "mappings:\n- match: r.*\n  nmae: broken\n"
RELOADS = "statsd_exporter_config_reloads_total"
N_SLOW = 30000


def slow_mapping() -> str:
    """One that takes the better part of a second to compile, or more."""
    rules = (f"- match: 'app{i}\\.(.*)\\.foo\\.([a-z]+|[0-9]+)'\n  match_type: regex\n"
             f"  name: slow{i}\n" for i in range(N_SLOW))
    return "mappings:\n" + "".join(rules)


def reloads(page: Page) -> tuple[float, float]:
    return page.value(RELOADS, outcome="success"), page.value(RELOADS, outcome="failure")


def n_rules(server: Server) -> float:
    return server.scrape().value("statsd_exporter_loaded_mappings")


class SlowReloadTest(ServerTest):
    def begin_slow(self, server: Server) -> None:
        """Return while a reload goes on which has read the file and compiles what stood there."""
        server.write_mapping(slow_mapping())
        server.signal(signal.SIGHUP)
        wait_until("the reload has begun", lambda: "event=reload_started" in server.log())
        time.sleep(0.1)
        self.assert_goes_on(server)

    def assert_goes_on(self, server: Server) -> None:
        self.assertNotIn("event=reload_done", server.log(), "the slow mapping was not slow enough")

    def test_everything_is_served_meanwhile(self) -> None:
        server = self.start(mapping=SMALL)
        self.begin_slow(server)
        server.send("r.a:1|c")
        server.eventually("lines go by the old rules", lambda page: page.get("small") == 1)
        for _ in range(5):
            self.assertEqual(server.get("/-/healthy").status, 200)
        self.assert_goes_on(server)
        page = server.eventually("it is done", lambda page: reloads(page) == (1, 0), 60)
        self.assertEqual(page.value("statsd_exporter_loaded_mappings"), N_SLOW)

    def test_asked_again_it_runs_once_more(self) -> None:
        """However often: what is loaded in the end is the file as it was at the last time."""
        server = self.start(mapping=SMALL)
        self.begin_slow(server)
        server.write_mapping(SMALL)
        for _ in range(10):
            server.signal(signal.SIGHUP)
            time.sleep(0.01)
        self.assert_goes_on(server)
        server.eventually("both are done", lambda page: reloads(page) == (2, 0), 60)
        time.sleep(0.3)
        self.assertEqual(reloads(server.scrape()), (2, 0))
        self.assertEqual(n_rules(server), 1)

    def test_by_http_the_answer_is_for_the_file_as_it_is(self) -> None:
        """Not for the one that was being loaded when it was asked for; and many may ask."""
        server = self.start("--web.enable-lifecycle", "--web.timeout=1s", mapping=SMALL)
        self.begin_slow(server)
        server.write_mapping(BROKEN)
        answers: list[Response] = []

        def ask() -> None:
            answers.append(server.get("/-/reload", "POST", timeout=60))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([answer.status for answer in answers], [500] * 3)
        for answer in answers:
            self.assertIn(b"mapping.yml:3:3", answer.body)
        self.assertEqual(reloads(server.scrape()), (1, 1))

    def test_who_asked_may_be_gone_when_it_is_done(self) -> None:
        server = self.start("--web.enable-lifecycle", mapping=SMALL)
        self.begin_slow(server)
        for i in range(4):
            connection = server.web()
            connection.sendall(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.05)
            if i % 2:  # by a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.assert_goes_on(server)
        server.eventually("both are done", lambda page: reloads(page) == (2, 0), 60)
        self.assertEqual(server.get("/-/healthy").status, 200)

    def test_the_server_ends_in_the_middle_of_it(self) -> None:
        """In order, with somebody waiting for the answer."""
        server = self.start("--web.enable-lifecycle", mapping=SMALL)
        self.begin_slow(server)
        with server.web() as waiting:
            waiting.sendall(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.05)
            self.assert_goes_on(server)
            server.stop()


class FileTest(ServerTest):
    def test_a_fifo_is_refused_at_once(self) -> None:
        server = self.start(mapping=SMALL)
        server.mapping_file.unlink()
        os.mkfifo(server.mapping_file)
        server.reload()
        self.assertEqual(reloads(server.scrape()), (0, 1))
        self.assertIn("is not a regular file", server.log())
        self.assertEqual(n_rules(server), 1)

    def test_a_file_that_windows_wrote(self) -> None:
        """A byte order mark and CR LF lose no rule."""
        server = self.start(mapping="mappings: []\n")
        server.write_mapping(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
        server.reload()
        server.send("r.a:1|c")
        self.assertEqual(server.settle().value("small"), 1)

    def test_an_indented_first_line_is_refused(self) -> None:
        """What follows it would be lost in silence."""
        server = self.start(mapping=SMALL)
        server.write_mapping("  defaults: {ttl: 1h}\n" + SMALL)
        server.reload()
        self.assertEqual(reloads(server.scrape()), (0, 1))
        self.assertIn("mapping.yml:2:1", server.log())
        self.assertEqual(n_rules(server), 1)

    def test_thousands_of_warnings_are_told_in_a_few_lines(self) -> None:
        hidden = "- match: r.*\n  name: never\n" * 2000
        server = self.start(mapping=SMALL + hidden)
        for times in (1, 2):
            self.assertEqual(server.log().count("event=mapping_warning "), 20 * times)
            self.assertEqual(server.log().count("event=mapping_warnings_left_out n=1980"), times)
            server.reload()


if __name__ == "__main__":
    unittest.main()
