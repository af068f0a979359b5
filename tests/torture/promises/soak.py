# SPDX-License-Identifier: Apache-2.0
"""An hour of ordinary life: what grows, and what is missing at the end."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from lib.harness import Server
from lib.load import queued_bytes
from torture.promise import Trial, check, promise
from torture.promises.clients import descriptors

MAPPING = """
mappings:
- {match: 'steady.*', name: steady_total, labels: {id: $1}}
- {match: 'passing.*', name: passing, labels: {id: $1}, ttl: 1s}
- {match: 'took.*', name: took, observer_type: histogram, labels: {id: $1}}
"""
RISE_KIB = 512   # that memory may rise in the second half
WARM_KIB = 2048  # the same of a run whose second half begins before all tables have their size
WARM_SECONDS = 600
RATE = 800       # datagrams a second


def own_memory(pid: int) -> int:
    """Bytes that are the process's own. Pages of its files come and go as the machine needs memory:
    they would make a slope of nothing."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * sum(int(kib) for kib in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", status,
                                                     re.MULTILINE))


def slope(points: list[tuple[float, float]]) -> float:
    """Of the straight line nearest to the points."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def keep_pace(due: float, port: int) -> None:
    """Wait for the time when the next datagrams are due. Who is late, as on a machine that has other
    work too, catches up, no faster than the server reads: what it holds depends on the rate."""
    time.sleep(max(0.0, due - time.monotonic()))
    while queued_bytes(port) > 40_000:
        time.sleep(0.001)


@promise("soak", "memory and descriptors stay flat, and totals are exact", build="release", aside=True)
def soak(trial: Trial) -> str:
    """An hour (3 s in short) of lines of all types by UDP and streams, births and expiry of 800
    series a second, a page a second, reloads; the slope is that of the second half"""
    seconds = trial.seconds(3, 3600)
    points: list[tuple[float, float]] = []
    n, streams, begin = 0, 0, time.monotonic()
    with Server(["--statsd.ingest-threads=2"], MAPPING, trial.name) as server:
        files = 0
        while (now := time.monotonic() - begin) < seconds:
            for _ in range(20):
                n += 1
                server.send("\n".join([f"steady.n{n % 500}:2|c", f"passing.n{n % 100_000}:1|g",
                                       f"took.n{n % 20}:{n % 90}|ms", f"who:u{n % 3000}|s",
                                       f"lasts:{n % 17}|ms", "bad|line"]).encode())
            if n % 200 == 0:
                server.stream("streamed:1|c\n" * 10)
                streams += 10
                points.append((now, own_memory(server.process.pid)))
            if n % 1000 == 0:
                server.scrape()
                files = max(files, descriptors(server.process.pid))
            if n % 20_000 == 0:
                server.signal(signal.SIGHUP)
            keep_pace(begin + n / RATE, server.ports.udp)
        page = server.settle(n * 6 + streams)
        check(page.total("steady_total") == 2 * n, f"{page.total('steady_total'):g} of {2 * n}")
        check(page.total("took_count") == page.get("lasts_count") == n, "observations are missing")
        check(page.get("streamed") == streams, "lines of streams are missing")
        check(page.refused() == {"malformed_line": n}, f"refused: {page.refused()}")
    (trial.folder / "memory.tsv").write_text(
        "".join(f"{at:.1f}\t{n_bytes}\n" for at, n_bytes in points))
    half = [point for point in points if point[0] > seconds / 2]
    check(len(half) > 1, "too little was sent in the second half")
    rise = slope(half) * 3600 / 1024
    drift = (half[-1][1] - half[0][1]) / 1024
    bound = RISE_KIB if seconds / 2 >= WARM_SECONDS else WARM_KIB
    check(drift < bound, f"{drift:.0f} KiB more in the second half")
    check(files < 60, f"{files} descriptors")
    return (f"{seconds / 60:.3g} min, {n} datagrams, totals exact; memory of its own "
            f"{half[-1][1] / 2**20:.1f} MiB, "
            f"{drift:+.0f} KiB in the second half" + f" ({rise:+.0f} KiB an hour)" * (not trial.short)
            + f", {files} descriptors")
