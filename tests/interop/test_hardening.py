# SPDX-License-Identifier: Apache-2.0
"""What the unit file takes away is not needed: the shipped binary runs with its system calls only,
and without memory that can be written and run. And what the build should have put in is there."""

from __future__ import annotations

import ctypes
import platform
import re
import ssl
import struct
import subprocess

from lib.certs import Authority
from lib.harness import (HOST, ROOT, FolderTest, Ports, Server, ServerTest, StartError, binary,
                         environment, wait_until)

UNIT = ROOT / "systemd" / "bacowr-statsd.service"
SECRET = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # secret
MAPPING = """mappings:
- {match: 're\\.(.*)', match_type: regex, name: regex_total, labels: {key: $1}}
"""
EXPOSURE = 1.5  # of 10, at most; the figure of docs/flags.md

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
KILL, ALLOW, EPERM = 0x80000000, 0x7FFF0000, 0x00050001
LOAD, EQUAL, RETURN, AND, SET = 0x20, 0x15, 0x06, 0x54, 0x45
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
WRITE_AND_EXEC = 6


def unit_calls() -> set[str]:
    """The calls that the unit allows, and those that systemd allows besides."""
    listed = re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE)
    return {name for line in listed for name in line.split()} | {"execve", "exit", "exit_group"}


def numbers() -> dict[str, int]:
    """Every call's number on this machine."""
    done = subprocess.run(["gcc", "-dM", "-E", "-include", "sys/syscall.h", "-"], input="",
                          capture_output=True, text=True, check=True)
    return {name: int(number)
            for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", done.stdout,
                                           re.MULTILINE)}


def program(allowed: set[str]) -> bytes:
    """A filter: what is not @allowed ends the process; nothing may be mapped to write and run."""
    known = numbers()
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, AUDIT_ARCH[platform.machine()]), (RETURN, 0, 0, KILL)]
    for name in ("mmap", "mprotect"):
        steps += [(LOAD, 0, 0, 0), (EQUAL, 0, 4, known[name]), (LOAD, 0, 0, 32),
                  (AND, 0, 0, WRITE_AND_EXEC), (EQUAL, 0, 1, WRITE_AND_EXEC), (RETURN, 0, 0, EPERM)]
    steps.append((LOAD, 0, 0, 0))
    for name in sorted(allowed & known.keys()):
        steps += [(EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    steps.append((RETURN, 0, 0, KILL))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


class Confined(Server):
    """A server under a filter of system calls, as the unit asks for it."""

    allowed = unit_calls()

    def _spawn(self) -> subprocess.Popen[bytes]:
        code = program(self.allowed)
        array = ctypes.create_string_buffer(code, len(code))
        head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(array))
        libc = ctypes.CDLL(None, use_errno=True)

        def confine() -> None:
            if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
                    libc.prctl(PR_SET_SECCOMP, FILTER, head, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "no filter")

        with open(self.log_file, "wb") as log:
            return subprocess.Popen([str(binary()), *self.flags], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=environment(), preexec_fn=confine,
                                    close_fds=False)  # Python would close them by other calls


class SeccompTest(FolderTest, ServerTest):
    def serve(self, kind: type[Confined]) -> Server:
        authority = Authority(self.folder)
        authority.sign("server")
        config = self.file("web.yml", "tls_server_config: {cert_file: server.pem, "
                                      "key_file: server.key}\n"
                                      f"basic_auth_users: {{prom: {SECRET}}}\n")
        flags = [f"--web.config.file={config}", "--config.watch", "--web.enable-lifecycle",
                 f"--web.listen-address=unix:{self.folder}/web.sock",
                 f"--statsd.listen-unixgram={self.folder}/gram.sock",
                 f"--statsd.listen-unix={self.folder}/stream.sock", "--statsd.ingest-threads=2",
                 f"--state.file={self.folder}/state", "--statsd.relay.address=127.0.0.1:9"]
        context = ssl.create_default_context(cafile=str(authority.cert))
        ports = Ports()
        server = kind([*flags, f"--web.listen-address={HOST}:{ports.web}"], MAPPING, self.id(), ports,
                      context, "prom:secret")
        self.addCleanup(server.kill)
        return server

    def test_all_of_it(self) -> None:
        """Every way in, TLS, a password, a regex, reloads by all ways, the state, the end."""
        server = self.serve(Confined)
        server.send("udp.a:1|c", "re.x1:2|c", "t:3|ms", "s:a|s")
        server.stream("tcp.a:1|c\n")
        page = server.settle()
        self.assertEqual(page.get("regex_total", key="x1"), 2)
        answer = server.get("/metrics", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(answer.headers["content-encoding"], "gzip")
        server.reload()
        self.assertEqual(server.get("/-/reload", "POST").status, 200)
        self.assertEqual(server.get("/metrics", headers={"Authorization": "Basic eDp5"}).status, 401)
        server.write_mapping(MAPPING + "\n")
        wait_until("the change is seen", lambda: "event=mapping_changed" in server.log())
        server.stop()
        self.assertTrue((self.folder / "state").exists())

    def test_a_hand_over(self) -> None:
        server = Confined([f"--control.socket={self.folder}/control"], name=self.id())
        self.addCleanup(server.kill)
        server.send("kept:1|c")
        server.settle()
        old, server.log_file = server.process, self.folder / "successor.log"
        server.flags.append("--replace")
        server.process = server._spawn()
        self.assertEqual(old.wait(20), 0)
        self.assertEqual(server.settle().get("kept"), 1)

    def test_the_filter_bites(self) -> None:
        class Deaf(Confined):
            allowed = unit_calls() - {"listen"}

        with self.assertRaisesRegex(StartError, "status -31"):
            self.serve(Deaf)


class BuildTest(ServerTest):
    def test_binary(self) -> None:
        """PIE, full RELRO, no stack to run, canaries, checked calls."""
        shown = subprocess.run(["readelf", "-hldW", binary()], capture_output=True, text=True,
                               check=True).stdout
        self.assertRegex(shown, r"Type:\s+DYN")
        self.assertIn("GNU_RELRO", shown)
        self.assertRegex(shown, r"FLAGS_1.*NOW.*PIE")
        self.assertRegex(shown, r"GNU_STACK.* RW ")
        symbols = subprocess.run(["readelf", "--dyn-syms", "-W", binary()], capture_output=True,
                                 text=True, check=True).stdout
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__\w+_chk\b")

    def test_unit(self) -> None:
        """What systemd thinks of it, where there is a systemd to ask."""
        try:
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", str(UNIT)],
                                  capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest("no systemd-analyze")
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout + done.stderr)
        assert found, done.stderr
        self.assertLessEqual(float(found[1]), EXPOSURE)
