# SPDX-License-Identifier: Apache-2.0
"""/api/v1/tap: lines as they come in, with what becomes of them."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import signal
import socket
import subprocess
import threading
import time
import unittest
from typing import Any

from lib.harness import (HOST, WAIT_SECONDS, Server, ServerTest, binary, environment, free_port,
                         new_folder, read_all, run, wait_until)

READERS = "bacowr_statsd_tap_readers"
LINES = "bacowr_statsd_tap_lines_total"
SKIPPED = "bacowr_statsd_tap_skipped_lines_total"

MAPPING = """
mappings:
- match: api.*
  name: api_total
  labels: {what: $1}
- match: noise.*
  name: noise
  action: drop
"""


class Stream:
    """A GET of /api/v1/tap, line by line; empty ones are left out."""

    def __init__(self, server: Server, query: str = "") -> None:
        self.connection = http.client.HTTPConnection(HOST, server.ports.web, timeout=20)
        self.connection.request("GET", "/api/v1/tap" + (f"?{query}" if query else ""))
        self.answer = self.connection.getresponse()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *rest: object) -> None:
        self.answer.close()
        self.connection.close()

    def line(self) -> bytes:
        """The next; empty ones come every five seconds, so the socket's timeout is not enough."""
        end = time.monotonic() + WAIT_SECONDS
        while not (line := self.answer.readline()).strip():
            if not line or time.monotonic() > end:
                raise AssertionError("the stream ended" if not line else "nothing came")
        return line


class TapTest(ServerTest):
    def test_text(self) -> None:
        server = self.start(mapping=MAPPING)
        with Stream(server) as stream:
            self.assertEqual(stream.answer.status, 200)
            server.send("api.jobs:3|c|@0.5\nnoise.x:1|c\nbad", b"esc\x1b[31m.\xff:1|g",
                        "odd:1|g")
            lines = [stream.line().decode() for _ in range(5)]
        self.assertTrue(all(re.match(r"\d\d:\d\d:\d\d\.\d{3} \"", x) for x in lines), lines)
        told = [x[13:-1] for x in lines]
        self.assertEqual(told[0], '"api.jobs:3|c|@0.5" -> api_total{what="jobs"} adds 6')
        self.assertEqual(told[1], '"noise.x:1|c" -> dropped by its rule')
        self.assertEqual(told[2], '"bad" -> refused: malformed_line')
        self.assertIn("esc\\x1b[31m.\\xff", told[3])
        self.assertEqual(told[4], '"odd:1|g" -> odd sets 1, no rule matches')

    def test_a_refused_clash_is_told_as_refused(self) -> None:
        server = self.start()
        server.send("queue.depth:4|g")
        server.settle(lines=1)
        with Stream(server) as stream:
            server.send("queue.depth:1|c\nqueue.depth:5|g")
            told = [stream.line().decode()[13:-1] for _ in range(2)]
        self.assertEqual(told, ['"queue.depth:1|c" -> refused: conflict, queue_depth is already a gauge',
                                '"queue.depth:5|g" -> queue_depth sets 5'])

    def test_json(self) -> None:
        server = self.start(mapping=MAPPING)
        with Stream(server, "form=json&match=api.") as stream:
            self.assertEqual(stream.answer.headers["content-type"], "application/x-ndjson")
            server.send("other:1|c\napi.a:1|c")
            told: dict[str, Any] = json.loads(stream.line())
        self.assertLess(abs(told["time"] - time.time()), 10)
        self.assertEqual(told["explained"]["line"], "api.a:1|c")

    def test_capture(self) -> None:
        """Bytes as they came, with their datagrams' borders."""
        server = self.start()
        with Stream(server, "form=capture") as stream:
            self.assertEqual(stream.line(), b"# bacowr-statsd capture 1\n")
            server.send(b"a:1|c\nb:\x00\xff|c", b"c:1|c")
            lines = [stream.line().split(b" ", 2) for _ in range(3)]
        self.assertEqual([x[1:] for x in lines],
                         [[b"+", b"a:1|c\n"], [b"&", b"b:\x00\xff|c\n"], [b"+", b"c:1|c\n"]])
        self.assertLess(abs(float(lines[0][0]) - time.time()), 10)

    def test_streams_and_tcp_are_tapped_too(self) -> None:
        server = self.start("--statsd.sources=8", "--statsd.ingest-threads=2")
        with Stream(server, "form=capture&match=t%63p*|c") as stream:
            stream.line()
            server.stream("tcp.a:1|c\r\n", "no:1|c\n")
            self.assertTrue(stream.line().endswith(b" + tcp.a:1|c\n"))

    def test_a_line_of_many_samples(self) -> None:
        """Its sender decides how many; what it takes to tell of them is bounded."""
        server = self.start()
        line = "many" + ":1|c" * 2000
        with Stream(server, "form=json") as stream:
            server.send(line)
            told = json.loads(stream.line())["explained"]
            self.assertEqual(len(told["samples"]), 20)
            self.assertEqual(told["more_samples"], 1980)
        with Stream(server) as stream:
            server.send(line)
            self.assertTrue(stream.line().endswith(
                b" -> many adds 1 -> 1980 more samples, not shown\n"))

    def test_sampled_under_load(self) -> None:
        server = self.start()
        with Stream(server, "rate=10") as stream:
            server.send(*(f"n{i}:1|c" for i in range(50)))
            page = server.settle(lines=50)
            wait_until("some are skipped", lambda: stream.line().startswith(b"#"))
            self.assertEqual(page.value(READERS), 1)
        page = server.eventually("it is gone", lambda p: p.value(READERS) == 0)
        self.assertEqual(page.value(LINES) + page.value(SKIPPED), 50)

    def test_rates(self) -> None:
        """200 a second when nobody asks, 2000 at most when lines are told; a tenth in a tenth of
        one. A capture has no bound."""
        server = self.start()
        for query, n in (("", 20), ("rate=30", 3), ("rate=0", 200), ("form=json&rate=99999", 200),
                         ("form=capture", 300)):
            with self.subTest(query), Stream(server, query) as stream:
                server.send("\n".join(f"n{i}:1|c" for i in range(300)))
                lines = [stream.line().decode() for _ in range(n + 1)]  # and one that is none
                skipped = [line for line in lines if "skipped" in line]
                word = '{"skipped":%d}\n' if "json" in query else "# %d lines skipped\n"
                self.assertEqual(skipped, [word % (300 - n)] if n < 300 else [])
                self.assertTrue(any(f"n{n - 1}:1|c" in line for line in lines))

    def test_a_reader_that_does_not_read_loses_lines(self) -> None:
        server = self.start()
        with server.web() as web:
            web.sendall(b"GET /api/v1/tap?form=capture HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server.eventually("it is there", lambda p: p.value(READERS) == 1)
            line = "x" * 7000 + ":1|c"

            def lost() -> bool:
                server.send(*[line] * 100)
                return server.scrape().value(SKIPPED) > 0

            wait_until("lines are lost", lost)
        server.eventually("it is gone", lambda p: p.value(READERS) == 0)

    def test_asked_wrongly(self) -> None:
        server = self.start()
        for query in ("form=xml", "rate=x", "match=%4", "other=1", "match=" + "a" * 600):
            self.assertEqual(server.get("/api/v1/tap?" + query, whole=False).status, 400, query)
        self.assertEqual(server.get("/api/v1/tap", method="POST", whole=False).status, 405)
        self.assertEqual(server.get("/api/v1/tap", method="HEAD").status, 200)
        for headers in ({"X-Forwarded-For": "10.0.0.1"}, {"X-Forwarded-Proto": "https"},
                        {"x-forwarded-server-name": "a"}, {"CF-Connecting-IP": "10.0.0.1"},
                        {"True-Client-IP": "10.0.0.1"}, {"X-Client-IP": "10.0.0.1"},
                        {"Host": "evil.example"}, {"Origin": "http://evil.example"},
                        {"Origin": "null"}):
            self.assertEqual(server.get("/api/v1/tap", headers=headers, whole=False).status, 403)

    def test_so_many_and_then_the_end(self) -> None:
        server = self.start()
        webs = [server.web() for _ in range(4)]
        for web in webs:
            web.sendall(b"GET /api/v1/tap HTTP/1.0\r\nHost: localhost\r\n\r\n")
        server.eventually("all are there", lambda p: p.value(READERS) == 4)
        self.assertEqual(server.get("/api/v1/tap", whole=False).status, 503)
        server.stop()
        for web in webs:
            with web:
                read_all(web)


    def test_who_left_makes_room_at_once(self) -> None:
        server = self.start()
        for _ in range(3):
            streams = [Stream(server) for _ in range(4)]
            self.assertEqual([stream.answer.status for stream in streams], [200] * 4)
            for stream in streams:
                stream.__exit__()
            begin = time.monotonic()
            server.eventually("all are gone", lambda p: p.value(READERS) == 0)
            self.assertLess(time.monotonic() - begin, 3)


class CommandTest(ServerTest):
    def command(self, server: Server, *words: str) -> subprocess.Popen[bytes]:
        """A tap or a record that is connected."""
        process = subprocess.Popen([str(binary()), *words, f"--url=http://{HOST}:{server.ports.web}/"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        server.eventually("it is there", lambda p: p.value(READERS) == 1)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, told)
        return told

    def test_tap(self) -> None:
        server = self.start(mapping=MAPPING)
        tap = self.command(server, "tap", "--match=api*|c")
        server.send("noise.x:1|c\napi.a:1|c\napi.b:1|g")
        assert tap.stdout
        self.assertTrue(tap.stdout.readline().endswith(
            b'"api.a:1|c" -> api_total{what="a"} adds 1\n'))
        self.assertEqual(self.end(tap), (b"", b""))

    def ask_a_fake(self, *flags: str, pieces: tuple[bytes, ...], status_seconds: float = 0,
                   tap_seconds: float = 0) -> subprocess.CompletedProcess[str]:
        """What the command makes of these chunks; a server may be slow with each document."""
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if not self.path.startswith("/api/v1/tap"):
                    time.sleep(status_seconds)
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                time.sleep(tap_seconds)
                for text in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                return run("tap", f"--url=http://{HOST}:{server.server_port}/", *flags)
            finally:
                server.shutdown()
                thread.join()

    def test_empty_lines_are_left_out(self) -> None:
        """What a server sends in silence is for the client alone."""
        done = self.ask_a_fake(pieces=(b"\n", b"\n", b"a line\n", b"\n", b"one more\n\n", b"\n"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "a line\none more\n", ""))

    def test_the_duration_is_that_of_the_tap(self) -> None:
        """What the command asks before does not count."""
        done = self.ask_a_fake("--duration=1s", pieces=(b"a line\n",), status_seconds=1.2,
                               tap_seconds=0.1)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "a line\n", ""))

    def test_silence_is_told(self) -> None:
        """Who looks for a line that does not come is not left to guess."""
        server = self.start()
        tap = self.command(server, "tap", "--match=no.such", "--duration=1s")
        server.send("other:1|c")
        out, told = tap.communicate(timeout=20)
        self.assertEqual((tap.returncode, out), (0, b""))
        self.assertRegex(told, rb'^no line in [12] s contains "no\.such"; without --match '
                               rb"all are shown\n(meanwhile .*\n)?$")

    def test_silence_while_somebody_sends_elsewhere(self) -> None:
        """The kernel of the server's machine counts what comes for ports of nobody: a hint."""
        server = self.start()
        for flags in ((), ("--json",)):
            tap = self.command(server, "tap", "--duration=1s", *flags)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                for _ in range(3):
                    udp.sendto(b"a:1|c", (HOST, free_port()))
            out, told = tap.communicate(timeout=20)
            self.assertEqual((tap.returncode, out), (0, b""))
            self.assertRegex(told, rb"^no lines received in [12] s\nmeanwhile the server's "
                                   rb"machine received ([3-9]|[1-9]\d+) datagrams for UDP ports "
                                   rb"without a listener: a sender may use the wrong port\n$")
            server.eventually("it is gone", lambda p: p.value(READERS) == 0)

    def test_a_recording_stays_until_there_is_a_new_one(self) -> None:
        server = self.start()
        with new_folder() as folder:
            path = folder / "capture"
            path.write_bytes(b"an old recording, " * 1000)
            nobody = subprocess.run([str(binary()), "record", str(path), "--url",
                                     f"http://{HOST}:{free_port()}"], capture_output=True,
                                    timeout=20, env=environment())
            self.assertEqual((nobody.returncode, path.stat().st_size), (1, 18000), nobody.stderr)
            record = self.command(server, "record", str(path))
            server.send("new:1|c")
            wait_until("it is recorded", lambda: b"new:1|c" in path.read_bytes())
            self.end(record)
            self.assertNotIn(b"an old recording", path.read_bytes())

    def test_record_and_replay(self) -> None:
        """What was recorded comes again: its bytes, its datagrams, its time."""
        server = self.start()
        with new_folder() as folder:
            path = str(folder / "lines.capture")
            record = self.command(server, "record", path)
            server.send(b"a:1|c\nb:\x00\xff|c", b"c:1|c")
            server.settle(lines=3)
            time.sleep(0.6)
            server.send(b"a:1|c")
            server.settle(lines=4)
            server.eventually("all are told", lambda p: p.value(LINES) == 4)
            wait_until("all are written", lambda: (folder / "lines.capture").read_bytes().count(b"\n") == 5)
            _, told = self.end(record)
            self.assertIn(b"recorded 4 lines", told)
            self.assertEqual((folder / "lines.capture").stat().st_mode & 0o77, 0)
            for flags, least in (((), 0.5), (("--tcp", "--speed=max"), 0.0)):
                other = self.start()
                begin = time.monotonic()
                port = other.ports.tcp if flags else other.ports.udp
                done = run("replay", path, f"--to={HOST}:{port}", *flags)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreaterEqual(time.monotonic() - begin, least)
                self.assertIn("replayed 4 lines", done.stderr)
                page = other.settle(lines=4)
                self.assertEqual((page.value("a"), page.value("c")), (2, 1))
                if not flags:
                    self.assertEqual(page.value("statsd_exporter_udp_packets_total"), 3)

    def test_explain_of_a_capture(self) -> None:
        """What was recorded is explained line by line; remarks and times are not lines."""
        capture = (b"# bacowr-statsd capture 1\n1763858442.123456 + api.a:1|c\n"
                   b"1763858442.123456 & noise.x:1|c\n# 3 lines skipped\n\n"
                   b"1763858443.000000 + bad \xff one\n")

        def explain(text: bytes) -> subprocess.CompletedProcess[bytes]:
            return subprocess.run([str(binary()), "explain", "--json"], input=text,
                                  capture_output=True, timeout=60, env=environment())

        done = explain(capture)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([t["line"] for t in told], ["api.a:1|c", "noise.x:1|c", "bad \ufffd one"])
        done = explain(b"# bacowr-statsd capture 2\n")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"unsupported capture version", done.stderr)
        done = explain(capture + b"no record\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"line 7 of the capture", done.stderr)
        told = [json.loads(line) for line in explain(b"a:1|c\n" + capture).stdout.splitlines()]
        self.assertEqual(told[1]["line"], "# bacowr-statsd capture 1")

    def test_replay_of_plain_lines(self) -> None:
        server = self.start()
        with new_folder() as folder:
            lines = folder / "lines.txt"
            lines.write_text("x:1|c\n" * 100)
            begin = time.monotonic()
            done = run("replay", str(lines), f"--to={HOST}:{server.ports.udp}", "--speed=0.2")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreaterEqual(time.monotonic() - begin, 0.49)  # the last of a thousand a second
            self.assertRegex(done.stderr, r"^replayed 100 lines, 500 bytes in \d\.\d s, done\n$")
            server.eventually("all are there", lambda p: p.get("x") == 100)
            done = run("replay", str(lines), f"--to={HOST}:{free_port()}", "--speed=max")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"at least [1-9]\d* of 100 datagrams were not received")
            for text, words in (("# bacowr-statsd capture 2\n", "unsupported capture version"),
                                ("# bacowr-statsd capture 1\nx:1|c\n", "line 2 of the capture"),
                                ("x" * 70000, "message too long")):
                lines.write_text(text)
                done = run("replay", str(lines), f"--to={HOST}:{server.ports.udp}")
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)

    def test_what_cannot_be(self) -> None:
        server = self.start()
        web = f"{HOST}:{server.ports.web}"
        for words, told in ((("tap", f"--url=https://{web}"), "TLS connection failed"),
                            (("tap", f"--url={web}", "--match=" + "a" * 300), "returns 400"),
                            (("replay", "/nowhere"), "no such file"),
                            (("replay", "-", "--speed=0"), "--speed=NUMBER")):
            done = run(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(told.lower(), done.stderr.lower())


if __name__ == "__main__":
    unittest.main()
