# SPDX-License-Identifier: Apache-2.0
"""The benchmark over sockets works, and what it says it sent adds up. No figure is looked at.

Its programs are beside the binary: `ninja -C build-asan tests/bench/load tests/bench/sink`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from typing import Any

from bench import budget
from bench.tables import Account, Goal, Report, Row, pair, spread
from lib.harness import ROOT, binary, environment, new_folder

SCRIPT = ROOT / "tests" / "bench" / "sockets.py"


class SocketsTest(unittest.TestCase):
    def run_script(self, *arguments: str) -> dict[str, Any]:
        """What it writes as JSON; its table has a line for each row."""
        with new_folder() as folder:
            file = folder / "bench.json"
            command = [sys.executable, "-B", str(SCRIPT), "--rounds=1", "--size=tiny",
                       f"--build={binary().parent}", f"--json={file}", *arguments]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=100, env=environment())
            # 1: a gate was missed, which is the machine's.
            self.assertIn(done.returncode, (0, 1), done.stderr)
            said: dict[str, Any] = json.loads(file.read_text())
        for row in said["rows"]:
            self.assertIn(f"{row['group']:<9} {row['name']}", done.stdout)
        return said

    def names(self, said: dict[str, Any], group: str) -> list[str]:
        return [row["name"] for row in said["rows"] if row["group"] == group]

    def test_every_datagram_is_received_or_counted_as_dropped(self) -> None:
        said = self.run_script("--only=saturated", "--only=loss")
        self.assertEqual(self.names(said, "saturated"), ["W2"])
        accounts = [Account(**account) for account in said["accounts"]]
        # The workload and both rates with the sink, then the overload.
        self.assertEqual([account.who for account in accounts], 3 * ["ours", "sink"] + ["ours"])
        for account in accounts:
            self.assertGreater(account.received, 0, account)
            self.assertEqual(account.sent, account.received + account.dropped, account)
        self.assertGreater(accounts[-1].dropped, 0)

    def test_what_is_lost_of_groups_adds_up_too(self) -> None:
        said = self.run_script("--only=gro")
        self.assertEqual(self.names(said, "gro"), ["W1"])
        accounts = [Account(**account) for account in said["accounts"]]
        self.assertEqual([account.who for account in accounts], ["ours, joined", "sink"])
        self.assertGreater(accounts[0].received, 0)

    def test_what_looking_costs(self) -> None:
        said = self.run_script("--only=watched")
        self.assertEqual(self.names(said, "watched"), [f"{name}, {what}" for name in ("W1", "W2")
                                                       for what in ("process", "ingest thread",
                                                                    "lost")])
        self.assertEqual([account["who"] for account in said["accounts"]],
                         2 * ["ours"])

    def test_a_peer_is_measured_by_what_the_kernel_says(self) -> None:
        peer = f"{binary().parent}/tests/bench/sink {{port}}"
        said = self.run_script("--only=saturated", "--only=scrape", f"--peer={peer}")
        self.assertEqual([row["name"] for row in said["rows"]], ["W2", "W2, resident"])
        self.assertEqual({account["who"] for account in said["accounts"]}, {"sink"})
        self.assertEqual([row for row in said["rows"] if "goal" in row], [])

    def test_pages_and_times(self) -> None:
        """It ends with an error unless all series are on the page, compressed or not."""
        said = self.run_script("--only=ordinary", "--only=start", "--only=scrape")
        groups = [row["group"] for row in said["rows"]]
        self.assertEqual(groups, ["ordinary"] + 2 * ["visible"] + 3 * ["start"] + 4 * ["scrape"])


class BudgetTest(unittest.TestCase):
    def test_five_percent_more_and_a_missing_type_are_wrong(self) -> None:
        recorded = {"within": 100.0, "above": 100.0, "gone": 100.0}
        wrong = budget.compare({"within": 104.9, "above": 106.0, "new": 1.0}, recorded, budget.MORE)
        self.assertEqual([line.split(":")[0] for line in wrong], ["gone", "above", "new"])
        self.assertEqual(len(budget.compare({"within": 129.0}, {"within": 100.0},
                                            budget.MORE_ELSEWHERE)), 0)

    def test_the_slow_way_is_seen_whatever_the_record_says(self) -> None:
        figures = {name: 100.0 for name in budget.Record.read().instructions}
        self.assertEqual(budget.compare_fast(figures), [])
        wrong = budget.compare_fast(figures | {"gauge, signed": 300.0})
        self.assertEqual([line.split(":")[0] for line in wrong], ["gauge, signed"])


class TablesTest(unittest.TestCase):
    def test_a_goal_is_held_against_the_median_of_what_it_is_for(self) -> None:
        goal = Goal(2, "ratio", gate=True)
        met = pair("g", "n", "ns", [2, 90, 4], [1, 1, 4], goal)
        missed = pair("g", "n", "ns", [2, 90, 4], [1, 1, 1.9], goal)
        self.assertEqual([met.met(), missed.met()], [True, False])
        self.assertEqual(met.ratio, spread([1, 2, 90]))
        self.assertIn("met", str(met))
        self.assertIn("MISSED", str(missed))

    def test_only_a_missed_gate_is_a_missed_gate(self) -> None:
        figure = spread([2.0])
        report = Report("a machine", 1, rows=[
            Row("g", "no goal", "ns", figure),
            Row("g", "met gate", "ns", figure, goal=Goal(2, gate=True)),
            Row("g", "missed, reported", "ns", figure, goal=Goal(1)),
            Row("g", "missed gate", "ns", figure, goal=Goal(1, gate=True)),
        ])
        self.assertEqual((report.missed(), report.missed(gates_only=True)), (2, 1))
        self.assertEqual([row.get("goal", {}).get("met") for row in map(Row.as_json, report.rows)],
                         [None, True, False, False])


if __name__ == "__main__":
    unittest.main()
