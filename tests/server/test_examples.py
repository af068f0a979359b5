# SPDX-License-Identifier: Apache-2.0
"""The shipped mapping files of other projects, each held to its table.

tests/data/examples/NAME.tsv has, for conf/examples/NAME.yml, lines as the project sends them, each
with the name in the project's documents, the rule that takes it, and the series and type it becomes:
`dropped`, `refused REASON` and `unmapped` are spelled out. A first comment may name the flags that
the file's head tells to set.
"""

from __future__ import annotations

import csv
import json
import re
import unittest
from dataclasses import dataclass
from typing import Any

from lib.exposition import series_key
from lib.harness import DATA, ROOT, ServerTest, run

EXAMPLES = ROOT / "conf" / "examples"
NAMES = sorted(file.stem for file in EXAMPLES.glob("*.yml"))
MIN_ROWS = 20
FLAGS = "# flags: "
NO_RULE = "-"
NO_SERIES = ("dropped", "refused ", "unmapped")


@dataclass(frozen=True)
class Outcome:
    rule: str  # its number in the file
    series: str
    type: str


@dataclass(frozen=True)
class Row:
    documented: str
    line: str
    outcome: Outcome

    def is_series(self) -> bool:
        return not self.outcome.series.startswith(NO_SERIES)


@dataclass
class Table:
    name: str
    flags: list[str]
    rows: list[Row]

    def file(self) -> str:
        return str(EXAMPLES / f"{self.name}.yml")


def table(name: str) -> Table:
    with open(DATA / "examples" / f"{name}.tsv", encoding="utf-8", newline="") as file:
        lines = file.readlines()
    flags = [flag for line in lines if line.startswith(FLAGS) for flag in line.split()[2:]]
    cells = csv.reader((line for line in lines if not line.startswith("# ")), delimiter="\t",
                       quoting=csv.QUOTE_NONE)
    return Table(name, flags, [Row(row[0], row[1], Outcome(*row[2:])) for row in cells])


def outcome(told: dict[str, Any]) -> Outcome:
    """What explain tells of a line with one sample, in the words of the table."""
    if told["outcome"] == "refused":
        return Outcome(NO_RULE, f"refused {told['reason']}", "-")
    [sample] = told["samples"]
    rule = str(sample["rule"]["number"]) if sample["rule"] else NO_RULE
    if sample["outcome"] == "refused":
        return Outcome(rule, f"refused {sample['reason']}", "-")
    if sample["outcome"] == "dropped":
        return Outcome(rule, "dropped", "-")
    if rule == NO_RULE:
        return Outcome(rule, "unmapped", sample["series"]["type"])
    return Outcome(rule, sample["series"]["text"], sample["series"]["type"])


class TableTest(unittest.TestCase):
    def each(self) -> list[Table]:
        self.assertEqual(NAMES, ["airflow", "envoy-ratelimit", "flink", "gunicorn"])
        return [table(name) for name in NAMES]

    def explain(self, of: Table) -> list[dict[str, Any]]:
        done = run(f"--statsd.mapping-config={of.file()}", *of.flags, "explain", "--json",
                   *(row.line for row in of.rows))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        told = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([one["line"] for one in told], [row.line for row in of.rows])
        return told

    def test_each_line_becomes_what_its_row_says(self) -> None:
        for of in self.each():
            for row, told in zip(of.rows, self.explain(of)):
                with self.subTest(of.name, line=row.line):
                    self.assertEqual(outcome(told), row.outcome)
                    errors = [told["tag_errors"]] + [s["tag_errors"] for s in told["samples"]]
                    self.assertEqual(sum(errors), 0)

    def test_there_are_rows_enough_and_no_row_twice(self) -> None:
        for of in self.each():
            with self.subTest(of.name):
                self.assertGreaterEqual(len({row.line for row in of.rows}), MIN_ROWS)
                self.assertEqual(len({row.line for row in of.rows}), len(of.rows))

    def test_each_line_has_its_documented_name(self) -> None:
        """The words of the name stand in the line in their order, something in each gap."""
        for of in self.each():
            for row in of.rows:
                words = re.split(r"<[^>]*>|\{[^}]*\}", row.documented)
                with self.subTest(of.name, line=row.line):
                    self.assertRegex(row.line, ".+".join(re.escape(word) for word in words))

    def test_each_file_is_right_and_each_rule_takes_a_line(self) -> None:
        for of in self.each():
            with self.subTest(of.name):
                done = run("check", of.file())
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                told = re.fullmatch(r".*: ok, (\d+) rules\n", done.stdout)
                assert told is not None, done.stdout
                taken = {row.outcome.rule for row in of.rows} - {NO_RULE}
                self.assertEqual(taken, {str(i + 1) for i in range(int(told[1]))})

    def test_names_tell_the_type(self) -> None:
        """Counters end in _total and nothing else does; histograms of times end in _seconds."""
        for of in self.each():
            for row in filter(Row.is_series, of.rows):
                name = row.outcome.series.split("{")[0]
                with self.subTest(of.name, name=name):
                    self.assertEqual(name.endswith("_total"), row.outcome.type == "counter")
                    if "|ms" in row.line:
                        self.assertTrue(name.endswith("_seconds"))

    def test_help(self) -> None:
        """Each family has one of its own, in words of the file."""
        for of in self.each():
            text = (EXAMPLES / f"{of.name}.yml").read_text()
            with self.subTest(of.name):
                self.assertEqual(text.count("\n  help: "), text.count("\n  name: ")
                                 - text.count("\n  action: drop\n"))


class PageTest(ServerTest):
    def start_with(self, of: Table, text: str | None = None) -> Any:
        mapping = (EXAMPLES / f"{of.name}.yml").read_text() if text is None else text
        return self.start(*of.flags, mapping=mapping)

    def test_all_lines_of_a_project_share_a_page(self) -> None:
        """No name has two types, and nothing is refused but what the table says."""
        for name in NAMES:
            of = table(name)
            with self.subTest(name):
                server = self.start_with(of)
                server.send(*(row.line for row in of.rows))
                page = server.settle()
                families = [f for f in page.families.values() if not f.own]
                shown = {series_key(*key) for family in families for key in family.samples}
                for row in filter(Row.is_series, of.rows):
                    series = row.outcome.series
                    if row.outcome.type == "histogram":
                        series = re.sub(r"(?=\{)|$", "_count", series, count=1)
                    self.assertIn(series, shown)
                refused = [row for row in of.rows if row.outcome.series.startswith("refused")]
                self.assertEqual(sum(page.refused().values()), len(refused))
                server.stop()

    def test_units(self) -> None:
        """Milliseconds and nanoseconds arrive as seconds."""
        server = self.start_with(table("envoy-ratelimit"))
        server.send("ratelimit_server.ShouldRateLimit.response_time:3|ms",
                    "ratelimit.go.pauseTotalNs:204800|c")
        page = server.settle()
        self.assertAlmostEqual(page.value("ratelimit_server_response_time_seconds_sum",
                                          method="ShouldRateLimit"), 0.003)
        self.assertAlmostEqual(page.value("ratelimit_go_gc_pause_seconds_total"), 0.0002048)

    def test_airflow_by_name_and_by_tag(self) -> None:
        """Tags give the same series as names, and what is sent twice counts once."""
        server = self.start_with(table("airflow"))
        server.send("airflow.ti.start.etl.load:1|c\nairflow.ti.start:1|c",
                    "airflow.ti.start,dag_id=etl,task_id=load:1|c",
                    "airflow.task.duration:65000|ms|#dag_id:etl,task_id:load",
                    "airflow.dag.etl.load.duration:5000|ms\nairflow.task.duration:5000|ms")
        page = server.settle()
        self.assertEqual(page.value("airflow_ti_start_total", dag_id="etl", task_id="load"), 2)
        self.assertEqual(page.total("airflow_ti_start_total"), 2)
        self.assertEqual(page.value("airflow_task_duration_seconds_sum", dag_id="etl",
                                    task_id="load"), 70)
        self.assertEqual(page.refused(), {})


if __name__ == "__main__":
    unittest.main()
