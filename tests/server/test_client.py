# SPDX-License-Identifier: Apache-2.0
"""tap, record and healthcheck as clients of a server with TLS and passwords."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import unittest

from lib.certs import Authority
from lib.harness import (HOST, FolderTest, Server, ServerTest, binary, environment, run,
                         wait_until)

SECRET = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # secret
LOGIN = "basic_auth: {username: prom, password_file: secret}\n"
MUTUAL = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


class ClientTest(FolderTest, ServerTest):
    """A server for its machine alone is asked like one for others."""

    def setUp(self) -> None:
        super().setUp()
        self.ca = Authority(self.folder)
        self.pair = self.ca.sign("server")
        self.me = self.ca.sign("me")
        self.file("secret", "secret\n")

    def serve(self, more: str = "", users: bool = True) -> Server:
        text = f"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}"
        if users:
            text += f"basic_auth_users: {{prom: {SECRET}}}\n"
        self.config = self.file("web.yml", text)
        return self.start(f"--web.config.file={self.config}",
                          tls=self.ca.client(self.me),
                          login="prom:secret" if users else None)

    def tap(self, server: Server, config: str | None, *more: str,
            url: str | None = None) -> subprocess.CompletedProcess[str]:
        """For a second, or until it is refused."""
        flags = [] if config is None else [f"--http.config.file={self.file('client.yml', config)}"]
        url = url or f"https://{HOST}:{server.ports.web}"
        return run("tap", f"--url={url}", "--duration=600ms", *flags, *more)

    def tls(self, more: str = "") -> str:
        return f"tls_config: {{ca_file: ca.pem{more}}}\n"


class TapTest(ClientTest):
    def test_lines(self) -> None:
        """By TLS, with a certificate and a password: what arrives is shown, and recorded."""
        server = self.serve(MUTUAL)
        config = self.file("client.yml", LOGIN + self.tls(", cert_file: me.pem, key_file: me.key"))
        flags = (f"--http.config.file={config}", f"--url=https://{HOST}:{server.ports.web}")
        capture = self.folder / "capture"
        started = [subprocess.Popen([str(binary()), *words, *flags], stdout=subprocess.PIPE, text=True,
                                    stderr=subprocess.DEVNULL, env=environment())
                   for words in (("tap",), ("record", str(capture)))]
        wait_until("both tap", lambda: server.scrape().get("bacowr_statsd_tap_readers") == 2)
        server.send("seen:1|c\nand:2|c")
        tap, record = started
        assert tap.stdout
        self.assertIn('"seen:1|c" -> seen adds 1', tap.stdout.readline())
        wait_until("it is recorded", lambda: b"and:2|c" in capture.read_bytes())
        for process in started:
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), 0)
            assert process.stdout
            process.stdout.close()
        self.assertEqual(capture.read_bytes().count(b" + seen:1|c\n"), 1)

    def test_long_lines(self) -> None:
        """More than a record of TLS at a time."""
        server = self.serve(users=False)
        config = self.file("client.yml", self.tls())
        tap = subprocess.Popen([str(binary()), "record", "-", f"--http.config.file={config}",
                                f"--url=https://{HOST}:{server.ports.web}"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               env=environment())
        wait_until("it taps", lambda: server.scrape().get("bacowr_statsd_tap_readers") == 1)
        lines = [f"m{i}:1|c|#k:{'x' * 1000}" for i in range(60)]
        server.send(*lines)
        assert tap.stdout
        seen = b""
        while not seen.endswith(lines[-1].encode() + b"\n"):
            seen += tap.stdout.read1(65536) or self.fail("it ended")
        self.assertEqual(sum(line.encode() in seen for line in lines), 60)
        tap.send_signal(signal.SIGTERM)
        self.assertEqual(tap.wait(20), 0)
        tap.stdout.close()

    def test_who_is_believed(self) -> None:
        """Whom the file names; nothing is told to others."""
        server = self.serve()
        other = Authority(self.folder, "other")
        web = server.ports.web
        inline = "".join(f"    {line}\n" for line in self.ca.cert.read_text().splitlines())
        for config, url, status, words in (
                (LOGIN + self.tls(), None, 0, ""),
                (LOGIN + self.tls(), f"https://localhost:{web}/some/path", 0, ""),
                (LOGIN + "tls_config: {ca_file: server.pem}\n", None, 0, ""),
                (LOGIN + "tls_config:\n  ca: |\n" + inline, None, 0, ""),
                (LOGIN + "tls_config: {insecure_skip_verify: true}\n", None, 0, "warning: insecure"),
                (LOGIN, None, 1, "unable to get local issuer certificate"),
                (None, None, 1, "ca_file"),
                (LOGIN + f"tls_config: {{ca_file: {other.cert}}}\n", None, 1, "connection failed"),
                (LOGIN + self.tls(", server_name: else.example"), None, 1, "ostname mismatch"),
                (LOGIN + self.tls(", server_name: localhost"), None, 0, ""),
                (LOGIN + self.tls(), f"http://{HOST}:{web}", 1, "https://"),
                (self.tls(), None, 1, "--http.config.file"),
                (LOGIN.replace("prom,", "nobody,") + self.tls(), None, 1, "is wrong")):
            with self.subTest(config=config, url=url):
                done = self.tap(server, config, url=url)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertNotIn("secret\n", done.stdout + done.stderr)

    def test_a_stranger_learns_no_password(self) -> None:
        """Not before he has shown a certificate; and in plain text only who asked for that."""
        told: list[bytes] = []
        with socket.create_server((HOST, 0)) as listener:
            def listen() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(20)
                    told.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            thread = threading.Thread(target=listen)
            thread.start()
            config = self.file("client.yml", LOGIN + self.tls())
            done = run("tap", f"--url=https://{HOST}:{listener.getsockname()[1]}",
                       f"--http.config.file={config}")
            thread.join()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(told[0][:2], b"\x16\x03")
        self.assertNotIn(b"Authorization", told[0])

    def test_by_the_flags_of_the_server(self) -> None:
        """Its address and that it speaks TLS; a Unix socket has none, and asks for the password."""
        server = self.serve()
        address = f"--web.listen-address={HOST}:{server.ports.web}"
        config = self.file("client.yml", LOGIN + self.tls())
        flags = (f"--web.config.file={self.config}", f"--http.config.file={config}")
        done = run("tap", "--duration=600ms", address, *flags)
        self.assertEqual((done.returncode, done.stderr), (0, "no lines received in 0 s\n"))
        server.stop()
        path = self.folder / "web.sock"
        self.start(f"--web.config.file={self.config}", address, f"--web.listen-address=unix:{path}",
                   ports=server.ports, tls=self.ca.client(), login="prom:secret")
        for url in ((f"--url=unix:{path}",), (address, f"--web.listen-address=unix:{path}")):
            done = run("tap", "--duration=600ms", *url, *flags)
            self.assertEqual((done.returncode, done.stderr), (0, "no lines received in 0 s\n"))

    def test_mistakes(self) -> None:
        """With their places, before anybody is asked; never with what is secret."""
        for text, words in {
            "basic_auth: {user: x}\n": ("client.yml:1:14: ", "write one of: username"),
            "bearer_token: x\n": ("client.yml:1:1: ", "basic_auth, tls_config"),
            "basic_auth: {username: a, password: hush, password_file: secret}\n":
                ("1:58: ", "leave one out"),
            "basic_auth: {username: 'a:b'}\n": ("1:24: ", "colon"),
            "basic_auth: {username: a, password_file: none}\n": ("1:42: ", "no such file"),
            "tls_config: {cert_file: me.pem}\n": ("1:1: ", "key_file together"),
            "tls_config: {cert_file: me.pem, key_file: server.key}\n": ("1:43: ", "key"),
            "tls_config: {ca_file: secret}\n": ("1:23: ", "it has no certificate"),
            "tls_config: {ca_file: none}\n": ("1:23: ", "no such file"),
            "tls_config: {insecure_skip_verify: maybe}\n": ("1:36: ",),
            "{": ("client.yml:",),
        }.items():
            with self.subTest(text):
                config = self.file("client.yml", text)
                done = run("tap", f"--url=https://{HOST}:1", f"--http.config.file={config}")
                self.assertEqual(done.returncode, 1)
                for word in words:
                    self.assertIn(word, done.stderr)
                self.assertNotIn("hush", done.stderr)
        done = run("tap", f"--http.config.file={self.folder}/absent")
        self.assertIn("--http.config.file", done.stderr)

    def test_urls(self) -> None:
        for url, words in {"https://prom:hush@localhost": "must not be on the command line",
                           "https://[::1": "'https://[::1' ", "http://": "'http://' ",
                           "localhost": "has no port", "http://h:99999": "'http://h:99999' ",
                           "https://" + "x" * 300: "too long",
                           "ftp://localhost": "is not http://HOST:PORT",
                           "ftp://prom:hush@localhost": "must not be on the command line",
                           "unix:/" + "x" * 300: "too long"}.items():
            with self.subTest(url):
                done = run("tap", f"--url={url}")
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertNotIn("hush", done.stderr)


class HealthcheckTest(ClientTest):
    def test_certificates(self) -> None:
        """One is shown to who wants it; and the server's is looked at if the file says how."""
        server = self.serve(MUTUAL, users=False)
        flags = (f"--web.listen-address={HOST}:{server.ports.web}",
                 f"--web.config.file={self.config}")
        done = run("healthcheck", *flags)
        self.assertIn("--http.config.file", done.stderr)
        for more, status in ((", cert_file: me.pem, key_file: me.key", 0),
                             (", cert_file: me.pem, key_file: me.key, server_name: x.example", 1)):
            config = self.file("client.yml", self.tls(more))
            done = run("healthcheck", *flags, f"--http.config.file={config}")
            self.assertEqual(done.returncode, status, done.stderr)


if __name__ == "__main__":
    unittest.main()
