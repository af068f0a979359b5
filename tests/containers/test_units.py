# SPDX-License-Identifier: Apache-2.0
"""The units of systemd/ under a real systemd: they start as they are, and no way to restart the
service under load loses a datagram.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
import unittest

from lib.exposition import Page
from lib.harness import HOST, ROOT, binary, wait_until
from manager import Manager

SERVICE, SOCKET, WEB = "bacowr-statsd.service", "bacowr-statsd.socket", "bacowr-statsd-http.socket"
UDP_PORT, WEB_PORT = 8125, 9102
MAPPING = "mappings:\n- {match: 'job.*', name: job_total, labels: {which: $1}}\n"
OTHER_MAPPING = MAPPING + "- {match: 'other.*', name: other_total, labels: {which: $1}}\n"
LINES = 20          # of a datagram
RATE = 2000         # datagrams a second
DATAGRAM = b"\n".join([b"job.load:1|c"] * LINES)
DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
LOGGED = "[Service]\nStandardOutput=append:/run/server.log\nStandardError=append:/run/server.log\n"
STATE = ("ExecStart=\nExecStart=/usr/local/bin/bacowr-statsd --statsd.mapping-config="
         "/etc/bacowr-statsd/mapping.yml --state.file=/var/lib/bacowr-statsd/state\n")


def documented_drop_in() -> str:
    """What docs/restart.md says for hand-overs."""
    found = re.search(r"^```ini\n(.*?)^```", (ROOT / "docs" / "restart.md").read_text(),
                      re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


class Load(threading.Thread):
    """Datagrams at a steady pace, until its end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.sent = 0

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((HOST, UDP_PORT))
            begun = time.monotonic()
            while not self.over.is_set():
                while self.sent < (time.monotonic() - begun) * RATE:
                    sender.send(DATAGRAM)
                    self.sent += 1
                time.sleep(0.002)

    def __enter__(self) -> "Load":
        self.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self.over.set()
        self.join()


def scrape() -> Page:
    connection = http.client.HTTPConnection(HOST, WEB_PORT, timeout=20)
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, body
        return Page(body)
    finally:
        connection.close()


def send(line: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(line, (HOST, UDP_PORT))


class UnitsTest(unittest.TestCase):
    manager: Manager

    @classmethod
    def setUpClass(cls) -> None:
        cls.manager = Manager()
        cls.addClassCleanup(cls.manager.stop)

    def setUp(self) -> None:
        self.manager.install(binary(), MAPPING)
        self.manager.drop_in(LOGGED)
        self.manager.run("systemctl", "reset-failed")  # and how often it was started
        self.addCleanup(self.manager.run, "systemctl", "stop", SOCKET, WEB, SERVICE)

    def start(self, more: str = "") -> None:
        self.manager.drop_in(LOGGED + more)
        self.manager.run("systemctl", "start", SOCKET, WEB, SERVICE)

    def main_pid(self) -> int:
        """As its namespace counts."""
        return int(self.manager.property(SERVICE, "MainPID"))

    def assert_all_there(self, sent: int) -> None:
        """Each datagram was received or is in the kernel's count; counts of before go on."""
        def there(page: Page) -> float:
            return page.total("job_total") + LINES * page.total(DROPPED)

        wait_until("all is worked off", lambda: there(scrape()) >= LINES * sent, 20)
        page = scrape()
        self.assertEqual(there(page), LINES * sent, self.log())
        self.assertEqual(page.total(DROPPED), 0)

    def log(self) -> str:
        return self.manager.root("/run/server.log").read_text(errors="replace")

    def status(self, pid: int) -> dict[str, str]:
        text = self.manager.root(f"/proc/{pid}/status").read_text()
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def test_as_they_are(self) -> None:
        """Ready when systemd says so, with its sockets, without a right."""
        self.start()
        page = scrape()
        send(b"job.a:3|c")
        wait_until("it is counted", lambda: scrape().get("job_total", which="a") == 3)
        self.assertEqual(self.manager.property(SERVICE, "ActiveState"), "active")
        self.assertIn("Receiving", self.manager.property(SERVICE, "StatusText"))
        status = self.status(self.main_pid())
        self.assertNotIn("0", status["Uid"].split())
        self.assertEqual({int(status[f"Cap{which}"], 16) for which in ("Inh", "Prm", "Eff", "Bnd",
                                                                      "Amb")}, {0})
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        granted = {value for (_, labels), value in
                   page.families["bacowr_statsd_udp_receive_buffer_bytes"].samples.items()}
        self.assertGreaterEqual(min(granted), 4 << 20)

    def test_the_first_datagram_starts_it(self) -> None:
        self.manager.run("systemctl", "start", SOCKET, WEB)
        self.assertEqual(self.manager.property(SERVICE, "ActiveState"), "inactive")
        send(b"job.first:1|c")
        wait_until("it is counted", lambda: scrape().get("job_total", which="first") == 1)
        self.assertEqual(self.manager.property(SERVICE, "ActiveState"), "active")

    def test_reload(self) -> None:
        """The mapping is read again, by the same process."""
        self.start()
        pid = self.main_pid()
        self.manager.root("/etc/bacowr-statsd/mapping.yml").write_text(OTHER_MAPPING)
        self.manager.run("systemctl", "reload", SERVICE)
        wait_until("it is reloaded", lambda: scrape().total(
            "statsd_exporter_config_reloads_total", outcome="success") >= 1)
        send(b"other.b:1|c")
        wait_until("the new rule holds", lambda: scrape().get("other_total", which="b") == 1)
        self.assertEqual(self.main_pid(), pid)
        self.assertEqual(self.manager.property(SERVICE, "ActiveState"), "active")

    def test_restarts_under_load(self) -> None:
        """What arrives meanwhile waits in the sockets; with a state file counts go on."""
        self.start(STATE)
        pids = [self.main_pid()]
        with Load() as load:
            for _ in range(4):
                time.sleep(0.2)
                self.manager.run("systemctl", "restart", SERVICE)
                pids.append(self.main_pid())
            time.sleep(0.1)
        self.assertEqual(len(set(pids)), 5)
        self.assert_all_there(load.sent)

    def test_hand_overs_under_load(self) -> None:
        """`systemctl reload` with the drop-in of docs/restart.md: another process, and the unit, its
        streams and its counts go on."""
        self.start(documented_drop_in())
        pids = [self.main_pid()]
        with Load() as load, socket.create_connection((HOST, UDP_PORT)) as stream:
            for n in range(4):
                stream.sendall(b"job.stream:1|c\njob.str")
                time.sleep(0.2)
                self.manager.run("systemctl", "reload", SERVICE)
                wait_until("systemd knows the new process", lambda: self.main_pid() != pids[-1])
                pids.append(self.main_pid())
                stream.sendall(b"eam:1|c\n")
            time.sleep(0.1)
        wait_until("the stream is counted",
                   lambda: scrape().get("job_total", which="stream") == 8)
        self.assertEqual(self.manager.property(SERVICE, "ActiveState"), "active")
        self.assertEqual(self.manager.property(SERVICE, "NRestarts"), "0")
        page = scrape()
        self.assertEqual(page.get("bacowr_statsd_handovers_total", outcome="success"), 4, self.log())
        self.assertEqual(page.get("job_total", which="load") + LINES * page.total(DROPPED),
                         LINES * load.sent)
        self.assertEqual(page.get("statsd_exporter_udp_packets_total") + page.total(DROPPED),
                         load.sent)

    def test_one_that_hangs_or_dies_is_started_again(self) -> None:
        """The watchdog ends who stands still; the sockets hold what comes meanwhile."""
        self.start("WatchdogSec=1\nRestartSec=100ms\n")
        for signal in ("SIGSTOP", "SIGKILL"):
            pid = self.main_pid()
            self.manager.run("systemctl", "kill", f"--signal={signal}", "--kill-whom=main", SERVICE)
            send(b"job.meanwhile:1|c")
            wait_until("another one runs", lambda: self.main_pid() not in (0, pid), 20)
            wait_until("it has what came", lambda: scrape().get("job_total", which="meanwhile") == 1)
        self.assertEqual(self.manager.property(SERVICE, "NRestarts"), "2")


if __name__ == "__main__":
    unittest.main()
