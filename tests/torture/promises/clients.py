# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, broken or hostile, by hundreds, beside one that is neither."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import time
from typing import Callable

from lib.harness import HOST, Server, new_folder, wait_until
from torture.promise import Trial, check, promise

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nX-Filler: " + b"y" * 200
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close that resets
SERIES = 5000


def rss(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def connect(port: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((HOST, port))
    return connection


@promise("clients.slow", "a thousand slow readers cost themselves, not the scrape and no line",
         build="release")
def slow(trial: Trial) -> str:
    """A thousand connections send a request byte by byte, or read a page of 5000 series so, or
    nothing at all, while lines come and a scraper scrapes"""
    dice, n_clients = trial.dice, trial.pick(200, 1000)
    with Server(["--web.timeout=5s"], name=trial.name) as server:
        server.send(*[f"large{i}:1|c|#filler:{'f' * 100}".encode() for i in range(SERIES)])
        server.settle()
        before, memory = descriptors(server.process.pid), rss(server.process.pid)
        clients: list[tuple[socket.socket, int]] = []
        slowest, n_lines, n_scrapes, n_refused = 0.0, 0, 0, 0
        end = time.monotonic() + trial.seconds(2, 60)
        while time.monotonic() < end or len(clients) < n_clients:
            for _ in range(min(40, n_clients - len(clients))):
                clients.append((connect(server.ports.web), dice.choice([0, 40, len(GET)])))
            for nth, (client, sent) in enumerate(clients):
                with contextlib.suppress(OSError):
                    client.setblocking(False)
                    client.send(GET[sent:sent + 1] or b"\r\n\r\n")
                    client.recv(64)
                clients[nth] = client, sent + 1
            server.send(*[b"line:1|c"] * 20)
            n_lines += 20
            if dice.randrange(5) == 0:
                begin = time.monotonic()
                status = server.get("/metrics").status
                slowest = max(slowest, time.monotonic() - begin)
                n_scrapes += status == 200
                n_refused += status == 503  # all others went on within the last second
        peak = rss(server.process.pid) - memory
        for client, _ in clients:
            client.close()
        wait_until("connections are gone",
                   lambda: descriptors(server.process.pid) <= before + 1)
        page = server.settle()
        n_evicted = page.get("bacowr_statsd_http_connections_evicted_total")
        check(page.get("line") == n_lines, f"{page.get('line'):g} of {n_lines} lines")
        check(slowest < 3, f"a scrape took {slowest:.1f} s")
        check(n_scrapes > n_refused, f"{n_scrapes} scrapes, {n_refused} refused")
        check(peak < 200 << 20, f"{peak >> 20} MiB more")
    return (f"{n_clients} clients, {n_evicted:g} made room; {n_scrapes} scrapes, "
            f"{n_refused} refused, the slowest {slowest:.2f} s; "
            f"{peak / 2**20:.0f} MiB more, {n_lines} lines none lost, no descriptor left")


# ---- broken ones ----

Attack = Callable[[Server, random.Random], None]


def reset_within_a_line(server: Server, dice: random.Random) -> None:
    connection = connect(server.ports.tcp)
    connection.sendall(b"torn" + b"x" * dice.randrange(100))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def reset_within_a_page(server: Server, dice: random.Random) -> None:
    connection = connect(server.ports.web)
    connection.sendall(GET + b"\r\n\r\n")
    if dice.randrange(2):
        connection.recv(dice.randrange(1, 5000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def half_closed(server: Server, dice: random.Random) -> None:
    connection = connect(dice.choice([server.ports.tcp, server.ports.web]))
    connection.shutdown(socket.SHUT_WR)
    connection.close()


def garbage(server: Server, dice: random.Random) -> None:
    with contextlib.suppress(OSError), connect(
            dice.choice([server.ports.tcp, server.ports.web])) as connection:
        for _ in range(dice.randrange(5)):
            connection.sendall(dice.randbytes(dice.randrange(9000)))


def garbage_datagrams(server: Server, dice: random.Random) -> None:
    for _ in range(10):
        server.send(dice.randbytes(dice.randrange(3000)))


def garbage_frames(server: Server, dice: random.Random) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(server.folder / "stream"))
        size = dice.choice([0, 5, 65536, 1 << 31, dice.randrange(1 << 32)])
        connection.sendall(struct.pack("<I", size) + dice.randbytes(dice.randrange(6000)))


def half_open(server: Server, dice: random.Random, held: list[socket.socket]) -> None:
    """Open, and never heard of again."""
    held.append(connect(dice.choice([server.ports.tcp, server.ports.web])))
    if dice.randrange(2):
        held[-1].send(b"half")
    if len(held) > 300:
        held.pop(0).close()


@promise("clients.broken", "resets, half-open connections and garbage leave nothing behind")
def broken(trial: Trial) -> str:
    """Connections that reset within a line or a page, stay half open, or send random bytes, over
    every transport, beside a client whose lines all have to count"""
    dice, held = trial.dice, list[socket.socket]()
    attacks: list[Attack] = [reset_within_a_line, reset_within_a_page, half_closed, garbage,
                             garbage_datagrams, garbage_frames]
    with new_folder() as folder, Server(
            ["--web.timeout=2s", "--statsd.tcp-max-connections=500", "--statsd.max-series=20000",
             f"--statsd.listen-unix={folder / 'stream'}"], name=trial.name) as server:
        (server.folder / "stream").symlink_to(folder / "stream")
        time.sleep(0.2)
        before, n, n_lines = descriptors(server.process.pid), 0, 0
        end = time.monotonic() + trial.seconds(2, 180)
        while time.monotonic() < end:
            dice.choice(attacks)(server, dice)
            half_open(server, dice, held)
            n += 2
            if n % 10 == 0:
                server.stream("good:1|c\n" * 10)
                server.send(b"good:1|c")
                n_lines += 11
            if n % 100 == 0:
                server.settle()  # and a page that breaks no rule
        for connection in held:
            connection.close()
        page = server.eventually("all good lines", lambda p: p.get("good") == n_lines)
        wait_until("descriptors are given back",
                   lambda: descriptors(server.process.pid) <= before + 1)
        refused = sum(page.refused().values())
    return (f"{n} attacks, {refused:g} lines refused and counted; {n_lines} good lines, none lost; "
            f"no descriptor left")
