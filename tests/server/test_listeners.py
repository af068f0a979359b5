# SPDX-License-Identifier: Apache-2.0
"""Where the server listens: several addresses, both families, none, and ports that are taken."""

from __future__ import annotations

import http.client
import socket
import unittest

from lib.harness import HOST, Ports, ServerTest, free_port, new_folder, run, serve_flags


def send_to(address: tuple[str, int], text: bytes) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(text, address)


class ListenersTest(ServerTest):
    def test_several_udp_addresses(self) -> None:
        """Each is listened on, and their drops and buffers are told apart."""
        first, second = free_port(), free_port()
        server = self.start(f"--statsd.listen-udp={HOST}:{first}",
                            f"--statsd.listen-udp={HOST}:{second}")
        for port in (first, second):
            send_to((HOST, port), b"both:1|c")
        server.sent_datagrams = 2
        page = server.settle()
        self.assertEqual(page.value("both"), 2)
        listeners = {dict(labels)["listener"] for _, labels in
                     page.families["bacowr_statsd_udp_receive_buffer_bytes"].samples}
        self.assertEqual(listeners, {f"{HOST}:{first}", f"{HOST}:{second}"})

    def test_several_tcp_addresses(self) -> None:
        first, second = free_port(), free_port()
        server = self.start(f"--statsd.listen-tcp={HOST}:{first}",
                            f"--statsd.listen-tcp={HOST}:{second}")
        for port in (first, second):
            with socket.create_connection((HOST, port)) as connection:
                connection.sendall(b"both:1|c\n")
        self.assertEqual(server.settle(lines=2).value("both"), 2)

    def test_ipv6(self) -> None:
        ports = Ports()
        server = self.start(f"--statsd.listen-udp=[::1]:{ports.udp}",
                            f"--statsd.listen-tcp=[::1]:{ports.tcp}",
                            f"--web.listen-address={HOST}:{ports.web}",
                            f"--web.listen-address=[::1]:{ports.web}", ports=ports)
        send_to(("::1", ports.udp), b"six:1|c")
        with socket.create_connection(("::1", ports.tcp)) as connection:
            connection.sendall(b"six:1|c\n")
        self.assertEqual(server.settle(lines=2).value("six"), 2)
        connection = http.client.HTTPConnection("::1", ports.web, timeout=10)
        connection.request("GET", "/metrics")
        self.assertIn(b"\nsix 2\n", connection.getresponse().read())
        connection.close()

    def test_the_empty_host_is_both_families(self) -> None:
        port = free_port()
        server = self.start(f"--statsd.listen-udp=:{port}")
        send_to((HOST, port), b"any:1|c")
        send_to(("::1", port), b"any:1|c")
        server.sent_datagrams = 2
        self.assertEqual(server.settle().value("any"), 2)

    def test_an_address_named_again_is_one_socket(self) -> None:
        """As an image's own flags and those of statsd_exporter behind them name it: by its text,
        by another spelling, by the wildcard of its port, whichever comes first."""
        ports = Ports()
        web = f"--web.listen-address=unix:{self.enterContext(new_folder()) / 'web.sock'}"
        server = self.start(f"--statsd.listen-udp={HOST}:{ports.udp}",
                            f"--statsd.listen-udp=:{ports.udp}",
                            f"--statsd.listen-udp=0.0.0.0:{ports.udp}",
                            f"--statsd.listen-tcp={HOST}:{ports.tcp}",
                            f"--statsd.listen-tcp=localhost:{ports.tcp}",
                            f"--web.listen-address=:{ports.web}", web,
                            f"--web.listen-address=:{ports.web}", web, ports=ports)
        server.send("once:1|c")
        server.stream("once:1|c\n")
        page = server.settle(lines=2)
        self.assertEqual(page.value("once"), 2)
        listeners = [dict(labels)["listener"] for _, labels in
                     page.families["bacowr_statsd_udp_receive_buffer_bytes"].samples]
        self.assertEqual(len(listeners), 1)
        self.assertIn("event=address_covered", server.log())

    def test_one_transport_may_be_off(self) -> None:
        server = self.start("--statsd.listen-udp=")
        server.stream("tcp:1|c\n")
        self.assertEqual(server.settle(lines=1).value("tcp"), 1)
        server = self.start("--statsd.listen-tcp=")
        server.send("udp:1|c")
        self.assertEqual(server.settle().value("udp"), 1)

    def test_a_taken_port_is_an_error_at_start(self) -> None:
        """With one thread or more, and it says which address."""
        for kind, flag in ((socket.SOCK_DGRAM, "statsd.listen-udp"),
                           (socket.SOCK_STREAM, "statsd.listen-tcp"),
                           (socket.SOCK_STREAM, "web.listen-address")):
            for threads in (1, 2):
                with self.subTest(flag=flag, threads=threads):
                    port = free_port()
                    with socket.socket(socket.AF_INET, kind) as taken:
                        taken.bind((HOST, port))
                        if kind == socket.SOCK_STREAM:
                            taken.listen()
                        done = run(*serve_flags(Ports(), [f"--{flag}={HOST}:{port}",
                                                          f"--statsd.ingest-threads={threads}"]))
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f"{HOST}:{port}", done.stderr)
                    self.assertIn("in use", done.stderr)

    def test_nobody_can_bind_beside_us(self) -> None:
        """With one thread no other socket may share the port, however it asks."""
        server = self.start()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.SOL_SOCKET, option, 1)
                with self.assertRaises(OSError):
                    other.bind((HOST, server.ports.udp))


if __name__ == "__main__":
    unittest.main()
