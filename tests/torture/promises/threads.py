# SPDX-License-Identifier: Apache-2.0
"""All threads at once, under the thread sanitizer."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
import time

from lib.harness import HOST, Server
from lib.load import queued_bytes
from torture.promise import Trial, check, promise

# Two mappings in turn: ttl, buckets, type, and names change with each.
MAPPINGS = ["""
defaults: {ttl: 500ms}
mappings:
- {match: 'total', name: total, ttl: 0}
- {match: 'took.*', name: took, observer_type: histogram, labels: {id: $1}}
- {match: '^r\\.(.*)$', match_type: regex, name: by_regex, labels: {id: $1}}
""", """
defaults: {ttl: 200ms, histogram_options: {buckets: [0.1, 1, 7]}}
mappings:
- {match: 'total', name: total, ttl: 0}
- {match: 'took.*', name: took, observer_type: summary, labels: {id: $1}}
- {match: 'born.*', name: born, labels: {id: $1}}
"""]
ACCEPT = ["", "application/openmetrics-text;version=1.0.0",
          "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
          "encoding=delimited"]
WORKERS = 3


class Crew:
    """Those who disturb, each in a thread of his own, until the end."""

    def __init__(self, server: Server, seconds: float) -> None:
        self.server, self.end = server, time.monotonic() + seconds
        self.sent = [0, 0]
        self.n_pages = self.n_reloads = 0
        self.wrong = ""

    def goes_on(self) -> bool:
        return time.monotonic() < self.end and not self.wrong

    def send(self, nth: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((f"127.0.0.{nth + 2}", 0))
            sender.connect((HOST, self.server.ports.udp))
            n = 0
            while self.goes_on():
                n += 1
                sender.send((f"total:1|c\ntook.n{n % 300}:{n % 9}|ms\nborn.n{n}:1|c\nr.n{n % 70}:1|g\n"
                             f"who:u{n}|s\nlevel:+1|g\ntagged:1|c|#a:{n % 20},trace_id:{n}").encode())
                if n % 20 == 0:
                    while queued_bytes(self.server.ports.udp) > 40_000:
                        time.sleep(0.001)
            self.sent[nth] = n

    def scrape(self, nth: int) -> None:
        seen = 0.0
        while self.goes_on():
            if nth:
                self.server.get("/metrics", headers={"Accept": ACCEPT[self.n_pages % 3],
                                                     "Accept-Encoding": "gzip"})
            else:
                shown = self.server.scrape().get("total")
                if shown < seen:
                    self.wrong = f"total fell from {seen:g} to {shown:g}"
                seen = shown
            self.n_pages += 1

    def reload(self, nth: int) -> None:
        while self.goes_on():
            self.n_reloads += 1
            self.server.write_mapping(MAPPINGS[self.n_reloads % 2])
            self.server.signal(signal.SIGHUP)
            time.sleep(0.05)

    def connect(self, nth: int) -> None:
        while self.goes_on():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.server.stream("stream:1|c\n" * 20, "half")
            time.sleep(0.01)

    def run(self) -> None:
        jobs = [(self.send, 0), (self.send, 1), (self.scrape, 0), (self.scrape, 1),
                (self.reload, 0), (self.connect, 0)]
        threads = [threading.Thread(target=job, args=(nth,), daemon=True) for job, nth in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@promise("threads", "births, expiry, reloads, scrapes and connections at once race nowhere",
         build="tsan")
def threads(trial: Trial) -> str:
    """The server under the thread sanitizer with three ingest threads: two senders, two scrapers, a
    reload every 50 ms that changes types, buckets and ttl, streams; no report, totals exact"""
    flags = [f"--statsd.ingest-threads={WORKERS}", "--web.enable-openmetrics",
             "--statsd.exemplar-tag=trace_id"]
    with Server(flags, MAPPINGS[0], trial.name) as server:
        crew = Crew(server, trial.seconds(2, 600))
        crew.run()
        check(not crew.wrong, crew.wrong)
        server.sent_datagrams = n = sum(crew.sent)
        page = server.settle()
        dropped = page.total("bacowr_statsd_udp_kernel_dropped_datagrams_total")
        check(page.get("total") + dropped == n, f"{page.get('total'):g} + {dropped:g} of {n}")
        expired = page.total("bacowr_statsd_series_expired_total")
    return (f"{n} datagrams, {crew.n_pages} pages, {crew.n_reloads} reloads, {expired:g} series "
            f"expired: no race, total exact")
