# SPDX-License-Identifier: Apache-2.0
"""A load of StatsD lines whose totals are known, and ways to send it.

make_load() gives datagrams and what a server must show after all of them. Values are small whole
numbers and rates powers of two, so that sums are exact in a double and can be compared as such.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import defaultdict
from dataclasses import dataclass, field

HOST = "127.0.0.1"
SERIES = 20                # of each type
MAX_DATAGRAM = 1400        # bytes
QUEUE_LIMIT = 48 * 1024    # bytes waiting at the receiver, below any default receive buffer
CHECK_EVERY = 16           # datagrams between two looks at that queue


@dataclass
class Load:
    datagrams: list[bytes] = field(default_factory=list)
    n_lines: int = 0
    totals: dict[str, float] = field(default_factory=dict)  # by series, as Page.users() spells it


def make_load(lines_of_each_type: int, seed: int = 1) -> Load:
    """Lines of all six types in random order of series, but each type's own lines in order."""
    dice = random.Random(seed)
    load, writer = Load(), _Writer()
    sums: defaultdict[str, float] = defaultdict(float)
    members: defaultdict[str, set[int]] = defaultdict(set)
    for _ in range(lines_of_each_type):
        i, value = dice.randrange(SERIES), dice.randrange(1, 1000)
        series = f'{{n="{i}"}}'
        writer.add(f"load.c:{value}|c|@0.5|#n:{i}")
        sums[f"load_c{series}"] += value * 2
        writer.add(f"load.g:{value}|g|#n:{i}")
        sums[f"load_g{series}"] = value
        for kind, unit in (("ms", 0.001), ("h", 1), ("d", 1)):
            writer.add(f"load.{kind}:{value}|{kind}|#n:{i}")
            sums[f"load_{kind}_sum{series}"] += value * unit
            sums[f"load_{kind}_count{series}"] += 1
        writer.add(f"load.s:{value % 100}|s|#n:{i}")
        members[f"load_s{series}"].add(value % 100)
    load.datagrams, load.n_lines = writer.finish(), 6 * lines_of_each_type
    load.totals = dict(sums) | {name: float(len(seen)) for name, seen in members.items()}
    return load


class _Writer:
    """Packs lines into datagrams."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.lines: list[str] = []
        self.size = 0

    def add(self, line: str) -> None:
        if self.size + len(line) + 1 > MAX_DATAGRAM:
            self._flush()
        self.lines.append(line)
        self.size += len(line) + 1

    def _flush(self) -> None:
        self.datagrams.append("\n".join(self.lines).encode())
        self.lines, self.size = [], 0

    def finish(self) -> list[bytes]:
        self._flush()
        return self.datagrams


def queued_bytes(port: int) -> int:
    """What waits in the receive queues of the loopback UDP sockets on this port."""
    total = 0
    with open("/proc/net/udp", encoding="ascii") as file:
        for line in file:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}"):
                total += int(fields[4].split(":")[1], 16)
    return total


def send_paced(port: int, datagrams: list[bytes]) -> None:
    """As fast as the receiver takes them, but never more than its buffer holds: nothing is lost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((HOST, port))
        for n, datagram in enumerate(datagrams):
            if n % CHECK_EVERY == 0:
                _wait_for_room(port)
            sender.send(datagram)


def _wait_for_room(port: int) -> None:
    end = time.monotonic() + 60
    while queued_bytes(port) > QUEUE_LIMIT:
        if time.monotonic() > end:
            raise TimeoutError("the receiver has stopped")
        time.sleep(0.0005)


def send_flat_out(port: int, datagrams: list[bytes], source: str = HOST) -> None:
    """Regardless of the receiver."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.connect((HOST, port))
        for datagram in datagrams:
            sender.send(datagram)


SOL_UDP, UDP_SEGMENT = 17, 103


def send_group(s: socket.socket, size: int, data: bytes) -> int:
    """Datagrams of @size bytes in one call, the last of them perhaps shorter; how many they are. On
    loopback they stay together until they reach a socket."""
    s.sendmsg([data], [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))])
    return -(-len(data) // size)
