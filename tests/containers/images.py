# SPDX-License-Identifier: Apache-2.0
"""The images of the stack: ours by its Dockerfile, the others stand-ins of Debian's programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from engine import PROGRAMS, Engine
from lib.harness import ROOT, log_folder
from steps import say

BASE = ROOT / "build" / "stack" / "base.tar"
STAND_INS = ROOT / "tests" / "containers" / "stand-ins.Dockerfile"
AGAIN = "bacowr/bacowr-statsd:again"
BASE_NAME = "debian:bookworm-slim"


def make_base() -> None:
    """What a registry would be asked for, once, from the package mirror of this machine."""
    if BASE.exists():
        return
    say("the base image is made of Debian's packages (mmdebstrap)")
    BASE.parent.mkdir(parents=True, exist_ok=True)
    new = BASE.with_suffix(".new.tar")
    # As in the original, documentation is left out and copyrights are not.
    command = ["mmdebstrap", "--quiet", "--variant=minbase",
               "--dpkgopt=path-exclude=/usr/share/man/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*",
               "--dpkgopt=path-exclude=/usr/share/doc/*",
               "--dpkgopt=path-include=/usr/share/doc/*/copyright", "bookworm", str(new)]
    with open(log_folder() / "mmdebstrap.log", "wb") as log:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                       timeout=240, env=os.environ | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    new.rename(BASE)


def build(engine: Engine, dockerfile: Path, context: Path, *flags: str) -> None:
    """The network is the machine's, for there is no bridge yet."""
    engine.run("docker", "build", "--network=host", "--progress=plain", f"--file={dockerfile}",
               *flags, context, seconds=240)


def make_images(engine: Engine, names: dict[str, str]) -> None:
    """@names: service to the image that the compose file asks for."""
    if engine.try_run("docker", "image", "inspect", BASE_NAME).returncode != 0:
        make_base()
        say(f"{BASE_NAME} is imported")
        engine.run("docker", "import", BASE, BASE_NAME, seconds=120)
    # The seed's backup command names ubuntu; any image with a tar will do.
    engine.run("docker", "tag", BASE_NAME, "ubuntu:latest")
    for service, name in names.items():
        say(f"the image {name} is built")
        if service == "bacowr-statsd":
            build(engine, ROOT / "Dockerfile", ROOT, f"--tag={name}")
            say("and once more, of nothing that the first has left")
            build(engine, ROOT / "Dockerfile", ROOT, f"--tag={AGAIN}", "--no-cache")
        else:
            build(engine, STAND_INS, PROGRAMS, f"--target={service}", f"--tag={name}")
