#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One server after another takes over under load, and every line is accounted for.

    handover.py --restarts 20 --rate 200000 --binary build/bacowr-statsd

Half of the lines come by UDP, twenty in a datagram, half through four TCP connections that are cut
anywhere and stay open all the time; a scraper looks on. What was sent over UDP must be received or
in the kernel's count, what was sent over TCP must be counted, and no counter may fall.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import socket
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.exposition import Page  # noqa: E402
from lib.harness import HOST, Server, new_folder  # noqa: E402

DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
RECEIVED = "statsd_exporter_udp_packets_total"
TAKEN = "bacowr_statsd_handovers_total"
UDP_LINES = b"\n".join([b"torture.udp:1|c|#of:%d" % (n % 10) for n in range(20)])
TCP_LINES = b"".join(b"torture.tcp:1|c|#of:%d\n" % (n % 10) for n in range(100))
CONNECTIONS = 4
TURN = 0.005  # seconds from one look at the clock to the next
BETWEEN = 0.4  # seconds from one hand-over to the next


@dataclass
class Result:
    restarts: int
    lines: int
    seconds: float
    dropped: int      # datagrams
    pages: int
    held: list[float]  # seconds in which nobody read, of each

    def __str__(self) -> str:
        return (f"{self.restarts} hand-overs under {self.lines / self.seconds:.0f} lines/s: "
                f"{self.lines} lines sent, all counted but {self.dropped} datagrams dropped by the "
                f"kernel and counted there; {self.pages} pages, no counter fell; nobody read for "
                f"{1000 * sorted(self.held)[len(self.held) // 2]:.0f} ms "
                f"(at most {1000 * max(self.held):.0f})")


def paced(rate: float, over: "Synchronized[int]") -> Iterator[int]:
    """How many are due, again and again."""
    begun, done = time.monotonic(), 0
    while not over.value:
        due = int((time.monotonic() - begun) * rate) - done
        done += due
        yield due
        time.sleep(TURN)


def send_udp(port: int, rate: float, over: "Synchronized[int]", sent: "Synchronized[int]") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((HOST, port))
        for due in paced(rate / 20, over):
            for _ in range(due):
                sender.send(UDP_LINES)
            sent.value += due


def send_tcp(port: int, rate: float, over: "Synchronized[int]", sent: "Synchronized[int]") -> None:
    dice = random.Random(port)
    connections = [socket.create_connection((HOST, port)) for _ in range(CONNECTIONS)]
    rests = [b""] * CONNECTIONS  # what of the last lines was not sent yet
    for due in paced(rate / 100, over):
        for _ in range(due):
            k = dice.randrange(CONNECTIONS)
            data = rests[k] + TCP_LINES
            cut = len(data) - dice.randrange(len(TCP_LINES))
            connections[k].sendall(data[:cut])
            rests[k] = data[cut:]
        sent.value += due
    for connection, rest in zip(connections, rests):
        connection.sendall(rest)
        connection.close()


class Watch(threading.Thread):
    """Scrapes all the time; the first counter that falls is kept."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server, self.over, self.pages = server, threading.Event(), 0
        self.fault = ""

    def run(self) -> None:
        seen: dict[object, float] = {}
        while not self.over.is_set() and not self.fault:
            try:
                page = Page(self.server.get("/metrics").body.decode())
            except OSError as fault:
                self.fault = f"a scrape failed: {fault!r}"
                return
            self.pages += 1
            for family in page.families.values():
                if family.type != "counter":
                    continue
                for key, value in family.samples.items():
                    if value < seen.get(key, 0):
                        self.fault = f"{key} fell from {seen[key]} to {value}"
                    seen[key] = value
            time.sleep(0.02)


def held(server: Server) -> list[float]:
    return [float(line.split("seconds_held=")[1].split()[0])
            for line in server.log().splitlines() if "event=handed_over" in line]


def settled(server: Server, udp: int, tcp: int) -> Page:
    """A datagram counts as received before its lines count, and a page shows counters of the server
    as they were before it looked at the series."""
    return server.eventually("all is worked off", lambda page: (
        page.get(RECEIVED) + page.total(DROPPED) >= udp and page.total("torture_tcp") >= tcp
        and page.total("torture_udp") >= 20 * page.get(RECEIVED)
        and page.value("statsd_exporter_lines_total") >= 20 * page.get(RECEIVED) + tcp), 60)


def check_account(page: Page, udp: int, tcp: int, restarts: int) -> None:
    received, dropped = page.value(RECEIVED), page.total(DROPPED)
    assert received + dropped == udp, f"{received} + {dropped} of {udp} datagrams"
    assert page.total("torture_udp") == 20 * received, f"{page.total('torture_udp')} of UDP"
    assert page.total("torture_tcp") == tcp, f"{page.total('torture_tcp')} of {tcp} TCP lines"
    assert page.value("statsd_exporter_lines_total") == 20 * received + tcp
    assert page.value(TAKEN, outcome="success") == restarts
    assert page.value("statsd_exporter_tcp_connections_total") == CONNECTIONS


def hand_over(restarts: int, rate: float, *flags: str) -> Result:
    with new_folder() as folder, Server([f"--control.socket={folder / 'control'}", *flags],
                                        name="torture-handover") as server:
        over = multiprocessing.Value("i", 0)
        udp, tcp = multiprocessing.Value("q", 0), multiprocessing.Value("q", 0)
        senders = [multiprocessing.Process(target=target, args=(port, rate / 2, over, sent))
                   for target, port, sent in ((send_udp, server.ports.udp, udp),
                                              (send_tcp, server.ports.tcp, tcp))]
        watch = Watch(server)
        begun = time.monotonic()
        for thread in (*senders, watch):
            thread.start()
        try:
            for _ in range(restarts):
                time.sleep(BETWEEN)
                server.replace()
        finally:
            over.value = 1
            seconds = time.monotonic() - begun
            for sender in senders:
                sender.join()
        page = settled(server, udp.value, 100 * tcp.value)
        watch.over.set()
        watch.join()
        assert not watch.fault, watch.fault
        check_account(page, udp.value, 100 * tcp.value, restarts)
        return Result(restarts, 20 * udp.value + 100 * tcp.value, seconds,
                      int(page.total(DROPPED)), watch.pages, held(server))


def main() -> int:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200_000, help="lines/s")
    parser.add_argument("--binary", type=Path, help="else BACOWR_STATSD, else build/bacowr-statsd")
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["BACOWR_STATSD"] = str(arguments.binary)
    print(hand_over(arguments.restarts, arguments.rate))
    return 0


if __name__ == "__main__":
    sys.exit(main())
