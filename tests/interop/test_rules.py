# SPDX-License-Identifier: Apache-2.0
"""Prometheus' configuration, checked by Prometheus' own tools: syntax, and for each alert when it
fires, when it just does not, and that it recovers.
"""

from __future__ import annotations

import shutil
import subprocess
import unittest

from lib import programs
from lib.harness import ROOT, new_folder

FOLDER = ROOT / "prometheus"
RULES_TEST = ROOT / "tests" / "prometheus" / "alert_rules_test.yml"
ALERTS = {"HighAPIErrorRate", "HighAPILatency", "HighQCBlockRate", "HighLLMCosts", "APIDown",
          "TooManyActiveJobs"}

# How two of the alerts were first written down, and what they mean. The first divides each series
# by itself, the second looks at each model alone.
FIRST_WORDINGS = [
    ("""      sum(rate(api_requests_total{status=~"5.."}[5m]))
        / sum(rate(api_requests_total[5m])) > 0.05
""", """      (rate(api_requests_total{status=~"5.."}[5m]) / rate(api_requests_total[5m])) > 0.05
""", 'alertname=\\"HighAPIErrorRate\\"'),
    ("sum(rate(llm_generation_cost_dollars[1h])) * 3600 > 10",
     "rate(llm_generation_cost_dollars[1h]) * 3600 > 10", 'alertname=\\"HighLLMCosts\\"'),
]


class RulesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())
        shutil.copy(RULES_TEST, self.folder)
        shutil.copy(FOLDER / "alert_rules.yml", self.folder)

    def promtool_test(self) -> subprocess.CompletedProcess[str]:
        return programs.run([programs.PROMTOOL, "test", "rules", RULES_TEST.name],
                            folder=self.folder)

    def test_configuration_is_valid(self) -> None:
        done = programs.run([programs.PROMTOOL, "check", "config", "prometheus.yml"], folder=FOLDER)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name in ("alert_rules.yml", "aggregator_rules.yml", "recording_rules.yml"):
            self.assertIn(name, done.stdout + done.stderr)

    def test_alertmanager_is_valid(self) -> None:
        done = programs.run([programs.AMTOOL, "check-config", "alertmanager.yml"], folder=FOLDER)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("2 receivers", done.stdout + done.stderr)

    def test_each_alert_fires_at_its_time_and_recovers(self) -> None:
        done = self.promtool_test()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        tested = RULES_TEST.read_text()
        for alert in ALERTS:
            self.assertIn(f'alertname="{alert}"', tested)

    def test_the_six_alerts_are_all(self) -> None:
        text = (FOLDER / "alert_rules.yml").read_text()
        names = [line.split(":")[1].strip() for line in text.splitlines() if "- alert:" in line]
        self.assertEqual(sorted(names), sorted(ALERTS))
        for field in ("severity", "summary", "action", "runbook"):
            self.assertEqual(text.count(f"      {field}:"), len(ALERTS), field)

    def test_first_wordings_fail(self) -> None:
        good = (FOLDER / "alert_rules.yml").read_text()
        for meant, first, alert in FIRST_WORDINGS:
            with self.subTest(first.strip()):
                self.assertEqual(good.count(meant), 1)
                (self.folder / "alert_rules.yml").write_text(good.replace(meant, first))
                done = self.promtool_test()
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(alert, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
