# SPDX-License-Identifier: Apache-2.0
"""The files for Kubernetes. There is no cluster here: they are held to each other, to the real
binary, which is started as they start it, and to a real Prometheus, which relabels as they say.
"""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Any

import yaml

from lib import programs
from lib.harness import (HOST, ROOT, Ports, Server, ServerTest, free_port, new_folder, run,
                         wait_until)

FOLDER = ROOT / "kubernetes"
ALERTS = ROOT / "prometheus" / "aggregator_rules.yml"
MOUNT = "/etc/bacowr-statsd/"
DEFAULT_GRACE = 30

# What the Prometheus Operator makes of a PodMonitor before its own relabelings: labels of a target.
OPERATOR = {"namespace": "monitoring", "container": "bacowr-statsd", "pod": "bacowr-statsd-x7k2p",
            "job": "monitoring/bacowr-statsd"}
NODE = "worker-3"

Json = dict[str, Any]

API_VERSIONS = {"DaemonSet": "apps/v1", "Deployment": "apps/v1", "Service": "v1",
                "PodMonitor": "monitoring.coreos.com/v1",
                "Kustomization": "kustomize.config.k8s.io/v1beta1",
                "Component": "kustomize.config.k8s.io/v1alpha1"}


def load(path: Path) -> Json:
    return yaml.safe_load(path.read_text())


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


class Pattern:
    """One of the two: its folder, its kustomization, its aggregator's container, its PodMonitor."""

    def __init__(self, folder: str, workload: str, containers: str) -> None:
        self.folder = FOLDER / folder
        self.kustomization = load(self.folder / "kustomization.yaml")
        self.template = load(self.folder / workload)["spec"]["template"]
        self.pod = self.template["spec"]
        (self.container,) = self.pod[containers]
        self.monitor = load(self.folder / "podmonitor.yaml")
        (self.endpoint,) = self.monitor["spec"]["podMetricsEndpoints"]

    def ports(self) -> dict[str, Json]:
        return {port["name"]: port for port in self.container["ports"]}

    def flag(self, name: str) -> str:
        (value,) = [word.split("=", 1)[1] for word in self.container["args"]
                    if word.startswith(f"--{name}=")]
        return value


BASE = Pattern("base", "daemonset.yaml", "containers")
SIDECAR = Pattern("sidecar", "sidecar.yaml", "initContainers")
PATTERNS = {"base": BASE, "sidecar": SIDECAR}


class FilesTest(unittest.TestCase):
    def each(self) -> Any:
        for name, pattern in PATTERNS.items():
            with self.subTest(name):
                yield pattern

    def test_kinds(self) -> None:
        files = [*FOLDER.rglob("*.yaml"), ROOT / "conf" / "kustomization.yaml"]
        self.assertEqual(len(files), 8)
        for path in files:
            with self.subTest(str(path)):
                one = load(path)
                self.assertEqual(one["apiVersion"], API_VERSIONS[one["kind"]])

    def test_kustomizations_name_what_is_there(self) -> None:
        """Every file, and each from where kustomize may take it: files below, folders anywhere."""
        for pattern in self.each():
            named = [*pattern.kustomization["resources"],
                     *[one["path"] for one in pattern.kustomization.get("patches", [])]]
            for name in named:
                path = pattern.folder / name
                self.assertTrue((path / "kustomization.yaml").exists() if path.is_dir()
                                else path.exists() and ".." not in path.relative_to(FOLDER).parts,
                                name)
            there = {path.name for path in pattern.folder.iterdir()} - {"kustomization.yaml"}
            self.assertEqual(there, set(named) - {"../../conf"})

    def test_mapping_has_one_home(self) -> None:
        """The ConfigMap is made of conf/bacowr.yml, is mounted whole, and is the one served."""
        (made,) = load(ROOT / "conf" / "kustomization.yaml")["configMapGenerator"]
        self.assertEqual(made["files"], ["bacowr.yml"])
        self.assertEqual(run("check", str(ROOT / "conf" / "bacowr.yml")).returncode, 0)
        for pattern in self.each():
            (volume,) = pattern.pod["volumes"]
            (mount,) = pattern.container["volumeMounts"]
            self.assertEqual(volume["configMap"], {"name": made["name"]})
            self.assertEqual(mount, {"name": volume["name"], "mountPath": MOUNT.rstrip("/"),
                                     "readOnly": True})
            self.assertEqual(pattern.flag("statsd.mapping-config"), f"{MOUNT}bacowr.yml")
            self.assertIn("--config.watch", pattern.container["args"])

    def test_image(self) -> None:
        version = re.search(r"version\s*:\s*'([^']+)'", (ROOT / "meson.build").read_text())
        assert version
        for pattern in self.each():
            self.assertEqual(pattern.kustomization["images"],
                             [{"name": pattern.container["image"], "newTag": version[1]}])

    def test_pods_are_restricted(self) -> None:
        """As the Pod Security Standard of that name asks, and a root that cannot be written to."""
        for pattern in self.each():
            own = pattern.container["securityContext"]
            both = pattern.pod.get("securityContext", {}) | own
            self.assertTrue(both["runAsNonRoot"])
            self.assertEqual((both["runAsUser"], both["runAsGroup"]), (65532, 65532))
            self.assertEqual(both["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(own["allowPrivilegeEscalation"])
            self.assertTrue(own["readOnlyRootFilesystem"])
            self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
            for path in pattern.folder.glob("*.yaml"):
                self.assertNotRegex(path.read_text(),
                                    r"(?m)^[^#]*\b(hostPort|hostNetwork|hostPath)\b")

    def test_times_fit(self) -> None:
        """A last scrape comes before the end, and the end before the kubelet's patience does."""
        for pattern in self.each():
            interval = seconds(pattern.endpoint["interval"])
            sleep = pattern.container["lifecycle"]["preStop"]["sleep"]["seconds"]
            grace = pattern.pod.get("terminationGracePeriodSeconds", DEFAULT_GRACE)
            self.assertGreater(sleep, interval)
            self.assertGreater(grace, sleep)
            self.assertGreater(seconds(pattern.flag("web.zero-first")), interval)

    def test_monitors_find_the_pods(self) -> None:
        for pattern in self.each():
            wanted = pattern.monitor["spec"]["selector"]["matchLabels"]
            self.assertLessEqual(wanted.items(), pattern.template["metadata"]["labels"].items())
            port = pattern.ports()[pattern.endpoint["port"]]
            self.assertIn(f"--web.listen-address=:{port['containerPort']}",
                          pattern.container["args"])
        self.assertEqual(BASE.endpoint["relabelings"], SIDECAR.endpoint["relabelings"])

    def test_service_is_the_nodes(self) -> None:
        service = load(BASE.folder / "service.yaml")["spec"]
        self.assertEqual(service["internalTrafficPolicy"], "Local")
        self.assertEqual(service["selector"], BASE.template["metadata"]["labels"])
        for port in service["ports"]:
            target = BASE.ports()[port["targetPort"]]
            self.assertEqual((target["containerPort"], target["protocol"]),
                             (port["port"], port["protocol"]))
            self.assertIn(f"--statsd.listen-{port['protocol'].lower()}=:{port['port']}",
                          BASE.container["args"])

    def test_sidecar_listens_to_its_pod_only(self) -> None:
        listens = [word.split("=")[1] for word in SIDECAR.container["args"]
                   if word.startswith("--statsd.listen-")]
        self.assertEqual(listens, ["127.0.0.1:8125"] * 2)
        self.assertEqual(SIDECAR.container["restartPolicy"], "Always")


class RunTest(ServerTest):
    """The containers' own words, on ports of the test."""

    def start_as(self, name: str) -> Server:
        """The mapping as the kubelet mounts it: links, so that all of it changes in one step."""
        pattern = PATTERNS[name]
        mount = self.enterContext(new_folder())
        (mount / "..one").mkdir()
        (mount / "..one" / "bacowr.yml").write_bytes((ROOT / "conf" / "bacowr.yml").read_bytes())
        (mount / "..data").symlink_to("..one")
        (mount / "bacowr.yml").symlink_to("..data/bacowr.yml")
        self.assertEqual(pattern.container["command"], ["/usr/bin/bacowr-statsd"])
        ports = Ports()
        addresses = {"--statsd.listen-udp": ports.udp, "--statsd.listen-tcp": ports.tcp,
                     "--web.listen-address": ports.web}
        flags = []
        for word in pattern.container["args"]:
            key, _, value = word.partition("=")
            flags.append(f"{key}={HOST}:{addresses[key]}" if key in addresses
                         else word.replace(MOUNT, f"{mount}/"))
        return self.start(*flags, ports=ports)

    def test_containers_start_and_answer_probes(self) -> None:
        for name, pattern in PATTERNS.items():
            with self.subTest(name):
                server = self.start_as(name)
                server.send("bacowr.jobs.completed.delivered:1|c")
                server.settle()
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    asked = pattern.container[probe]["httpGet"]
                    self.assertEqual(server.get(asked["path"]).status, 200, probe)
                    self.assertEqual(asked["port"], pattern.endpoint["port"])
                self.assertIn("jobs_completed_total{status=\"delivered\"}",
                              server.get(pattern.endpoint["path"]).body.decode())
                server.stop()

    def test_operator_leaves_the_endpoint_alone(self) -> None:
        """Its own label `endpoint` is gone from the target; without our rule it would win."""
        server = self.start_as("base")
        server.send("api_requests_total:1|c|#endpoint:/jobs,method:GET,status:200")
        folder = self.enterContext(new_folder())
        labels = OPERATOR | {"endpoint": BASE.endpoint["port"],
                             "__meta_kubernetes_pod_node_name": NODE}
        target = {"targets": [f"{HOST}:{server.ports.web}"], "labels": labels}
        job = {"static_configs": [target], "scrape_interval": "1s"}
        config = {"scrape_configs": [
            job | {"job_name": "ours",
                   "relabel_configs": [snake(one) for one in BASE.endpoint["relabelings"]]},
            job | {"job_name": "plain"}]}
        prometheus = programs.Prometheus(self, folder, free_port(),
                                         config=yaml.safe_dump(config))
        rows = wait_until("both have scraped", lambda: (
            len(found := prometheus.query("api_requests_total")) == 2 and found), 40)
        by_job = {row["metric"]["job"]: row["metric"] for row in rows}
        ours, plain = by_job["bacowr-api"], by_job[OPERATOR["job"]]
        self.assertEqual((ours["endpoint"], ours["node"]), ("/jobs", NODE))
        self.assertNotIn("exported_endpoint", ours)
        self.assertEqual(plain["exported_endpoint"], "/jobs")
        self.assertIn(f'up{{job="{ours["job"]}"}}', ALERTS.read_text())


def snake(relabeling: Json) -> Json:
    """Keys as Prometheus spells them."""
    return {re.sub(r"[A-Z]", lambda letter: "_" + letter.group().lower(), key): value
            for key, value in relabeling.items()}


if __name__ == "__main__":
    unittest.main()
