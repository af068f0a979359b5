# SPDX-License-Identifier: Apache-2.0
"""The admin port's oldest client: HAProxy, with the configuration of docs/admin.md, asks two servers
for their health and sends lines to one that is up."""

from __future__ import annotations

import os
import socket
import subprocess
import unittest

from lib import documents
from lib.harness import (HOST, ROOT, Server, ServerTest, free_port, log_folder, new_folder,
                         wait_until)

PROGRAMS = ROOT / "build" / "programs"
HAPROXY = PROGRAMS / "usr" / "sbin" / "haproxy"


class HaproxyTest(ServerTest):
    def serve(self) -> Server:
        self.admin.append(free_port())
        return self.start(f"--statsd.listen-admin={HOST}:{self.admin[-1]}", "--web.enable-lifecycle")

    def say(self, index: int, text: str) -> str:
        with socket.create_connection((HOST, self.admin[index]), timeout=20) as admin:
            admin.sendall(text.encode() + b"\n")
            return admin.recv(100).decode()

    def start_haproxy(self, port: int, servers: list[Server]) -> None:
        """As documented, but for ports, and quicker."""
        def checked(index: int) -> str:
            return f"{HOST}:{servers[index].ports.tcp} check port {self.admin[index]}"

        text = documents.chapters("docs/admin.md")["HAProxy"][0]
        for old, new in (("127.0.0.1:8125", f"{HOST}:{port}"), ("inter 1s", "inter 50ms"),
                         ("10.0.0.7:8125 check port 8126", checked(0)),
                         ("10.0.0.8:8125 check port 8126", checked(1))):
            self.assertIn(old, text)
            text = text.replace(old, new)
        file = self.enterContext(new_folder()) / "haproxy.cfg"
        file.write_text(text)
        libraries = {str(path.parent) for path in (PROGRAMS / "usr" / "lib").glob("*/liblua5.3.so.0")}
        with open(log_folder() / "haproxy.log", "wb") as log:
            haproxy = subprocess.Popen([HAPROXY, "-db", "-f", file], stdout=log, stderr=log,
                                       env=os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)})
        self.addCleanup(self.end, haproxy)

    @staticmethod
    def end(haproxy: "subprocess.Popen[bytes]") -> None:
        haproxy.terminate()
        haproxy.wait(20)

    def test_health(self) -> None:
        self.admin: list[int] = []
        first, second = servers = [self.serve(), self.serve()]
        port = free_port()
        self.start_haproxy(port, servers)

        def arrives_at(server: Server) -> bool:
            before = server.scrape().total("through")
            try:
                with socket.create_connection((HOST, port), timeout=5) as sender:
                    sender.sendall(b"through:1|c\n")
            except OSError:
                return False
            try:
                wait_until("it arrives", lambda: server.scrape().total("through") > before, 0.5)
            except AssertionError:
                return False
            return True

        wait_until("the first one is used", lambda: arrives_at(first))
        self.assertEqual(self.say(0, "health down"), "health: down\n")
        wait_until("the second one is used", lambda: arrives_at(second))
        self.assertEqual(self.say(0, "health up"), "health: up\n")
        wait_until("the first one is used again", lambda: arrives_at(first))
        for server in servers:
            wait_until("it is asked again and again", lambda: server.scrape().value(
                "bacowr_statsd_admin_commands_total") > 10)
            self.assertEqual(server.scrape().value("bacowr_statsd_admin_command_errors_total"), 0)


if __name__ == "__main__":
    unittest.main()
