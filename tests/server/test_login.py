# SPDX-License-Identifier: Apache-2.0
"""Passwords, the rate limit and Unix sockets of the web interface."""

from __future__ import annotations

import base64
import os
import socket
import stat
import threading
import time

from lib.harness import (HOST, FolderTest, Ports, Server, ServerTest, basic, free_port, read_all,
                         run, serve_flags, wait_until)

SECRET = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # secret
COLON = "$2a$04$ZZZZefghijklmnopqrstuuQnMRnRKAq2JyPGmQnF4FglFVyC2BMrG"  # a:b c
SLOW = "$2b$12$abcdefghijklmnopqrstuuvhqlfa3SToYAWnpQD0wYcoxAD7y2cEy"  # slow
CHECKS = "bacowr_statsd_http_password_checks_total"
REFUSED = "bacowr_statsd_http_refused_requests_total"


class LoginTest(FolderTest, ServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.config = self.folder / "web.yml"
        self.flag = f"--web.config.file={self.config}"

    def serve(self, text: str, *flags: str, login: str | None = None, **more: object) -> Server:
        self.config.write_text(text)
        return self.start(self.flag, *flags, login=login, **more)

    def status(self, server: Server, header: str | None, path: str = "/metrics") -> int:
        server.login = None
        return server.get(path, headers={"Authorization": header} if header else {}).status


class PasswordTest(LoginTest):
    def test_who_gets_in(self) -> None:
        server = self.serve(f"basic_auth_users:\n  prom: {SECRET}\n  b: {COLON}\n  '': {SECRET}\n")
        self.assertEqual(server.get("/").headers["www-authenticate"],
                         'Basic realm="bacowr-statsd"')
        good = [basic("prom:secret"), basic("b:a:b c"), basic(":secret"),
                basic("prom:secret").replace("Basic", "bASIC"), basic("prom:secret").rstrip("=")]
        bad = [None, "Basic", "Basic ", basic("prom:Secret"), basic("prom:"), basic("prom"),
               basic("Prom:secret"), basic("nobody:secret"), basic("prom:secret\0"),
               basic("prom:secret\0x"), basic("prom:secret") + "!", "Bearer secret",
               "Basic " + base64.b64encode(b"prom:" + b"x" * 700).decode(), basic("b:" + SECRET),
               basic("nobody:"), "Basic " + base64.b64encode(b"\xff\xfe:\x80").decode()]
        for header in good:
            with self.subTest(header):
                self.assertEqual(self.status(server, header), 200)
        for header in bad:
            with self.subTest(header):
                self.assertEqual(self.status(server, header), 401)
        for path in ("/", "/none", "/-/reload"):
            self.assertEqual(self.status(server, None, path), 401)
        server.login = "prom:secret"
        self.assertEqual(server.scrape().get(REFUSED, reason="unauthorized"), len(bad) + 4)

    def test_bits_of_a_salt_that_do_not_count(self) -> None:
        """As with Go: what other programs write there keeps nobody out."""
        self.assertEqual(SECRET[28], "u")
        server = self.serve(f"basic_auth_users: {{prom: {SECRET[:28]}v{SECRET[29:]}}}\n")
        self.assertEqual(self.status(server, basic("prom:secret")), 200)
        self.assertEqual(self.status(server, basic("prom:secreu")), 401)

    def test_probes_need_none(self) -> None:
        """A kubelet has no password, and neither has the health check of an image."""
        server = self.serve(f"basic_auth_users: {{prom: {SECRET}}}\n")
        for path in ("/-/ready", "/-/healthy"):
            self.assertEqual(self.status(server, None, path), 200)
        done = run("healthcheck", f"--web.listen-address={HOST}:{server.ports.web}", self.flag)
        self.assertEqual(done.returncode, 0)

    def test_what_is_known_is_not_computed_again(self) -> None:
        server = self.serve(f"basic_auth_users: {{prom: {SECRET}}}\n", login="prom:secret")
        server.get("/")
        for _ in range(5):
            self.assertEqual(server.scrape().get(CHECKS), 1)
        for _ in range(3):
            self.assertEqual(self.status(server, basic("prom:wrong")), 401)
        for i in range(100):  # more than are remembered
            self.assertEqual(self.status(server, basic(f"nobody{i}:x")), 401)
        server.login = "prom:secret"
        self.assertEqual(server.scrape().get(CHECKS), 102, "strangers cost the same, good ones stay")

    def test_a_wrong_password_costs_its_connection(self) -> None:
        server = self.serve(f"basic_auth_users: {{prom: {SECRET}}}\n")
        head = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('prom:x')}\r\n\r\n".encode()
        self.assertEqual(server.raw(head * 3).count(b"HTTP/1.1 401 "), 1)
        bare = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = server.raw(bare * 2 + head)
        self.assertEqual(answer.count(b"HTTP/1.1 401 "), 3, "without one it is asked for")

    def test_guessing_burns_no_more_than_a_thread(self) -> None:
        """A cost of 12 takes a quarter of a second: one at a time; who is known does not wait, and
        the loop does not either."""
        server = self.serve(f"basic_auth_users: {{prom: {SLOW}}}\n", login="prom:slow")
        server.get("/")
        guessers = [socket.create_connection((HOST, server.ports.web), timeout=60)
                    for _ in range(100)]
        for i, guesser in enumerate(guessers):
            guesser.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(f'prom:{i}')}"
                            "\r\n\r\n".encode())
        begin = time.monotonic()
        slowest = 0.0
        while time.monotonic() - begin < 1:
            before = time.monotonic()
            self.assertEqual(server.get("/").status, 200)
            slowest = max(slowest, time.monotonic() - before)
        self.assertLess(slowest, 0.5)
        page = server.scrape()
        self.assertLess(page.get(CHECKS), 20, "one at a time")
        self.assertGreater(page.get(CHECKS), 1)
        self.assertGreaterEqual(page.get(REFUSED, reason="busy"), 30, "beyond 64 waiting")
        for guesser in guessers:
            guesser.close()

    def test_one_address_does_not_shut_out_another(self) -> None:
        """Each address that waits has its turn, and who floods makes room for who does not."""
        server = self.serve(f"basic_auth_users: {{prom: {SLOW}}}\n")
        guessers = [socket.create_connection((HOST, server.ports.web), timeout=60,
                                             source_address=("127.0.0.2", 0)) for _ in range(100)]
        for i, guesser in enumerate(guessers):
            guesser.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(f'prom:{i}')}"
                            "\r\n\r\n".encode())
        self.assertEqual(self.status(server, basic("prom:slow")), 200)
        server.login = "prom:slow"
        self.assertLess(server.scrape().get(CHECKS), 15, "not behind those who came before")
        for guesser in guessers:
            guesser.close()

    def test_many_of_one_are_looked_at_once(self) -> None:
        server = self.serve(f"basic_auth_users: {{prom: {SLOW}}}\n", login="prom:slow")
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda: statuses.append(server.get("/").status))
                   for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 10)
        self.assertEqual(server.scrape().get(CHECKS), 1)

    def test_reload(self) -> None:
        """A user who is taken out is out, and one whose password changes needs the new one."""
        server = self.serve(f"basic_auth_users: {{prom: {SECRET}, x: {SECRET}}}\n",
                            "--web.enable-lifecycle", login="prom:secret")
        self.assertEqual(self.status(server, basic("x:secret")), 200)
        self.config.write_text(f"basic_auth_users: {{prom: {COLON}, y: {SECRET}}}\n")
        server.login = "prom:secret"
        self.assertEqual(self.status(server, basic("y:secret")), 401)
        server.login = "prom:secret"
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        for header, wanted in {"x:secret": 401, "prom:secret": 401, "prom:a:b c": 200,
                               "y:secret": 200}.items():
            self.assertEqual(self.status(server, basic(header)), wanted, header)

    def test_a_tap_ends_with_the_right_to_it(self) -> None:
        """Not with each reload: only with one by which it would not begin."""
        server = self.serve(f"basic_auth_users: {{prom: {SECRET}, x: {SECRET}}}\n",
                            "--web.enable-lifecycle", login="prom:secret")
        taps = {}
        for user in ("prom", "x"):
            taps[user] = server.web()
            taps[user].sendall(f"GET /api/v1/tap?form=capture HTTP/1.1\r\nHost: localhost\r\n"
                               f"Authorization: {basic(user + ':secret')}\r\n\r\n".encode())
            self.assertTrue(taps[user].recv(100).startswith(b"HTTP/1.1 200 "))
        self.config.write_text(f"basic_auth_users: {{prom: {SECRET}}}\n")
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        self.assertTrue(read_all(taps["x"]).endswith(b"\r\n0\r\n\r\n"))
        server.send("still:1|c")
        seen = b""
        while b"still:1|c" not in seen:
            seen += taps["prom"].recv(1000) or self.fail("prom's has ended")
        for tap in taps.values():
            tap.close()

    def test_an_end_while_one_is_looked_at(self) -> None:
        """The server stops in order, and so does a client that goes away."""
        server = self.serve(f"basic_auth_users: {{prom: {SLOW}}}\n")
        for _ in range(3):
            with server.web() as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('a:b')}"
                                   "\r\n\r\n".encode())
                time.sleep(0.05)
        server.stop()

    def test_mistakes(self) -> None:
        for text, words in {
            "basic_auth_users: {a: secret}\n": ("web.yml:1:23: ", "not a bcrypt hash"),
            f"basic_auth_users: {{a: {SECRET[:-1]}}}\n": ("1:23: ", "not a bcrypt hash"),
            f"basic_auth_users: {{'a:b': {SECRET}}}\n": ("1:20: ", "colon"),
            f"basic_auth_users: {{a: {SECRET.replace('$04', '$19')}}}\n": ("1:23: ", "cost of 19"),
            f"basic_auth_users:\n  a: {SECRET}\n  a: {SECRET}\n": ("web.yml:3:3: ",),
            "basic_auth_users: [a]\n": ("web.yml:1:19: ",),
            "basic_auth_user: {}\n": ("web.yml:1:1: ", 'did you mean "basic_auth_users"?'),
            "rate_limit: {interval: 1s}\n": ("web.yml:1:1: ", "give burst"),
            "http_server_config: {headers: {X-Frame-Options: never}}\n":
                ("web.yml:1:49: ", "deny, sameorigin"),
            "http_server_config: {headers: {Server: x}}\n": ("web.yml:1:32: ", "header to be set"),
            'http_server_config: {headers: {X-XSS-Protection: "1\\r\\nX: y"}}\n': ("in one line",),
            "tls_server_config: {min_version: TLS13}\n": ("web.yml:1:1: ", "no certificate"),
            "{": ("web.yml:",),
        }.items():
            with self.subTest(text):
                self.config.write_text(text)
                done = run(self.flag, "--check-config")
                self.assertEqual(done.returncode, 1)
                for word in words:
                    self.assertIn(word, done.stderr)
                self.assertNotIn(SECRET[7:30], done.stderr, "a hash is not told")
        self.config.unlink()
        self.assertIn("no such file", run(self.flag).stderr)
        os.mkfifo(self.config)
        self.assertIn("not a regular file", run(self.flag).stderr)

    def test_warnings(self) -> None:
        self.config.write_text("http_server_config: {http2: true}\n")
        done = run(self.flag, "--check-config")
        self.assertEqual(done.returncode, 0)
        self.assertIn("warning: http2: HTTP/2 is not supported", done.stderr)


class RateTest(LoginTest):
    def test_rate(self) -> None:
        """So many at once, then one an interval; probes are not counted."""
        server = self.serve("rate_limit: {interval: 200ms, burst: 3}\n")
        statuses = [server.get("/").status for _ in range(5)]
        self.assertEqual(statuses[:3], [200] * 3)
        self.assertIn(429, statuses)
        for _ in range(10):
            self.assertEqual(server.get("/-/ready").status, 200)
        wait_until("there is room again", lambda: server.get("/").status == 200)


class UnixTest(LoginTest):
    def ask(self, name: str, headers: str = "") -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect("\0" + name[1:] if name.startswith("@") else name)
            connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
                               "\r\n".encode())
            return read_all(connection)

    def test_sockets(self) -> None:
        """Beside ports and each other, with a mode, gone at the end; a stale one is replaced."""
        path, second = self.folder / "web.sock", f"@bacowr-test-{os.getpid()}-{free_port()}"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        ports = Ports()
        server = self.start(f"--web.listen-address=unix:{path}",
                            f"--web.listen-address={HOST}:{ports.web}",
                            f"--web.listen-address=unix:{second}", ports=ports)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        for name in (str(path), second):
            self.assertTrue(self.ask(name).startswith(b"HTTP/1.1 200 "))
            done = run("healthcheck", f"--web.listen-address=unix:{name}")
            self.assertEqual((done.returncode, done.stdout), (0, f"unix:{name}: ready\n"))
        server.stop()
        self.assertFalse(path.exists())

    def test_mode(self) -> None:
        path = self.folder / "web.sock"
        ports = Ports()
        self.start(f"--web.listen-address=unix:{path}", "--web.unixsocket-mode=660",
                   f"--web.listen-address={HOST}:{ports.web}", ports=ports)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)

    def test_passwords_hold_there_too(self) -> None:
        path = self.folder / "web.sock"
        ports = Ports()
        self.serve(f"basic_auth_users: {{prom: {SECRET}}}\n", f"--web.listen-address=unix:{path}",
                   f"--web.listen-address={HOST}:{ports.web}", ports=ports)
        self.assertTrue(self.ask(str(path)).startswith(b"HTTP/1.1 401 "))
        known = self.ask(str(path), f"Authorization: {basic('prom:secret')}\r\n")
        self.assertTrue(known.startswith(b"HTTP/1.1 200 "))

    def test_mistakes(self) -> None:
        file = self.file("file", "")
        for flag, word in {"--web.listen-address=unix:": "is not a socket address",
                           f"--web.listen-address=unix:{file}": "not a socket",
                           f"--web.listen-address=unix:/{'x' * 200}": "too long",
                           "--web.unixsocket-mode=rw": "octal digits"}.items():
            with self.subTest(flag):
                done = run(*serve_flags(Ports(), [flag]))
                self.assertEqual(done.returncode, 1)
                self.assertIn(word, done.stderr)
