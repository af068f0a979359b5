# SPDX-License-Identifier: Apache-2.0
"""What an operator is told: each message names the remedy, and none can harm his terminal."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import unittest
from pathlib import Path

from lib.harness import (HOST, FolderTest, Ports, ServerTest, binary, environment, run, serve_flags,
                         wait_until)

GOOD = "mappings:\n- match: a.*\n  name: aa\n"
BAD = "mappings:\n- match: *.foo\n  name: aa\n"


def run_with(stdin: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(binary()), *arguments], input=stdin, capture_output=True, text=True,
                          timeout=30, env=environment())


def is_ready(ports: Ports) -> bool:
    try:
        with socket.create_connection((HOST, ports.web), timeout=5) as connection:
            connection.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.makefile("rb").readline()
    except ConnectionRefusedError:
        return False


class StartTest(ServerTest):
    def test_an_address_in_use(self) -> None:
        first = self.start()
        own, taken = Ports(), first.ports
        cases = {
            f"--statsd.listen-udp={HOST}:{taken.udp}": "ss -lunp",
            f"--statsd.listen-tcp={HOST}:{taken.tcp}": "ss -ltnp",
            f"--web.listen-address={HOST}:{taken.web}": "ss -ltnp",
        }
        for flag, remedy in cases.items():
            with self.subTest(flag):
                done = run(*serve_flags(own, [flag]))
                self.assertEqual(done.returncode, 1)
                self.assertIn(flag.split("=")[1], done.stderr)
                self.assertIn(f"another process listens there, see {remedy}", done.stderr)

    def test_a_standard_stream_that_is_closed(self) -> None:
        """By whoever starts it, a script or a supervisor: it serves, and ends in order."""
        for stream in (0, 1, 2):
            with self.subTest(stream):
                ports = Ports()
                process = subprocess.Popen(
                    [str(binary()), *serve_flags(ports, [])], env=environment(),
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    preexec_fn=lambda closed=stream: os.close(closed))
                self.addCleanup(process.kill)
                wait_until("it serves", lambda: is_ready(ports))
                process.terminate()
                self.assertEqual(process.wait(timeout=20), 0)

    def test_a_receive_buffer_that_is_not_granted(self) -> None:
        """A warning where somebody asked for a size; a word where there is less than advised."""
        server = self.start(f"--statsd.read-buffer={1 << 30}")
        self.assertRegex(server.log(), r"level=warn .*event=receive_buffer_limited .*"
                                       r"asked=1073741824 granted=\d+ "
                                       r'remedy="sysctl -w net\.core\.rmem_max=1073741824"')
        wanted = server.scrape().total("bacowr_statsd_udp_receive_buffer_wanted_bytes")
        self.assertEqual(wanted, 1 << 31)

    def test_a_receive_buffer_that_is_small_by_flag(self) -> None:
        """Granted as asked, and still to blame for what is lost."""
        server = self.start("--statsd.read-buffer=65536")
        self.assertRegex(server.log(), r"level=warn .*event=receive_buffer_limited .*"
                                       r"asked=65536 granted=65536 "
                                       r'remedy="remove --statsd\.read-buffer"')
        page = server.scrape()
        self.assertEqual(page.total("bacowr_statsd_udp_receive_buffer_bytes"), 131072)
        self.assertEqual(page.total("bacowr_statsd_udp_receive_buffer_wanted_bytes"), 8 << 20)

    def test_the_receive_buffer_is_what_the_system_allows(self) -> None:
        """Unasked: all of it; and how to get more, where that is less than 4 MiB."""
        allowed = int(Path("/proc/sys/net/core/rmem_max").read_text())
        server = self.start()
        page = server.scrape()
        self.assertEqual(page.total("bacowr_statsd_udp_receive_buffer_bytes"), 2 * allowed)
        self.assertEqual(page.total("bacowr_statsd_udp_receive_buffer_wanted_bytes"), 8 << 20)
        said = re.search(r"level=info .*event=receive_buffer_limited .*"
                         r'remedy="sysctl -w net\.core\.rmem_max=4194304"', server.log())
        self.assertEqual(said is not None, allowed < 4 << 20)

    def test_a_mapping_file_that_is_not_there(self) -> None:
        done = run(*serve_flags(Ports(), ["--statsd.mapping-config=/nonexistent/file.yml"]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/file.yml: cannot read the mapping file: no such file; "
                      "check the path", done.stderr)

    def test_a_server_reads_no_pipe(self) -> None:
        """A reload could not read it again."""
        done = run_with(GOOD, *serve_flags(Ports(), ["--statsd.mapping-config=/dev/stdin"]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not a regular file", done.stderr)


class CheckTest(FolderTest):
    def test_goes_on_over_all_files(self) -> None:
        """One that is bad hides none behind it, and one is enough to fail."""
        good, bad = self.file("good.yml", GOOD), self.file("bad.yml", BAD)
        missing = self.folder / "missing.yml"
        done = run("check", bad, good, missing, good)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, f"{good}: ok, 1 rules\n" * 2)
        self.assertIn(f"{bad}:2:11: ", done.stderr)
        self.assertIn("quote a value that begins with * or &", done.stderr)
        self.assertIn(f"{missing}: ", done.stderr)
        self.assertEqual(run("check", good, good).returncode, 0)

    def test_reads_pipes(self) -> None:
        done = run_with(GOOD, "check", "/dev/stdin")
        self.assertEqual((done.returncode, done.stdout), (0, "/dev/stdin: ok, 1 rules\n"))
        done = run_with(GOOD, "--statsd.mapping-config=/dev/stdin", "explain", "a.x:1|c")
        self.assertEqual(done.returncode, 0)
        self.assertIn("aa", done.stdout)

    def test_warnings(self) -> None:
        """What is legal and surely not meant, each with its place."""
        cases = {
            "mappings:\n- match: a\n  name: process_x\n": ("3:9", "process_"),
            "mappings:\n- match: a\n  name: aa\n  observer_type: summary\n"
            "  summary_options: {age_buckets: 50}\n": ("5:34", "10 or less"),
        }
        for text, (place, word) in cases.items():
            done = run("check", self.file("mapping.yml", text))
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"mapping.yml:{place}: warning: ", done.stderr)
            self.assertIn(word, done.stderr)


class TerminalTest(unittest.TestCase):
    def test_no_control_character_of_the_command_line_comes_back(self) -> None:
        """In UTF-8 or as a byte of a terminal that does not speak it."""
        bad = b"x\x9b31m\xc2\x9b31m\x1b[31m"
        for arguments in ([b"--" + bad], [bad], [b"--log.level=" + bad], [b"check", bad],
                          [b"--statsd.listen-udp=" + bad]):
            done = subprocess.run([str(binary()).encode(), *arguments], capture_output=True,
                                  stdin=subprocess.DEVNULL, timeout=30, env=environment())
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"31m", done.stderr)
            for control in (b"\x1b", b"\x9b"):
                self.assertNotIn(control, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
