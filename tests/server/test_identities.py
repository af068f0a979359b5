# SPDX-License-Identifier: Apache-2.0
"""What workers remember, told by the real server: every identity, what became of it, to whom."""

from __future__ import annotations

import json
import unittest
from typing import Any

from lib.harness import Server, ServerTest, wait_until

MAPPING = """
mappings:
- match: api.*.time
  name: api_time
  observer_type: histogram
  histogram_options: {buckets: [0.1, 1]}
  help: Time of a call.
  labels: {call: $1}
- match: noise.*
  name: noise
  action: drop
"""


class IdentitiesTest(ServerTest):
    def lines(self, server: Server) -> list[dict[str, Any]]:
        answer = server.get("/api/v1/identities")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], "application/x-ndjson")
        return [json.loads(line) for line in answer.body.splitlines()]

    def test_what_became_of_each(self) -> None:
        server = self.start("--statsd.ingest-threads=2", mapping=MAPPING)
        server.send("api.pay.time:3|ms|#zone:a", "noise.x:1|c", 'odd:1|c|#k:"<b>', "odd:1|g")
        server.settle()
        first, *lines, last = self.lines(server)
        self.assertEqual((first["identities_format"], first["rules"], first["series"]), (1, 2, 2))
        self.assertEqual(last, {"end": True, "identities": 4, "complete": True})
        told = {(line["name"], line["suffix"]): line for line in lines if "name" in line}
        pay = told["api.pay.time", "|ms|#zone:a"]
        self.assertEqual((pay["outcome"], pay["family"], pay["labels"]),
                         ("series", "api_time", 'call="pay",zone="a"'))
        self.assertEqual(told["noise.x", "|c"]["outcome"], "dropped")
        self.assertEqual(told["odd", '|c|#k:"<b>']["labels"], 'k="\\"<b>"')
        self.assertEqual(told["odd", "|g"]["outcome"], "conflict")
        settings = {line["settings"]: line for line in lines if "type" in line}
        rule = settings[pay["settings"]]
        self.assertEqual((rule["type"], rule["help"], rule["buckets"], rule["match"]),
                         ("histogram", "Time of a call.", [0.1, 1], "api.*.time"))

    def test_for_whom(self) -> None:
        server = self.start()
        self.assertEqual(server.get("/api/v1/identities", "POST").status, 405)
        answer = server.get("/api/v1/identities", "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        passed_on = server.get("/api/v1/identities", headers={"X-Forwarded-For": "192.0.2.1"})
        self.assertEqual(passed_on.status, 403)

    def test_many_while_lines_come(self) -> None:
        """Several pieces; who leaves in between is forgotten, and the next is served."""
        server = self.start("--statsd.ingest-threads=3")
        lines = "".join(f"m:1|c|#user:{i}\n" for i in range(6000))
        server.stream(lines, lines, lines)  # who is met once may be forgotten at once
        wait_until("all came", lambda: server.scrape().total("statsd_exporter_lines_total") == 18000)
        with server.web() as leaves:
            leaves.sendall(b"GET /api/v1/identities HTTP/1.1\r\nHost: localhost\r\n\r\n")
            leaves.recv(100)
        wait_until("place for a reader",
                   lambda: server.get("/api/v1/identities", "HEAD").status == 200)
        *lines, last = self.lines(server)
        self.assertEqual(last["complete"], True)
        self.assertEqual(len({line["suffix"] for line in lines if "name" in line}), 6000)
        self.assertEqual(server.get("/-/healthy").status, 200)

    def test_without_chunks(self) -> None:
        server = self.start()
        server.send("a:1|c")
        server.settle()
        with server.web() as old:
            old.sendall(b"GET /api/v1/identities HTTP/1.0\r\nHost: localhost\r\n\r\n")
            text = b"".join(iter(lambda: old.recv(65536), b""))
        self.assertTrue(text.endswith(b'"complete":true}\n'), text)


if __name__ == "__main__":
    unittest.main()
