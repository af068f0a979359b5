# SPDX-License-Identifier: Apache-2.0
"""check --against: what another mapping would change of a running server, found on the real binary
and held to what becomes true when the server takes that mapping."""

from __future__ import annotations

import json
import subprocess
import unittest
from pathlib import Path
from typing import Any

from lib.harness import ROOT, Server, ServerTest, binary, environment, new_folder, run

BACOWR = (ROOT / "conf" / "bacowr.yml").read_text(encoding="utf-8")

LINES = ("bacowr.api.requests.jobs.GET.200:1|c", "bacowr.api.requests.jobs.GET.500:1|c",
         "bacowr.api.requests.users.POST.201:1|c", "bacowr.api.request_duration.jobs.GET:320|ms",
         "api_requests_total:1|c|#endpoint:jobs,method:GET,status:200", "free.name:1|c",
         "free.name:1|g", "clients.users:u1|s", "wrong:1|zz")


class AgainstTest(ServerTest):
    def compare(self, server: Server | None, mapping: str, *flags: str, source: str = "",
                status: int = 0) -> Any:
        """What check --against says of @mapping: an object, or with a flag --text its words."""
        with new_folder() as folder:
            file = folder / "new.yml"
            file.write_text(mapping)
            against = source or f"http://127.0.0.1:{server.ports.web if server else 0}"
            text = "--text" in flags
            done = run("check", str(file), f"--against={against}", *([] if text else ["--json"]))
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if text else json.loads(done.stdout or "{}") or done.stderr

    def loaded(self, *flags: str) -> Server:
        server = self.start(*flags, mapping=BACOWR)
        server.send("\n".join(LINES))
        server.settle()
        return server

    def test_the_same_mapping(self) -> None:
        server = self.loaded()
        told = self.compare(server, BACOWR)
        self.assertEqual((told["verdict"], told["identities"], told["identities_changed"]),
                         ("same", len(LINES), 0))
        self.assertEqual(told["before"]["series"], told["series_alive"])
        self.assertEqual(told["after"]["series"], told["series_kept"])
        self.assertIn("None of the observed identities would change",
                      self.compare(server, BACOWR, "--text"))

    def test_comes_true(self) -> None:
        """The families and series that are foretold are those of a server with the new mapping."""
        new = BACOWR.replace("name: api_requests_total", "name: http_requests_total") \
                    .replace("status: $3", "code: $3")
        self.assertNotEqual(new, BACOWR)
        server = self.loaded()
        told = self.compare(server, new)
        self.assertEqual(told["verdict"], "changes")
        other = self.start(mapping=new)
        other.send("\n".join(LINES))
        other.settle()
        families = json.loads(other.get("/api/v1/families?limit=1000").body)
        self.assertEqual({f["name"]: f["series"] for f in families["families"]},
                         {f["name"]: f["after"]["series"] for f in told["families"] if f["after"]})
        self.assertEqual(families["series"], told["after"]["series"])
        was = json.loads(server.get("/api/v1/families?limit=1000").body)
        self.assertEqual({f["name"]: f["series"] for f in was["families"]},
                         {f["name"]: f["before"]["series"] for f in told["families"]
                          if f["before"]})

    def test_limits(self) -> None:
        """Status 2; and the reload does what was foretold."""
        old = "mappings:\n- {match: app.*, name: app_total}\n"
        new = "mappings:\n- {match: app.*, name: app_total, labels: {user: $1}}\n"
        server = self.start("--statsd.max-series-per-family=3", "--statsd.max-label-values=2",
                            mapping=old)
        lines = "\n".join(f"app.{i}:1|c" for i in range(5))
        server.send(lines)
        server.settle()
        told = self.compare(server, new, status=2)
        self.assertEqual(told["verdict"], "conflicts")
        self.assertEqual(told["limits"], [
            {"limit": "family", "family": "app_total", "label": None, "allowed": 3, "now": 1,
             "then": 5, "over_now": 0, "over_then": 2, "new_over_after_reload": 3, "worse": True},
            {"limit": "label", "family": "app_total", "label": "user", "allowed": 2, "now": 0,
             "then": 5, "over_now": 0, "over_then": 3, "new_over_after_reload": 3, "worse": True}])
        self.assertIn("  ! app_total: 5 values of user, --statsd.max-label-values=2: 3 over, now 0\n",
                      self.compare(server, new, "--text", status=2))
        server.write_mapping(new)
        server.reload()
        server.send(lines)
        page = server.settle()
        self.assertEqual(page.value("app_total", overflow="true"), 3)

    def test_conflicts(self) -> None:
        """Status 2; and the reload does what was foretold."""
        new = BACOWR.replace("mappings:", "mappings:\n"
                             "- {match: clients.*, name: free_name}\n"
                             "- {match: bacowr.api.request_duration.*.*, name: api_requests_total}", 1)
        server = self.loaded()
        told = self.compare(server, new, status=2)
        self.assertEqual(told["verdict"], "conflicts")
        clashes = {(c["family"], c["type"]): c["identities_not_refused_now"]
                   for c in told["conflicts"] if c["identities_not_refused_now"]}
        self.assertEqual({family for family, _ in clashes}, {"free_name", "api_requests_total"})
        words = self.compare(server, new, "--text", status=2)
        self.assertIn("Newly refused: 2 identities", words)
        before = server.scrape().total("statsd_exporter_events_conflict_total")
        server.write_mapping(new)
        server.reload()
        server.send("clients.users:u1|s", "bacowr.api.request_duration.jobs.GET:320|ms")
        server.settle()
        self.assertEqual(server.scrape().total("statsd_exporter_events_conflict_total"),
                         before + 2)

    def test_where_from(self) -> None:
        """A Unix socket, a file, the standard input."""
        with new_folder() as folder:
            path = folder / "web.sock"
            server = self.start(mapping=BACOWR)
            ports = server.ports
            server.stop()
            server = self.start(f"--web.listen-address=127.0.0.1:{ports.web}",
                                f"--web.listen-address=unix:{path}", mapping=BACOWR, ports=ports)
            server.send("\n".join(LINES))
            server.settle()
            by_socket = self.compare(server, BACOWR, source=f"unix:{path}")
            saved = folder / "saved"
            saved.write_bytes(server.get("/api/v1/identities").body)
            by_file = self.compare(None, BACOWR, source=str(saved))
            new = folder / "new.yml"
            new.write_text(BACOWR)
            by_pipe = json.loads(subprocess.run(
                [str(binary()), "check", str(new), "--against=-", "--json"],
                input=saved.read_bytes(), capture_output=True, timeout=60, env=environment(),
                check=True).stdout)
            self.cut(folder, saved, new)
        self.assertEqual(by_socket.pop("against"), f"unix:{path}")
        self.assertEqual(by_file.pop("against"), str(saved))
        self.assertEqual(by_pipe.pop("against"), "-")
        self.assertEqual(by_socket, by_file)
        self.assertEqual(by_file, by_pipe)

    def cut(self, folder: Path, saved: Path, new: Path) -> None:
        """An answer that ends too early is told, and so is a line that is none."""
        short = folder / "short"
        short.write_bytes(b"".join(saved.read_bytes().splitlines(True)[:-1]))
        done = run("check", str(new), f"--against={short}")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("is truncated", done.stderr)
        short.write_bytes(saved.read_bytes().replace(b'{"name"', b'{"name', 1))
        done = run("check", str(new), f"--against={short}")
        self.assertRegex(done.stderr, r"short:\d+: this line is not a JSON object")

    def test_mistakes(self) -> None:
        server = self.start(mapping=BACOWR)
        said = self.compare(server, "mappings:\n- match: a.*\n  nam: a\n", status=1)
        self.assertRegex(said, r"new\.yml:3:3: unknown key \"nam\"")
        said = self.compare(None, BACOWR, source="http://127.0.0.1:1", status=1)
        self.assertIn("connection refused", said)
        said = self.compare(None, BACOWR, source="https://127.0.0.1:1", status=1)
        self.assertIn("connection refused", said)
        said = self.compare(None, BACOWR, source="/nowhere", status=1)
        self.assertIn("no such file", said)
        done = run("check", "--json", "x.yml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--against", done.stderr)
        done = run("--against=x", "serve")
        self.assertIn("--against is for check only", done.stderr)

    def test_a_server_that_ends_meanwhile(self) -> None:
        """A cut answer is no comparison."""
        import socket
        import threading

        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                       b"5\r\n{\"ide")
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            said = self.compare(None, BACOWR,
                                source=f"http://127.0.0.1:{listener.getsockname()[1]}", status=1)
            thread.join()
        self.assertIn("the response was truncated", said)


if __name__ == "__main__":
    unittest.main()
