# SPDX-License-Identifier: Apache-2.0
"""`bacowr-statsd healthcheck`: what an image's health check gets as its answer."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading

from lib.harness import HOST, Ports, ServerTest, binary, environment, free_port, run


class HealthcheckTest(ServerTest):
    def check(self, listen: str) -> subprocess.CompletedProcess[str]:
        done = run("healthcheck", f"--web.listen-address={listen}")
        self.assertEqual((done.stdout + done.stderr).count("\n"), 1, "one line, whatever it says")
        return done

    def check_ready(self, listen: str, asked: str) -> None:
        done = self.check(listen)
        self.assertEqual((done.returncode, done.stdout), (0, f"{asked}: ready\n"), done.stderr)

    def test_server_on_loopback(self) -> None:
        """It is asked where its own flag says, and no longer ready when it is gone."""
        server = self.start()
        address = f"{HOST}:{server.ports.web}"
        self.check_ready(address, address)
        server.stop()
        done = self.check(address)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"bacowr-statsd: {address}: connection refused\n")

    def test_server_on_every_address(self) -> None:
        """The flag of an image, for both wildcards; the same words serve and ask."""
        for wildcard in ("0.0.0.0", "[::]", ""):
            with self.subTest(wildcard):
                ports = Ports()
                listen = f"{wildcard}:{ports.web}"
                server = self.start(f"--web.listen-address={listen}", ports=ports)
                self.check_ready(listen, f"{HOST}:{ports.web}")
                server.stop()

    def test_flags_of_the_server_are_taken(self) -> None:
        """A file of arguments serves both commands; of several addresses the first is asked."""
        server = self.start()
        arguments = server.folder / "arguments"
        arguments.write_text(f"--web.listen-address={HOST}:{server.ports.web}\n"
                             f"--web.listen-address={HOST}:{free_port()}\n"
                             "--statsd.ingest-threads=2\n")
        self.assertEqual(run("healthcheck", f"@{arguments}").returncode, 0)

    def test_stopped_server(self) -> None:
        """A server that hangs is found out by the limit, though its kernel still connects."""
        server = self.start()
        server.signal(signal.SIGSTOP)
        try:
            done = self.check(f"{HOST}:{server.ports.web}")
        finally:
            server.signal(signal.SIGCONT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("timed out", done.stderr)

    def test_mistakes(self) -> None:
        for flags, word in {("--web.listen-address=",): "--web.listen-address",
                            ("--web.listen-address=127.0.0.1:0",): "port 0",
                            ("127.0.0.1:9102",): "healthcheck takes no arguments"}.items():
            with self.subTest(flags):
                done = run("healthcheck", *flags)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(word, done.stderr)

    def test_hostile_answer(self) -> None:
        """What it prints lands on terminals and in the log of an engine."""
        with socket.create_server((HOST, 0)) as listener:
            def answer() -> None:
                connection = listener.accept()[0]
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"\x1b]0;owned\x07\xc2\x9b31m\xff <script>\r\nx\n")

            thread = threading.Thread(target=answer)
            thread.start()
            done = self.check(f"{HOST}:{listener.getsockname()[1]}")
            thread.join()
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not speak HTTP: '?]0;owned???31m? <script>'", done.stderr)

    def test_full_output(self) -> None:
        """Ready, and nobody can be told: a failure, as of every command."""
        server = self.start()
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [str(binary()), "healthcheck", f"--web.listen-address={HOST}:{server.ports.web}"],
                stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=30)
        self.assertEqual(done.returncode, 1)
