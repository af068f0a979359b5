# SPDX-License-Identifier: Apache-2.0
"""A Docker engine of the tests' own, from packages that are unpacked and not installed.

It runs twice. First in the machine's network, without a bridge and without a firewall rule, since
building needs the package mirror. Then in network and mount namespaces of this process, where it
may do what it likes: nothing of it is left in the machine when the process is gone. Images stay
under build/stack/data, so a second run builds little.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from lib.harness import ROOT, end_process, log_folder, wait_until

PROGRAMS = (ROOT / "build" / "programs").resolve()
DATA = ROOT / "build" / "stack" / "data"

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

# No bridge and no rule: what a build needs is the network of the machine.
PLAIN = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
         "--ip-masq=false")


class EngineError(Exception):
    """The engine, or a command to it, failed; the text is what it said."""


def enter_namespaces() -> None:
    """This thread, and what it starts from now on, get a network and mounts of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        raise EngineError(f"unshare: {os.strerror(ctypes.get_errno())}; the tests of the stack "
                          "need root: sudo make test-stack")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Engine:
    def __init__(self, flags: Sequence[str] = ()) -> None:
        if os.geteuid() != 0:
            raise EngineError("the tests of the stack need root: sudo make test-stack")
        self.folder = Path(tempfile.mkdtemp(prefix="bacowr-stack-"))
        self.group = self.folder.name
        self.environment = {
            "PATH": f"{PROGRAMS}/usr/bin:{PROGRAMS}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "config"),
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock", "DOCKER_BUILDKIT": "1"}
        self.process = self._spawn(flags)
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def _spawn(self, flags: Sequence[str]) -> subprocess.Popen[bytes]:
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
        DATA.mkdir(parents=True, exist_ok=True)
        with open(log_folder() / "dockerd.log", "ab") as log:
            # It must not outlive this process, however that ends.
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "dockerd", f"--data-root={DATA}",
                 f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/pid",
                 f"--host={self.environment['DOCKER_HOST']}", f"--cgroup-parent=/{self.group}",
                 f"--default-ulimit=nofile={files}:{files}", *flags],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _wait_ready(self) -> None:
        def answers() -> bool:
            if self.process.poll() is not None:
                log = (log_folder() / "dockerd.log").read_text(errors="replace")
                raise EngineError(f"dockerd ended: {log[-3000:]}")
            return self.try_run("docker", "version").returncode == 0

        wait_until("dockerd answers", answers, 30)

    def stop(self) -> None:
        """End it in order; its containers end with it."""
        end_process(self.process, 30)
        for group in Path("/sys/fs/cgroup").glob(f"*/{self.group}"):
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)
        shutil.rmtree(self.folder)

    # ---- commands ----

    def try_run(self, *command: str | Path, seconds: float = 60, text: str | None = None,
                folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(word) for word in command], cwd=folder, input=text or "",
                              env=self.environment | environment, capture_output=True,
                              text=True, errors="replace", timeout=seconds)

    def run(self, *command: str | Path, seconds: float = 60, text: str | None = None,
            folder: Path = ROOT, **environment: str) -> str:
        done = self.try_run(*command, seconds=seconds, text=text, folder=folder, **environment)
        if done.returncode != 0:
            raise EngineError(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                              f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout
