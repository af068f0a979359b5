# SPDX-License-Identifier: Apache-2.0
"""No memory: each allocation of the running server fails once, alone; then many at random."""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
import time
from pathlib import Path
from typing import Callable

from lib.exposition import Page
from lib.harness import new_folder
from torture.fault import EACH_SITE, EVERY, FaultyServer
from torture.promise import Trial, check, promise

MAPPING = """
defaults: {ttl: 2s, histogram_options: {buckets: [1, 2, 5]}}
mappings:
- {match: 'glob.*', name: by_glob, labels: {id: $1}}
- {match: '^rx\\.(.*)$', match_type: regex, name: by_regex, labels: {id: $1}}
- {match: 'hist.*', name: hist, observer_type: histogram, labels: {id: $1}}
- {match: 'never.*', name: never, ttl: 0, labels: {id: $1}}
- {match: 'gone', name: gone, action: drop}
"""
FORMATS = ("", "application/openmetrics-text;version=1.0.0",
           "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
           "encoding=delimited")
QUIET_ROUNDS = 3   # without a new site, and all were met
ACCOUNTED = ("statsd_exporter_events_total", "statsd_exporter_events_error_total",
             "statsd_exporter_events_conflict_total", "statsd_exporter_sample_errors_total")


def lines_of(n: int) -> list[str]:
    """Each counts once, each a way of its own."""
    return [f"glob.n{n}:1|c", f"rx.n{n}:1|c", f"hist.n{n}:{n}|h", "hist.a:3|h", f"timer{n}:5|ms",
            f"tagged:1|c|#n:{n},k:v", f"tagged:1|g|#n:{n}", f"set:m{n}|s", f"set{n}:m|s",
            f"influx,n={n}:1|c", "gone:1|c", "bad:1|q", "clash:1|ms", "clash_count:1|c", "never.a:1|c",
            f"long{n}.{'x' * 300}:1|c", f"traced:1|c|#trace_id:t{n},k:v{n % 50}"]


def accounts(page: Page) -> tuple[float, float]:
    """Samples, and what became of them."""
    return (page.get("statsd_exporter_samples_total"),
            sum(map(page.total, ACCOUNTED))
            + page.get("statsd_exporter_events_actions_total", action="drop"))


class Life:
    """What a server does in its life, again and again, each time with other names."""

    def __init__(self, server: FaultyServer, folder: Path) -> None:
        self.server = server
        self.unix = str(folder / "stream")
        self.numbers = itertools.count()
        self.refused = 0

    def round(self) -> None:
        for _ in range(12):
            lines = lines_of(next(self.numbers))
            self.server.send("\n".join(lines[:6]), *lines[6:])
        for step in (self.stream, self.frames, self.scrape, self.reload, self.half_request):
            self.attempt(step)
        time.sleep(0.02)

    def attempt(self, step: Callable[[], None]) -> None:
        """It may be refused; that is counted, and the server lives."""
        try:
            step()
        except (OSError, http.client.HTTPException):
            self.refused += 1
        check(self.server.process.poll() is None,
              f"the server ended, status {self.server.process.returncode}; the last allocation "
              f"failed at {self.server.last_site()}\n{self.server.log()[-3000:]}")

    def stream(self) -> None:
        text = "\n".join(lines_of(next(self.numbers))) + "\nhalf:1|c"
        self.server.stream(text[:100], text[100:])

    def frames(self) -> None:
        data = "\n".join(lines_of(next(self.numbers))).encode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.unix)
            connection.sendall(struct.pack("<I", len(data)) + data)

    def scrape(self) -> None:
        for accept in FORMATS:
            for coding in ("identity", "gzip"):
                answer = self.server.get("/metrics", timeout=5, headers={
                    "Accept": accept, "Accept-Encoding": coding})
                self.refused += answer.status != 200

    def reload(self) -> None:
        for path, method in (("/-/reload", "POST"), ("/", "GET"), ("/-/healthy", "GET")):
            self.refused += self.server.get(path, method, timeout=5).status != 200

    def half_request(self) -> None:
        with self.server.web() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-" + b"y" * 3000)


def healed(life: Life) -> Page:
    """With memory all is as if nothing had been; and every sample is accounted for."""
    server = life.server
    server.reload()
    page = server.settle()
    samples, found = accounts(page)
    check(samples == found, f"{samples - found:g} of {samples:g} samples are not accounted for")
    n = next(life.numbers)
    server.send(f"glob.last{n}:1|c", f"hist.last{n}:1|h", f"after:u{n}|s")
    page = server.settle()
    for name, labels in (("by_glob", {"id": f"last{n}"}), ("hist_count", {"id": f"last{n}"})):
        check(page.get(name, **labels) == 1, f"{name} {labels} is not there")
    return page


@promise("nomem.sites", "an allocation that fails costs what asked for it, is counted, and nothing else")
def sites(trial: Trial) -> str:
    """Each site of the running server that allocates, told by its stack, fails once, alone, while
    lines, streams, pages, reloads and expiry go on; sanitizers watch"""
    flags = ["--web.enable-lifecycle", "--web.enable-openmetrics", "--statsd.exemplar-tag=trace_id"]
    with new_folder() as folder:
        flags.append(f"--statsd.listen-unix={folder / 'stream'}")
        with FaultyServer(flags, MAPPING, trial.name) as server:
            life = Life(server, folder)
            control = server.control
            quiet, rounds, end = 0, 0, time.monotonic() + trial.seconds(3, 300)
            with server.no_memory(EACH_SITE):
                while quiet < QUIET_ROUNDS and time.monotonic() < end:
                    before = control.n_sites
                    life.round()
                    rounds += 1
                    quiet = quiet + 1 if control.n_sites == before else 0
            page = healed(life)
            n_sites = control.n_sites
            check(n_sites > 100, f"only {n_sites} sites were met")
    lost = page.get("statsd_exporter_events_error_total", reason="out_of_memory")
    return (f"{n_sites} sites in {rounds} rounds; {lost:g} samples refused, all counted; "
            f"{life.refused} requests refused")


@promise("nomem.often", "a server that is short of memory for minutes lives, and heals", in_short=False)
def often(trial: Trial) -> str:
    """Every 2nd, 7th, 50th allocation fails for 20 s each, under the same life"""
    with new_folder() as folder:
        flags = ["--web.enable-lifecycle", f"--statsd.listen-unix={folder / 'stream'}"]
        with FaultyServer(flags, MAPPING, trial.name) as server:
            life = Life(server, folder)
            for every in (2, 7, 50):
                end = time.monotonic() + trial.seconds(1, 20)
                with server.no_memory(EVERY, every):
                    while time.monotonic() < end:
                        life.round()
                page = healed(life)
            n_failed = server.control.n_failed
    lost = page.get("statsd_exporter_events_error_total", reason="out_of_memory")
    check(n_failed > 1000, f"only {n_failed} allocations failed")
    return f"{n_failed} allocations failed; {lost:g} samples refused, all counted"
