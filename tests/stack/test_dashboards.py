# SPDX-License-Identifier: Apache-2.0
"""What must hold of the dashboards and their provisioning before any Grafana reads them: Grafana
says nothing about most of these, it shows "No data".
"""

from __future__ import annotations

import re
import unittest
from itertools import combinations
from typing import Any

import yaml

from lib import dashboards
from lib.dashboards import Json
from lib.harness import ROOT

MOUNTED = "/var/lib/grafana/dashboards"
COLUMNS = 24

TITLES = {"bacowr-api": "BACOWR API Performance", "bacowr-business": "BACOWR Business Metrics",
          "bacowr-statsd": "BACOWR StatsD Aggregator"}

# The product's panels, by the names that its users know.
PANELS = {
    "bacowr-api": [
        "Requests per Second (QPS)",
        "p95 Response Time",
        "Error Rate (%)",
        "Request Rate by Endpoint",
        "Response Time Percentiles (p50, p95, p99)",
        "HTTP Status Codes (2xx, 4xx, 5xx)",
    ],
    "bacowr-business": [
        "Active Jobs (current)",
        "Jobs Delivered (last hour)",
        "LLM Cost per Hour",
        "Delivery Success Rate (%)",
        "Job Completion Rate by Status",
        "LLM Generation Time (p50, p95)",
        "LLM Costs by Provider",
        "Batch Review Progress",
    ],
}

# Ids of @grafana/data's value formats. Those for counts of anything show "c/s" (cps) and a tenth as
# "100 mp/s" (pps), so a rate says of what it is one.
UNITS = {"Bps", "bytes", "currencyUSD", "percent", "percentunit", "reqps", "s", "short"}
RATE = re.compile(r"count:[a-z]+/(?:s|min)")

# Who asks for a family asks with these variables, or choosing in the head has no effect.
CHOSEN_BY = [
    ("bacowr-api", r"api_", {"endpoint", "method"}),
    ("bacowr-business", r"llm_", {"provider", "model"}),
    ("bacowr-statsd", r"(?:bacowr_statsd|statsd_exporter|process|promhttp)_", {"instance"}),
]

# Where a panel turns red is where its alert fires, in the panel's unit.
ALERTS = [
    ("bacowr-api", "p95 Response Time", "HighAPILatency", 1),
    ("bacowr-api", "Response Time Percentiles (p50, p95, p99)", "HighAPILatency", 1),
    ("bacowr-api", "Error Rate (%)", "HighAPIErrorRate", 100),
    ("bacowr-business", "Active Jobs (current)", "TooManyActiveJobs", 1),
    ("bacowr-business", "LLM Cost per Hour", "HighLLMCosts", 1),
    ("bacowr-business", "LLM Costs by Provider", "HighLLMCosts", 1),
]

SELECTOR = re.compile(r"\b([a-z_]+)\{([^}]*)\}")


def read_yaml(*parts: str) -> Any:
    return yaml.safe_load(ROOT.joinpath(*parts).read_text(encoding="utf-8"))


def overlaps(a: Json, b: Json) -> bool:
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


class DashboardsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.dashboards = {path.stem: dashboards.load(path) for path in dashboards.files()}

    def test_files_uids_and_titles(self) -> None:
        self.assertEqual({name: board["uid"] for name, board in self.dashboards.items()},
                         {name: name for name in TITLES})
        self.assertEqual({name: board["title"] for name, board in self.dashboards.items()}, TITLES)
        for board in self.dashboards.values():
            self.assertNotIn("id", board)  # is the database's

    def test_panels_have_the_names_that_users_know(self) -> None:
        for name, titles in PANELS.items():
            found = [panel["title"] for panel in dashboards.panels(self.dashboards[name])]
            self.assertEqual(found, titles)

    def test_ids_and_titles_are_unique(self) -> None:
        for name, board in self.dashboards.items():
            everything = list(dashboards.all_panels(board))
            for key in ("id", "title"):
                values = [panel[key] for panel in everything]
                self.assertEqual(len(set(values)), len(values), (name, key))

    def test_panels_lie_side_by_side(self) -> None:
        for name, board in self.dashboards.items():
            places = [panel["gridPos"] | {"title": panel["title"]} for panel in board["panels"]]
            for place in places:
                self.assertGreater(min(place["w"], place["h"]), 0, (name, place))
                self.assertTrue(0 <= place["x"] <= COLUMNS - place["w"], (name, place))
            for a, b in combinations(places, 2):
                self.assertFalse(overlaps(a, b), (name, a, b))

    def test_every_panel_says_what_it_shows(self) -> None:
        """A unit, thresholds whose first step has no bound, words for no data and for the panel."""
        for name, board in self.dashboards.items():
            for panel in dashboards.panels(board):
                with self.subTest(f"{name}: {panel['title']}"):
                    defaults = panel["fieldConfig"]["defaults"]
                    self.assertTrue(defaults["unit"] in UNITS or RATE.fullmatch(defaults["unit"]),
                                    defaults["unit"])
                    bounds = [step["value"] for step in defaults["thresholds"]["steps"]]
                    self.assertIsNone(bounds[0])
                    self.assertEqual(bounds[1:], sorted(bounds[1:]))
                    self.assertTrue(defaults["noValue"])
                    self.assertTrue(panel["description"])
                    self.assertIn(panel["type"], ("stat", "timeseries", "bargauge"))

    def test_sizes_and_ranges_that_grafana_heeds(self) -> None:
        """With both ends given, 11.6 draws no sparkline; a bar's sizes count when set by hand."""
        for name, board in self.dashboards.items():
            for panel in dashboards.panels(board):
                with self.subTest(f"{name}: {panel['title']}"):
                    if panel["type"] == "stat" and panel["options"]["graphMode"] != "none":
                        self.assertFalse({"min", "max"} <= set(panel["fieldConfig"]["defaults"]))
                    if panel["type"] == "bargauge":
                        self.assertEqual(panel["options"]["sizing"], "manual")

    def test_each_has_a_picture_of_reasonable_size(self) -> None:
        text = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
        pictures = {path.stem: path for path in (ROOT / "docs" / "dashboards").iterdir()}
        self.assertEqual(set(pictures), set(self.dashboards))
        for name, path in pictures.items():
            self.assertLess(path.stat().st_size, 400_000)
            self.assertIn(f"(dashboards/{name}.png)", text)

    def test_panels_turn_red_where_alerts_fire(self) -> None:
        rules = read_yaml("prometheus", "alert_rules.yml")["groups"][0]["rules"]
        bounds = {rule["alert"]: float(match[1]) for rule in rules
                  if (match := re.search(r" > ([0-9.]+)\s*$", rule["expr"]))}
        for name, title, alert, factor in ALERTS:
            panel = next(panel for panel in dashboards.panels(self.dashboards[name])
                         if panel["title"] == title)
            last = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]
            self.assertEqual(last["color"], "red")
            self.assertAlmostEqual(last["value"], bounds[alert] * factor, msg=title)

    def test_time_refresh_and_links(self) -> None:
        for name, board in self.dashboards.items():
            self.assertEqual(board["time"], {"from": "now-1h", "to": "now"})
            self.assertEqual((board["refresh"], board["editable"]), ("10s", True))
            (link,) = board["links"]
            linked = [other for other, tagged in self.dashboards.items()
                      if other != name and set(link["tags"]) <= set(tagged["tags"])]
            self.assertEqual(len(linked), len(TITLES) - 1)
            self.assertTrue(link["keepTime"])


class VariablesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.dashboards = {path.stem: dashboards.load(path) for path in dashboards.files()}

    def test_all_and_several_may_be_chosen(self) -> None:
        names = {name: [variable["name"] for variable in dashboards.variables(board)]
                 for name, board in self.dashboards.items()}
        self.assertEqual(names, {"bacowr-api": ["endpoint", "method"],
                                 "bacowr-business": ["provider", "model"],
                                 "bacowr-statsd": ["instance"]})
        for board in self.dashboards.values():
            for variable in dashboards.variables(board):
                self.assertTrue(variable["multi"] and variable["includeAll"])
                self.assertEqual(variable["current"]["value"], ["$__all"])
                self.assertRegex(variable["query"]["query"], r"^label_values\(.+, \w+\)$")

    def test_every_variable_is_declared_and_used(self) -> None:
        for name, board in self.dashboards.items():
            declared = {variable["name"] for variable in dashboards.variables(board)}
            used = set()
            for panel in dashboards.panels(board):
                for target in panel["targets"]:
                    used |= dashboards.used_variables(target["expr"] + target["legendFormat"])
                used |= dashboards.used_variables(panel["title"] + panel["description"])
            for variable in dashboards.variables(board):
                used |= dashboards.used_variables(variable["query"]["query"])
            self.assertEqual(used - dashboards.BUILT_IN, declared, name)

    def test_choosing_has_an_effect_on_each_selector(self) -> None:
        n_checked = 0
        for name, family, wanted in CHOSEN_BY:
            for panel in dashboards.panels(self.dashboards[name]):
                for target in panel["targets"]:
                    bare = re.findall(rf"\b{family}\w+\b(?!\{{)", SELECTOR.sub("", target["expr"]))
                    self.assertEqual(bare, [], panel["title"])
                    for metric, matchers in SELECTOR.findall(target["expr"]):
                        if re.match(family, metric):
                            n_checked += 1
                            for variable in wanted:
                                self.assertIn(f'{variable}=~"${variable}"', matchers,
                                              panel["title"])
        self.assertGreater(n_checked, 40)


class ProvisioningTest(unittest.TestCase):
    def setUp(self) -> None:
        (self.source,) = read_yaml("grafana", "provisioning", "datasources",
                                   "prometheus.yml")["datasources"]
        (self.provider,) = read_yaml("grafana", "provisioning", "dashboards",
                                     "bacowr.yml")["providers"]

    def test_nothing_else_is_provisioned(self) -> None:
        found = {str(path.relative_to(dashboards.PROVISIONING))
                 for path in dashboards.PROVISIONING.rglob("*") if path.is_file()}
        self.assertEqual(found, {"datasources/prometheus.yml", "dashboards/bacowr.yml"})

    def test_panels_ask_the_provisioned_source(self) -> None:
        wanted = {"type": self.source["type"], "uid": self.source["uid"]}
        self.assertEqual(wanted, {"type": "prometheus", "uid": "bacowr-prometheus"})
        for path in dashboards.files():
            text = path.read_text(encoding="utf-8")
            # Both are left by an export for other people; when provisioned they mean no data.
            self.assertNotIn("__inputs", text)
            self.assertNotIn("${DS_", text)
            board = dashboards.load(path)
            for asker in dashboards.panels(board) + dashboards.variables(board):
                self.assertEqual(asker["datasource"], wanted)
                for target in asker.get("targets", []):
                    self.assertEqual(target["datasource"], wanted)

    def test_the_source_knows_the_scrape_interval(self) -> None:
        """Grafana makes $__rate_interval of it: too short, and rates have holes."""
        jobs = read_yaml("prometheus", "prometheus.yml")["scrape_configs"]
        (job,) = [job for job in jobs if job["job_name"] == "bacowr-api"]
        self.assertEqual(self.source["jsonData"]["timeInterval"], job["scrape_interval"])
        self.assertTrue(self.source["isDefault"])
        self.assertEqual(self.source["access"], "proxy")

    def test_the_provider_reads_what_is_mounted(self) -> None:
        self.assertEqual(self.provider["options"]["path"], MOUNTED)
        self.assertEqual(self.provider["type"], "file")
        self.assertFalse(self.provider["allowUiUpdates"])


if __name__ == "__main__":
    unittest.main()
