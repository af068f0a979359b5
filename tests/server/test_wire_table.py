# SPDX-License-Identifier: Apache-2.0
"""The wire spelling of the BACOWR families: exact bytes in, exact series out.

tests/data/wire.tsv is the contract between the application and this server; the table in docs/wire.md
shows the same lines.
"""

from __future__ import annotations

import csv
import unittest
from dataclasses import dataclass

from lib.exposition import series_key
from lib.harness import DATA, ROOT, ServerTest

DOCUMENT = ROOT / "docs" / "wire.md"
HELP = {
    "api_requests_total": "Total API requests by endpoint, method, status",
    "api_request_duration_seconds": "Request duration (p50, p95, p99)",
    "http_requests_inprogress": "Currently processing requests",
    "llm_generation_duration_seconds": "LLM generation time by provider/model",
    "llm_generation_cost_dollars": "LLM costs in USD by provider/model",
    "active_jobs": "Currently active jobs",
    "jobs_completed_total": "Completed jobs by status (delivered/blocked/failed)",
    "qc_score": "QC score distribution",
    "batch_review_progress_percent": "Batch processing progress per batch_id",
    "bacowr_app_heartbeat_timestamp_seconds":
        "Unix time of the application's last heartbeat by worker",
}


@dataclass
class Row:
    family: str
    type: str
    line: str
    series: str
    value: float


def rows() -> list[Row]:
    with open(DATA / "wire.tsv", encoding="utf-8", newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    cells = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [Row(*row[:4], float(row[4])) for row in cells]


class WireTableTest(ServerTest):
    def setUp(self) -> None:
        self.server = self.start(mapping=(ROOT / "conf" / "bacowr.yml").read_bytes())

    def test_each_line_alone(self) -> None:
        """It makes its own series and no other, without a warning of any kind."""
        for row in rows():
            with self.subTest(row.line):
                server = self.start(mapping=(ROOT / "conf" / "bacowr.yml").read_bytes())
                server.send(row.line)
                page = server.settle()
                families = [f for f in page.families.values() if not f.own]
                self.assertEqual([(f.name, f.type) for f in families], [(row.family, row.type)])
                values = {series_key(*key): v for key, v in families[0].samples.items()}
                self.assertAlmostEqual(values[row.series], row.value)
                self.assertEqual(page.refused(), {})
                self.assertEqual(page.value("statsd_exporter_events_unmapped_total"), 0)
                server.stop()

    def test_all_lines_together(self) -> None:
        """Both spellings of a family are one family."""
        self.server.send("\n".join(row.line for row in rows()))
        page = self.server.settle()
        self.assertEqual(page.refused(), {})
        for name, text in HELP.items():
            self.assertEqual(page.families[name].help, text)
        self.assertEqual({f.name for f in page.families.values() if not f.own}, set(HELP))
        self.assertEqual(page.value("active_jobs"), 7)
        self.assertEqual(page.value("qc_score_count"), 2)

    def test_the_latency_alert_has_its_bound(self) -> None:
        self.server.send("api_request_duration_seconds:2000|ms|#endpoint:/a,method:GET")
        bucket = "api_request_duration_seconds_bucket"
        page = self.server.settle()
        self.assertEqual(page.value(bucket, endpoint="/a", method="GET", le="2"), 1)
        self.assertEqual(page.value(bucket, endpoint="/a", method="GET", le="1"), 0)

    def test_the_document_shows_these_lines(self) -> None:
        text = DOCUMENT.read_text(encoding="utf-8").replace("\\|", "|")
        for row in rows():
            self.assertIn(f"`{row.line}`", text)


if __name__ == "__main__":
    unittest.main()
