#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the server to what statsd_exporter was seen to do.

    tests/server/conformance.py [--jobs N] [NAME ...]

Each file under tests/data/conformance/scenarios says what to send and what statsd_exporter exposed
afterwards. A fresh server is started for each and its page compared: all families that are not the
server's own, and of those the ones that the scenario names under `self`.

Not compared, each with its reason in the file: decided.json and ours.json (we differ on purpose)
and later.json (the feature is not built yet). Their numbers are printed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import math
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.exposition import FormatError, Page, series_key  # noqa: E402
from lib.harness import (DATA, HOST, SANITIZER_STATUS, Ports, Server, StartError,  # noqa: E402
                         binary, environment, new_folder, serve_flags)

FOLDER = DATA / "conformance"
GROUPS = ("core", "legacy", "next")
LEFT_OUT = ("decided", "ours", "later")
STEADY_SECONDS = 0.06    # a page that is right must stay right so long
PATIENCE_SECONDS = 1.0   # a page that is wrong and does not change for so long has failed
LIMIT_SECONDS = 10.0     # for one snapshot

Scenario = dict[str, Any]


def data_bytes(data: str | dict[str, Any] | list[Any]) -> bytes:
    """A string, or pieces: strings, {"hex": ".."}, {"rep": [text, times]}."""
    if isinstance(data, list):
        return b"".join(map(data_bytes, data))
    if isinstance(data, str):
        return data.encode()
    if "hex" in data:
        return bytes.fromhex(data["hex"])
    text, times = data["rep"]
    return text.encode() * times


def same(wanted: str | float, found: float | None) -> bool:
    if wanted == "*":  # a quantile for which estimators may differ
        return found is not None
    if found is None:
        return False
    value = float(wanted)
    if math.isnan(value) or math.isnan(found):
        return math.isnan(value) and math.isnan(found)
    return math.isclose(value, found, rel_tol=1e-9)


def compare(wanted: dict[str, Any], page: Page, self_names: list[str]) -> list[str]:
    """What is wrong with the page; nothing when it is as recorded."""
    wrong = []
    found = {name: family for name, family in page.families.items() if not family.own}
    for name in sorted(wanted["families"].keys() | found.keys()):
        want, have = wanted["families"].get(name), found.get(name)
        if want is None or have is None:
            wrong.append(f"family {name} is {'missing' if have is None else 'not wanted'}")
            continue
        if want["type"] != have.type:
            wrong.append(f"{name} is a {have.type}, wanted a {want['type']}")
        if "help" in want and want["help"] != have.help:
            wrong.append(f"help of {name} is {have.help!r}, wanted {want['help']!r}")
        series = {series_key(*key): value for key, value in have.samples.items()}
        wrong += [f"{key} is {series.get(key)}, wanted {want['series'].get(key)}"
                  for key in sorted(want["series"].keys() | series.keys())
                  if key not in want["series"] or not same(want["series"][key], series.get(key))]
    own = {series_key(*key): value for name in self_names if name in page.families
           for key, value in page.families[name].samples.items()}
    wrong += [f"{key} is {own.get(key, 0)}, wanted {wanted['self'].get(key, 0)}"
              for key in sorted(wanted["self"].keys() | own.keys())
              if not same(wanted["self"].get(key, 0), own.get(key, 0.0))]
    return wrong


class Run:
    """One scenario against one server."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.expect = scenario["expect"]
        self.path = scenario.get("metrics_path", "/metrics")
        self.wrong: list[str] = []
        self.transport: str | None = None  # of traffic that may still be under way
        self.lines = 0

    def perform(self) -> list[str]:
        mapping = self.scenario.get("mapping")
        text = None if mapping is None else data_bytes(mapping)
        flags = self.scenario.get("flags", [])
        if self.scenario.get("kind") == "exit":
            self.judge_exit(exit_of(flags, text, self.scenario.get("exit_timeout", 5)))
            return self.wrong
        with new_folder() as folder:
            self.unixgram = str(folder / "statsd.sock")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
                relay.bind((HOST, 0))
                self.serve([self.fill(flag, folder, relay) for flag in flags], text)
                self.judge_relay(relay)
        return self.wrong

    def serve(self, flags: list[str], text: bytes | None) -> None:
        with Server(flags, text, f"conformance.{self.scenario['name']}") as self.server:
            for step in self.scenario["steps"]:
                (kind, argument), = step.items()
                getattr(self, "step_" + kind)(argument)
            if not self.scenario.get("no_final"):
                self.step_snap("final")

    def fill(self, flag: str, folder: Path, relay: socket.socket) -> str:
        return (flag.replace("{unixgram}", self.unixgram).replace("{dir}", str(folder))
                .replace("{relay}", str(relay.getsockname()[1])))

    def judge_relay(self, relay: socket.socket) -> None:
        """What the server, which has ended, sent on: datagrams of whole lines."""
        relay.setblocking(False)
        data = b""
        while "relay" in self.expect:
            try:
                data += relay.recv(65536)
            except BlockingIOError:
                break
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        if "relay" in self.expect and lines != self.expect["relay"]["lines"]:
            self.wrong.append(f"relayed {lines}, wanted {self.expect['relay']['lines']}")

    def judge_exit(self, found: str) -> None:
        if found != self.expect["exit"]:
            self.wrong.append(f"exit is {found}, wanted {self.expect['exit']}")

    # ---- waiting ----

    def settle(self) -> None:
        """Wait until what was sent shows no further effect."""
        self.watch(lambda page: [])
        self.transport = None

    def before(self, transport: str) -> None:
        """What was sent by one way is let through before the next takes another."""
        if self.transport not in (None, transport):
            self.settle()
        self.transport = transport

    def watch(self, judge: Any) -> list[str]:
        """Scrape until judge() is content and stays so, or until nothing changes any more."""
        begin = changed = time.monotonic()
        last = None
        while True:
            page = self.server.scrape(self.path)
            now = time.monotonic()
            state = [family for family in page.families.values()
                     if not family.own or family.name in self.scenario["self"]]
            if repr(state) != last:
                last, changed = repr(state), now
            wrong = judge(page)
            arrived = page.get("statsd_exporter_lines_total") >= self.lines or now - begin > 1.5
            quiet = PATIENCE_SECONDS if wrong else STEADY_SECONDS
            if (arrived and now - changed >= quiet) or now - begin > LIMIT_SECONDS:
                return wrong
            time.sleep(0.01)

    # ---- the steps ----

    def step_udp(self, data: Any) -> None:
        self.before("udp")
        datagram = data_bytes(data)
        self.server.send(datagram)
        self.lines += datagram.count(b"\n") + 1

    def step_tcp(self, writes: list[Any]) -> None:
        self.before("tcp")
        with self.server.connect() as connection:
            for data in writes:
                try:
                    connection.sendall(data_bytes(data))
                except OSError:
                    break  # the server may hang up on a line too long
                time.sleep(0.01)

    def step_unixgram(self, data: Any) -> None:
        self.before("unixgram")
        datagram = data_bytes(data)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, self.unixgram)
        self.lines += datagram.count(b"\n") + 1

    def step_wait(self, seconds: float) -> None:
        self.settle()
        time.sleep(seconds)

    def step_write_mapping(self, data: Any) -> None:
        self.settle()
        self.server.write_mapping(data_bytes(data))

    def step_signal(self, name: str) -> None:
        self.settle()
        if name == "HUP" and self.scenario.get("mapping") is not None:
            self.server.reload()
            return
        self.server.signal(signal.Signals[f"SIG{name}"])
        if name == "HUP":
            time.sleep(0.25)  # that nothing happens takes time to see

    def step_http(self, request: dict[str, Any]) -> None:
        self.settle()
        status = self.server.get(request["path"], request["method"]).status
        if request.get("any"):
            return
        name = request.get("id", f"{request['method']} {request['path']}")
        wanted = self.expect["http"][name]["status"]
        if status != wanted:
            self.wrong.append(f"{name} answered {status}, wanted {wanted}")

    def step_await_exit(self, seconds: float) -> None:
        try:
            status = self.server.process.wait(seconds)
            self.judge_exit("zero" if status == 0 else "nonzero")
        except subprocess.TimeoutExpired:
            self.judge_exit("running")

    def step_snap(self, name: str) -> None:
        wanted = self.expect["snaps"][name]
        wrong = self.watch(lambda page: compare(wanted, page, self.scenario["self"]))
        self.wrong += [f"[{name}] {text}" for text in wrong]
        self.transport = None


def exit_of(flags: list[str], mapping: bytes | None, seconds: float) -> str:
    """How the program ends: zero, nonzero, or running after so many seconds."""
    with new_folder() as folder:
        file = None
        if mapping is not None:
            file = folder / "mapping.yml"
            file.write_bytes(mapping)
        command = [str(binary()), *serve_flags(Ports(), flags, file)]
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                    timeout=seconds, env=environment()).returncode
        except subprocess.TimeoutExpired:
            return "running"
        if status in (0, SANITIZER_STATUS):
            return "zero" if status == 0 else "sanitizer report"
        return "nonzero" if status > 0 else "killed"


def perform(scenario: Scenario) -> list[str]:
    try:
        return Run(scenario).perform()
    except (AssertionError, FormatError, StartError, OSError) as error:
        return [f"{type(error).__name__}: {error}"]


def load(names: list[str]) -> tuple[list[Scenario], dict[str, int]]:
    """The scenarios to run, and how many each list of exceptions leaves out."""
    files = sorted(FOLDER.glob("scenarios/*/*.json"))
    scenarios = [json.loads(file.read_text()) for file in files]
    if names:
        return [s for s in scenarios if s["name"] in names], {}
    scenarios = [s for s in scenarios if s["group"] in GROUPS]
    left_out = {}
    for kind in LEFT_OUT:
        entries = json.loads((FOLDER / f"{kind}.json").read_text())[kind]
        listed = {entry["name"] for entry in entries}
        unknown = listed - {s["name"] for s in scenarios}
        if unknown:
            raise SystemExit(f"{kind}.json names no scenario of ours: {', '.join(sorted(unknown))}")
        left_out[kind] = len(listed)
        scenarios = [s for s in scenarios if s["name"] not in listed]
    return scenarios, left_out


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds the server to recorded behaviour.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, exceptions or not")
    parser.add_argument("--jobs", type=int, default=2, help="servers at a time (2)")
    options = parser.parse_args()
    scenarios, left_out = load(options.names)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for scenario, wrong in zip(scenarios, pool.map(perform, scenarios)):
            if wrong:
                failed += 1
                print(f"FAIL {scenario['name']}: {scenario['about']}")
                print(*[f"     {text[:400]}" for text in wrong], sep="\n")
    if left_out:
        print("not compared: " + ", ".join(f"{n} {kind}" for kind, n in left_out.items()))
    print(f"{len(scenarios) - failed} passed, {failed} failed")
    return 0 if scenarios and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
