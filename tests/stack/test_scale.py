# SPDX-License-Identifier: Apache-2.0
"""Several aggregators, and several Prometheus, answer as one would.

Each line goes to one of three servers, and a copy of it to a fourth, the reference. What is asked
of the three, by way of an agent that writes to another Prometheus or by federation, is answered as
the reference answers: every query of the dashboards of BACOWR, every alert, every recording rule.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
import unittest
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from lib import dashboards, programs
from lib.harness import (HOST, ROOT, Server, ServerTest, end_process, free_port, new_folder,
                         wait_until)

FOLDER = ROOT / "prometheus"
MAPPING = (ROOT / "conf" / "bacowr.yml").read_text()
N_SERVERS = 3
N_DRAWN = 600
N_SCRAPES = 15  # of the second round; a rate extrapolates by up to one interval between them
RATE_MARGIN = 0.15

# What adds up: lines, and which of the servers get some of them.
ANYWHERE = (0, 1, 2)
COUNTED: list[tuple[str, tuple[int, ...]]] = [
    ("api_requests_total:1|c|#endpoint:/jobs,method:GET,status:200", ANYWHERE),
    ("api_requests_total:1|c|#endpoint:/jobs,method:POST,status:201", (0, 2)),
    ("api_requests_total:1|c|@0.5|#endpoint:/jobs,method:GET,status:304", ANYWHERE),
    ("api_requests_total:1|c|#endpoint:unmatched,method:GET,status:404", (1,)),
    ("api_requests_total:1|c|#endpoint:/batches,method:GET,status:503", ANYWHERE),
    ("bacowr.api.requests.status.GET.500:1|c", (0, 1)),
    *[(f"api_request_duration_seconds:{ms}|ms|#endpoint:/jobs,method:GET", ANYWHERE)
      for ms in (3, 20, 80, 140, 300, 900, 1800)],
    *[(f"api_request_duration_seconds:{ms}|ms|#endpoint:/batches,method:GET", (1, 2))
      for ms in (700, 2200, 4000, 12000)],
    ("llm_generation_duration_seconds:25300:700:61000|ms|#provider:openai,model:gpt-4.1", (1,)),
    ("llm_generation_duration_seconds:4000|ms|@0.25|#provider:anthropic,model:claude-3-opus",
     ANYWHERE),
    ("llm_generation_cost_dollars:0.12|c|#provider:openai,model:gpt-4.1", (1,)),
    ("llm_generation_cost_dollars:0.75|c|#provider:anthropic,model:claude-3-opus", ANYWHERE),
    *[(f"jobs_completed_total:1|c|#status:{status}", ANYWHERE)
      for status in ("delivered", "blocked", "failed")],
    *[(f"qc_score:{score}|h", ANYWHERE) for score in (12, 55.5, 78, 93)],
    ("unmapped.counter:3|c", ANYWHERE),
    ("unmapped.timer:17|ms", (0, 2)),
    ("no colon", ANYWHERE),
    ("negative:-1|c", (2,)),
]
# What does not: each of these series lives at one server.
GAUGES = [
    ("active_jobs:7|g", 1),
    *[(f"http_requests_inprogress:{n}|g|#worker:w{n}", n % N_SERVERS) for n in range(1, 6)],
    ("batch_review_progress_percent:75|g|#batch_id:batch_a", 0),
    ("batch_review_progress_percent:30|g|#batch_id:batch_b", 2),
    *[(f"bacowr_app_heartbeat_timestamp_seconds:{1767225600 + n}|g|#worker:w{n}", n)
      for n in range(N_SERVERS)],
]
# The aggregator's own counters add up too.
OWN = ["sum(statsd_exporter_lines_total)", "sum by (type) (statsd_exporter_events_total)",
       "sum by (reason) (statsd_exporter_sample_errors_total)",
       "sum by (reason) (statsd_exporter_events_error_total)"]
TARGET_LABELS = "instance, job, site"
RATE = re.compile(r"\b(rate|increase)\(([^()]+)\[\w+\]\)")

Answer = dict[frozenset[tuple[str, str]], float]


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def dashboard_queries() -> dict[str, str]:
    """Those about the application, with everything chosen."""
    found = {}
    for name in ("bacowr-api", "bacowr-business"):
        board = dashboards.load(dashboards.FOLDER / f"{name}.json")
        chosen = {variable["name"]: ".*" for variable in dashboards.variables(board)}
        for panel in dashboards.panels(board):
            for target in panel["targets"]:
                _, built_in = dashboards.intervals(target, 10, 3600)
                title = f"{panel['title']} {target['refId']}"
                found[title] = dashboards.fill_in(target["expr"], chosen | built_in)
    return found


def rule_queries() -> dict[str, str]:
    """Recording rules, and what alerts compare with their thresholds."""
    recorded = {rule["record"]: rule["expr"] for group in load("recording_rules.yml")["groups"]
                for rule in group["rules"]}
    alerts = {rule["alert"]: re.sub(r" > [\d.]+", "", rule["expr"])
              for group in load("alert_rules.yml")["groups"] for rule in group["rules"]}
    return recorded | alerts


def between(expression: str, begin: float, end: float) -> str:
    """Rates as exact differences of two moments, so that nothing depends on when was scraped."""
    return RATE.sub(rf"(\2 @ {end:.3f} - \2 @ {begin:.3f})", expression)


class ScaleTest(ServerTest):
    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())
        self.single: programs.Prometheus  # what scrapes the reference
        self.random = random.Random(1)
        self.servers = [self.start_one(str(number)) for number in range(N_SERVERS)]
        self.reference = self.start_one("reference")

    def start_one(self, name: str) -> Server:
        server = Server((), MAPPING, f"{self.id()}.{name}")
        self.addCleanup(server.kill)
        self.addCleanup(self._stop, server)
        return server

    # ---- what is sent ----

    def send(self, lines: list[tuple[str, int]]) -> None:
        """Lines and who gets them; the reference gets all. Returns when they are worked off."""
        for number, server in enumerate(self.servers):
            self.send_to(server, [line for line, one in lines if one == number])
        self.send_to(self.reference, [line for line, _ in lines])

    @staticmethod
    def send_to(server: Server, lines: list[str]) -> None:
        for at in range(0, len(lines), 20):
            server.send("\n".join(lines[at:at + 20]))
        server.settle()

    def send_first(self) -> None:
        """Everything once, so that Prometheus knows each series before it counts."""
        self.send(GAUGES + [(line, one) for line, where in COUNTED for one in where])

    def send_more(self) -> None:
        drawn = self.random.choices(COUNTED, k=N_DRAWN)
        self.send([(line, self.random.choice(where)) for line, where in drawn])

    # ---- who is asked ----

    def start_prometheus(self, name: str, *flags: str, target: int | tuple[int, ...] = (),
                         config: dict[str, Any] | None = None, port: int = 0
                         ) -> programs.Prometheus:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        text = yaml.safe_dump(config) if config else None
        return programs.Prometheus(self, folder, port or free_port(), target, flags, text, name)

    @staticmethod
    def seen(many: dict[programs.Prometheus, int]) -> float:
        """Wait until each has what was sent, of so many targets. A moment when that is so."""
        asked = f'count(timestamp(up{{job=~"bacowr.*"}}) > {time.time():.3f})'
        for prometheus, n_targets in many.items():
            wait_until("all have been scraped again",
                       lambda: prometheus.value(asked) == n_targets, 40)
        return time.time()

    @staticmethod
    def ask(prometheus: programs.Prometheus, expression: str, at: float) -> Answer:
        rows = prometheus.ask("/api/v1/query", query=expression, time=at)["result"]
        return {frozenset(row["metric"].items()): float(row["value"][1]) for row in rows}

    def compare(self, what: str, found: Answer, wanted: Answer, margin: float = 1e-9) -> None:
        with self.subTest(what):
            self.assertTrue(wanted, "the reference answers nothing")
            self.assertEqual(set(found), set(wanted))
            for labels, value in wanted.items():
                self.assertTrue(math.isfinite(value), value)
                self.assertTrue(math.isclose(found[labels], value, rel_tol=margin, abs_tol=1e-9),
                                f"{dict(labels)}: {found[labels]}, and {value} by the reference")


class AgentTest(ScaleTest):
    """Three servers, an agent with prometheus/agent.yml, a Prometheus that it writes to; and the
    reference, with a Prometheus that scrapes it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.central = self.start_prometheus("central", "--web.enable-remote-write-receiver")
        self.single = self.start_prometheus("single", target=self.reference.ports.web)
        self.agent_port = self.start_agent()

    def seen_by_both(self) -> float:
        return self.seen({self.single: 1, self.central: N_SERVERS})

    def seen_by_agent(self) -> float:
        """As seen(), without anybody who could be asked for values."""
        now = time.time()

        def all_scraped() -> bool:
            _, body = programs.request(self.agent_port, "/api/v1/targets")
            times = [datetime.fromisoformat(target["lastScrape"]).timestamp()
                     for target in json.loads(body)["data"]["activeTargets"]]
            return len(times) == N_SERVERS and min(times) > now

        wait_until("the agent has scraped all again", all_scraped, 40)
        return time.time()

    def agent_config(self) -> dict[str, Any]:
        """The shipped one in a hurry. Two targets stand in it, the third in a file beside it."""
        config = load("agent.yml")
        config["global"]["scrape_interval"] = "1s"
        job = config["scrape_configs"][0]
        del job["dns_sd_configs"]  # asks a name server, and there is none
        first, second, third = [f"{HOST}:{server.ports.web}" for server in self.servers]
        job |= {"scrape_interval": "1s", "static_configs": [{"targets": [first, second]}]}
        targets = self.folder / "agent" / "targets"
        targets.mkdir(parents=True)
        (targets / "third.yml").write_text(yaml.safe_dump([{"targets": [third]}]))
        config["scrape_configs"] = [job]
        (remote,) = config["remote_write"]
        remote["url"] = remote["url"].replace("prometheus-central:9090",
                                              f"{HOST}:{self.central.port}")
        # One connection keeps the order, so what was scraped last arrives last.
        remote["queue_config"] |= {"batch_send_deadline": "200ms", "max_shards": 1,
                                   "min_backoff": "30ms", "max_backoff": "100ms"}
        return config

    def start_agent(self) -> int:
        config = self.agent_config()
        folder = self.folder / "agent"
        (folder / "agent.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        # At its end nobody may be there any more who takes the rest.
        programs.start(self, "agent", [
            programs.PROMETHEUS, "--enable-feature=agent", "--config.file=agent.yml",
            "--storage.agent.path=data", "--storage.remote.flush-deadline=1s",
            f"--web.listen-address={HOST}:{port}"], folder)
        wait_until("the agent is ready", programs.answers(port, "/-/ready"), 60)
        return port

    # ---- what is compared ----

    def check_totals(self, at: float) -> None:
        """Every counter and histogram that was sent, series by series."""
        for family in self.reference.scrape().families.values():
            if family.type in ("counter", "histogram") and not family.own:
                for name in {name for name, _ in family.samples}:
                    asked = f"sum without ({TARGET_LABELS}) ({name})"
                    self.compare(name, self.ask(self.central, asked, at),
                                 self.ask(self.single, asked, at))
        for asked in OWN:
            self.compare(asked, self.ask(self.central, asked, at), self.ask(self.single, asked, at))

    def check_queries(self, begin: float, end: float) -> None:
        queries = dashboard_queries() | rule_queries()
        self.assertGreater(len(queries), 30)
        for what, asked in queries.items():
            exact = between(asked, begin, end)
            self.compare(f"{what}, exact", self.ask(self.central, exact, end),
                         self.ask(self.single, exact, end))
            self.compare(what, self.ask(self.central, asked, end),
                         self.ask(self.single, asked, end), RATE_MARGIN)

    def check_forgotten_sum(self, begin: float, end: float) -> None:
        """The comparison is not blind: a query that does not add up is found."""
        asked = between("histogram_quantile(0.95, rate(qc_score_bucket[5m]))", begin, end)
        found, wanted = self.ask(self.central, asked, end), self.ask(self.single, asked, end)
        self.assertEqual((len(found), len(wanted)), (N_SERVERS, 1))

    def test_three_answer_as_one(self) -> None:
        self.send_first()
        begin = self.seen_by_both()
        self.check_totals(begin)
        self.send_more()
        scrapes = f'min(count_over_time(up{{job=~"bacowr.*"}}[{N_SCRAPES * 2}s]))'
        for prometheus in (self.single, self.central):
            wait_until("enough scrapes", lambda: (prometheus.value(scrapes) or 0) >= N_SCRAPES, 60)
        end = self.seen_by_both()
        self.check_totals(end)
        self.check_queries(begin, end)
        self.check_forgotten_sum(begin, end)
        self.assertEqual({row["metric"]["site"] for row in self.central.query("up")}, {"first"})

    def test_nothing_is_lost_while_the_receiver_is_away(self) -> None:
        """Not even what was between two of its lives: each scrape arrives, with its own time."""
        self.send_first()
        begin = self.seen_by_both()
        end_process(self.central.process)
        self.send_more()
        self.seen({self.single: 1})
        away = self.seen_by_agent()
        self.send_more()
        self.central = self.start_prometheus("central", "--web.enable-remote-write-receiver",
                                             port=self.central.port)
        end = self.seen_by_both()
        for at in (begin, away, end):
            self.check_totals(at)

    def test_what_does_not_add_up(self) -> None:
        """Quantiles of summaries, distinct members, and gauges in two places."""
        summary = "- {match: wait, name: wait_seconds, observer_type: summary}\n"
        for server in (*self.servers, self.reference):
            server.write_mapping(f"{MAPPING}{summary}")
            server.reload()
        self.send([(f"wait:{ms}|ms", one) for one, ms in enumerate((10, 10, 1000))]
                  + [("users:alice|s", one) for one in range(N_SERVERS)] + [("users:bob|s", 1)]
                  + [("active_jobs:7|g", one) for one in range(2)])
        at = self.seen_by_both()

        def both(asked: str) -> tuple[float, float]:
            (found,) = self.ask(self.central, asked, at).values()
            (wanted,) = self.ask(self.single, asked, at).values()
            return found, wanted

        self.assertEqual(both("sum(wait_seconds_count)"), (3, 3))
        mean, quantile = both('avg(wait_seconds{quantile="0.5"})')
        self.assertGreater(mean, 10 * quantile)
        self.assertEqual(both("sum(users)"), (4, 2))
        self.assertEqual(both("sum(active_jobs)"), (14, 7))


class FederationTest(ScaleTest):
    """Two sites with prometheus.yml, one Prometheus above them with federate.yml."""

    def start_site(self, name: str, servers: list[Server]) -> programs.Prometheus:
        config = load("prometheus.yml")
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(FOLDER / "recording_rules.yml")]
        del config["alerting"]
        job = config["scrape_configs"][0]
        job["static_configs"] = [{"targets": [f"{HOST}:{server.ports.web}" for server in servers]}]
        job["scrape_interval"] = "1s"
        del job["dns_sd_configs"]
        config["scrape_configs"] = [job]
        return self.start_prometheus(name, config=config)

    def start_global(self, *sites: programs.Prometheus) -> programs.Prometheus:
        config = load("federate.yml")
        config["global"] = {"scrape_interval": "1s"}
        (job,) = config["scrape_configs"]
        for group, site in zip(job["static_configs"], sites, strict=True):
            group["targets"] = [f"{HOST}:{site.port}"]
        return self.start_prometheus("global", config=config)

    @staticmethod
    def samples(prometheus: programs.Prometheus, asked: str, at: float
                ) -> dict[frozenset[tuple[str, str]], set[tuple[float, str]]]:
        rows = prometheus.ask("/api/v1/query", query=asked, time=at)["result"]
        return {frozenset(row["metric"].items()): {(when, value) for when, value in row["values"]}
                for row in rows}

    def check_copies(self, names: list[str], at: float) -> None:
        """Each sample above is one of its site's, with its time; two labels say whence it came."""
        for name in names:
            for site, prometheus in self.sites.items():
                with self.subTest(f"{name} of {site}"):
                    added = {("site", site), ("job", "federate")}
                    own = {labels | added: values for labels, values
                           in self.samples(prometheus, f"{name}[2m]", at).items()}
                    copies = self.samples(self.above, f'{name}{{site="{site}"}}[2m]', at)
                    self.assertEqual(set(copies), set(own))
                    for labels, values in own.items():
                        self.assertLessEqual(copies[labels], values)

    def test_sites_add_up(self) -> None:
        self.sites = {"first": self.start_site("first", self.servers[:2]),
                      "second": self.start_site("second", self.servers[2:])}
        self.single = self.start_site("single", [self.reference])
        self.above = self.start_global(*self.sites.values())
        self.send_first()
        targets = {self.single: 1, self.sites["first"]: 2, self.sites["second"]: 1}
        self.seen(targets)
        self.send_more()
        self.recorded_after(self.seen(targets))
        at = time.time()
        names = [rule["record"] for group in load("recording_rules.yml")["groups"]
                 for rule in group["rules"]]
        self.check_copies(names, at)
        self.check_sums(at)
        self.assertEqual(self.above.query("api_requests_total"), [])

    def recorded_after(self, begin: float) -> None:
        """Wait until what is recorded is of samples that were taken then, and of enough of them."""
        name = "job:api_requests:rate5m"
        asked = (f"count(timestamp({name}) > {begin:.3f}"
                 f" and count_over_time({name}[{N_SCRAPES * 3}s]) >= {N_SCRAPES})")
        for prometheus, n_sites in ((self.single, 1), (self.above, len(self.sites))):
            wait_until("enough is recorded", lambda: prometheus.value(asked) == n_sites, 60)

    def check_sums(self, at: float) -> None:
        queries = {
            "sum(job:api_requests:rate5m)": "job:api_requests:rate5m",
            "sum by (status) (status:jobs_completed:rate5m)": "status:jobs_completed:rate5m",
            "sum by (provider, model) (provider_model:llm_generation_cost_dollars:rate1h)":
                "provider_model:llm_generation_cost_dollars:rate1h",
            "histogram_quantile(0.95, sum by (le)"
            " (endpoint_le:api_request_duration_seconds_bucket:rate5m))":
                "job:api_request_duration_seconds:p95_5m",
        }
        for asked, recorded in queries.items():
            wanted = {frozenset(pair for pair in labels if pair[0] != "__name__"): value
                      for labels, value in self.ask(self.single, recorded, at).items()}
            self.compare(asked, self.ask(self.above, asked, at), wanted, RATE_MARGIN)


class ConfigurationTest(unittest.TestCase):
    def check(self, *words: str | Path) -> None:
        done = programs.run([programs.PROMTOOL, "check", "config", *words], folder=FOLDER)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_federate_is_valid(self) -> None:
        self.check("federate.yml")

    def test_agent_is_valid_with_each_receiver(self) -> None:
        """As it is, and with each block of a receiver that stands there as a comment."""
        self.check("--agent", "agent.yml")
        text = (FOLDER / "agent.yml").read_text()
        receivers = re.findall(r"(?m)^# - url: .*\n(?:#   .*\n)+", text)
        self.assertEqual(len(receivers), 2)
        with new_folder() as folder:
            for block in receivers:
                with self.subTest(block.splitlines()[0]):
                    file = folder / "agent.yml"
                    file.write_text(text.replace(block, re.sub(r"(?m)^# ", "", block)))
                    self.assertEqual(len(yaml.safe_load(file.read_text())["remote_write"]), 2)
                    self.check("--agent", file)

    def test_agent_scrapes_what_prometheus_does(self) -> None:
        """The same first job, so that alerts and dashboards find it under its name."""
        self.assertEqual(load("agent.yml")["scrape_configs"][0],
                         load("prometheus.yml")["scrape_configs"][0])

    def test_replicas_are_like_the_first(self) -> None:
        """compose/scale.yml repeats what the aggregator of the stack has, all but the ports."""
        stack = yaml.safe_load((ROOT / "docker-compose.monitoring.yml").read_text())
        ((name, replica),) = yaml.safe_load(
            (ROOT / "compose" / "scale.yml").read_text())["services"].items()
        first = stack["services"]["bacowr-statsd"]
        del first["ports"], replica["deploy"]["replicas"]
        self.assertEqual(replica, first)
        found = load("prometheus.yml")["scrape_configs"][0]["dns_sd_configs"]
        self.assertEqual([one["names"] for one in found], [[name]])


if __name__ == "__main__":
    unittest.main()
