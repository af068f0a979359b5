# SPDX-License-Identifier: Apache-2.0
"""The admin port: the replies of Etsy's statsd to the byte, its bounds, and who may change what.

What is expected of a command that Etsy's server has was said by statsd 0.9.0 on Node 20.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import time
import unittest

from lib.harness import (HOST, WAIT_SECONDS, Ports, Server, ServerTest, free_port, run, serve_flags,
                         to_bytes, wait_until)

HELP = (b"Commands: stats, counters, timers, gauges, delcounters, deltimers, delgauges, health, "
        b"config, quit\n\n")
END = b"END\n\n"
REFUSED = b"ERROR: this needs --web.enable-lifecycle\n"
LIFECYCLE = "--web.enable-lifecycle"
MAX_CONNECTIONS = 32
MAX_LINE = 4096


class Admin:
    """A connection to the port."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Admin":
        return self

    def __exit__(self, *rest: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(to_bytes(data))

    def read(self, end: bytes = b"\n") -> bytes:
        """Up to @end, or the server's end of the connection."""
        got = b""
        while not got.endswith(end):
            piece = self.socket.recv(65536)
            if not piece:
                break
            got += piece
        return got

    def rest(self) -> bytes:
        return self.read(b"\0never\0")

    def ask(self, command: bytes | str, end: bytes = END) -> bytes:
        self.send(to_bytes(command) + b"\n")
        return self.read(end)


class AdminTest(ServerTest):
    def serve(self, *flags: str, mapping: str | None = None) -> Server:
        self.port = free_port()
        return self.start(f"--statsd.listen-admin={HOST}:{self.port}", *flags, mapping=mapping)

    def ask(self, command: bytes | str, end: bytes = END) -> bytes:
        with Admin(self.port) as admin:
            return admin.ask(command, end)

    def whole(self, *segments: bytes | str) -> bytes:
        """All that is answered to bytes whose sender then has no more to say."""
        with Admin(self.port) as admin:
            for segment in segments:
                admin.send(segment)
            admin.socket.shutdown(socket.SHUT_WR)
            return admin.rest()


class ReplyTest(AdminTest):
    def test_off_by_default(self) -> None:
        server = self.start()
        self.assertNotIn("transport=admin", server.log())
        self.assertEqual(server.scrape().value("bacowr_statsd_admin_connections_total"), 0)

    def test_words(self) -> None:
        self.serve()
        for said, wanted in (
            ("help\n", HELP), ("help\r\n", HELP), ("  help \t\r\n", HELP), ("help me\n", HELP),
            ("health\n", b"health: up\n"), ("health\r\n", b"health: up\n"),
            ("health\n\n", b"health: up\n"),  # check_statsd_health
            ("health xx\n", b"health: up\n"),
            ("sets\n", b"ERROR\n"), ("HELP\n", b"ERROR\n"), ("\n", b"ERROR\n"),
            ("\r\n\r\n", b"ERROR\n"), ("helpx\n", b"ERROR\n"), ("\0\n", b"ERROR\n"),
            ("quit\n", b""), ("quit\nhelp\n", b""), ("help\nquit\nhelp\n", HELP),
            ("gauges\n", b"{}\n" + END), ("timers\n", b"{}\n" + END),
            ("counters\n", b"{\n  'statsd.bad_lines_seen': 0,\n  'statsd.packets_received': 0,\n"
                           b"  'statsd.metrics_received': 0\n}\n" + END),
            ("help\nhealth\n", HELP + b"health: up\n"),  # there ERROR: here each line is a command
            ("", b""),
        ):
            with self.subTest(said=said):
                self.assertEqual(self.whole(said), wanted)

    def test_no_line_end_is_needed(self) -> None:
        """Etsy's server takes a segment for a command, so there are clients without one."""
        self.serve()
        with Admin(self.port) as admin:
            for _ in range(2):
                admin.send("health")
                self.assertEqual(admin.read(), b"health: up\n")
            admin.send("hea")
            admin.send("lth\nhelp")
            self.assertEqual(admin.read(b"\n\n"), b"health: up\n" + HELP)
            admin.send("\n")  # beside no command
            self.assertEqual(admin.read(), b"ERROR\n")
        self.assertEqual(self.whole("health"), b"health: up\n")

    def test_tables(self) -> None:
        server = self.serve()
        server.send("app.one:2|c\napp.one:1|c|#k:v\nit:0.1|c\nit:0.2|c", "g.a:-1.5|g", "g_b:1e21|g",
                    "t.x:320|ms\nt.x:7|ms", "bad")
        server.settle()
        self.assertEqual(
            self.ask("counters"),
            b"{\n  'statsd.bad_lines_seen': 1,\n  'statsd.packets_received': 5,\n"
            b"  'statsd.metrics_received': 9,\n  app_one: 2,\n"
            b"  'app_one{k=\"v\"}': 1,\n  it: 0.30000000000000004\n}\n" + END)
        self.assertEqual(self.ask("gauges"), b"{ g_a: -1.5, g_b: 1e+21 }\n" + END)
        self.assertEqual(self.ask("timers"),
                         b"{ t_x: { count: 2, sum: 0.327, mean: 0.1635 } }\n" + END)

    def test_stats(self) -> None:
        server = self.serve()
        pattern = (rb"uptime: (\d+)\nmessages\.last_msg_seen: (\d+)\nmessages\.bad_lines_seen: (\d+)\n"
                   rb"prometheus\.last_scrape: (\d+)\nprometheus\.scrapes: (\d+)\nEND\n\n")

        def stats() -> list[int]:
            found = re.fullmatch(pattern, self.ask("stats"))
            assert found
            return [int(value) for value in found.groups()]

        uptime, last, bad, scrape, scrapes = stats()
        self.assertLess(uptime, 20)
        self.assertEqual([bad, scrapes], [0, 0])
        self.assertLessEqual(abs(last - uptime), 1)  # as there: since the start, if there was none
        self.assertLessEqual(abs(scrape - uptime), 1)
        wait_until("two seconds are over", lambda: stats()[1] >= 2)
        server.send("a:1|c", "bad")
        server.settle()
        wait_until("the line is seen", lambda: stats()[1] < 2)
        uptime, last, bad, scrape, scrapes = stats()
        self.assertLess(last, uptime)
        self.assertLess(scrape, uptime)
        self.assertEqual(bad, 1)
        self.assertGreater(scrapes, 0)

    def test_config(self) -> None:
        server = self.serve("--statsd.listen-unix=", "--statsd.exemplar-tag=a",
                            "--statsd.exemplar-tag=b")
        text = self.whole("config").decode()
        self.assertTrue(text.startswith("\n"))
        for line in (f"statsd.listen-udp > 0: {HOST}:{server.ports.udp}", "statsd.max-series: 1000000",
                     "statsd.exemplar-tag > 0: a", "statsd.exemplar-tag > 1: b",
                     "web.enable-lifecycle: false"):
            self.assertIn(f"\n{line}\n", text)
        self.assertNotIn("END", text)

    def test_a_table_of_many_series(self) -> None:
        """More than a slice, and equal to the page."""
        server = self.serve()
        names = [f"many.{i:05d}" for i in range(9000)]
        for at in range(0, len(names), 300):
            server.send("\n".join(f"{name}:{at}|g" for name in names[at:at + 300]))
        server.settle()
        told = self.ask("gauges").decode()
        self.assertEqual(told, "{\n" + ",\n".join(
            f"  {name.replace('.', '_')}: {i // 300 * 300}" for i, name in enumerate(names))
            + "\n}\nEND\n\n")


class ChangeTest(AdminTest):
    def test_nothing_changes_without_the_flag(self) -> None:
        server = self.serve()
        server.send("a:1|c\ng:1|g\nt:1|ms")
        server.settle()
        for command in ("health down", "health up", "delcounters a", "delgauges g", "deltimers t",
                        "delgauges"):
            with self.subTest(command):
                self.assertEqual(self.whole(command), REFUSED)
        self.assertEqual(server.get("/-/ready").status, 200)
        self.assertEqual(server.scrape().value("bacowr_statsd_admin_deleted_series_total"), 0)

    def test_health(self) -> None:
        """Down: load balancers and Kubernetes leave; lines and scrapes go on, and nobody restarts it."""
        server = self.serve(LIFECYCLE)
        self.assertEqual(server.scrape().value("bacowr_statsd_health"), 1)
        self.assertEqual(self.whole("health DOWN"), b"health: down\n")
        self.assertEqual(self.whole("health"), b"health: down\n")
        self.assertEqual(self.whole("health sideways"), b"health: down\n")
        self.assertEqual(server.get("/-/ready").status, 503)
        self.assertEqual(server.get("/-/healthy").status, 200)
        server.send("a:1|c")
        page = server.settle()
        self.assertEqual(page.value("a"), 1)
        self.assertEqual(page.value("bacowr_statsd_health"), 0)
        self.assertEqual(self.whole("health up"), b"health: up\n")
        self.assertEqual(server.get("/-/ready").status, 200)
        self.assertEqual(re.findall(r"event=health_changed health=(\w+)", server.log()), ["down", "up"])

    def gone(self, server: Server, *names: str) -> None:
        wait_until(f"{names} are gone", lambda: not set(names) & set(server.scrape().families))

    def test_delete(self) -> None:
        server = self.serve(LIFECYCLE)
        server.send("a.b:1|c", "a.bc:1|c", "a.c:1|c", "ab:1|c", "x.g:1|g", "x.h:2|g|#k:v", "x.h:3|g|#k:w",
                    "xg:4|g", "t.t:1|ms")
        server.settle()
        self.assertEqual(self.ask("delcounters"), END)
        self.assertEqual(self.ask("delcounters a.b nope  a.b.c"),
                         b"deleted: a_b\nmetric nope not found\nmetric a.b.c not found\n" + END)
        self.assertEqual(self.ask("delgauges x.h{k=\"w\"} x.h{k=\"z\"}"),
                         b"deleted: x_h{k=\"w\"}\nmetric x.h{k=\"z\"} not found\n" + END)
        self.assertEqual(self.ask("deltimers t_t *"), b"deleted: t_t\nmetric * not found\n" + END)
        self.gone(server, "a_b", "t_t")
        page = server.scrape()
        self.assertEqual(page.value("x_h", k="v"), 2)
        wait_until("it is gone", lambda: 'x_h{k="w"}' not in server.get("/metrics").body.decode())
        self.assertEqual((page.value("a_c"), page.value("a_bc")), (1, 1))
        self.assertEqual(self.ask("delgauges x.*"), b"deleted: x_g\ndeleted: x_h{k=\"v\"}\n" + END)
        self.gone(server, "x_g", "x_h")
        page = server.scrape()
        self.assertEqual(page.value("xg"), 4)
        self.assertEqual(page.value("ab"), 1)
        self.assertEqual(page.value("bacowr_statsd_admin_deleted_series_total"), 5)

    def test_what_is_sent_comes_back(self) -> None:
        server = self.serve(LIFECYCLE)
        server.send("g:1|g")
        server.settle()
        self.assertEqual(self.ask("delgauges g"), b"deleted: g\n" + END)
        self.gone(server, "g")
        server.send("g:5|g")
        self.assertEqual(server.settle().value("g"), 5)

    def test_a_browser_changes_nothing(self) -> None:
        """A page of another site can make a browser send lines of its own after the first ones."""
        server = self.serve(LIFECYCLE)
        said = (f"POST / HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nContent-Type: text/plain\r\n"
                "\r\nhealth down\ndelcounters a\n")
        self.assertEqual(self.whole(said), b"ERROR\n")
        for first in ("POST / HTT", "xx HTTP/1.1\r\n", "Host: here\r\n"):
            with self.subTest(first), Admin(self.port) as admin:
                admin.send(first)
                self.assertEqual(admin.rest(), b"ERROR\n")
        self.assertEqual(server.get("/-/ready").status, 200)


class BoundTest(AdminTest):
    def test_long_line(self) -> None:
        server = self.serve()
        longest = "delgauges " + "x" * (MAX_LINE - 11)
        self.assertEqual(self.whole(longest + "\n"), REFUSED)
        for length in (MAX_LINE, 20 * MAX_LINE):  # what comes behind takes the answer from nobody
            with Admin(self.port) as admin:
                admin.send("x" * length)
                self.assertEqual(admin.rest(), b"ERROR\n")
        page = server.scrape()
        self.assertEqual(page.value("bacowr_statsd_admin_command_errors_total"), 3)
        self.assertEqual(page.value("bacowr_statsd_admin_too_long_lines_total"), 2)
        self.assertEqual(page.value("bacowr_statsd_admin_commands_total"), 1)

    def test_bounds_of_flags(self) -> None:
        server = self.serve("--statsd.admin-max-line=64", "--statsd.admin-max-connections=2",
                            "--statsd.admin-timeout=2s")
        longest = "delgauges " + "x" * (64 - 11)
        self.assertEqual(self.whole(longest + "\n"), REFUSED)
        with Admin(self.port) as admin:
            admin.send(longest + "x\n")
            self.assertEqual(admin.rest(), b"ERROR\n")
        with Admin(self.port) as first, Admin(self.port) as second:
            started = time.monotonic()
            for admin in first, second:
                self.assertEqual(admin.ask("health", b"\n"), b"health: up\n")
            if time.monotonic() - started < 0.9:  # else the first may have gone
                self.assertFalse(self.is_answered())
            for admin in first, second:
                self.assertEqual(admin.rest(), b"")  # silent for long enough
        page = server.scrape()
        self.assertEqual(page.value("bacowr_statsd_admin_too_long_lines_total"), 1)
        self.assertEqual(page.value("bacowr_statsd_admin_timeouts_total"), 2)
        for flag in ("line=4097", "line=63", "connections=0", "connections=1025"):
            self.assertEqual(run(f"--statsd.admin-max-{flag}").returncode, 1)
        self.assertEqual(run("--statsd.admin-timeout=0s").returncode, 1)

    def test_garbage(self) -> None:
        """Whatever bytes come, in whatever pieces: answers are lines, and others are answered."""
        self.serve(LIFECYCLE)
        dice = random.Random(20261123)
        words = [b"help", b"stats", b"gauges", b"delgauges", b"a.*", b"{", b"}", b"health", b"\xff",
                 b"\xc2\x85", b"\r", b"\n", b"\n\n", b" ", b"\0", b"HTTP/1.1", b"x" * 5000]
        for _ in range(60):
            pieces = [b"".join(dice.choices(words, k=dice.randint(0, 9)))
                      for _ in range(dice.randint(1, 5))]
            answer = self.whole(*pieces)
            self.assertTrue(answer == b"" or answer.endswith(b"\n"), (pieces, answer))
        self.assertIn(self.ask("health", b"\n"), (b"health: up\n", b"health: down\n"))

    def is_answered(self) -> bool:
        """A new connection; one that is turned away may be told so by a reset."""
        try:
            return self.ask("health", b"\n") != b""
        except ConnectionError:
            return False

    def test_connections(self) -> None:
        """At the limit the one that was silent the longest makes room, if that is a second."""
        server = self.serve()
        those = [self.enterContext(Admin(self.port)) for _ in range(MAX_CONNECTIONS)]

        def speak(silent: int) -> None:
            for one in those[silent:]:
                self.assertEqual(one.ask("health", b"\n"), b"health: up\n")

        def is_turned_away() -> bool:
            speak(0)
            if not self.is_answered():
                return True
            those.pop(0)  # on a busy machine it was silent for a second by now
            those.append(self.enterContext(Admin(self.port)))
            return False

        wait_until("one is turned away", is_turned_away)
        evicted = server.scrape().value("bacowr_statsd_admin_connections_evicted_total")
        time.sleep(1.1)
        speak(1)
        self.assertTrue(self.is_answered())
        self.assertEqual(those.pop(0).rest(), b"")
        speak(0)
        page = server.scrape()
        self.assertEqual(page.value("bacowr_statsd_admin_connections_evicted_total"), evicted + 1)
        self.assertGreaterEqual(page.value("bacowr_statsd_admin_connections_refused_total"), 1)
        wait_until("one has left", lambda: server.scrape().value(
            "bacowr_statsd_admin_connections_open") == MAX_CONNECTIONS - 1)

    def test_an_answer_that_nobody_takes(self) -> None:
        """It holds up nobody, is reset after ten seconds, and costs a slice of memory."""
        server = self.serve()
        for at in range(0, 40000, 200):
            server.send("\n".join(f"a.long.name.of.a.gauge.{i}:1|g" for i in range(at, at + 200)))
        server.settle()
        with Admin(self.port, receive_buffer=4096) as stuck:
            stuck.send("gauges\ngauges\ngauges\n")
            started = time.monotonic()
            self.assertEqual(self.ask("health", b"\n"), b"health: up\n")
            self.assertEqual(server.get("/metrics").status, 200)
            wait_until("it is given up", lambda: server.scrape().value(
                "bacowr_statsd_admin_answers_cut_total") == 1)
            self.assertEqual(server.scrape().value("bacowr_statsd_admin_timeouts_total"), 0)
            self.assertGreater(time.monotonic() - started, 9)
            with self.assertRaises(ConnectionResetError):
                stuck.rest()

    def test_who_leaves_in_the_middle(self) -> None:
        server = self.serve()
        for at in range(0, 20000, 200):
            server.send("\n".join(f"a.gauge.{i}:1|g" for i in range(at, at + 200)))
        server.settle()
        for reset in (False, True):
            for _ in range(20):
                with Admin(self.port) as admin:
                    admin.send("gauges\ntimers\n")
                    admin.socket.recv(10)
                    if reset:
                        admin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                struct.pack("ii", 1, 0))
        wait_until("all are gone", lambda: server.scrape().value(
            "bacowr_statsd_admin_connections_open") == 0)
        self.assertEqual(self.ask("timers"), b"{}\n" + END)

    def test_end_while_it_answers(self) -> None:
        """The orderly end comes at once."""
        server = self.serve()
        for at in range(0, 40000, 200):
            server.send("\n".join(f"a.long.name.of.a.gauge.{i}:1|g" for i in range(at, at + 200)))
        server.settle()
        with Admin(self.port, receive_buffer=4096) as stuck:
            stuck.send("gauges\n")
            stuck.socket.recv(10)
            started = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - started, 8)


class ListenTest(AdminTest):
    def test_taken_port(self) -> None:
        self.serve()
        done = run(*serve_flags(Ports(), [f"--statsd.listen-admin={HOST}:{self.port}"]))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{HOST}:{self.port}", done.stderr)

    def test_several_addresses(self) -> None:
        self.port = free_port()
        other = free_port()
        server = self.start(f"--statsd.listen-admin={HOST}:{self.port}",
                            f"--statsd.listen-admin={HOST}:{other}")
        for port in (self.port, other):
            with Admin(port) as admin:
                self.assertEqual(admin.ask("health", b"\n"), b"health: up\n")
            self.assertIn(f"transport=admin address={HOST}:{port}", server.log())

    def test_hand_over(self) -> None:
        """The port goes to the successor and is never closed: each connect is answered by one."""
        self.port = free_port()
        ports = Ports()
        flags = (f"--statsd.listen-admin={HOST}:{self.port}",
                 f"--control.socket=@bacowr-admin-{self.port}")
        old = Server(flags, name="admin-old", ports=ports)
        self.addCleanup(old.kill)
        old.send("a:3|c")
        old.settle()
        with Admin(self.port) as admin:
            self.assertEqual(admin.ask("health", b"\n"), b"health: up\n")
            new = Server((*flags, "--replace"), name="admin-new", ports=ports)
            self.addCleanup(new.kill)
            old.check_end(old.process.wait(WAIT_SECONDS))
        self.assertIn(b"\n  a: 3\n", self.ask("counters"))
        new.stop()


if __name__ == "__main__":
    unittest.main()
