# SPDX-License-Identifier: Apache-2.0
"""--statsd.udp-gro: the kernel hands over groups of datagrams, and everybody sees single ones.

The sender is a real one with UDP_SEGMENT; on loopback its groups reach the socket as they are. No
line here ends with LF, so a boundary that is missed makes one line of two.
"""

from __future__ import annotations

import array
import ctypes
import errno
import json
import os
import platform
import random
import signal
import socket
import struct
import sys
import unittest

from lib.exposition import Page
from lib.harness import HOST, Ports, Server, ServerTest, new_folder, run, wait_until
from lib.load import SOL_UDP, send_group
from server.test_sources import sender
from server.test_systemd import Activated
from server.test_tap import Stream

GRO = "--statsd.udp-gro"
RECEIVED = "statsd_exporter_udp_packets_total"
GROUPS = "bacowr_statsd_udp_received_groups_total"
DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
REFUSED = "bacowr_statsd_udp_refused_datagrams_total"
RATIO = "bacowr_statsd_udp_loss_ratio"
UDP_GRO, SO_TIMESTAMP = 104, 29
SETSOCKOPT = {"x86_64": 54, "aarch64": 208}


def counter(size: int, name: str = "n") -> bytes:
    """A line of so many bytes that adds 1."""
    return (name + "x" * (size - len(name) - 4) + ":1|c").encode()


class GroTest(ServerTest):
    def fed(self, server: Server, sent: int) -> Page:
        """The page when all that was sent is accounted for, one by one."""
        def accounted(page: Page) -> float:
            return page.get(RECEIVED) + page.total(REFUSED)

        page = server.eventually("all are in", lambda p: accounted(p) >= sent and
                                 p.get("bacowr_statsd_datagrams_total") >= p.get(RECEIVED))
        self.assertEqual(accounted(page), sent)
        return page

    def send_sizes(self, server: Server) -> tuple[int, int, int]:
        """Groups of many sizes: how many groups, datagrams and bytes they were."""
        dice = random.Random(3)
        n_groups = n_datagrams = n_bytes = 0
        with sender(server, HOST) as s:
            for size in [5, 6, 7, 13, 16, 63, 64, 65, 100, 999, 1432, *dice.choices(range(5, 1500), k=40)]:
                n = dice.randint(2, min(64, 65000 // size))
                last = counter(dice.randint(5, size), "l")
                data = counter(size) * (n - 1) + last
                n_datagrams += send_group(s, size, data)
                n_bytes += len(data)
                n_groups += 1
                if n_groups % 3 == 0:
                    s.send(b"alone:1|c")
                    n_groups, n_datagrams, n_bytes = n_groups + 1, n_datagrams + 1, n_bytes + 9
        return n_groups, n_datagrams, n_bytes

    def test_groups_come_apart(self) -> None:
        """Whatever their size, and with a shorter last one: equal to what comes one by one."""
        pages = []
        for flags, joined in (([GRO], True), ([], False)):
            server = self.start(*flags)
            n_groups, n_datagrams, n_bytes = self.send_sizes(server)
            page = self.fed(server, n_datagrams)
            self.assertEqual(page.total(DROPPED), 0)
            self.assertEqual(page.total(GROUPS), n_groups if joined else n_datagrams)
            self.assertEqual(page.get("statsd_exporter_lines_total"), n_datagrams)
            self.assertEqual(page.value("bacowr_statsd_received_bytes_total", transport="udp"), n_bytes)
            self.assertEqual(page.refused(), {})
            pages.append(page.users())
        self.assertEqual(pages[0], pages[1])
        self.assertGreater(len(pages[0]), 50)

    def test_lines_and_odd_ends(self) -> None:
        """Datagrams of several lines, with LFs at their ends or CRs, empty ones, and garbage."""
        data = b"a:1|c\nb:2|c\na:1|c\r\nbad\na:1"
        server = self.start(GRO)
        with sender(server, HOST) as s:
            n = send_group(s, 12, data[:12] * 5)          # a:1|c b:2|c, LF between and at the end
            n += send_group(s, 11, data[:11] * 4 + b"\n")  # none at the end; the last is one LF
            n += send_group(s, 3, b"a:1|c\n" * 4)          # cut in the middle of lines
        page = self.fed(server, n)
        self.assertEqual((page.value("a"), page.value("b")), (9, 18))
        self.assertEqual(sum(page.refused().values()), 8)

    def test_many_groups_that_wait(self) -> None:
        """More than a call receives, of a stopped server, on one thread and on several."""
        for flags in ([GRO], [GRO, "--statsd.ingest-threads=3"]):
            server = self.start(*flags)
            server.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
            n = 0
            for i in range(2, 22):
                with sender(server, f"127.0.0.{i}") as s:
                    for size in (20, 33):
                        n += send_group(s, size, counter(size) * 50 + counter(10))
            server.signal(signal.SIGCONT)
            page = self.fed(server, n)
            self.assertEqual(page.total(GROUPS), 40)
            self.assertEqual(page.value(counter(10)[:-4].decode()), 40)

    def test_everybody_sees_single_datagrams(self) -> None:
        """Lists, counts of senders and limits go by datagrams."""
        server = self.start(GRO, "--statsd.sources=16", "--statsd.udp-allow=127.0.0.2",
                            "--statsd.udp-allow=127.0.0.4", "--statsd.source-max-datagrams=10",
                            "--statsd.source-burst=3s")
        server.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
        with sender(server, "127.0.0.2") as a, sender(server, "127.0.0.3") as stranger, \
                sender(server, "127.0.0.4") as loud:
            n = send_group(a, 8, counter(8) * 20 + counter(5))
            n += send_group(stranger, 8, counter(8, "s") * 30)
            n += send_group(loud, 8, counter(8) * 60)
            n += send_group(a, 9, b"nonsense!" * 5)
        server.signal(signal.SIGCONT)
        page = self.fed(server, n)
        told = json.loads(server.get("/api/v1/sources").body)
        known = {s["address"]: (s["datagrams"], s["bytes"], s["limited"]) for s in told["sources"]}
        passed = known["127.0.0.4"][0]
        self.assertIn(passed, (30, 31, 32))  # as the time goes on between two of its batches
        self.assertEqual(known, {"127.0.0.2": (26, 165 + 45, 0),
                                 "127.0.0.4": (passed, 8 * passed, 60 - passed)})
        self.assertEqual([(s["address"], s["datagrams"]) for s in told["refused"]],
                         [("127.0.0.3", 30)])
        self.assertEqual(page.total(REFUSED, reason="not_allowed"), 30)
        self.assertEqual(page.total(REFUSED, reason="limited"), 60 - passed)
        self.assertEqual(page.total(GROUPS), 4)
        self.assertEqual(page.value(counter(8)[:-4].decode()), 20 + passed)

    def test_tap_and_relay(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
            target.bind((HOST, 0))
            target.settimeout(10)
            server = self.start(GRO, f"--statsd.relay.address={HOST}:{target.getsockname()[1]}")
            with Stream(server, "form=capture") as tap, sender(server, HOST) as s:
                tap.line()
                n = send_group(s, 9, counter(9) * 30 + counter(6))
                tapped = [tap.line().split(b" ", 2)[1:] for _ in range(n)]
            relayed = b""
            while relayed.count(counter(6)) == 0:
                relayed += target.recv(65536) + b"\n"
        wanted = [counter(9)] * 30 + [counter(6)]
        self.assertEqual(relayed.split(), wanted)
        self.assertEqual(tapped, [[b"+", line + b"\n"] for line in wanted])  # each in its own

    def test_a_group_is_one_drop(self) -> None:
        """So groups add up, and the ratio of loss is one of groups."""
        server = self.start(GRO, "--statsd.read-buffer=65536")
        server.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
        with sender(server, HOST) as s:
            for _ in range(400):
                send_group(s, 100, counter(100) * 10)
        server.signal(signal.SIGCONT)
        page = server.eventually("all groups are accounted for",
                                 lambda p: p.total(GROUPS) + p.total(DROPPED) >= 400 and
                                 p.get("bacowr_statsd_datagrams_total") == p.get(RECEIVED))
        self.assertGreater(page.total(DROPPED), 0)
        self.assertEqual(page.total(GROUPS) + page.total(DROPPED), 400)
        self.assertEqual(page.get(RECEIVED), 10 * page.total(GROUPS))
        self.assertAlmostEqual(page.value(RATIO, listener=f"{HOST}:{server.ports.udp}"),
                               page.total(DROPPED) / 400, 6)

    def test_other_sockets_have_no_words(self) -> None:
        """A descriptor sent to the Unix socket beside it stays where it was."""
        with new_folder() as folder:
            path = folder / "gram"
            server = self.start(GRO, f"--statsd.listen-unixgram={path}")
            before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            with sender(server, HOST) as s, \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gram:
                gram.connect(str(path))
                for _ in range(20):
                    send_group(s, 8, counter(8) * 20)
                    gram.sendmsg([b"gram:1|c"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                  array.array("i", [0, 1, 2]))])
                page = server.eventually("all are in", lambda p: p.get("gram") == 20 and
                                         p.get(RECEIVED) == 400)
            self.assertEqual(page.value(counter(8)[:-4].decode()), 400)
            wait_until("nothing is left open",
                       lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) <= before)

    def test_ipv6(self) -> None:
        server = self.start(GRO)
        ports = server.ports
        server.stop()
        try:
            server = self.start(GRO, f"--statsd.listen-udp=[::1]:{ports.udp}", ports=ports)
        except Exception:
            self.skipTest("no address ::1")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.connect(("::1", ports.udp))
            n = send_group(s, 8, counter(8) * 9 + counter(5))
        page = self.fed(server, n)
        self.assertEqual((page.total(GROUPS), page.value(counter(8)[:-4].decode())), (1, 9))

    def test_a_socket_that_was_joined_stays_so(self) -> None:
        """Passed by the service manager, with groups in it, to a server without the flag."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
            s.bind((HOST, 0))
            s.setsockopt(SOL_UDP, UDP_GRO, 1)
            s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)  # another word on each
            to.connect(s.getsockname())
            for _ in range(20):
                n = send_group(to, 8, counter(8) * 20 + counter(5))
            server = Activated([(s, "udp")], [], Ports(), name=self.id())
            self.addCleanup(server.kill)
            self.addCleanup(server.stop)
        page = self.fed(server, 20 * n)
        self.assertEqual(page.value(counter(8)[:-4].decode()), 400)
        self.assertEqual(page.total(GROUPS), 20)
        self.assertIn("event=udp_gro_kept", server.log())

    def test_a_kernel_that_cannot(self) -> None:
        number = SETSOCKOPT.get(platform.machine())
        if number is None:
            self.skipTest("the number of setsockopt is not known here")
        server = _Filtered([GRO], None, self.id())
        self.addCleanup(server.kill)
        self.addCleanup(server.stop)
        self.assertIn("event=udp_gro_refused", server.log())
        self.assertIn(f'error="{os.strerror(errno.ENOPROTOOPT).lower()}', server.log().lower())
        with sender(server, HOST) as s:
            n = send_group(s, 8, counter(8) * 20)
        page = self.fed(server, n)
        self.assertEqual(page.total(GROUPS), 20)

    def test_it_is_off(self) -> None:
        self.assertIn("--[no-]statsd.udp-gro", run("--help").stdout)
        log = self.start().log()
        self.assertNotIn("udp_gro", log)


class _Filtered(Server):
    """UDP_GRO is an option that its kernel does not know: a filter of seccomp answers."""

    runner = (sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); "
              "from server.test_gro import forget_gro; import os; forget_gro(); "
              "os.execv(sys.argv[2], sys.argv[2:])", os.path.dirname(os.path.dirname(__file__)))


def forget_gro() -> None:
    """For this process, and what it becomes."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 5, SETSOCKOPT[platform.machine()]),  # which call
            (0x20, 0, 0, 24), (0x15, 0, 3, SOL_UDP), (0x20, 0, 0, 32), (0x15, 0, 1, UDP_GRO),
            (0x06, 0, 0, 0x00050000 | errno.ENOPROTOOPT), (0x06, 0, 0, 0x7fff0000)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("@HxxxxxxP", len(code),
                                                      ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    unittest.main()
