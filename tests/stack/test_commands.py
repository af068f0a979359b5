# SPDX-License-Identifier: Apache-2.0
"""What the documents tell to do, done as it stands there: every block of every document.

A chapter's blocks go to the test that @runs it, or stand in NOT_RUN with the reason of each. So a
new block, or a new chapter with one, fails until somebody has thought of it.

Commands run in a folder that looks like the project's after `make`. Ports are the test's own: each
text that is changed for that, or for time, must be there. Debian's programs come first on the path.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest
from pathlib import Path
from typing import Any, Callable, Mapping

import yaml

from lib import documents, programs
from lib.harness import (HOST, ROOT, Ports, Server, ServerTest, binary, free_port, new_folder,
                         serve_flags, wait_until)

MAPPING = ROOT / "conf" / "bacowr.yml"
CLIENT = ROOT / "clients" / "python"
SHELL_SECONDS = 60.0

PICTURE = "a picture"
DEMO = "tests/stack/test_demo.py runs the demo, and these commands beside it"
TLS = "tests/interop/test_prometheus_tls.py serves and scrapes by it"
CONTAINERS = "tests/containers: needs an engine, so `make test-stack`"

NOT_RUN = {
    ("README.md", "Three commands"): ["installs packages as root, from where the reader knows"],
    ("docs/monitoring.md", "Monitoring stack"): [DEMO, DEMO, PICTURE],
    ("docs/admin.md", "HAProxy"): ["tests/interop/test_admin_haproxy.py serves behind it"],
    ("docs/architecture.md", "Floors"): ["a table, which tests/style/check_floors.py knows too"],
    ("docs/cardinality.md", "Limits"): ["lines of a page"],
    ("docs/deployment.md", "The monitoring stack"): [CONTAINERS],
    ("docs/deployment.md", "The image"): [CONTAINERS],
    ("docs/deployment.md", "Backups"): [CONTAINERS],
    ("docs/release.md", "The Debian package"): ["tests/package, in a clean system"],
    ("docs/restart.md", "Under systemd"): ["installs units as root, for a machine with systemd"],
    ("docs/scaling.md", "Scaling out"): [PICTURE],
    ("docs/security.md", "The web interface"): [TLS, TLS],
    ("docs/scaling.md", "Docker Compose"): [CONTAINERS],
    ("docs/tap.md", "Commands"): ["tests/server/test_client.py taps by such files"],
    ("docs/tuning.md", "Tuning"): ["changes the machine's settings, as root"],
    ("docs/tuning.md", "Groups of datagrams"): ["asks for groups that a kernel dropped"],
}
# tests/stack/test_cookbook.py does each recipe.
RUN = {("docs/cookbook.md", chapter) for chapter in documents.chapters("docs/cookbook.md")}

# Of Debian's two programs of that name the one that has no database.
MAN = """#!/bin/sh
[ "$*" = "-l -" ] && exec mandoc -T utf8
"""

# What scrapes and evaluations need to be quick.
QUICK = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"


def runs(file: str, *chapters: str) -> Callable[[Callable[..., None]], Callable[[Any], None]]:
    """A test that gets the blocks of chapters, each as an argument: so it knows how many."""
    RUN.update((file, chapter) for chapter in chapters)

    def of(test: Callable[..., None]) -> Callable[[Any], None]:
        @functools.wraps(test)
        def with_blocks(self: Any) -> None:
            found = documents.chapters(file)
            test(self, *[block for chapter in chapters for block in found[chapter]])

        return with_blocks

    return of


def change(text: str, changes: Mapping[object, object]) -> str:
    for old, new in changes.items():
        assert str(old) in text, f"{old} is not in {text!r}"
        text = text.replace(str(old), str(new))
    return text


class CommandsTest(ServerTest):
    def setUp(self) -> None:
        self.folder = self.enterContext(new_folder())
        for name in ("clients", "conf", "kubernetes", "prometheus"):
            (self.folder / name).symlink_to(ROOT / name)
        for name in ("build", "bin"):
            (self.folder / name).mkdir()
            (self.folder / name / "bacowr-statsd").symlink_to(binary())
        (self.folder / "bin" / "prometheus").symlink_to(programs.PROMETHEUS)
        man = self.folder / "bin" / "man"
        man.write_text(MAN)
        man.chmod(0o755)
        self.env = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin:{os.environ['PATH']}",
                    "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"}

    def shell(self, text: str, status: int = 0, **env: str) -> str:
        """Run commands, with nothing left of them afterwards; what they printed."""
        with open(self.folder / "out", "w+", encoding="utf-8") as out:
            shell = subprocess.Popen(["bash", "-e", "-o", "pipefail", "-c", text], stdout=out,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                     cwd=self.folder, env=os.environ | self.env | env,
                                     start_new_session=True)
            try:
                found: object = shell.wait(SHELL_SECONDS)
            except subprocess.TimeoutExpired:
                found = "not done in time"
            finally:
                # Those it started in the background are of its group. Without any, there is none.
                try:
                    os.killpg(shell.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                shell.wait()
            out.seek(0)
            said = out.read()
        self.assertEqual(found, status, f"{text}\n{said}")
        return said

    def serve(self) -> Server:
        return self.start(mapping=MAPPING.read_bytes())

    # ---- README.md ----

    @runs("README.md", "The first metric")
    def test_the_first_metric(self, commands: str, shown: str, job: str) -> None:
        server = self.serve()
        send, look = change(commands, {8125: server.ports.udp,
                                       9102: server.ports.web}).splitlines()
        self.assertEqual(self.shell(send), "")
        server.sent_datagrams = 1
        server.settle()
        self.assertEqual(self.shell(look), shown)
        config = QUICK + change(job, {f"{HOST}:9102": f"{HOST}:{server.ports.web}"})
        prometheus = programs.Prometheus(self, self.folder, free_port(), config=config)
        wait_until("it is scraped",
                   lambda: prometheus.value('api_requests_total{job="bacowr"}') == 1)

    @runs("docs/commands.md", "check: is this mapping right?")
    def test_check(self, command: str, shown: str, mistake: str) -> None:
        self.assertEqual(self.shell(command), shown)
        (self.folder / "rules.yml").write_text(
            "mappings:\n- match: a.*\n  name: a\n  histgram_options: {}\n")
        said = self.shell(change(command, {"conf/bacowr.yml": "rules.yml"}), status=1)
        self.assertEqual(said, mistake)

    @runs("docs/commands.md", "explain: what becomes of this line?")
    def test_explain(self, command: str, shown: str, with_jq: str) -> None:
        self.assertEqual(self.shell(command), shown)
        (self.folder / "lines.txt").write_text("b:1|c\na:1|c|#k:v\nno colon\nb:2|c\n")
        self.assertEqual(self.shell(with_jq), 'a{k="v"}\nb\n')

    @runs("docs/identities.md", "Identities")
    def test_identities(self, command: str) -> None:
        server = self.start()
        server.send("odd:1|c\nodd:1|g\n")
        server.settle()
        self.assertEqual(self.shell(change(command, {9102: server.ports.web})), "odd\n")

    @runs("docs/identities.md", "Before a mapping changes")
    def test_against(self, command: str, shown: str, limits: str) -> None:
        (self.folder / "old.yml").write_text(
            "mappings:\n- {match: app.*.hits, name: app_hits_total, labels: {app: $1}}\n"
            "- {match: temp.*, name: temp, labels: {room: $1}}\n")
        (self.folder / "new.yml").write_text(
            "mappings:\n- {match: app.*.hits, name: app_hits_total, labels: {application: $1}}\n"
            "- {match: temp.*, name: app_hits_total, labels: {room: $1}}\n")
        server = self.start(mapping=(self.folder / "old.yml").read_bytes())
        for line in ("app.mail.hits:1|c", "app.web.hits:1|c", "temp.attic:19|g", "other:1|c"):
            server.send(line)
        server.settle()
        said = self.shell(change(command, {9102: server.ports.web}), status=2)
        told = said.replace(str(server.ports.web), "9102").replace("app=\"web", "app=\"mail") \
            .replace("application=\"web", "application=\"mail").replace("app.web", "app.mail")
        self.assertEqual(told, shown)
        self.check_limits(command, limits)

    def check_limits(self, command: str, limits: str) -> None:
        """Five users, who have been one series, get a label."""
        rule = "mappings:\n- {match: app.*, name: app_total%s}\n"
        (self.folder / "new.yml").write_text(rule % ", labels: {user: $1}")
        server = self.start("--statsd.max-series-per-family=3", "--statsd.max-label-values=2",
                            mapping=rule % "")
        server.send(*(f"app.{i}:1|c" for i in range(5)))
        server.settle()
        said = self.shell(change(command, {9102: server.ports.web}), status=2)
        self.assertIn(f"\n\n{limits}\n", said)

    @runs("docs/cardinality.md", "Finding the cause")
    def test_cardinality(self, command: str) -> None:
        server = self.start("--statsd.max-series=1")
        server.send("a:1|c|#user:x\na:1|c|#user:y\n")
        server.settle()
        self.assertIn('"label": "user"', self.shell(change(command, {9102: server.ports.web})))

    @runs("docs/commands.md", "man: the manual pages")
    def test_man(self, commands: str) -> None:
        said = re.sub(".\b", "", self.shell(commands))
        heads = re.findall(r"^(BACOWR\S+)\s.*\s\1$", said, re.MULTILINE | re.IGNORECASE)
        self.assertEqual([head.lower() for head in heads],
                         re.findall(r"# (\S+):", commands))

    @runs("docs/counters.md", "How loss is seen")
    def test_the_query_for_loss(self, loss: str) -> None:
        self.check_queries(change(loss, {" > 0": ""}))

    @runs("docs/monitoring.md", "Querying")
    def test_queries(self, rate: str, p95: str, errors: str, costs: str, jobs: str) -> None:
        """Each line answers; test_demo.py looks at what."""
        self.check_queries(rate + p95 + errors + costs + jobs)

    def check_queries(self, queries: str) -> None:
        server = self.serve()
        lines = (ROOT / "tests" / "data" / "wire.tsv").read_text().splitlines()
        server.send(*[line.split("\t")[2] for line in lines if not line.startswith("#")],
                    "api_requests_total:1|c|#endpoint:/jobs,method:GET,status:500")
        server.settle()
        prometheus = programs.Prometheus(self, self.folder, free_port(), server.ports.web)
        wait_until("a rate needs two scrapes", lambda: (
            prometheus.value("count_over_time(active_jobs[1m])") or 0) >= 2)
        for query in queries.splitlines():
            with self.subTest(query):
                self.assertTrue(prometheus.query(query))

    @runs("docs/restart.md", "Hand-over to a new process")
    def test_hand_over(self, commands: str, unit: str) -> None:
        flags = " ".join(serve_flags(Ports(), []))
        ready = "until grep -q event=ready {}; do sleep 0.1; done"
        said = self.shell(change(commands, {
            "bacowr.control &": f"bacowr.control {flags} 2>one & {ready.format('one')}",
            "--replace &": f"--replace {flags} 2>two & wait %1; {ready.format('two')}; "
                           "kill %2; wait %2; cat one two",
        }))
        for event in ("handed_over", "taken_over", "stopped"):
            self.assertIn(f"event={event}", said)
        self.assertIn("--control.socket=/run/bacowr-statsd/control --replace", unit)

    @runs("README.md", "When something is missing")
    def test_asking(self, commands: str) -> None:
        server = self.start("--statsd.max-label-values=1", mapping="mappings: [{match: a.*, name: a}]")
        server.send("queue:1|g\nunknown:1|c|#user:x\nunknown:1|c|#user:y")
        server.settle()
        tap, *others = change(commands, {9102: server.ports.web, "NAME": "queue",
                                         "10s": "3s"}).splitlines()
        send = f"echo -n 'queue:1|c' >/dev/udp/{HOST}/{server.ports.udp}"
        said = self.shell(f"{tap.partition('  #')[0]} & sleep 1; {send}; wait")
        self.assertIn('"queue:1|c" -> refused: conflict, queue is already a gauge', said)
        for command, words in zip(others, ('"line":"queue:1|c"', '"name":"unknown"',
                                           '"label":"user"', '"with":"queue"'), strict=True):
            self.assertIn(words, self.shell(command).replace(": ", ":"))

    @runs("README.md", "Source tree")
    def test_tour(self, tree: str) -> None:
        """Each path is there, and no folder is left out."""
        places = [re.split("  +", line)[0] for line in tree.splitlines() if not line[0].isspace()]
        paths = {Path(path) for place in places for path in place.split(", ")}
        self.assertEqual([path for path in paths if not (ROOT / path).exists()], [])
        self.assertEqual({path.name for path in documents.folders()},
                         {path.parts[0] for path in paths if (ROOT / path.parts[0]).is_dir()})

    @runs("README.md", "Tracking in code")
    def test_tracking(self, code: str) -> None:
        self.check_code(code)

    def check_code(self, code: str) -> None:
        server = self.serve()
        done = programs.run([programs.PYTHON, "-B", "-c", code],
                            env={"PYTHONPATH": str(CLIENT), "ENABLE_METRICS": "true",
                                 "STATSD_HOST": HOST, "STATSD_PORT": str(server.ports.udp)})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        server.eventually("the job", lambda page: page.get("jobs_completed_total",
                                                           status="delivered") == 1)

    # ---- docs/api.md ----

    @runs("docs/api.md", "The API", "explain")
    def test_api(self, rules: str, lines: str) -> None:
        server = self.serve()
        place = {"localhost:9102": f"localhost:{server.ports.web}"}
        self.assertIn("bacowr.qc.score", self.shell(change(rules, place)).splitlines())
        self.assertEqual(self.shell(change(lines, place)), '"samples"\n')

    # ---- docs/scaling.md, prometheus/targets ----

    @runs("docs/scaling.md", "Agent and remote write")
    def test_agent(self, command: str) -> None:
        port = free_port()
        changed = change(command, {"prometheus --": f"prometheus --web.listen-address={HOST}:{port}"
                                                    " --"})
        programs.start(self, "agent", ["bash", "-c", f"exec {changed}"], self.folder, self.env)
        wait_until("the agent is ready", programs.answers(port, "/-/ready"))
        self.assertTrue((self.folder / "build" / "agent" / "wal").is_dir())

    @runs("docs/scaling.md", "Kubernetes")
    def test_kubernetes(self, commands: str, overlay: str, sidecar: str) -> None:
        """As far as without a cluster, and without kustomize: what is named is there."""
        (applied,) = re.findall(r"^kubectl apply -k (\S+)$", commands, re.MULTILINE)
        self.assertTrue((ROOT / applied / "kustomization.yaml").is_file())
        images = yaml.safe_load((ROOT / applied / "kustomization.yaml").read_text())["images"]
        one, other = yaml.safe_load(overlay), yaml.safe_load(sidecar)
        self.assertEqual([image["name"] for image in one["images"]],
                         [image["name"] for image in images])
        for kind, (folder,) in (("Kustomization", one["resources"]),
                                ("Component", other["components"])):
            named = ROOT / folder.removeprefix("PATH/") / "kustomization.yaml"
            self.assertEqual(yaml.safe_load(named.read_text())["kind"], kind)

    @runs("prometheus/targets/README.md", "More targets")
    def test_targets(self, targets: str) -> None:
        """A file that the job finds, and takes; with a mistake in it, it does not."""
        (self.folder / "prometheus").unlink()
        shutil.copytree(ROOT / "prometheus", self.folder / "prometheus")
        file = self.folder / "prometheus" / "targets" / "second.yml"
        for text, status in ((targets, 0), (change(targets, {"- targets": "- target"}), 1)):
            file.write_text(text)
            done = programs.run([programs.PROMTOOL, "check", "config", "prometheus.yml"],
                                folder=file.parent.parent)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    # ---- docs/troubleshooting.md ----

    def check_found(self, server: Server, command: str, shown: str) -> None:
        """The words on the screen are the document's; digits may differ."""
        said = self.shell(change(command, {9102: server.ports.web}))
        self.assertEqual(re.sub(r"[0-9]+", "N", said), re.sub(r"[0-9]+", "N", shown))

    @runs("docs/troubleshooting.md", "The wrong port")
    def test_the_wrong_port(self, command: str, shown: str) -> None:
        server = self.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"jobs.done:1|c", (HOST, free_port()))
        self.check_found(server, command, shown)
        self.assertEqual(server.scrape().value("statsd_exporter_lines_total"), 0)

    @runs("docs/troubleshooting.md", "A typo in the mapping")
    def test_a_typo_in_the_mapping(self, command: str, shown: str, mistake: str) -> None:
        rules = ("mappings:\n- match: shop.order.*\n  name: shop_orders_total\n"
                 "  labels:\n    country: $1\n")
        server = self.start(mapping=rules)
        server.send("shop.orders.de:1|c")
        self.assertEqual(server.settle().value("statsd_exporter_events_unmapped_total"), 1)
        (self.folder / "rules.yml").write_text(rules)
        self.assertEqual(self.shell(command), shown)
        (self.folder / "rules.yml").write_text(change(rules, {"labels": "lables"}))
        self.assertEqual(self.shell("bacowr-statsd check rules.yml", status=1), mistake)

    @runs("docs/troubleshooting.md", "A tag that explodes")
    def test_a_tag_that_explodes(self, command: str, shown: str) -> None:
        server = self.start()
        for first in range(0, 1000, 20):
            server.send("\n".join(f"checkout.done:1|c|#country:{'de' if i % 2 else 'fr'},user_id:{i}"
                                  for i in range(first, first + 20)))
        server.settle()
        self.check_found(server, command, shown)

    @runs("docs/troubleshooting.md", "One name, two types")
    def test_one_name_two_types(self, command: str, shown: str) -> None:
        server = self.start()
        server.send("job:1|c", "job:500|ms")
        server.settle()
        self.check_found(server, command, shown)

    @runs("docs/troubleshooting.md", "The kernel drops")
    def test_the_kernel_drops(self, command: str, shown: str, told: str) -> None:
        server = self.start("--statsd.read-buffer=65536")
        server.signal(signal.SIGSTOP)
        try:
            server.send(*["jobs.done:1|c"] * 2000)
        finally:
            server.signal(signal.SIGCONT)
        wait_until("the log tells", lambda: "event=udp_datagrams_dropped" in server.log())
        self.check_found(server, command, shown)
        [line] = [line for line in server.log().splitlines() if "udp_datagrams_dropped" in line]
        self.assertEqual(re.sub(r"[0-9]+", "N", line.split(" ", 1)[1] + "\n"),
                         re.sub(r"[0-9]+", "N", told))

    # ---- clients/python/README.md ----

    @runs("clients/python/README.md", "bacowr_metrics")
    def test_client(self, install: str, code: str) -> None:
        """tests/clients/test_package.py installs it."""
        self.assertTrue((ROOT / install.split()[2] / "pyproject.toml").is_file())
        self.check_code(code)

    @runs("clients/python/README.md", "The demo")
    def test_demo_by_hand(self, commands: str) -> None:
        ports, port = Ports(), free_port()
        flags = " ".join(serve_flags(ports, []))
        url = f"http://{HOST}:{port}"
        ready = f"until curl -sf -o {self.folder}/health {url}/health; do sleep 0.1; done"
        said = self.shell(change(commands, {
            "bacowr.yml &": f"bacowr.yml {flags} >{self.folder}/server.log 2>&1 &",
            "--workers 4 &": f"--workers 4 --port {port} >{self.folder}/app.log 2>&1 &",
            "./load.py --seconds 60": f"{ready}\n./load.py --seconds 1 --url {url}",
            "curl http://localhost:8000": f"sleep 1; curl -sS {url}",
        }), STATSD_HOST=HOST, STATSD_PORT=str(ports.udp), ENABLE_METRICS="true",
            DEMO_SPEED="0.001", DEMO_DATABASE=str(self.folder / "jobs.db"),
            METRICS_UPSTREAM=f"http://{HOST}:{ports.web}/metrics")
        self.assertIn('api_requests_total{endpoint="/jobs/{job_id}",method="GET"', said)


class CompleteTest(unittest.TestCase):
    def test_every_block_is_run_or_has_a_reason(self) -> None:
        found = {(file, chapter): blocks for file in documents.files()
                 for chapter, blocks in documents.chapters(file).items()}
        self.assertEqual(set(found), RUN | NOT_RUN.keys())
        self.assertEqual(RUN & NOT_RUN.keys(), set())
        for chapter, reasons in NOT_RUN.items():
            self.assertEqual(len(found[chapter]), len(reasons), chapter)

    def test_every_goal_of_make_exists(self) -> None:
        """Those that the documents and `make help` name."""
        makefile = (ROOT / "Makefile").read_text()
        goals = set(re.findall(r"^([\w -]+):", makefile.replace("\\\n", ""), re.MULTILINE))
        known = {goal for line in goals for goal in line.split()}
        texts = [makefile, *((ROOT / file).read_text() for file in documents.files())]
        named = {goal for text in texts for goal in re.findall(r"['`]make ([a-z-]+)", text)}
        self.assertGreater(len(named), 8)
        self.assertEqual(named - known, set())


if __name__ == "__main__":
    unittest.main()
