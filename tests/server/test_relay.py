# SPDX-License-Identifier: Apache-2.0
"""Relaying over the wire: what other servers get, and that none of them can hold us up."""

from __future__ import annotations

import socket
import time
import unittest

from lib.harness import HOST, Server, ServerTest, free_port, run, wait_until

FLUSH_SECONDS = 1.0


class Target:
    """A StatsD server that only listens."""

    def __init__(self, test: unittest.TestCase, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, port))
        self.socket.settimeout(0.01)
        self.address = f"{HOST}:{self.socket.getsockname()[1]}"
        self.datagrams: list[bytes] = []
        test.addCleanup(self.socket.close)

    def receive(self) -> bytes:
        """Everything that has come so far."""
        try:
            while True:
                self.datagrams.append(self.socket.recv(65536))
        except TimeoutError:
            return b"".join(self.datagrams)

    def expect(self, data: bytes) -> None:
        try:
            wait_until("the lines are relayed", lambda: len(self.receive()) >= len(data), 10)
        finally:
            self.hold(data)

    def hold(self, data: bytes) -> None:
        got = self.receive()
        assert got == data, f"{got[:200]!r} is not {data[:200]!r}"


def labels(target: str, **more: str) -> dict[str, str]:
    return {"target": target, **more}


class RelayTest(ServerTest):
    def relay(self, *targets: str, more: tuple[str, ...] = (),
              mapping: str | None = None) -> Server:
        flags = [f"--statsd.relay.address={target}" for target in targets]
        return self.start(*flags, *more, mapping=mapping)

    def count(self, server: Server, name: str, target: str, **more: str) -> float:
        return server.scrape().get(name, **labels(target, **more))

    def test_lines_go_on_byte_for_byte(self) -> None:
        """Empty, invalid, dropped and tagged lines: only the empty ones do not go on."""
        target = Target(self)
        server = self.relay(target.address, mapping="mappings:\n"
                            "- {match: z.*, name: z, action: drop}\n")
        server.send(b"a.b:1|c\n\n\nnonsense\n\xff\xfe:1|c\r\nz.b:1|c\n", b"", b"\r\n",
                    b"d:1|c|@0.5|#k:v")
        target.expect(b"a.b:1|c\nnonsense\n\xff\xfe:1|c\nz.b:1|c\nd:1|c|@0.5|#k:v\n")
        for datagram in target.datagrams:
            self.assertTrue(datagram.endswith(b"\n"))

    def test_lines_of_streams_go_on(self) -> None:
        """Lines cut anywhere, with CR LF, and the last one without its end."""
        target = Target(self)
        server = self.relay(target.address)
        server.stream("a.b:1|c\nc.d:2", "|g\r\ne.f:3|c")
        target.expect(b"a.b:1|c\nc.d:2|g\ne.f:3|c\n")

    def test_packets_are_filled_and_long_lines_counted(self) -> None:
        """A line of the packet's length less one is the longest that goes on."""
        target = Target(self)
        server = self.relay(target.address, more=("--statsd.relay.packet-length=20",))
        fits, long = b"f" * 15 + b":1|c", b"l" * 16 + b":1|c"
        server.send(b"\n".join([b"a:1|c", b"b:1|c", b"c:1|c", b"d:1|c", long, fits]))
        target.expect(b"a:1|c\nb:1|c\nc:1|c\nd:1|c\n" + fits + b"\n")
        self.assertEqual([len(d) for d in target.datagrams], [18, 6, 20])
        page = server.settle()
        for name, value in (("packets", 3), ("long_lines", 1), ("lines_relayed", 5)):
            self.assertEqual(page.get(f"statsd_exporter_relay_{name}_total",
                                      **labels(target.address)), value)

    def test_a_lonely_line_does_not_wait(self) -> None:
        target = Target(self)
        server = self.relay(target.address)
        began = time.monotonic()
        server.send("a:1|c")
        target.expect(b"a:1|c\n")
        self.assertLess(time.monotonic() - began, FLUSH_SECONDS)

    def test_dead_and_unsendable_targets_stall_nobody(self) -> None:
        """Thousands of lines with one target gone and one that cannot be: all come in, and on."""
        target = Target(self)
        dead, unsendable = f"{HOST}:{free_port()}", "255.255.255.255:9"
        server = self.relay(dead, unsendable, target.address)
        sent = b""
        for i in range(250):
            lines = b"".join(b"n.%d:1|c\n" % (i * 20 + k) for k in range(20))
            server.send(lines)
            sent += lines
            if i % 50 == 49:
                server.settle()
                target.receive()
        page = server.settle()
        self.assertEqual(page.get("statsd_exporter_events_total", type="counter"), 5000)
        target.expect(sent)
        dropped = "bacowr_statsd_relay_dropped_lines_total"
        self.assertGreater(self.count(server, dropped, dead, reason="refused"), 0)
        self.assertEqual(self.count(server, dropped, unsendable, reason="send_error"), 5000)
        for reason in ("queue_full", "refused", "unreachable", "send_error"):
            self.assertEqual(self.count(server, dropped, target.address, reason=reason), 0)

    def test_a_target_that_comes_back_gets_lines_again(self) -> None:
        port = free_port()
        server = self.relay(f"{HOST}:{port}")
        dropped = "bacowr_statsd_relay_dropped_lines_total"

        def refused() -> bool:
            server.send("lost:1|c")
            time.sleep(0.15)
            return self.count(server, dropped, f"{HOST}:{port}", reason="refused") > 0

        wait_until("a line is refused", refused)
        time.sleep(0.15)
        target = Target(self, port)
        server.send("found:1|c")
        target.expect(b"found:1|c\n")

    def test_the_end_sends_the_rest(self) -> None:
        target = Target(self)
        server = self.relay(target.address)
        server.send(*[f"a.{i}:1|c" for i in range(50)])
        server.stop()
        target.expect(b"".join(b"a.%d:1|c\n" % i for i in range(50)))

    def test_without_a_relay_its_families_are_not_there(self) -> None:
        self.assertNotIn("relay_", self.start().get("/metrics").body.decode())

    def test_a_name_and_several_threads(self) -> None:
        """localhost resolves; each thread relays what it receives."""
        target = Target(self)
        port = target.address.rsplit(":", 1)[1]
        server = self.relay(f"localhost:{port}", more=("--statsd.ingest-threads=2",))
        server.send("a:1|c")
        target.expect(b"a:1|c\n")


class RefusalTest(unittest.TestCase):
    def refused(self, *flags: str) -> str:
        end = run(*flags, f"--statsd.listen-udp={HOST}:0", f"--statsd.listen-tcp={HOST}:0",
                  f"--web.listen-address={HOST}:0", timeout=60)
        self.assertEqual(end.returncode, 1)
        return end.stderr

    def test_what_cannot_be_meant_ends_the_start(self) -> None:
        for flags, word in (
                (("--statsd.relay.address=nobody.invalid:1",), "nobody.invalid"),
                (("--statsd.relay.address=h",), "no port"),
                ((f"--statsd.relay.address={HOST}:1",) * 2, "given twice"),
                (("--statsd.relay.packet-length=0",), "from 2 to 65507"),
                (("--statsd.relay.packet-length=65508",), "from 2 to 65507")):
            with self.subTest(flags=flags):
                self.assertIn(word, self.refused(*flags))

    def test_a_circle_ends_the_start(self) -> None:
        """A target that is this server's own listener, by its address or under a wildcard."""
        port = free_port()
        for host, target in ((HOST, f"{HOST}:{port}"), ("", f"{HOST}:{port}"),
                             ("", f"[::1]:{port}"), ("0.0.0.0", f"localhost:{port}"),
                             ("", f"0.0.0.0:{port}"), ("", f"[::ffff:127.0.0.1]:{port}")):
            with self.subTest(host=host, target=target):
                end = run(f"--statsd.relay.address={target}", f"--statsd.listen-udp={host}:{port}",
                          f"--statsd.listen-tcp={HOST}:0", f"--web.listen-address={HOST}:0",
                          timeout=60)
                self.assertEqual(end.returncode, 1)
                self.assertIn(f"'{target}' is this server itself", end.stderr)


if __name__ == "__main__":
    unittest.main()
