# SPDX-License-Identifier: Apache-2.0
"""The shipped Dockerfile and docker-compose.monitoring.yml on a real Docker engine, all profiles up.

The images of others are stand-ins (stand-ins.Dockerfile), so their tags, and Grafana, are not
tested. The tests share one stack, in the order of ORDER.
"""

from __future__ import annotations

import http.server
import json
import re
import shutil
import socket
import threading
import unittest
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from engine import PLAIN, Engine, enter_namespaces
from images import AGAIN, make_images
from lib.harness import HOST, ROOT, new_folder, wait_until
from lib.programs import answers, request
from steps import say

FILE = "docker-compose.monitoring.yml"
SERVICES = {"bacowr-statsd", "prometheus", "grafana", "alertmanager", "node-exporter"}
VOLUMES = {"bacowr_prometheus_data", "bacowr_grafana_data", "bacowr_alertmanager_data"}
PROJECT = "bacowr"

# CPUs, memory and reserved memory (MiB), user, ports on loopback.
EXPECTED: dict[str, tuple[float, int, int, str, set[str]]] = {
    "bacowr-statsd": (1.0, 1024, 128, "65532:65532",
                      {"8125/udp", "8125/tcp", "9125/udp", "9125/tcp", "9102/tcp"}),
    "prometheus": (1.0, 2048, 1024, "65534:65534", {"9090/tcp"}),
    "grafana": (1.0, 512, 128, "472:0", {"3000/tcp"}),
    "alertmanager": (0.25, 128, 32, "65534:65534", {"9093/tcp"}),
    "node-exporter": (0.25, 128, 32, "65534:65534", {"9100/tcp"}),
}

# The one backup command of the monitoring's first description, word by word.
FIRST_BACKUP = ("docker run --rm -v bacowr_prometheus_data:/data -v $(pwd):/backup ubuntu "
                "tar czf /backup/prometheus-backup.tar.gz /data")

ORDER = ("test_configuration", "test_everything_is_healthy", "test_containers_are_confined",
         "test_limits_are_applied", "test_ports_are_on_loopback", "test_image",
         "test_image_is_the_same_twice", "test_names_resolve_in_the_image",
         "test_lines_reach_prometheus", "test_targets_are_up", "test_replicas_add_up", "test_retention",
         "test_alert_reaches_alertmanager", "test_backup_and_restore",
         "test_broken_backup_changes_nothing", "test_first_backup_command",
         "test_backup_without_an_engine", "test_stop_is_orderly", "test_down_leaves_volumes")


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite,
               pattern: str | None) -> unittest.TestSuite:
    if set(ORDER) != set(loader.getTestCaseNames(ContainersTest)):
        raise ValueError("ORDER names other tests than there are")
    return unittest.TestSuite(ContainersTest(name) for name in ORDER)


class HostPage(http.server.BaseHTTPRequestHandler):
    """A program on the host with metrics, for host.docker.internal."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"program_on_the_host 1\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def send_udp(port: int, line: str, host: str = HOST) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(line.encode(), (host, port))


def send_tcp(port: int, line: str) -> None:
    with socket.create_connection((HOST, port)) as sender:
        sender.sendall(line.encode() + b"\n")


def query(expression: str) -> list[dict[str, Any]]:
    words = urllib.parse.urlencode({"query": expression})
    status, body = request(9090, f"/api/v1/query?{words}")
    assert status == 200, body
    return json.loads(body)["data"]["result"]


def value(expression: str) -> float | None:
    result = query(expression)
    return float(result[0]["value"][1]) if result else None


class ContainersTest(unittest.TestCase):
    engine: Engine
    folder: Path

    # ---- the stack ----

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(new_folder())
        say("a Docker engine is started that builds")
        cls.engine = Engine(PLAIN)
        try:
            make_images(cls.engine, cls.image_names())
        finally:
            cls.engine.stop()
        say("another one is started, in namespaces of its own")
        enter_namespaces()
        cls.serve_host_page()
        cls.engine = Engine()
        cls.addClassCleanup(cls.engine.stop)
        cls.addClassCleanup(cls.compose, "down", "--volumes", "--timeout=2")
        cls.compose("down", "--volumes", "--timeout=2")  # of a run that was cut short
        cls.prepare_prometheus()
        say("docker-compose up, with all profiles")
        cls.compose("up", "--detach", "--no-build", seconds=120)

    def setUp(self) -> None:
        say(self._testMethodName.replace("_", " "))

    @classmethod
    def image_names(cls) -> dict[str, str]:
        services = yaml.safe_load(cls.compose("config"))["services"]
        return {name: service["image"] for name, service in services.items()}

    @classmethod
    def serve_host_page(cls) -> None:
        server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), HostPage)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.host_port = server.server_port

    @classmethod
    def prepare_prometheus(cls) -> None:
        """The shipped configuration in a hurry, and a target on the host; mounted over ours."""
        ours = cls.folder / "prometheus"
        shutil.copytree(ROOT / "prometheus", ours)
        cls.folder.chmod(0o755)
        main = ours / "prometheus.yml"
        main.write_text(re.sub(r"(?m)^( *(?:scrape|evaluation|refresh)_interval): \w+$", r"\1: 1s",
                               main.read_text()))
        rules = ours / "alert_rules.yml"
        rules.write_text(re.sub(r"(?m)^( *for): \w+$", r"\1: 2s", rules.read_text()))
        (ours / "targets" / "host.yml").write_text(
            f"- targets: ['host.docker.internal:{cls.host_port}']\n")
        override = {"services": {"prometheus": {"volumes": [f"{ours}:/etc/prometheus:ro"]}}}
        (cls.folder / "override.yml").write_text(yaml.safe_dump(override))

    @classmethod
    def compose(cls, *words: str, seconds: float = 60, also: str = "") -> str:
        override = cls.folder / "override.yml"
        more = [f"--file={also}"] if also else []
        more += [f"--file={override}"] if override.exists() else []
        return cls.engine.run("docker-compose", f"--project-name={PROJECT}",
                              "--env-file=.env.example", f"--file={FILE}", *more,
                              "--profile=alerting", "--profile=node", *words, seconds=seconds)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine says of each container, by service."""
        names = self.engine.run("docker", "ps", "--all", "--quiet").split()
        found = json.loads(self.engine.run("docker", "inspect", *names)) if names else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).strip()

    # ---- tests, see ORDER ----

    def test_configuration(self) -> None:
        """No complaint; .env.example names every variable, with the default."""
        common = ("docker-compose", f"--file={FILE}", "--profile=alerting", "--profile=node")
        empty = self.folder / "empty.env"
        empty.touch()
        plain = self.engine.try_run(*common, f"--env-file={empty}", "config")
        self.assertEqual((plain.returncode, plain.stderr), (0, ""))
        example = self.engine.run(*common, "--env-file=.env.example", "config")
        self.assertEqual(yaml.safe_load(plain.stdout), yaml.safe_load(example))
        profiles = {name: service.get("profiles") for name, service
                    in yaml.safe_load(example)["services"].items()}
        self.assertEqual(profiles, {"bacowr-statsd": None, "prometheus": None, "grafana": None,
                                    "alertmanager": ["alerting"], "node-exporter": ["node"]})
        used = set(re.findall(r"\$\{(\w+)", (ROOT / FILE).read_text()))
        named = set(re.findall(r"(?m)^(\w+)=", (ROOT / ".env.example").read_text()))
        self.assertEqual(used, named - {"COMPOSE_PROJECT_NAME", "ENABLE_METRICS"})

    def test_everything_is_healthy(self) -> None:
        def healthy() -> set[str]:
            return {name for name, one in self.containers().items()
                    if one["State"].get("Health", {}).get("Status") == "healthy"}

        wait_until("all are healthy", lambda: healthy() == SERVICES, 60)

    def test_containers_are_confined(self) -> None:
        """What was asked for, and what the kernel says of the process."""
        for name, one in self.containers().items():
            with self.subTest(name):
                host = one["HostConfig"]
                self.assertTrue(host["ReadonlyRootfs"])
                self.assertFalse(host["Privileged"])
                self.assertEqual(host["RestartPolicy"]["Name"], "unless-stopped")
                self.assertEqual(host["LogConfig"]["Config"], {"max-size": "10m", "max-file": "3"})
                self.assertEqual(one["Config"]["User"], EXPECTED[name][3])
                status = Path(f"/proc/{one['State']['Pid']}/status").read_text()
                for field, wanted in {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1",
                                      "Seccomp": "2"}.items():
                    self.assertRegex(status, rf"(?m)^{field}:\s+{wanted}$")
                user = EXPECTED[name][3].split(":")[0]
                self.assertRegex(status, rf"(?m)^Uid:(\s+{user}){{4}}$")
        refused = self.engine.try_run("docker", "exec", "--user=0", self.container("prometheus"),
                                      "sh", "-c", "echo x >/etc/x")
        self.assertIn("Read-only file system", refused.stderr)

    def test_limits_are_applied(self) -> None:
        for name, one in self.containers().items():
            with self.subTest(name):
                host = one["HostConfig"]
                cpus, memory, reserved, _, _ = EXPECTED[name]
                self.assertEqual(host["NanoCpus"], int(cpus * 1e9))
                self.assertEqual(host["Memory"], memory << 20)
                self.assertEqual(host["MemoryReservation"], reserved << 20)

    def test_ports_are_on_loopback(self) -> None:
        for name, one in self.containers().items():
            with self.subTest(name):
                published = {port: places for port, places in
                             one["NetworkSettings"]["Ports"].items() if places}
                self.assertEqual(set(published), EXPECTED[name][4])
                self.assertEqual({place["HostIp"] for places in published.values()
                                  for place in places}, {HOST})
        for port, path in {9102: "/-/ready", 9090: "/-/ready", 3001: "/api/health",
                           9093: "/-/ready", 9100: "/metrics"}.items():
            with self.subTest(port):
                self.assertTrue(answers(port, path)())

    def test_image(self) -> None:
        """Small, without a shell, and telling what is in it."""
        container = self.container("bacowr-statsd")
        image = json.loads(self.engine.run("docker", "inspect", container))[0]["Image"]
        told = json.loads(self.engine.run("docker", "image", "inspect", image))[0]
        self.assertLess(told["Size"], 12 << 20)
        labels = told["Config"]["Labels"]
        self.assertEqual(labels["org.opencontainers.image.title"], "bacowr-statsd")
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        self.assertNotEqual(self.engine.try_run("docker", "exec", container, "sh").returncode, 0)
        copy = self.folder / "status.d"
        self.engine.run("docker", "cp", f"{container}:/var/lib/dpkg/status.d", copy)
        self.assertEqual({file.name for file in copy.iterdir()},
                         {"libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "libuv1", "libyaml-0-2",
                          "zlib1g"})
        for file in copy.iterdir():
            self.assertRegex(file.read_text(), r"(?m)^Version: \d")

    def test_image_is_the_same_twice(self) -> None:
        """Its layers, that is: when it was built stands beside them."""
        names = [self.image_names()["bacowr-statsd"], AGAIN]
        told = json.loads(self.engine.run("docker", "image", "inspect", *names))
        self.assertNotEqual(told[0]["Created"], told[1]["Created"])
        self.assertEqual(told[0]["RootFS"], told[1]["RootFS"])

    def test_names_resolve_in_the_image(self) -> None:
        """From /etc/hosts and by the engine's name server, as a relay's target would be."""
        for address in ("localhost:9102", "prometheus:9090", "alertmanager:9093"):
            with self.subTest(address):
                said = self.engine.run("docker", "exec", self.container("bacowr-statsd"),
                                       "/usr/bin/bacowr-statsd", "healthcheck",
                                       f"--web.listen-address={address}")
                self.assertTrue(said.endswith(": ready\n"), said)

    def test_lines_reach_prometheus(self) -> None:
        """Over both transports and both ports, to the page and on to Prometheus."""
        line = "api_requests_total:1|c|#endpoint:/stack,method:GET,status:200"
        send_udp(8125, line)
        send_udp(9125, line)
        send_tcp(8125, line)
        send_tcp(9125, line)

        def on_page() -> bool:
            return ('api_requests_total{endpoint="/stack",method="GET",status="200"} 4\n'
                    in request(9102, "/metrics")[1].decode())

        wait_until("the samples are on the page", on_page)
        wait_until("the samples are in Prometheus",
                   lambda: value('api_requests_total{endpoint="/stack"}') == 4, 20)

    def test_targets_are_up(self) -> None:
        """All that are listed, and a program on the host by host.docker.internal."""
        def down() -> list[str]:
            listed = json.loads(request(9090, "/api/v1/targets")[1])["data"]["activeTargets"]
            return [one["scrapeUrl"] for one in listed if one["health"] != "up"]

        wait_until("all targets are up", lambda: not down(), 20)
        self.assertEqual({one["metric"]["job"] for one in query("up == 1")},
                         {"bacowr-api", "prometheus", "alertmanager", "node"})
        self.assertEqual(value("program_on_the_host"), 1)
        self.assertIsNotNone(value("node_memory_MemTotal_bytes"))

    def test_replicas_add_up(self) -> None:
        """As many as were asked for, found by their name, summed; those that go are forgotten."""
        service, scale = "bacowr-statsd-replicas", "compose/scale.yml"
        up = ("up", "--detach", "--no-build")
        before = value('count(up{job="bacowr-api"} == 1)') or 0
        self.compose(*up, f"--scale={service}=3", also=scale)
        wait_until("the replicas are scraped",
                   lambda: value('count(up{job="bacowr-api"} == 1)') == before + 3, 30)
        names = self.compose("ps", "--quiet", service, also=scale).split()
        for one in json.loads(self.engine.run("docker", "inspect", *names)):
            (network,) = one["NetworkSettings"]["Networks"].values()
            send_udp(8125, "api_requests_total:1|c|#endpoint:/replica,method:GET,status:200",
                     network["IPAddress"])
        wait_until("what they counted is summed",
                   lambda: value('sum(api_requests_total{endpoint="/replica"})') == 3, 20)
        # Not to none: nobody answers for names that the engine does not know, and then Prometheus
        # keeps what it knew.
        self.compose(*up, f"--scale={service}=1", also=scale)
        wait_until("two replicas are forgotten",
                   lambda: value('count(up{job="bacowr-api"})') == before + 1, 30)
        self.compose(*up, "--remove-orphans")

    def test_retention(self) -> None:
        flags = json.loads(request(9090, "/api/v1/status/flags")[1])["data"]
        self.assertEqual(flags["storage.tsdb.retention.time"], "30d")

    def test_alert_reaches_alertmanager(self) -> None:
        """A line sent to the published port, a shipped rule, an alert."""
        def alerts() -> set[str]:
            listed = json.loads(request(9093, "/api/v2/alerts?active=true")[1])
            return {one["labels"]["alertname"] for one in listed}

        self.assertNotIn("TooManyActiveJobs", alerts())
        send_udp(8125, "active_jobs:150|g")
        wait_until("the alert is there", lambda: "TooManyActiveJobs" in alerts(), 30)

    # ---- backups ----

    def make(self, goal: str) -> str:
        return self.engine.run("make", "--no-print-directory", goal,
                               f"BACKUP_DIR={self.folder}/backup")

    def in_grafana(self, script: str) -> str:
        return self.engine.run("docker", "exec", self.container("grafana"), "sh", "-c", script)

    def test_backup_and_restore(self) -> None:
        """What was there comes back, what came later goes; owners stay, nothing stays paused."""
        sum_then = "sum(api_requests_total{endpoint='/stack'})"
        self.assertEqual(value(sum_then), 4)
        self.in_grafana("echo before >/var/lib/grafana/note")
        self.make("backup")
        self.assertEqual({one["State"]["Status"] for one in self.containers().values()},
                         {"running"})
        self.in_grafana("echo after >/var/lib/grafana/note; touch /var/lib/grafana/later")
        self.engine.run("docker", "stop", self.container("prometheus"))
        self.engine.run("docker", "run", "--rm", "--volume=bacowr_prometheus_data:/data",
                        "ubuntu", "find", "/data", "-mindepth", "1", "-delete")
        self.make("restore")
        self.engine.run("docker", "start", self.container("prometheus"))
        self.assertEqual(self.in_grafana("cd /var/lib/grafana; cat note; stat -c %u note; ls"),
                         "before\n472\ndashboards\nnote\n")
        wait_until("Prometheus is back", answers(9090, "/-/ready"), 20)
        self.assertIsNotNone(value("min_over_time(program_on_the_host[10m] offset 10s)"))

    def test_broken_backup_changes_nothing(self) -> None:
        archive = self.folder / "backup" / "prometheus-backup.tar.gz"
        whole = archive.read_bytes()
        archive.write_bytes(whole[:len(whole) // 2])
        self.addCleanup(archive.write_bytes, whole)
        before = self.containers()["prometheus"]["State"]["StartedAt"]
        done = self.engine.try_run("make", "restore", f"BACKUP_DIR={self.folder}/backup")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nothing was changed", done.stderr)
        self.assertEqual(self.containers()["prometheus"]["State"]["StartedAt"], before)

    def test_first_backup_command(self) -> None:
        """It works as it was written, and our restore takes what it makes."""
        folder = self.folder / "first"
        folder.mkdir()
        self.engine.run("sh", "-c", FIRST_BACKUP, folder=folder)
        shutil.copy(folder / "prometheus-backup.tar.gz", self.folder / "backup")
        self.make("restore")
        wait_until("Prometheus is back", answers(9090, "/-/ready"), 20)

    def test_backup_without_an_engine(self) -> None:
        """It is the engine that is missed, not one of its images."""
        done = self.engine.try_run("make", "backup", f"BACKUP_DIR={self.folder}/nothing",
                                   DOCKER_HOST="unix:///nowhere")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("needs a Docker engine, and none answers", done.stderr)
        self.assertNotIn("image", done.stderr)
        self.assertFalse((self.folder / "nothing").exists())

    # ---- the end ----

    def test_stop_is_orderly(self) -> None:
        self.compose("stop", "bacowr-statsd")
        state = self.containers()["bacowr-statsd"]["State"]
        self.assertEqual((state["ExitCode"], state["OOMKilled"]), (0, False))

    def test_down_leaves_volumes(self) -> None:
        """And nothing else; with --volumes not even these."""
        self.compose("down", "--timeout=5")
        self.assertEqual(self.containers(), {})
        self.assertEqual(self.names("network"), {"bridge", "host", "none"})
        self.assertEqual(self.names("volume"), VOLUMES)
        self.compose("down", "--volumes")
        self.assertEqual(self.names("volume"), set())

    def names(self, kind: str) -> set[str]:
        return set(self.engine.run("docker", kind, "ls", "--format={{.Name}}").split())
