#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic for the demo application: mostly looks at jobs, some new ones, few errors.

    load.py [--url http://127.0.0.1:8000] [--seconds 60] [--clients 4] [--rate 20]

--seconds 0 goes on until Ctrl-C. At the end it says how often each status was answered.
"""

from __future__ import annotations

import argparse
import http.client
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

# (weight, method, path)
REQUESTS = [
    (40, "GET", "/jobs/{job}"),
    (20, "POST", "/jobs"),
    (20, "GET", "/health"),
    (6, "GET", "/slow?seconds={slow}"),
    (5, "GET", "/no/such/page"),
    (3, "POST", "/batches?size=8"),
    (2, "GET", "/error"),
    (2, "GET", "/status/503"),
]
TIMEOUT_SECONDS = 30.0


def ask(url: str, method: str, path: str) -> str:
    """One request; the status of its answer, or the name of what went wrong."""
    path = path.format(job=random.randrange(1, 200), slow=round(random.expovariate(2), 2))
    request = urllib.request.Request(url + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read()
            return str(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code)
    except (OSError, http.client.HTTPException) as error:  # gone in the middle of an answer
        return type(error).__name__


def client(url: str, rate: float, end: float, statuses: Counter[str], lock: threading.Lock) -> None:
    """Ask about @rate times a second until @end."""
    weights = [weight for weight, _, _ in REQUESTS]
    while time.monotonic() < end:
        _, method, path = random.choices(REQUESTS, weights)[0]
        status = ask(url, method, path)
        with lock:
            statuses[status] += 1
        time.sleep(random.expovariate(rate))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=60, help="0: until Ctrl-C")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, default=20, help="requests a second, of all clients")
    args = parser.parse_args()
    end = time.monotonic() + args.seconds if args.seconds else float("inf")
    statuses: Counter[str] = Counter()
    lock = threading.Lock()
    threads = [threading.Thread(target=client, daemon=True,
                                args=(args.url, args.rate / args.clients, end, statuses, lock))
               for _ in range(args.clients)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        pass
    with lock:
        print(", ".join(f"{status}: {n}" for status, n in sorted(statuses.items())) or "nothing")
        return 0 if any(status.isdigit() for status in statuses) else 1


if __name__ == "__main__":
    sys.exit(main())
