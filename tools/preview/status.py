#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make status-preview`: docs/status.png, the status page as Chromium draws it.

A server gets some seconds of made-up traffic, good and bad, and is looked at meanwhile.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
os.environ.setdefault("BACOWR_TEST_LOGS", str(ROOT / "build" / "preview" / "logs"))

from lib import programs  # pylint: disable=wrong-import-position
from lib.harness import HOST, Server, new_folder  # pylint: disable=wrong-import-position

SECONDS = 25
PICTURE = ROOT / "docs" / "status.png"
LINES = ["bacowr.api.requests.jobs.GET.200:1|c", "bacowr.api.request_duration.jobs.GET:{}|ms",
         "bacowr.jobs.active:{}|g", "api_requests_total:1|c|#endpoint:/jobs/{},method:GET,status:200",
         "bacowr.qc.score:{}|h"]
RARE = ["bacowr.typo.requests:1|c", "no colon", "bacowr.jobs.active:x|g", "bacowr.jobs.active:1|c"]


def send(server: Server, over: threading.Event) -> None:
    chance = random.Random(1)
    while not over.wait(0.01):
        lines = [line.format(chance.randrange(100)) for line in LINES * chance.randrange(1, 6)]
        server.send("\n".join(lines))
        if chance.random() < 0.05:
            server.send(chance.choice(RARE))


def main() -> None:
    os.chdir(ROOT)
    flags = ("--statsd.mapping-config=conf/bacowr.yml", "--statsd.sources=256")
    over = threading.Event()
    with new_folder() as folder, Server(flags, None, "status") as server:
        sender = threading.Thread(target=send, args=(server, over))
        sender.start()
        threading.Event().wait(SECONDS)
        script = [["see", "#families th", "api_requests"], ["see", "#mapping td", "bacowr"],
                  ["type", "#lines", "bacowr.api.requests.jobs.GET:1|c"],
                  ["focus", "#explain button"], ["key", "Enter"], ["see", "#explained p", "rule"]]
        driver = ROOT / "tests" / "interop" / "status_page.js"
        subprocess.run(["node", driver, f"http://{HOST}:{server.ports.web}/", json.dumps(script),
                        folder], check=True, stdout=subprocess.DEVNULL,
                       env=os.environ | {"NODE_PATH": str(programs.NODE_MODULES)})
        over.set()
        sender.join()
        shutil.copy(folder / "status-light.png", PICTURE)
    subprocess.run(["pngquant", "--force", "--strip", "--ext=.png", "--quality=40-80", PICTURE],
                   check=True)


if __name__ == "__main__":
    main()
