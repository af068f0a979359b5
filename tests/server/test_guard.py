# SPDX-License-Identifier: Apache-2.0
"""Who may reload and end the server: a POST or PUT, by one of its names, from no foreign page."""

from __future__ import annotations

import socket

from lib.harness import HOST, Ports, Response, Server, ServerTest, free_port, run

REFUSED = "bacowr_statsd_http_refused_requests_total"


class GuardTest(ServerTest):
    def post(self, server: Server, host: str | None, origin: str | None = None,
             path: str = "/-/reload") -> int:
        """The status that a POST with these headers gets."""
        head = f"POST {path} HTTP/1.{'1' if host is not None else '0'}\r\n"
        if host is not None:
            head += f"Host: {host}\r\n"
        if origin is not None:
            head += f"Origin: {origin}\r\n"
        answer = server.raw((head + "Connection: close\r\n\r\n").encode())
        return int(answer.split()[1])

    def test_names(self) -> None:
        """Addresses cannot be made to lead elsewhere; names can, so ours are known."""
        server = self.start("--web.enable-lifecycle", "--web.allowed-host=statsd.example",
                            "--web.allowed-host=b", mapping="mappings: []\n")
        good = ["localhost", "LocalHost:1", "localhost.", "127.0.0.1", "10.1.2.3:9102", "[::1]",
                "[fe80::1]:9102", "statsd.example", "Statsd.Example.:80", "b",
                socket.gethostname()]
        bad = ["evil.example", "localhost.evil.example", "xlocalhost", "127.0.0.1.evil.example",
               "[::1", "[evil]", "[10.1.2.3]", "::1", "127.0.0.1:x", "user@localhost", "",
               "statsd.example/", "300.0.0.1", "a, localhost"]
        for host in good:
            with self.subTest(host):
                self.assertEqual(self.post(server, host), 200)
        for host in bad + [None]:
            with self.subTest(host):
                self.assertEqual(self.post(server, host), 403)
        page = server.scrape()
        self.assertEqual(page.get(REFUSED, reason="forbidden"), len(bad) + 1)
        self.assertEqual(page.total("statsd_exporter_config_reloads_total"), len(good))

    def test_name_of_the_listener(self) -> None:
        ports = Ports()
        server = self.start("--web.enable-lifecycle", f"--web.listen-address={HOST}:{ports.web}",
                            f"--web.listen-address=localhost:{free_port()}", ports=ports)
        self.assertEqual(self.post(server, "localhost"), 200)

    def test_origins(self) -> None:
        server = self.start("--web.enable-lifecycle", "--web.allowed-host=s.example",
                            mapping="mappings: []\n")
        good = [("localhost:9102", "http://localhost:9102"), ("s.example", "https://s.example:443"),
                ("S.example:80", "http://s.example"),
                ("s.example", "https://s.example"), ("[::1]:7", "http://[::1]:7")]
        bad = [("localhost:9102", "http://localhost:9103"), ("localhost", "http://evil.example"),
               ("localhost", "null"), ("localhost", ""), ("s.example:80", "https://s.example"),
               ("localhost", "file://localhost"), ("127.0.0.1", "http://localhost"),
               ("localhost", "http://localhost/"), ("localhost", "http://localhost@evil.example"),
               ("localhost", "http://localhost\r\nOrigin: http://localhost")]
        for host, origin in good:
            with self.subTest(host=host, origin=origin):
                self.assertEqual(self.post(server, host, origin), 200)
        for host, origin in bad:
            with self.subTest(host=host, origin=origin):
                self.assertEqual(self.post(server, host, origin), 403)

    def test_the_target_is_worth_more_than_the_host(self) -> None:
        server = self.start("--web.enable-lifecycle", mapping="mappings: []\n")
        self.assertEqual(self.post(server, "localhost", path="http://evil.example/-/reload"), 403)
        self.assertEqual(self.post(server, "evil.example", path="http://localhost/-/reload"), 200)

    def test_a_refused_quit_does_not_end_it(self) -> None:
        server = self.start("--web.enable-lifecycle")
        for method in ("POST", "PUT"):
            answer = server.get("/-/quit", method, {"Origin": "http://evil.example"})
            self.assertEqual(answer.status, 403)
            self.assertIn(b"page of another site", answer.body)
        answer = server.get("/-/quit", "POST", {"Host": "rebound.example"})
        self.assertIn(b"--web.allowed-host", answer.body)
        self.assertEqual(server.get("/-/ready").status, 200)

    def test_reading_needs_no_name(self) -> None:
        """Whatever stands before it may call it what it likes."""
        server = self.start("--web.enable-lifecycle")
        for path in ("/metrics", "/", "/-/ready", "/-/reload"):
            answer: Response = server.get(path, headers={"Host": "any", "Origin": "http://any"})
            self.assertEqual(answer.status, 200)

    def test_pages_of_other_sites_get_nothing_that_costs(self) -> None:
        """A browser asks for them without Origin when they do not want to read the answer; who
        follows a link gets what he asked for."""
        server = self.start(mapping="mappings: []\n")
        link = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        kinds = [({}, 200), ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
                 ({"Sec-Fetch-Site": "none"} | link, 200),
                 ({"Sec-Fetch-Site": "cross-site"} | link, 200),
                 ({"Sec-Fetch-Site": "cross-site"} | link | {"Sec-Fetch-Dest": "iframe"}, 403),
                 ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors",
                   "Sec-Fetch-Dest": "image"}, 403),
                 ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors",
                   "Sec-Fetch-Dest": "empty"}, 403)]
        costly = ("/metrics", "/api/v1/status", "/api/v1/tap", "/api/v1/identities")
        for headers, status in kinds:
            for path in costly:
                with self.subTest(path, headers=headers):
                    # HEAD of a tap is its head alone, which opens none.
                    method = "HEAD" if path == "/api/v1/tap" else "GET"
                    self.assertEqual(server.get(path, method, headers).status, status)
            for path in ("/", "/-/healthy", "/-/ready"):
                self.assertEqual(server.get(path, headers=headers).status, 200)
        self.assertEqual(server.scrape().get(REFUSED, reason="forbidden"), 3 * len(costly))

    def test_other_sites_occupy_no_tap(self) -> None:
        server = self.start(mapping="mappings: []\n")
        for _ in range(20):  # more than there are taps
            answer = server.get("/api/v1/tap", headers={"Sec-Fetch-Site": "cross-site",
                                                        "Sec-Fetch-Mode": "no-cors"}, whole=False)
            self.assertEqual(answer.status, 403)
        self.assertEqual(server.get("/api/v1/tap", "HEAD").status, 200)

    def test_a_header_is_one_line(self) -> None:
        """What is folded may be two headers for who stands before us."""
        server = self.start()
        for folded in (b"Accept: text/plain,\r\n text/html", b"X: a\r\n\tHost: b"):
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + folded + b"\r\n\r\n"
            self.assertTrue(server.raw(request).startswith(b"HTTP/1.1 400 "))
        self.assertEqual(server.scrape().get("bacowr_statsd_http_bad_requests_total"), 2)

    def test_two_headers_of_one(self) -> None:
        """Who reads the first and who reads the last would disagree."""
        server = self.start()
        for name in (b"Authorization", b"Host"):
            request = b"GET / HTTP/1.1\r\nHost: x\r\n" + (name + b": x\r\n") * 2 + b"\r\n"
            self.assertTrue(server.raw(request).startswith(b"HTTP/1.1 400 "))

    def test_hostile_text(self) -> None:
        """What the wire sends is text on every page and in the log: no markup, no control byte that
        the format of the page does not carry by its own rules."""
        server = self.start("--statsd.sources=100")
        hostile = b"x<script>alert(1)</script>\x1b]0;owned\x07\xc2\x9b31m\x00&\"'\xff"
        valid = hostile[:-1].replace(b"\x00", b"")
        for text in (hostile, valid):
            server.send(text + b":1|c", b"m:1|c|#k:" + text, b"m:1|c|#" + text + b":v",
                        b"m:" + text + b"|c", b"m:1|" + text, b"m:1|c|@" + text, text)
            server.stream(text + b":1|c\n" + text)
        server.settle()
        server.raw(b"GET /" + hostile + b" HTTP/1.1\r\nHost: " + hostile + b"\r\n\r\n", close=True)
        for path in ("/", "/none", "/api/v1/sources", "/api/v1/cardinality", "/<script>"):
            answer = server.get(path)
            kind = answer.headers["content-type"]
            with self.subTest(path, kind=kind):
                answer.body.decode()  # UTF-8
                self.assertNotRegex(answer.body, rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
                if "html" in kind:
                    self.assertNotIn(b"<script>alert", answer.body)
        self.assertNotRegex(server.log(), r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_names_in_flags(self) -> None:
        for word in ("http://a", "a:80", "a b", "*"):
            done = run(f"--web.allowed-host={word}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("is not a host name", done.stderr)
