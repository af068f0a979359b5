# SPDX-License-Identifier: Apache-2.0
"""Networks that drop, delay, repeat and reorder: what arrived is counted, and only that."""

from __future__ import annotations

import heapq
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

from lib.harness import HOST, ROOT, Server
from lib.load import send_paced
from torture.promise import Trial, check, promise

DROPPED = "bacowr_statsd_udp_kernel_dropped_datagrams_total"
RECEIVED = "statsd_exporter_udp_packets_total"
RULES = """
table inet torture {{
  chain in {{
    type filter hook input priority 0;
    udp dport {port} numgen random mod 100 < {percent} counter drop
  }}
}}
"""


def nft(text: str) -> str:
    done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_namespace(short: bool, name: str) -> str:
    """Within a network namespace of its own; see below."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    told = []
    for percent in (1, 10, 50):
        with Server(name=name) as server:
            nft("flush ruleset")
            nft(RULES.format(port=server.ports.udp, percent=percent))
            n = 5_000 if short else 200_000
            send_paced(server.ports.udp, [b"lossy:1|c\nmore:1|c"] * n)
            listed = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True)
            found = re.search(r"counter packets (\d+)", listed.stdout)
            assert found, listed.stdout + listed.stderr
            thrown = int(found[1])
            server.sent_datagrams = n - thrown
            page = server.settle()
            received, dropped = page.get(RECEIVED), page.total(DROPPED)
            check(thrown > 0, "the network lost nothing")
            check(received + dropped + thrown == n,
                  f"{n} sent, {received:g} received, {dropped:g} dropped, {thrown} lost on the way")
            check(page.get("lossy") == received == page.get("more"), "lines are missing")
            told.append(f"{thrown} of {n}")
    return f"lost on the way: {', '.join(told)}; sent = received + dropped + lost, each time"


@promise("loss.network", "sent is what was received, dropped by the kernel, and lost on the way")
def network(trial: Trial) -> str:
    """nftables drops 1, 10, 50 % at random, in a network namespace of its own (no root needed); its
    counter is the third term"""
    code = (f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); "
            f"from torture.promises import loss; "
            f"print(loss.in_namespace({trial.short}, {trial.name!r}))")
    done = subprocess.run(["unshare", "--map-root-user", "--net", sys.executable, "-B", "-c", code],
                          capture_output=True, text=True, env=os.environ)
    check(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout.strip()


class Relay(threading.Thread):
    """Between a sender and the server: it delays each datagram by chance, so they change places;
    some it repeats, some it loses."""

    def __init__(self, port: int, trial: Trial) -> None:
        super().__init__(daemon=True)
        self.dice, self.port = trial.dice, port
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind((HOST, 0))
        self.inside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.counts: Counter[str] = Counter()
        self.delivered: Counter[bytes] = Counter()
        self.ended = threading.Event()

    def run(self) -> None:
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        waiting: list[tuple[float, int, bytes]] = []
        last = -1
        while waiting or not self.ended.is_set():
            if select.select([self.inside], [], [], 0.001)[0]:
                self.take(self.inside.recv(65536), waiting)
            while waiting and waiting[0][0] <= time.monotonic():
                _, number, data = heapq.heappop(waiting)
                self.counts["reordered"] += number < last
                last = max(last, number)
                out.sendto(data, (HOST, self.port))
                self.counts["delivered"] += 1
                self.delivered.update(data.split(b"\n"))
                if self.counts["delivered"] % 200 == 0:
                    time.sleep(0.001)

    def take(self, data: bytes, waiting: list[tuple[float, int, bytes]]) -> None:
        self.counts["taken"] += 1
        fate = self.dice.random()
        if fate < 0.05:
            self.counts["lost"] += 1
            return
        for _ in range(2 if fate > 0.97 else 1):
            due = time.monotonic() + self.dice.random() ** 3 * 0.2
            heapq.heappush(waiting, (due, self.counts["taken"], data))
        self.counts["repeated"] += fate > 0.97


@promise("loss.order", "what a network delays, repeats and reorders counts as often as it came")
def order(trial: Trial) -> str:
    """A relay in user space delays each datagram by up to 200 ms, loses 5 %, sends 3 % twice; the
    page is held against what it delivered"""
    n = trial.pick(3_000, 200_000)
    with Server(["--statsd.ingest-threads=2"], name=trial.name) as server:
        relay = Relay(server.ports.udp, trial)
        relay.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for i in range(n):
                sender.sendto(f"way.n{i % 97}:1|c\nway.all:1|c\nway.took:{i % 7}|h".encode(),
                              relay.inside.getsockname())
                if i % 50 == 0:
                    time.sleep(0.001)
        time.sleep(0.3)
        relay.ended.set()
        relay.join()
        server.sent_datagrams = relay.counts["delivered"]
        page = server.settle()
    check(page.total(DROPPED) == 0, "the kernel dropped some")
    for line, times in relay.delivered.items():
        name, _, rest = line.decode().replace(".", "_").partition(":")
        if rest.endswith("|c"):
            check(page.get(name) == times, f"{name}: {page.get(name):g}, delivered {times}")
    check(page.get("way_took_count") == relay.counts["delivered"], "observations are missing")
    return json.dumps(dict(relay.counts)).strip("{}").replace('"', "") + ": all counts exact"
