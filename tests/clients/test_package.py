# SPDX-License-Identifier: Apache-2.0
"""The package as its users get it: installed offline, typed, with the lines they already wrote."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
import unittest
from pathlib import Path

from lib import programs
from lib.harness import ROOT, FolderTest
from receiver import (CALLS, CALLS_LINES, DEMO, NAMES, PACKAGE, SCRIPT, Receiver, environment,
                      run_python)

NEW_MODULES = """
import sys
before = set(sys.modules) | set(sys.stdlib_module_names)
import bacowr_metrics
print(sorted({name.partition(".")[0] for name in sys.modules} - before))
"""

WHERE = """
import bacowr_metrics, importlib.metadata, pathlib
folder = pathlib.Path(bacowr_metrics.__file__).parent
print(folder, (folder / "py.typed").is_file(), importlib.metadata.version("bacowr-metrics"))
"""


class PackageTest(FolderTest):
    def test_pip_installs_it_offline(self) -> None:
        """Of a copy, because pip builds where the sources are."""
        source, target = self.folder / "python", self.folder / "site"
        shutil.copytree(PACKAGE, source)
        done = programs.run([programs.PYTHON, "-m", "pip", "install", "--no-index",
                             "--no-build-isolation", "--no-deps", "--disable-pip-version-check",
                             "--no-cache-dir", "--root-user-action=ignore", "--target", target,
                             source])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        installed = sorted(path.name for path in target.iterdir())
        self.assertEqual(installed, ["bacowr_metrics", "bacowr_metrics-1.0.0.dist-info"])
        receiver = Receiver(self)
        env = receiver.environment(PYTHONPATH=str(target))
        self.assertEqual(run_python(WHERE, env).split(),
                         [str(target / "bacowr_metrics"), "True", "1.0.0"])
        run_python(SCRIPT, env)
        self.assertEqual(receiver.rest(), CALLS_LINES)

    def test_the_readme_in_a_venv(self) -> None:
        """Its words for where PyPI is out of reach, in an environment of their own."""
        source, venv = self.folder / "python", self.folder / "venv"
        shutil.copytree(PACKAGE, source)
        for words in ("--system-site-packages", "--no-build-isolation --no-index"):
            self.assertIn(f"`{words}`", (PACKAGE / "README.md").read_text())
        for command in ([programs.PYTHON, "-m", "venv", "--system-site-packages", venv],
                        [venv / "bin" / "pip", "install", "--no-build-isolation", "--no-index",
                         "--disable-pip-version-check", "--no-cache-dir", source]):
            done = programs.run(command)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = programs.run([venv / "bin" / "python", "-c", WHERE], folder=self.folder)
        self.assertEqual(done.stdout.split()[1:], ["True", "1.0.0"], done.stderr)
        self.assertIn(str(venv), done.stdout)

    def wheel(self, name: str, age: int) -> bytes:
        """Built in a folder of this name, of files that were written @age seconds ago."""
        source, out = self.folder / name / "python", self.folder / name / "wheel"
        shutil.copytree(PACKAGE, source)
        for path in source.rglob("*"):
            os.utime(path, (time.time() - age,) * 2)
        done = programs.run(["env", "SOURCE_DATE_EPOCH=1767225600", programs.PYTHON, "-m", "pip", "wheel",
                             "--no-index", "--no-build-isolation", "--no-deps", "--no-cache-dir",
                             "--disable-pip-version-check", "--wheel-dir", out, source])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return next(out.iterdir()).read_bytes()

    def test_the_same_bytes_each_time(self) -> None:
        self.assertEqual(self.wheel("here", 0), self.wheel("some/where/else", 100000))

    def archive(self, name: str, *words: str) -> Path:
        """The source archive, built with @words before the command."""
        out = self.folder / name
        done = programs.run(["env", "SOURCE_DATE_EPOCH=1767225600", *words, programs.PYTHON,
                             ROOT / "tools" / "sdist.py", out])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (path,) = out.iterdir()
        self.assertEqual(done.stdout, f"{path}\n")
        return path

    def test_the_source_archive(self) -> None:
        """The same bytes at another time, with another umask, zone and language; installable."""
        path = self.archive("one")
        time.sleep(1.1)  # the archive that setuptools makes has whole seconds
        other = self.archive("two", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "sh", "-c",
                             'umask 077; exec "$@"', "sh")
        self.assertEqual(path.read_bytes(), other.read_bytes())
        with tarfile.open(path) as tar:
            top = "bacowr-metrics-1.0.0/"
            for name in ("bacowr_metrics/client.py", "README.md", "pyproject.toml"):
                file = tar.extractfile(top + name)
                assert file
                self.assertEqual(file.read(), (PACKAGE / name).read_bytes())
            names = tar.getnames()
            self.assertIn(top + "LICENSE", names)
            self.assertEqual(names, sorted(names))  # a file system may list them otherwise
            self.assertEqual({(m.mtime, m.uid, m.uname) for m in tar}, {(1767225600, 0, "")})
        done = programs.run([programs.PYTHON, "-m", "pip", "install", "--no-index",
                             "--no-build-isolation", "--no-deps", "--disable-pip-version-check",
                             "--no-cache-dir", "--root-user-action=ignore", "--target",
                             self.folder / "site", path])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        env = environment(1, PYTHONPATH=str(self.folder / "site"))
        self.assertEqual(run_python(WHERE, env).split()[1:], ["True", "1.0.0"])

    def test_the_source_archive_needs_a_time(self) -> None:
        done = programs.run(["env", "-u", "SOURCE_DATE_EPOCH", programs.PYTHON,
                             ROOT / "tools" / "sdist.py", self.folder / "none"])
        self.assertEqual((done.returncode, (self.folder / "none").exists()), (1, False))
        self.assertIn("SOURCE_DATE_EPOCH=", done.stderr)

    def test_the_imports_of_the_application(self) -> None:
        """`from api.app.middleware import ...` runs as it stands, for each function."""
        lines = "".join(f"from api.app.middleware import {name}\n" for name in NAMES)
        receiver = Receiver(self)
        run_python(lines + CALLS, receiver.environment(PYTHONPATH=f"{PACKAGE}:{DEMO}"))
        self.assertEqual(receiver.rest(), CALLS_LINES)

    def test_types(self) -> None:
        """Strictly, for the oldest Python that it is for and for this one."""
        for version in ([], ["--python-version", "3.9"]):
            done = programs.run(["mypy", "--strict", "--cache-dir", self.folder / "cache",
                                 *version, "bacowr_metrics", "demo/load.py"], folder=PACKAGE)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_only_the_standard_library(self) -> None:
        """... and neither FastAPI nor Starlette is imported, though both are there."""
        out = run_python(NEW_MODULES, environment(1))
        self.assertEqual(out.strip(), "['bacowr_metrics']")

    def test_the_width(self) -> None:
        wide = [f"{file.relative_to(PACKAGE)}:{at}" for file in sorted(PACKAGE.rglob("*.py"))
                for at, line in enumerate(file.read_text().splitlines(), 1) if len(line) > 100]
        self.assertEqual(wide, [])


if __name__ == "__main__":
    unittest.main()
