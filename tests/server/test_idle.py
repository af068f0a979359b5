# SPDX-License-Identifier: Apache-2.0
"""A server that nobody sends to hardly wakes up; the first line and new rules end that at once."""

from __future__ import annotations

import re
import time
import unittest
from pathlib import Path

from lib.harness import Server, ServerTest, wait_until

MAPPING = "defaults:\n  ttl: 1h\n"
STEP = 1.0      # seconds, in which a thread that ticks wakes up ten times
QUIET_MAX = 3
TICKING_MIN = 5


def wakes_of(server: Server) -> dict[str, int]:
    """How often each thread has gone to sleep so far: control's number is the process's."""
    found = {}
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        status = (task / "status").read_text()
        match = re.search(r"^voluntary_ctxt_switches:\s*(\d+)$", status, re.MULTILINE)
        assert match is not None
        found[task.name] = int(match[1])
    return found


def wakes_in_a_step(server: Server) -> dict[str, int]:
    before = wakes_of(server)
    time.sleep(STEP)
    return {thread: n - before.get(thread, 0) for thread, n in wakes_of(server).items()}


class IdleTest(ServerTest):
    def quiet(self) -> Server:
        server = self.start(mapping=MAPPING)
        wait_until("all threads are quiet",
                   lambda: max(wakes_in_a_step(server).values()) <= QUIET_MAX)
        return server

    def test_the_first_line_wakes_control(self) -> None:
        """So a series expires as early as in a busy server."""
        server = self.quiet()
        server.send("a:1|c")
        wakes = wakes_in_a_step(server)
        self.assertGreaterEqual(wakes[str(server.process.pid)], TICKING_MIN, wakes)

    def test_the_first_line_of_a_connection_wakes_control(self) -> None:
        """The connection has ended the worker's quiet already."""
        server = self.quiet()
        with server.connect() as connection:
            time.sleep(STEP / 4)
            connection.sendall(b"a:1|c\n")
            wakes = wakes_in_a_step(server)
        self.assertGreaterEqual(wakes[str(server.process.pid)], TICKING_MIN, wakes)

    def test_new_rules_wake_the_workers(self) -> None:
        server = self.quiet()
        server.reload()
        wakes = wakes_in_a_step(server)
        del wakes[str(server.process.pid)]
        self.assertGreaterEqual(max(wakes.values()), TICKING_MIN, wakes)


if __name__ == "__main__":
    unittest.main()
