#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make dashboards-preview`: pictures of the dashboards, drawn from real answers.

Two real servers get two hours of made-up traffic within a minute (traffic.py); promtool backfills
what they served, and a real Prometheus answers each panel's queries for the last of these hours.
Grafana's own components draw the answers in Chromium (app.jsx, picture.js). No Grafana runs.

Laws: what is started here is ended here, by its process, whatever happens. Nothing is left behind
      outside of build/preview and docs/dashboards. A panel that answers an error ends the run, and so
      does one that answers nothing, unless EMPTY says why.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Mapping, Sequence

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
FOLDER = ROOT / "build" / "preview"
os.environ.setdefault("BACOWR_TEST_LOGS", str(FOLDER / "logs"))

from lib import dashboards, programs  # pylint: disable=wrong-import-position
from lib.dashboards import Json  # pylint: disable=wrong-import-position
from lib.harness import HOST, Server, end_process, free_port, log_folder, wait_until

import traffic

HERE = Path(__file__).resolve().parent
PICTURES = ROOT / "docs" / "dashboards"
END = 1767272280  # 2026-01-01 12:58 UTC: no label of an axis is cut off at its end
SPAN = 3600
WIDTH = 1600  # of a dashboard, in pixels
COLUMNS = 24
NAMES = ("statsd-1:9102", "statsd-2:9102")
# Panels that show nothing, and why. Any other one without data ends the run.
EMPTY = {("bacowr-statsd", "Relay Losses"): "the relay's target takes every line"}
FOREVER = "100y"  # the data may be older than what Prometheus keeps by itself


def say(text: str) -> None:
    print(text, flush=True)


def record(file: Path) -> None:
    """What two servers serve in the two hours."""
    with ExitStack() as stack:
        sink = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sink.bind((HOST, 0))
        mapping = (ROOT / "conf" / "bacowr.yml").read_text(encoding="utf-8")
        flags = (f"--statsd.relay.address={HOST}:{sink.getsockname()[1]}",)
        servers = {name: stack.enter_context(Server(flags, mapping, name.partition(":")[0]))
                   for name in NAMES}
        with open(file, "w", encoding="utf-8") as out:
            traffic.record(servers, END, out)


def run(command: Sequence[str | Path]) -> None:
    subprocess.run([str(word) for word in command], check=True, cwd=FOLDER)


def start_prometheus(stack: ExitStack, folder: Path, data: Path) -> programs.PrometheusApi:
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text("{}\n", encoding="utf-8")
    log = stack.enter_context(open(log_folder() / "prometheus.log", "wb"))
    process = subprocess.Popen(
        [str(programs.PROMETHEUS), f"--config.file={config}", f"--storage.tsdb.path={data}",
         f"--storage.tsdb.retention.time={FOREVER}", f"--web.listen-address={HOST}:{port}"],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(end_process, process)
    wait_until(f"Prometheus is ready; see {log.name}", programs.answers(port, "/-/ready"), 60)
    return programs.PrometheusApi(port)


def on_grid(series: Json, start: float, end: float, step: int) -> Json:
    """Times and values with null for each moment that has none, as Grafana's data source fills."""
    known = {round(float(moment)): value for moment, value in series["values"]}
    times = range(int(start), int(end) + 1, step)
    numbers = [float(known[time]) if time in known else None for time in times]
    return {"times": [time * 1000 for time in times], "values": numbers}


def answer(prometheus: programs.PrometheusApi, panel: Json, chosen: Mapping[str, str]) -> Json:
    """The panel, with the series of its targets."""
    frames = []
    width = WIDTH * panel["gridPos"]["w"] // COLUMNS
    for target in panel.get("targets", []):
        step, built_in = dashboards.intervals(target, traffic.STEP, SPAN, width)
        end = END // step * step
        start = (END - SPAN) // step * step
        for series in dashboards.ask(prometheus, target, {**chosen, **built_in}, step, start, end):
            data = ({"times": [end * 1000], "values": [float(series["values"][0][1])]}
                    if target["instant"] else on_grid(series, start, end, step))
            frames.append({"name": dashboards.legend(target, series), "refId": target["refId"],
                           **data})
    return {**panel, "frames": frames}


def check_data(name: str, panels: Sequence[Json]) -> None:
    """Name the panels that show nothing. One that EMPTY does not know is an error."""
    for panel in panels:
        if panel["type"] == "row" or panel["frames"]:
            continue
        reason = EMPTY.get((name, panel["title"]))
        if reason is None:
            raise SystemExit(f"no data: {name}: {panel['title']}")
        say(f"  no data, as expected: {name}: {panel['title']} ({reason})")


def collect(prometheus: programs.PrometheusApi) -> None:
    """A file of answers for each dashboard."""
    for path in dashboards.files():
        board = dashboards.load(path)
        chosen = dashboards.choose_all(board, dashboards.resolve(board, prometheus))
        panels = [answer(prometheus, panel, chosen) for panel in dashboards.all_panels(board)]
        check_data(path.stem, panels)
        page = {"title": board["title"], "from": (END - SPAN) * 1000, "to": END * 1000,
                "width": WIDTH, "variables": [variable.get("label") or variable["name"]
                                              for variable in dashboards.variables(board)],
                "panels": panels}
        # NaN is what Prometheus may answer, and no JSON: a panel shows a gap there.
        text = json.dumps(page).replace("NaN", "null").replace("Infinity", "null")
        (FOLDER / "data" / path.name).write_text(text, encoding="utf-8")


def main() -> None:
    shutil.rmtree(FOLDER / "data", ignore_errors=True)
    (FOLDER / "data").mkdir()
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bacowr-preview-")))
        say("two hours of traffic to two servers")
        record(folder / "pages.om")
        say("backfill")
        run([programs.PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", "--quiet",
             folder / "pages.om", folder / "data"])
        collect(start_prometheus(stack, folder, folder / "data"))
    say("draw")
    for name in ("app.jsx", "build.js", "picture.js"):
        shutil.copy(HERE / name, FOLDER)
    run(["node", "build.js"])
    run(["node", "picture.js", FOLDER / "data", PICTURES])
    # 256 colours are enough for them, in a third of the bytes.
    run(["pngquant", "--force", "--strip", "--ext=.png", *sorted(PICTURES.glob("*.png"))])


if __name__ == "__main__":
    main()
