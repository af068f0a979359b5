# SPDX-License-Identifier: Apache-2.0
"""The web interface over TLS: what is spoken, whom it lets in, and what hostile clients cost."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import ssl
import time
import warnings
from pathlib import Path
from unittest import mock

from lib.certs import Authority, Pair, openssl
from lib.exposition import Page
from lib.harness import HOST, FolderTest, Server, ServerTest, read_all, run, wait_until

HASH = "$2y$04$" + "." * 53
FAILURES = "bacowr_statsd_http_tls_failures_total"
GET_LAST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class TlsTest(FolderTest, ServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.ca = Authority(self.folder)
        self.pair = self.ca.sign("server")
        self.config = self.folder / "web.yml"
        self.flag = f"--web.config.file={self.config}"

    def write(self, more: str = "", rest: str = "") -> None:
        """Paths are relative to the file's folder."""
        new = self.config.with_suffix(".new")
        new.write_text(f"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
                       f"{more}{rest}")
        new.rename(self.config)

    def serve(self, more: str = "", rest: str = "", *flags: str, pair: Pair | None = None) -> Server:
        self.write(more, rest)
        return self.start(self.flag, *flags, tls=self.ca.client(pair))

    def answers(self, server: Server, context: ssl.SSLContext) -> bool:
        """Does a client get in? One that may not is told in the handshake or at its first read."""
        connection = http.client.HTTPSConnection(HOST, server.ports.web, timeout=20,
                                                 context=context)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return False
        finally:
            connection.close()


class OpenedTest(TlsTest):
    """OpenSSL and libxcrypt are opened by the first door that needs them."""

    def maps(self, server: Server) -> str:
        return Path(f"/proc/{server.process.pid}/maps").read_text()

    def test_nobody_pays_for_no_door(self) -> None:
        for library in "libssl", "libcrypt.so":
            self.assertNotIn(library, self.maps(self.start()))
        with_tls = self.maps(self.serve())
        self.assertIn("libssl", with_tls)
        self.assertNotIn("libcrypt.so", with_tls)
        self.config.write_text(f"basic_auth_users:\n  a: {HASH}\n")
        self.assertIn("libcrypt.so", self.maps(self.start(self.flag)))

    def test_a_reload_may_be_the_first(self) -> None:
        self.config.write_text("")
        server = self.start(self.flag)
        self.assertNotIn("libssl", self.maps(server))
        self.write()
        server.process.send_signal(signal.SIGHUP)
        wait_until("TLS is spoken", lambda: self.answers(server, self.ca.client()))

    def test_a_machine_without_it(self) -> None:
        (self.folder / "libssl.so.3").touch()
        self.write()
        with mock.patch.dict(os.environ, LD_LIBRARY_PATH=str(self.folder)):
            with_tls = run(self.flag)
            self.config.write_text(f"basic_auth_users:\n  a: {HASH}\n")
            with_password = run(self.flag)
            self.assertTrue(self.start().get("/-/ready"))
        for told in with_tls, with_password:
            self.assertEqual(told.returncode, 1, told.stderr)
            self.assertIn(f"{self.config}: TLS and passwords need OpenSSL, which cannot be opened",
                          told.stderr)
            self.assertIn("install libssl.so.3 (libssl3 on Debian)", told.stderr)

    def test_a_machine_without_bcrypt(self) -> None:
        for name in "libcrypt.so.1", "libcrypt.so.2":
            (self.folder / name).touch()
        self.config.write_text(f"basic_auth_users:\n  a: {HASH}\n")
        with mock.patch.dict(os.environ, LD_LIBRARY_PATH=str(self.folder)):
            told = run(self.flag)
            self.assertTrue(self.start().get("/-/ready"))
        self.assertEqual(told.returncode, 1, told.stderr)
        self.assertIn(f"{self.config}: passwords need libxcrypt, which cannot be opened", told.stderr)
        self.assertIn("install libcrypt.so.1 (libcrypt1 on Debian)", told.stderr)


class SpokenTest(TlsTest):
    def test_pages(self) -> None:
        """Large ones and small ones, kept alive, in single bytes, closed by either side."""
        server = self.serve()
        server.send(*[f"m{i}:1|c|#k:{'x' * 900}" for i in range(3000)])
        page = server.settle()
        self.assertGreater(len(page.text), 2_500_000)
        old = server.raw(b"GET /metrics HTTP/1.0\r\n\r\n")
        Page(old.partition(b"\r\n\r\n")[2].decode())
        with server.web() as connection:
            for byte in GET_LAST:
                connection.sendall(bytes([byte]))
            self.assertTrue(read_all(connection).endswith(b"0\r\n\r\n"))
        connection = http.client.HTTPSConnection(HOST, server.ports.web, context=self.ca.client())
        for _ in range(20):
            connection.request("GET", "/-/healthy")
            self.assertEqual(connection.getresponse().read(), b"alive\n")
        connection.close()
        with server.web() as pipeline:
            pipeline.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + GET_LAST)
            self.assertEqual(read_all(pipeline).count(b"HTTP/1.1 200 "), 51)
        with server.web() as waiting:
            waiting.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                            b"Content-Length: 3\r\nConnection: close\r\n\r\n")
            self.assertTrue(waiting.recv(100).startswith(b"HTTP/1.1 100 "))
            waiting.sendall(b"abc")
            self.assertTrue(read_all(waiting).startswith(b"HTTP/1.1 405 "))

    def test_versions(self) -> None:
        spoken = {"": "TLSv1.2 TLSv1.3", "  min_version: TLS13\n": "TLSv1.3",
                  "  max_version: TLS12\n": "TLSv1.2"}
        for more, wanted in spoken.items():
            server = self.serve(more)
            for name in ("TLSv1.1", "TLSv1.2", "TLSv1.3"):
                context = self.ca.client()
                with warnings.catch_warnings(action="ignore"):
                    version = ssl.TLSVersion[name.replace(".", "_")]
                    context.minimum_version = context.maximum_version = version
                context.set_ciphers("ALL:@SECLEVEL=0")
                with self.subTest(more=more, version=name):
                    self.assertEqual(self.answers(server, context), name in wanted)
            server.stop()

    def test_suites_curves_and_protocols(self) -> None:
        server = self.serve("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,\n"
                            "    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n"
                            "  curve_preferences: [CurveP384]\n")
        context = self.ca.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2", "http/1.1"])
        server.tls = context
        with server.web() as connection:
            assert isinstance(connection, ssl.SSLSocket)
            cipher = connection.cipher()
            assert cipher is not None
            self.assertEqual(cipher[0], "ECDHE-ECDSA-AES256-GCM-SHA384")
            self.assertEqual(connection.selected_alpn_protocol(), "http/1.1")
        for curve, good in (("prime256v1", False), ("secp384r1", True)):
            context = self.ca.client()
            context.set_ecdh_curve(curve)
            self.assertEqual(self.answers(server, context), good)
        context = self.ca.client()
        context.set_alpn_protocols(["h2"])
        self.assertFalse(self.answers(server, context))

    def test_plain_http_is_told(self) -> None:
        server = self.serve()
        server.tls, context = None, server.tls
        self.assertIn(b"https://", server.raw(GET_LAST))
        server.tls = context
        self.assertEqual(server.scrape().get(FAILURES), 1)

    def test_headers(self) -> None:
        server = self.serve(rest="http_server_config:\n  http2: false\n  headers:\n"
                                 "    X-Frame-Options: deny\n"
                                 "    X-Content-Type-Options: nosniff\n"
                                 "    Strict-Transport-Security: max-age=31536000\n")
        for path in ("/metrics", "/", "/none"):
            head = server.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                              .encode()).partition(b"\r\n\r\n")[0]
            self.assertIn(b"\r\nX-Frame-Options: deny\r\n", head)
            self.assertIn(b"\r\nStrict-Transport-Security: max-age=31536000\r\n", head)
            self.assertEqual(head.count(b"nosniff"), 1)


class ClientTest(TlsTest):
    def test_certificates(self) -> None:
        """The five policies of Go, and who gets in under each."""
        other = Authority(self.folder, "other")
        clients = {"none": None, "ours": self.ca.sign("client"), "theirs": other.sign("foreign"),
                   "server's": self.ca.sign("only-server", use="serverAuth")}
        let_in = {"NoClientCert": "none ours theirs server's",
                  "RequestClientCert": "none ours theirs server's",
                  "RequireAnyClientCert": "ours theirs server's",
                  "RequireClientCert": "ours theirs server's",
                  "VerifyClientCertIfGiven": "none ours",
                  "RequireAndVerifyClientCert": "ours"}
        for policy, wanted in let_in.items():
            ca = "" if policy == "NoClientCert" else "  client_ca_file: ca.pem\n"
            server = self.serve(f"  client_auth_type: {policy}\n{ca}", pair=clients["ours"])
            for name, pair in clients.items():
                with self.subTest(policy=policy, client=name):
                    self.assertEqual(self.answers(server, self.ca.client(pair)),
                                     name in wanted.split())
            server.stop()

    def test_names(self) -> None:
        """One of them has to be in the certificate, letter by letter, of whatever kind."""
        names = {"DNS:a.example": "a.example", "email:x@y.example": "x@y.example",
                 "IP:10.0.0.1": "10.0.0.1", "IP:::1": "::1", "URI:spiffe://x/y": "spiffe://x/y"}
        pairs = {name: self.ca.sign(f"c{i}", name) for i, name in enumerate(names)}
        wrong = [self.ca.sign("w0", "DNS:b.a.example"), self.ca.sign("w1", "DNS:*.example"),
                 self.ca.sign("w2", "")]
        listed = "".join(f"  - '{name}'\n" for name in names.values())
        server = self.serve("  client_auth_type: RequireAndVerifyClientCert\n"
                            f"  client_ca_file: ca.pem\n  client_allowed_sans:\n{listed}",
                            pair=pairs["DNS:a.example"])
        for name, pair in pairs.items():
            with self.subTest(name):
                self.assertTrue(self.answers(server, self.ca.client(pair)))
        for pair in wrong:
            with self.subTest(pair.cert.name):
                self.assertFalse(self.answers(server, self.ca.client(pair)))

    def test_healthcheck(self) -> None:
        """By TLS; and where a certificate is wanted, on a Unix socket."""
        server = self.serve()
        address = f"--web.listen-address={HOST}:{server.ports.web}"
        done = run("healthcheck", address, self.flag)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("returns 400", run("healthcheck", address).stderr)
        server.stop()
        path = self.folder / "web.sock"
        self.write("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n")
        self.start(self.flag, address, f"--web.listen-address=unix:{path}", ports=server.ports,
                   tls=self.ca.client(self.ca.sign("client")))
        done = run("healthcheck", address, self.flag)
        self.assertEqual(done.returncode, 1)
        self.assertIn("unix:PATH", done.stderr)
        done = run("healthcheck", address, f"--web.listen-address=unix:{path}", self.flag)
        self.assertEqual((done.returncode, done.stdout), (0, f"unix:{path}: ready\n"))


class HostileTest(TlsTest):
    def connect(self, server: Server) -> socket.socket:
        return socket.create_connection((HOST, server.ports.web), timeout=20)

    def greeting(self) -> bytes:
        """With which a client begins; the server answers it with a signature."""
        hello = ssl.MemoryBIO()
        greeter = self.ca.client().wrap_bio(ssl.MemoryBIO(), hello, server_hostname=HOST)
        try:
            greeter.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return hello.read()

    def test_garbage(self) -> None:
        """In the greeting, after it and in records of an open connection: an end, and counted."""
        server = self.serve()
        greeting = bytes.fromhex("16030100050100000103")
        for data in (b"\x16\x03\x01\xff\xff" + os.urandom(70000), greeting + os.urandom(100),
                     os.urandom(3) * 1000, b"\x80\x2e\x01\x00\x02", b"\x15\x03\x01\x00\x02\x02\x28"):
            with self.connect(server) as connection:
                try:
                    connection.sendall(data)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                read_all(connection)
        with server.web() as connection:
            assert isinstance(connection, ssl.SSLSocket)
            bare = socket.socket(fileno=os.dup(connection.fileno()))
            bare.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
            bare.settimeout(20)
            read_all(bare)
            bare.close()
        self.assertGreaterEqual(server.scrape().get(FAILURES), 3)

    def test_silence(self) -> None:
        """A handshake that does not go on ends, at its beginning and in its middle."""
        server = self.serve("", "", "--web.timeout=1s")
        begin = time.monotonic()
        with self.connect(server) as silent, self.connect(server) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
            read_all(silent)
            read_all(half)
        self.assertLess(time.monotonic() - begin, 8)

    def test_a_flood_of_handshakes(self) -> None:
        """Those that stop in the middle hold up nobody for long."""
        server = self.serve()
        greeting = self.greeting()
        flood = [self.connect(server) for _ in range(200)]
        for connection in flood:
            connection.sendall(greeting)
        begin = time.monotonic()
        self.assertEqual(server.get("/-/healthy").status, 200)
        self.assertLess(time.monotonic() - begin, 2)
        for connection in flood:
            connection.close()

    def slow_server(self) -> tuple[Server, ssl.SSLContext]:
        """Its key is one of those with which a handshake takes milliseconds."""
        openssl("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", self.pair.key, "-out",
                self.pair.cert, "-days", "2", "-subj", "/CN=slow", "-addext",
                "subjectAltName=IP:127.0.0.1")
        self.write()
        context = ssl.create_default_context(cafile=str(self.pair.cert))
        return self.start(self.flag, tls=context), context

    def probe(self, server: Server, context: ssl.SSLContext) -> bytes:
        """A new client of another address than ours."""
        with socket.create_connection((HOST, server.ports.web), 20, ("127.0.0.2", 0)) as bare, \
                context.wrap_socket(bare, server_hostname=HOST) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return read_all(connection)

    def test_a_flood_of_handshakes_delays_its_own_address(self) -> None:
        server, context = self.slow_server()
        greeting = self.greeting()
        flood = [self.connect(server) for _ in range(400)]
        for connection in flood:
            connection.sendall(greeting)
        self.assertIn(b" 200 ", self.probe(server, context))
        answered = [connection for connection in flood
                    if select.select([connection], [], [], 0)[0]]
        self.assertLess(len(answered), len(flood) / 2)
        for connection in flood:
            connection.close()

    def test_one_address_does_not_take_all_places(self) -> None:
        server = self.serve("", "", "--web.max-connections=8")
        held = [self.connect(server) for _ in range(8)]
        self.assertIn(b" 200 ", self.probe(server, self.ca.client()))
        self.assertGreaterEqual(server.scrape().get("bacowr_statsd_http_connections_evicted_total"), 1)
        for connection in held:
            connection.close()

    def test_a_client_that_does_not_read(self) -> None:
        """It costs a slice, not its page."""
        server = self.serve()
        server.send(*[f"m{i}:1|c|#k:{'x' * 900}" for i in range(4000)])
        page = server.settle()
        before = server.scrape().get("process_resident_memory_bytes")
        held = [server.web() for _ in range(30)]
        for connection in held:
            connection.sendall(GET_LAST)
        time.sleep(0.5)
        grown = server.scrape().get("process_resident_memory_bytes") - before
        self.assertLess(grown, len(page.text) * 30 / 2)
        for connection in held:
            connection.close()


class ReloadTest(TlsTest):
    def serial(self, server: Server) -> str:
        with server.web() as connection:
            assert isinstance(connection, ssl.SSLSocket)
            certificate = connection.getpeercert()
            assert certificate is not None
            return str(certificate["serialNumber"])

    def test_a_new_certificate(self) -> None:
        """It is seen by itself, without a signal; who is connected is asked to come again."""
        server = self.serve()
        first = self.serial(server)
        kept = http.client.HTTPSConnection(HOST, server.ports.web, context=self.ca.client())
        kept.request("GET", "/-/ready")
        kept.getresponse().read()
        self.ca.sign("server")
        wait_until("the new certificate is shown", lambda: self.serial(server) != first)
        kept.request("GET", "/-/ready")
        self.assertEqual(kept.getresponse().headers["connection"], "close")
        kept.close()
        page = server.scrape()
        self.assertEqual(page.get("bacowr_statsd_web_config_reloads_total", outcome="success"), 1)
        self.assertEqual(page.total("statsd_exporter_config_reloads_total"), 0)

    def test_a_certificate_that_is_good_no_more(self) -> None:
        """Nothing is served to who came in by it: neither a further answer nor a tap's rest."""
        other = Authority(self.folder, "other")
        rule = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: "
        server = self.serve(rule + "ca.pem\n", "", "--web.enable-lifecycle",
                            pair=self.ca.sign("client"))
        idle, tap = server.web(), server.web()
        idle.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        tap.sendall(b"GET /api/v1/tap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in (idle, tap):
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 200 "))
        self.write(rule + "other.pem\n")
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        self.assertTrue(read_all(tap).endswith(b"0\r\n\r\n"))
        try:
            idle.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"200 OK", read_all(idle))
        except OSError:
            pass
        for connection in (idle, tap):
            connection.close()
        server.tls = self.ca.client(other.sign("client2"))
        self.assertEqual(server.get("/-/ready").status, 200)

    def test_a_wrong_file_changes_nothing(self) -> None:
        """Neither what is served nor the rules, and the answer names the place."""
        server = self.serve("", "", "--web.enable-lifecycle")
        self.write("  cipher_suits: []\n")
        answer = server.get("/-/reload", "POST")
        self.assertEqual(answer.status, 500)
        self.assertIn(b"web.yml:4:3: ", answer.body)
        self.assertIn(b'did you mean "cipher_suites"?', answer.body)
        page = server.scrape()
        self.assertEqual(page.get("bacowr_statsd_web_config_last_reload_successful"), 0)
        self.assertIn("event=web_config_failed", server.log())
        self.write()
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        page = server.scrape()
        self.assertEqual(page.get("bacowr_statsd_web_config_last_reload_successful"), 1)

    def test_parts_stand_alone(self) -> None:
        """Wrong rules do not keep a new web configuration out."""
        self.write()
        server = self.start(self.flag, "--web.enable-lifecycle", mapping="mappings: []\n",
                            tls=self.ca.client())
        server.write_mapping("mappings: 7\n")
        self.write(rest="http_server_config: {headers: {X-Frame-Options: deny}}\n")
        answer = server.get("/-/reload", "POST")
        self.assertEqual(answer.status, 500)
        self.assertIn(b"mapping.yml:1:11: ", answer.body)
        self.assertEqual(server.get("/").headers["x-frame-options"], "deny")

    def test_tls_on_and_off(self) -> None:
        server = self.serve("", "", "--web.enable-lifecycle")
        self.config.write_text("")
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        server.tls, context = None, server.tls
        self.assertEqual(server.get("/-/ready").status, 200)
        self.write()
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        server.tls = context
        self.assertEqual(server.get("/-/ready").status, 200)


class MistakeTest(TlsTest):
    def check(self, more: str, *words: str) -> None:
        """By --check-config and at start: the place and the way to mend it, no socket opened."""
        self.write(more)
        for flags in (("--check-config",), ("--web.listen-address=127.0.0.1:1",)):
            done = run(self.flag, *flags)
            self.assertEqual(done.returncode, 1, more)
            for word in words:
                self.assertIn(word, done.stderr.replace('\\"', '"'), more)
            self.assertNotIn("event=listening", done.stderr)

    def test_files(self) -> None:
        self.folder.joinpath("empty.pem").write_text("")
        self.ca.sign("stranger")
        for more, words in {
            "  client_ca_file: no.pem\n  client_auth_type: RequestClientCert\n":
                ("web.yml:4:19: client_ca_file: ", "no such file"),
            "  client_ca_file: empty.pem\n  client_auth_type: RequestClientCert\n":
                ("web.yml:4:19: ", "it has no certificate"),
            "  key: inline\n": ("web.yml:3:13: key and key_file are both given",),
            "  cert: inline\n": ("web.yml:2:14: cert and cert_file",),
        }.items():
            with self.subTest(more):
                self.check(more, *words)
        for name, words in {"cert_file: server.key": ("web.yml:2:14: ", "not a usable certificate"),
                            "key_file: stranger.key": ("web.yml:3:13: ", "does not belong"),
                            "key_file: server.pem": ("web.yml:3:13: ", "not a readable")}.items():
            key = name.split(":")[0]
            with self.subTest(name):
                self.write()
                text = self.config.read_text().replace(
                    f"{key}: server.{'pem' if key == 'cert_file' else 'key'}", name)
                self.config.write_text(text)
                done = run(self.flag, "--check-config")
                self.assertEqual(done.returncode, 1)
                for word in words:
                    self.assertIn(word, done.stderr)

    def test_a_certificate_behind_the_first(self) -> None:
        """One that is cut off is a mistake too; other text between them is none."""
        whole = self.ca.cert.read_text()
        rule = "  client_ca_file: {}\n  client_auth_type: RequireAndVerifyClientCert\n"
        for text, status in ((whole + "some words\n" + whole, 0),
                             (whole + whole[:200] + whole[260:], 1)):
            self.file("two.pem", text)
            self.write(rule.format("two.pem"))
            done = run(self.flag, "--check-config")
            self.assertEqual(done.returncode, status, done.stderr)
            self.file("chain.pem", (self.folder / "server.pem").read_text() + text)
            self.write()
            self.config.write_text(self.config.read_text().replace("server.pem", "chain.pem"))
            done = run(self.flag, "--check-config")
            self.assertEqual(done.returncode, status, done.stderr)
            if status:
                self.assertIn("web.yml:2:14: cert_file: a certificate after the first", done.stderr)

    def test_a_passphrase_is_not_asked_for(self) -> None:
        self.write()
        key = self.pair.key
        openssl("ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", str(key) + ".new")
        Path(str(key) + ".new").rename(key)
        done = run(self.flag, "--check-config")
        self.assertEqual(done.returncode, 1)
        self.assertIn("without a passphrase", done.stderr)

    def test_inline(self) -> None:
        """Certificate and key in the file itself."""
        def block(path: Path) -> str:
            return "".join(f"    {line}\n" for line in path.read_text().splitlines())

        self.config.write_text(f"tls_server_config:\n  cert: |\n{block(self.pair.cert)}"
                               f"  key: |\n{block(self.pair.key)}"
                               f"  client_ca: |\n{block(self.ca.cert)}"
                               "  client_auth_type: VerifyClientCertIfGiven\n")
        server = self.start(self.flag, tls=self.ca.client())
        self.assertTrue(self.answers(server, self.ca.client(self.ca.sign("client"))))

    def test_check_config(self) -> None:
        self.write()
        done = run(self.flag, "--check-config")
        self.assertEqual((done.returncode, done.stdout),
                         (0, f"{self.config}: ok, 0 users, TLS on\n"))
