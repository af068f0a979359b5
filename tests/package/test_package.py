# SPDX-License-Identifier: Apache-2.0
"""The Debian package as `make deb` makes it: lintian has nothing to say, a second build elsewhere has
the same bytes, and in a clean Debian 12 it is installed, serves, is upgraded, removed and purged.

The clean system is made once of the package's own dependencies, and unpacked anew for each run. No
service manager runs in it: what systemd would do is read from the unit, checked by
systemd-analyze, and done by hand. The tests share one system, in the order of ORDER.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib.harness import ROOT, log_folder, wait_until

NAME = "bacowr-statsd"
CACHE = ROOT / "build" / "package"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MAPPING = f"etc/{NAME}/mapping.yml"
FLAGS = f"etc/default/{NAME}"
UNITS = (f"{NAME}.service", f"{NAME}.socket", f"{NAME}-http.socket")
OURS = "mappings:\n- match: a.*\n  name: mine_total\n  labels: {part: $1}\n"

# What dpkg, systemd and adduser keep for themselves, and what is made of all that is installed.
KEPT = re.compile(r"var/(lib/(dpkg|systemd|apt|private$)|cache|log|backups)|run/|proc/|dev/|tmp/|"
                  r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/\.pwd\.lock$")

ORDER = ("test_lintian", "test_same_bytes", "test_depends", "test_contents", "test_install", "test_units",
         "test_serves", "test_upgrade", "test_remove", "test_purge")


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite,
               pattern: str | None) -> unittest.TestSuite:
    return unittest.TestSuite(PackageTest(name) for name in ORDER)


def run(*command: str | Path, **environment: str) -> str:
    """What it printed; a failure is shown with that."""
    done = subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1000,
                          env={"PATH": PATH, "LC_ALL": "C.UTF-8"} | environment)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}")
    return done.stdout


def build(folder: Path, *before: str, **environment: str) -> dict[str, Path]:
    """Package to file. @before: what the command is given to."""
    run(*before, ROOT / "tools" / "deb.sh", folder, **environment)
    return {path.name.split("_")[0]: path for path in folder.glob("*.deb")}


def clean_system(deb: Path) -> Path:
    """The archive of a Debian 12 with systemd and all that the package depends on, made once."""
    depends = run("dpkg-deb", "-f", deb, "Depends")
    names = sorted({re.split(r"[ (|]", name.strip())[0] for name in depends.split(",")}
                   - {"systemd-standalone-sysusers"} | {"systemd"})
    key = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    archive = CACHE / f"bookworm-{key}.tar"
    if not archive.exists():
        new = archive.with_suffix(".new.tar")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(names)}",
            "bookworm", new)
        new.rename(archive)
    return archive


def newer(deb: Path, folder: Path) -> Path:
    """The same package of a later version, whose configuration files are other ones."""
    tree = folder / "newer"
    run("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0-1", control.read_text(),
                              flags=re.MULTILINE))
    for name in (MAPPING, FLAGS):
        with open(tree / name, "a", encoding="utf-8") as file:
            file.write("# of the later version\n")
    out = folder / "newer.deb"
    run("dpkg-deb", "--root-owner-group", "-b", tree, out)
    return out


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if os.geteuid() != 0:
            raise AssertionError("a chroot needs root: sudo make test-stack")
        cls.folder = Path(tempfile.mkdtemp(prefix="bacowr-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        CACHE.mkdir(parents=True, exist_ok=True)
        cls.root = cls.folder / "root"
        cls.root.mkdir()
        with ThreadPoolExecutor(2) as pool:
            # Another folder and year, time zone, language, umask, number of jobs, and what a
            # developer's shell has in its environment.
            again = pool.submit(build, CACHE / "again", "sh", "-c", 'umask 027; exec "$@"', "sh",
                                "faketime", "-f", "+400d", TZ="Asia/Tokyo", LC_ALL="C",
                                DEB_BUILD_OPTIONS="parallel=1", CC="ccache gcc", CFLAGS="-O1",
                                LDFLAGS="-s")
            cls.debs = build(CACHE / "deb")
            archive = clean_system(cls.debs[NAME])
            run("tar", "-C", cls.root, "--exclude=./dev/*", "-xf", archive)
            (cls.root / "dev" / "null").touch()
            (cls.root / "dev" / "null").chmod(0o666)
            cls.again = again.result()
        cls.before = cls.files()

    @classmethod
    def files(cls) -> set[str]:
        found = {os.path.relpath(os.path.join(folder, name), cls.root)
                 for folder, folders, names in os.walk(cls.root) for name in folders + names}
        return {name for name in found if not KEPT.match(name)}

    def inside(self, *command: str) -> str:
        return run("unshare", "--mount", "--net", "--pid", "--fork", "chroot", self.root, "sh",
                   "-c", 'mount -t proc proc /proc && exec "$@"', "sh", *command,
                   DEBIAN_FRONTEND="noninteractive")

    def install(self, deb: Path) -> str:
        """As apt does it: what was changed is asked about, and the answer is to keep it."""
        shutil.copy(deb, self.root / "tmp" / "new.deb")
        return self.inside("dpkg", "--force-confdef", "--force-confold", "-i", "/tmp/new.deb")

    def text(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    # ---- the file ----

    def test_lintian(self) -> None:
        """Both together, for one points to the other."""
        said = run("lintian", "--allow-root", "--no-cfg", "--display-info",
                   "--fail-on=error,warning,info", *self.debs.values())
        self.assertEqual(said, "")

    def test_same_bytes(self) -> None:
        self.assertEqual(self.debs.keys(), {NAME, f"{NAME}-dbgsym"})
        for name, deb in self.debs.items():
            with self.subTest(name):
                self.assertEqual(hashlib.sha256(deb.read_bytes()).hexdigest(),
                                 hashlib.sha256(self.again[name].read_bytes()).hexdigest())

    def test_depends(self) -> None:
        """What is linked, what is opened when it is asked for, and /bin/kill."""
        depends = run("dpkg-deb", "-f", self.debs[NAME], "Depends")
        self.assertEqual({"libuv1", "libssl3", "libcrypt1", "procps"}
                         - set(re.findall(r"[a-z][a-z0-9.+-]+", depends)), set())

    def test_contents(self) -> None:
        listed = set(re.findall(r" \./(\S*[^/\s])$", run("dpkg-deb", "-c", self.debs[NAME]),
                                re.MULTILINE))
        wanted = {f"usr/bin/{NAME}", f"usr/share/man/man1/{NAME}.1.gz", MAPPING, FLAGS,
                  f"usr/share/man/man5/{NAME}-mapping.5.gz", f"usr/lib/sysusers.d/{NAME}.conf",
                  f"usr/share/bash-completion/completions/{NAME}.bash",
                  f"usr/share/doc/{NAME}/copyright", f"usr/share/doc/{NAME}/examples/bacowr.yml",
                  *(f"lib/systemd/system/{unit}" for unit in UNITS)}
        self.assertEqual(wanted - listed, set())

    # ---- the clean system ----

    def test_install(self) -> None:
        self.install(self.debs[NAME])
        self.assertIn(self.inside("dpkg-query", "-W", "-f", "${Version}", NAME).split("-")[0],
                      self.inside(f"/usr/bin/{NAME}", "--version"))
        conffiles = self.inside("dpkg-query", "-W", "-f", "${Conffiles}", NAME)
        self.assertEqual(re.findall(r"^ /(\S+) ", conffiles, re.MULTILINE), [MAPPING, FLAGS])
        self.assertRegex(self.text("etc/passwd"), rf"(?m)^{NAME}:.*:/usr/sbin/nologin$")
        self.inside(f"/usr/bin/{NAME}", "check", f"/{MAPPING}")
        self.assertEqual(self.inside("dpkg", "--audit"), "")

    def test_units(self) -> None:
        self.inside("systemd-analyze", "verify", "--man=no",
                    *(f"/lib/systemd/system/{unit}" for unit in UNITS))
        for unit in UNITS:
            self.assertEqual(self.inside("systemctl", "is-enabled", unit).strip(), "enabled")

    def test_serves(self) -> None:
        """The unit's command as the package's user, on the ports that it has by itself."""
        unit = self.text(f"lib/systemd/system/{NAME}.service")
        command = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0].replace(" $ARGS", "")
        self.assertTrue(command.startswith(f"/usr/bin/{NAME} "))
        log = log_folder() / "server.log"
        with open(log, "wb") as out:
            server = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", "chroot",
                 f"--userspec={NAME}", str(self.root), *command.split()],
                stdout=out, stderr=out, env={"PATH": PATH})
        try:
            self.ask(server, log)
        finally:
            server.terminate()
            self.assertEqual(server.wait(20), 0, log.read_text())

    def ask(self, server: subprocess.Popen[bytes], log: Path) -> None:
        beside = ["nsenter", f"--net=/proc/{server.pid}/ns/net"]

        def healthy() -> bool:
            self.assertIsNone(server.poll(), log.read_text())
            return subprocess.run([*beside, "chroot", self.root, f"/usr/bin/{NAME}", "healthcheck"],
                                  capture_output=True, check=False).returncode == 0

        wait_until("it is healthy", healthy, 20)
        run(*beside, "bash", "-c", "printf 'a.b:3|c' >/dev/udp/127.0.0.1/8125")
        wait_until("the line is on the page", lambda: "\na_b 3" in run(
            *beside, "curl", "-s", "--noproxy", "*", "http://127.0.0.1:9102/metrics"), 20)

    def test_upgrade(self) -> None:
        """What the operator wrote stays, the new default lies beside it; what nobody touched is
        new. The server is restarted, the sockets are not."""
        (self.root / MAPPING).write_text(OURS)
        self.install(newer(self.debs[NAME], self.folder))
        self.assertEqual(self.text(MAPPING), OURS)
        self.assertIn("of the later version", self.text(f"{MAPPING}.dpkg-dist"))
        self.assertIn("of the later version", self.text(FLAGS))
        script = self.text(f"var/lib/dpkg/info/{NAME}.postinst")
        actions = re.findall(r"_dh_action=(\w+)\s.*?deb-systemd-invoke \$_dh_action '(\S+)'",
                             script, re.DOTALL)
        self.assertEqual(actions, [("restart", f"{NAME}.service")])

    def test_remove(self) -> None:
        (self.root / "var/lib/private" / NAME).mkdir(parents=True)
        (self.root / "var/lib" / NAME).symlink_to(f"private/{NAME}")
        self.inside("dpkg", "--remove", NAME)
        self.assertEqual(self.text(MAPPING), OURS)
        self.assertFalse((self.root / "usr/bin" / NAME).exists())
        self.assertTrue((self.root / "var/lib/private" / NAME).exists())

    def test_purge(self) -> None:
        self.inside("dpkg", "--purge", NAME)
        self.assertEqual(self.files() - self.before, set())
        self.assertEqual(self.before - self.files(), set())
        self.assertFalse((self.root / "var/lib/private" / NAME).exists())


if __name__ == "__main__":
    unittest.main()
