# SPDX-License-Identifier: Apache-2.0
"""Hostile cardinality: more distinct lines than there may be series."""

from __future__ import annotations

import itertools
from typing import Iterator

from lib.harness import Server
from torture.promise import Trial, check, promise

# docs/cardinality.md: what the process may take besides, for a series, for an identity remembered;
# how many of these there may be.
BASE = 64 << 20
PER_SERIES = 512
PER_ROUTE = 256
MAX_ROUTES = 2_097_152


def lines(n: int) -> Iterator[str]:
    """Each of an identity of its own: users, names, paths, of all types."""
    forms = ("hits:1|c|#user:u{0},path:/a/{0}", "flood.name{0}:1|c", "lat:3|ms|#user:u{0}",
             "seen:m{0}|s|#user:u{0}", "level:1|g|#user:u{0}")
    return (forms[i % len(forms)].format(i) for i in range(n))


def sent(server: Server, n: int) -> None:
    """Over a stream, so that the kernel drops none."""
    with server.connect() as connection:
        all_lines = lines(n)
        while some := list(itertools.islice(all_lines, 2000)):
            connection.sendall(("\n".join(some) + "\n").encode())
    server.eventually("all lines are read",
                      lambda page: page.get("statsd_exporter_lines_total") >= n, seconds=600)


@promise("cardinality.flood", "distinct hostile lines leave memory under its bound and sums right",
         build="release")
def flood(trial: Trial) -> str:
    """Each line another identity, ten million and far over the limit, of four types and a gauge."""
    n, limit = trial.pick((200_000, 10_000), (10_000_000, 1_000_000))
    with Server([f"--statsd.max-series={limit}"]) as server:
        sent(server, n)
        page = server.scrape()
        total = page.total("hits")
        check(total == n / 5, f"hits are {total:g}, {n // 5} were sent")
        check(page.total("lat_count") == n / 5, "observations are lost")
        events = page.total("statsd_exporter_events_total") \
            + page.total("statsd_exporter_events_error_total")
        check(events == n, f"{events:g} events of {n} are counted")
        series = page.total("bacowr_statsd_series")
        check(series <= limit + limit // 16 + 16, f"{series:g} series are alive")
        resident = page.get("process_resident_memory_bytes")
        bound = BASE + PER_SERIES * limit + PER_ROUTE * min(n, MAX_ROUTES)
        check(resident <= bound, f"{resident / 2**20:.0f} MiB, {bound / 2**20:.0f} are promised")
        return (f"{n:,} distinct lines, limit {limit:,}: {resident / 2**20:.0f} MiB resident of "
                f"{bound / 2**20:.0f}, {series:,.0f} series, sums exact")
