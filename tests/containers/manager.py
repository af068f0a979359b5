# SPDX-License-Identifier: Apache-2.0
"""A real systemd as process 1, in namespaces and a control group of its own.

It runs from this machine's files, of which it may change some: /etc, /var/lib and /usr/local are
overlays, /run is empty. It starts one target that wants nothing. The network is that of this
process, which has left the machine's; so the units' own ports are free. Nothing is left when it is
gone: with its first process the kernel ends all others of its namespace.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from engine import EngineError, enter_namespaces
from lib.harness import ROOT, log_folder, wait_until

SYSTEMD = Path("/lib/systemd/systemd")
UNITS = Path("/etc/systemd/system")
GROUPS = Path("/sys/fs/cgroup")

# Of systemd's own units only those that a service of its defaults waits for, and nothing that they
# want: the others look after a machine, and this is none. All that is not listed is read only.
BOOT = """
set -eu
layers=$1
mount --make-rprivate /
mount -t tmpfs none $layers
for folder in /etc /var /usr/local; do
    upper=$layers/upper$folder work=$layers/work$folder
    mkdir -p $upper $work
    mount -t overlay -o lowerdir=$folder,upperdir=$upper,workdir=$work none $folder
done
mkdir $layers/units
for unit in sysinit basic sockets slices timers paths network shutdown umount; do
    cp /usr/lib/systemd/system/$unit.target $layers/units
done
printf '[Unit]\\nDescription=nothing\\nDefaultDependencies=no\\n' > $layers/units/nothing.target
mount --bind $layers/units /usr/lib/systemd/system
mount --bind $layers/units /etc/systemd/system
for folder in /tmp /var/tmp; do mount -t tmpfs none $folder; done
mount -t tmpfs -o mode=755 none /run
if [ "$2" = unified ]; then
    mount -t cgroup2 none /sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 none /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd
fi
mkdir -p /etc/bacowr-statsd /usr/local/bin
mount --bind /proc/sys /proc/sys
for folder in / /sys /proc/sys; do mount -o remount,bind,ro $folder; done
exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \\
    --unit=nothing.target --log-target=null --show-status=0
"""


class Manager:
    """One systemd; its files are reached through root(), its programs through run()."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise EngineError("systemd needs root: sudo make test-stack")
        if not SYSTEMD.exists():
            raise EngineError(f"no {SYSTEMD}: install the package systemd")
        enter_namespaces()
        self.folder = Path(tempfile.mkdtemp(prefix="bacowr-systemd-"))
        unified = (GROUPS / "cgroup.controllers").exists()
        self.group = (GROUPS if unified else GROUPS / "systemd") / self.folder.name
        self.group.mkdir()
        self.log_file = log_folder() / "systemd.log"
        self.process = self._boot("unified" if unified else "legacy")
        try:
            self.pid = wait_until("systemd is forked", self._child)
            wait_until("systemd has started", self._answers)
        except BaseException:
            self.stop()
            raise

    def _boot(self, groups: str) -> subprocess.Popen[bytes]:
        enter = f"echo $$ > {self.group}/cgroup.procs; exec \"$@\""
        with open(self.log_file, "wb") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "sh", "-c", enter, "sh",
                 "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount",
                 "--cgroup", "--uts", "--ipc", "sh", "-c", BOOT, "sh", str(self.folder), groups],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _child(self) -> int:
        if self.process.poll() is not None:
            raise EngineError(f"systemd has not started:\n{self.log()[-4000:]}")
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise EngineError(f"systemd has ended:\n{self.log()[-4000:]}")
        return "nothing.target" in self.try_run("systemctl", "list-units", "--no-legend").stdout

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        # Its control groups are empty as soon as the kernel has ended all of them.
        with contextlib.suppress(TimeoutError, AssertionError):
            wait_until("its groups are gone", self._remove_groups)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_groups(self) -> bool:
        for folder, _, _ in os.walk(self.group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return not self.group.exists()

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def root(self, path: str | Path) -> Path:
        """A file as systemd sees it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def try_run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["nsenter", f"--target={self.pid}", "--all", "--wd=/", *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=60)

    def run(self, *command: str) -> str:
        done = self.try_run(*command)
        if done.returncode != 0:
            raise EngineError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}"
                              f"{done.stderr}{self.log()[-3000:]}")
        return done.stdout

    def property(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    # ---- what is installed ----

    def install(self, program: Path, mapping: str) -> None:
        """As docs/restart.md says."""
        shutil.copy(program, self.root("/usr/local/bin/bacowr-statsd"))
        self.root("/etc/bacowr-statsd/mapping.yml").write_text(mapping)
        for unit in (ROOT / "systemd").glob("bacowr-statsd*.s*"):
            shutil.copy(unit, self.root(UNITS))
        self.run("systemctl", "daemon-reload")

    def drop_in(self, text: str) -> None:
        """More, or other, settings of the service; none removes them."""
        folder = self.root(UNITS / "bacowr-statsd.service.d")
        shutil.rmtree(folder, ignore_errors=True)
        if text:
            folder.mkdir()
            (folder / "test.conf").write_text(text)
        self.run("systemctl", "daemon-reload")
