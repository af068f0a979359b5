# SPDX-License-Identifier: Apache-2.0
"""Tests that run at the same time never get the same port, from whatever process they ask."""

from __future__ import annotations

import subprocess
import sys
import threading
import unittest

from lib.harness import ROOT, free_port

N_PROCESSES = 4
N_PORTS = 200  # of each process or thread
N_THREADS = 4

# Holds what it was given until it is told to end.
ASKER = f"""
from lib.harness import free_port
print(*(free_port() for _ in range({N_PORTS})), flush=True)
input()
"""


class PortsTest(unittest.TestCase):
    def test_processes_share_no_port(self) -> None:
        askers = []
        for _ in range(N_PROCESSES):
            asker = subprocess.Popen([sys.executable, "-B", "-c", ASKER], text=True,
                                     cwd=ROOT / "tests", stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
            self.addCleanup(asker.communicate, "\n", 20)
            askers.append(asker)
        given = [int(port) for asker in askers if asker.stdout
                 for port in asker.stdout.readline().split()]
        self.assertEqual(len(given), N_PROCESSES * N_PORTS)
        self.assertEqual(len(set(given)), len(given))

    def test_threads_share_no_port(self) -> None:
        given: list[int] = []
        threads = [threading.Thread(target=lambda: given.extend(free_port() for _ in range(N_PORTS)))
                   for _ in range(N_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(given)), N_THREADS * N_PORTS)


if __name__ == "__main__":
    unittest.main()
