# SPDX-License-Identifier: Apache-2.0
"""Slow scrapers of a large page while its series are born, expire and come back."""

from __future__ import annotations

import re
import socket
import threading
import time

from lib.harness import HOST, Server
from lib.load import send_paced
from torture.promise import Trial, check, promise

MAPPING = """
mappings:
- {match: 'steady.*', name: steady_total, labels: {id: $1}}
- {match: 'passing.*', name: passing_total, labels: {id: $1}, ttl: 1s}
"""
FAMILIES = 40
LINES_OF_A_DATAGRAM = 40


class Scraper(threading.Thread):
    """Reads pages a little at a time, and judges each."""

    def __init__(self, port: int, n_steady: int, seconds: float, nth: int) -> None:
        super().__init__(daemon=True)
        self.port, self.n_steady, self.nth = port, n_steady, nth
        self.end = time.monotonic() + seconds
        self.seconds = seconds
        self.wrong = ""
        self.n_pages = 0
        self.n_cut = 0
        self.longest = 0.0
        self.before: dict[str, float] = {}

    def run(self) -> None:
        try:
            while time.monotonic() < self.end and not self.wrong:
                begin = time.monotonic()
                page = self.read_page()
                self.longest = max(self.longest, time.monotonic() - begin)
                if page is None:
                    self.n_cut += 1
                else:
                    self.judge(page)
        except Exception as error:
            self.wrong = f"{type(error).__name__}: {error}"

    def read_page(self) -> bytes | None:
        """None: it took longer than a page may, and was cut off."""
        with socket.socket() as connection:
            connection.settimeout(30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            connection.connect((HOST, self.port))
            connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
            data, begin = bytearray(), time.monotonic()
            while True:
                try:
                    piece = connection.recv(1 << 17)
                except ConnectionResetError:
                    return None
                if not piece:
                    break
                data += piece
                if len(data) % 5 == self.nth % 5 and time.monotonic() - begin < 4:
                    time.sleep(0.002)
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        assert b" 200 " in head[:20], head[:200]
        return body

    def judge(self, body: bytes) -> None:
        found: dict[str, float] = {}
        for match in re.finditer(rb"^((?:steady|passing)_total\S*|steady\d+) (\S+)$", body, re.M):
            key = match[1].decode()
            if key in found:
                self.wrong = f"{key} stands twice on a page"
                return
            found[key] = float(match[2])
        steady = {key: value for key, value in found.items() if not key.startswith("passing")}
        if len(steady) != self.n_steady:
            self.wrong = f"{len(steady)} of {self.n_steady} steady series on a page"
        for key, value in self.before.items():
            if steady.get(key, 0) < value:
                self.wrong = f"{key} fell from {value} to {steady.get(key, 0)}"
        self.before = steady
        self.n_pages += 1


def in_datagrams(lines: list[str]) -> list[bytes]:
    return ["\n".join(lines[at:at + LINES_OF_A_DATAGRAM]).encode()
            for at in range(0, len(lines), LINES_OF_A_DATAGRAM)]


@promise("scrapers", "a slow scrape shows each series once, misses none that lived, and no counter "
                     "falls", build="release")
def scrapers(trial: Trial) -> str:
    """Ten slow scrapers of a million series (20 000 in short) while other series of the same
    families are born, expire and come back, and all counters rise"""
    n_steady, seconds = trial.pick(20_000, 1_000_000), trial.seconds(2, 300)
    steady = [f"steady.n{i}:1|c" for i in range(n_steady - FAMILIES)]
    steady += [f"steady{i}:1|c" for i in range(FAMILIES)]
    with Server(["--statsd.max-series=1100000"], MAPPING, trial.name) as server:
        send_paced(server.ports.udp, in_datagrams(steady))
        server.sent_datagrams = len(in_datagrams(steady))
        rounds = 1
        server.eventually("all are born", lambda p: p.total("bacowr_statsd_series") >= n_steady, 120)
        crowd = [Scraper(server.ports.web, n_steady, seconds, nth) for nth in range(10)]
        for scraper in crowd:
            scraper.start()
        dice, number = trial.dice, 0
        while any(scraper.is_alive() for scraper in crowd):
            lines = []
            for _ in range(2000):
                number += dice.random() < 0.7
                which = number if dice.random() < 0.7 else dice.randrange(number + 1)
                lines.append(f"passing.n{which % 50_000}:1|c")
            lines += [f"steady{i}:1|c" for i in range(FAMILIES)]
            rounds += 1
            send_paced(server.ports.udp, in_datagrams(lines))
            server.sent_datagrams += len(in_datagrams(lines))
            time.sleep(0.05)
        page = server.eventually("passing ones are gone", lambda p: p.total("passing_total") == 0, 60)
        for scraper in crowd:
            check(not scraper.wrong, scraper.wrong)
        for i in range(FAMILIES):
            check(page.get(f"steady{i}") == rounds, f"steady{i}: {page.get(f'steady{i}')} {rounds}")
        born = page.total("bacowr_statsd_series_born_total")
        gone = page.total("bacowr_statsd_series_expired_total")
    n_pages = sum(scraper.n_pages for scraper in crowd)
    check(n_pages >= 10, f"only {n_pages} pages were read")
    return (f"{n_pages} pages of {n_steady} series and more, the slowest "
            f"{max(s.longest for s in crowd):.1f} s, {sum(s.n_cut for s in crowd)} cut off as too "
            f"slow; {born:g} births, {gone:g} ends: none double, none missing")
