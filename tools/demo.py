#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole monitoring stack as plain processes on loopback, until Ctrl-C: `make demo`.

    demo.py               bacowr-statsd, Alertmanager, Prometheus, the demo application, its load
    demo.py --stop-app    ends the application of a demo that runs, from another terminal
    demo.py --start-app   starts it again

Everything is configured by the project's own files (demo_files.py says what changes). Alerts that
Alertmanager sends to its webhook are printed. Each start begins with empty databases. --fast
shortens intervals: scrapes, rules and heartbeats every second, APIDown after about ten.

Laws: whoever ends here was started here: each is ended with its session, in the reverse order.
      Nothing is started again by itself; who died is told, with the log that may say why.
      A lock on the pid file says that a demo runs, so its commands never meet another process.
"""

from __future__ import annotations

import argparse
import fcntl
import http.server
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, IO, List, Mapping, Optional, Sequence

sys.dont_write_bytecode = True

from demo_files import (FAST_BEAT_SECONDS, HOST, ROOT, Ports, alertmanager_file, mapping_file,
                        program, prometheus_file)

# Debian's own Python has FastAPI and uvicorn from Debian's packages.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
CLIENT = ROOT / "clients" / "python"
WORKERS = 4
START_SECONDS = 60.0
END_SECONDS = 20.0
TRAFFIC = "sum(rate(api_requests_total[1m]))"
STOP_APP, START_APP = signal.SIGUSR1, signal.SIGUSR2
END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """The demo cannot go on; its text says why, and the way to mend it."""


def say(text: str) -> None:
    print(text, flush=True)


def fetch(url: str) -> Optional[bytes]:
    """What is answered with 200 there; None when nothing is."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read())
    except (OSError, ValueError):
        return None


def wait_until(what: str, check: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise DemoError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


# ---- the alerts' end of the line ----

class Receiver(http.server.BaseHTTPRequestHandler):
    """Prints what Alertmanager posts."""

    def do_POST(self) -> None:  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for alert in json.loads(body)["alerts"]:
            summary = alert.get("annotations", {}).get("summary", "")
            say(f"{time.strftime('%H:%M:%S')} alert {alert['status']}: "
                f"{alert['labels']['alertname']}: {summary}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin
        """The alerts are said, their requests are not."""


# ---- the processes ----

class Demo:
    """All that runs, in the order in which it was started."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._folder: Path = args.folder
        self._ports = Ports(args.app_port, args.statsd_port, args.web_port, args.prometheus_port,
                            args.alertmanager_port, args.receiver_port)
        self._running: Dict[str, "subprocess.Popen[bytes]"] = {}
        self._mark = self._folder / "app.pid"

    def _spawn(self, name: str, command: Sequence[object], ready: str = "",
               env: Optional[Mapping[str, str]] = None) -> None:
        """In a session of its own: Ctrl-C is for the demo alone, which ends them in order."""
        with open(self._log(name), "ab") as log:
            process = subprocess.Popen([str(word) for word in command], cwd=self._folder,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, **(env or {})}, start_new_session=True)
        self._running[name] = process

        def answers() -> bool:
            if process.poll() is not None:
                raise DemoError(f"{name} ended with status {process.returncode}; "
                                f"see {self._log(name)}")
            return fetch(ready) is not None

        if ready:
            wait_until(f"{name} is ready; see {self._log(name)}", answers, START_SECONDS)

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def _end(self, name: str) -> None:
        """With its session: workers end at once, not in turn, even when who began them is dead."""
        process = self._running.pop(name)
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(END_SECONDS)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if name == "app":
            self._mark.unlink(missing_ok=True)

    def start(self) -> None:
        """Everything, each once the one before it is ready."""
        self._check_ports()
        for name in ("logs", "prometheus-data", "alertmanager-data"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / "jobs.db").unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)
        (self._folder / "logs").mkdir()
        (self._folder / "targets").mkdir(exist_ok=True)
        self._start_statsd()
        self._start_alertmanager()
        self._start_prometheus()
        self.start_app()
        self._spawn("load", [PYTHON, CLIENT / "demo" / "load.py", "--seconds=0",
                             f"--url=http://{HOST}:{self._ports.app}", f"--rate={self._args.rate}"])

    def _check_ports(self) -> None:
        for name, port in vars(self._ports).items():
            if name == "receiver" and self._args.webhook:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise DemoError(f"port {port}: {error.strerror}; "
                                    f"take another one with --{name}-port") from None

    def _start_statsd(self) -> None:
        p = self._ports
        self._spawn("bacowr-statsd", [
            self._args.binary,
            f"--statsd.mapping-config={mapping_file(self._folder, self._args.fast)}",
            f"--statsd.listen-udp={HOST}:{p.statsd}", f"--statsd.listen-tcp={HOST}:{p.statsd}",
            f"--web.listen-address={HOST}:{p.web}"], f"http://{HOST}:{p.web}/-/ready")

    def _start_alertmanager(self) -> None:
        webhook = self._args.webhook
        if not webhook:
            webhook = f"http://{HOST}:{self._ports.receiver}/alerts"
            server = http.server.ThreadingHTTPServer((HOST, self._ports.receiver), Receiver)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"{HOST}:{self._ports.alertmanager}"
        config = alertmanager_file(self._folder, webhook, self._args.fast)
        self._spawn("alertmanager", [
            program("prometheus-alertmanager", self._folder), f"--config.file={config}",
            f"--storage.path={self._folder / 'alertmanager-data'}", f"--web.listen-address={address}",
            "--cluster.listen-address="], f"http://{address}/-/ready")

    def _start_prometheus(self) -> None:
        address = f"{HOST}:{self._ports.prometheus}"
        config = prometheus_file(self._folder, self._ports, self._args.fast)
        self._spawn("prometheus", [
            program("prometheus", self._folder), f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'prometheus-data'}",
            f"--web.listen-address={address}"], f"http://{address}/-/ready")

    # ---- the application ----

    def start_app(self) -> None:
        if "app" in self._running:
            if self._running["app"].poll() is None:
                return
            self._end("app")
        p = self._ports
        paths = [CLIENT, CLIENT / "demo"]
        env = {"STATSD_HOST": HOST, "STATSD_PORT": str(p.statsd), "ENABLE_METRICS": "true",
               "METRICS_UPSTREAM": f"http://{HOST}:{p.web}/metrics",
               "DEMO_DATABASE": str(self._folder / "jobs.db"), "PYTHONDONTWRITEBYTECODE": "1"}
        name = "api.app.main:app"
        if self._args.fast:
            name = "app:app"  # the same application, with faster heartbeats
            paths.append(ROOT / "tests" / "clients")
            env["TEST_BEAT_SECONDS"] = str(FAST_BEAT_SECONDS)
            env["DEMO_SPEED"] = "0.002"
        env["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        self._spawn("app", [PYTHON, "-m", "uvicorn", name, f"--host={HOST}", f"--port={p.app}",
                            f"--workers={WORKERS}", "--no-access-log"],
                    f"http://{HOST}:{p.app}/health", env)
        self._mark.write_text(f"{self._running['app'].pid}\n")
        say(f"{time.strftime('%H:%M:%S')} the application runs, with {WORKERS} workers")

    def stop_app(self) -> None:
        if "app" in self._running:
            self._end("app")
            say(f"{time.strftime('%H:%M:%S')} the application is stopped; "
                "its load goes on and meets nobody")

    # ---- while it runs ----

    def tell(self) -> None:
        p = self._ports
        command = "tools/demo.py"
        if self._folder != DEFAULT_FOLDER:
            command += f" --folder={self._folder}"
        after = "about ten seconds" if self._args.fast else "three minutes"
        url = f"http://{HOST}"
        say(f"""
  application    {url}:{p.app}/docs
  its /metrics   {url}:{p.app}/metrics
  aggregator     {url}:{p.web}/metrics
  Prometheus     {url}:{p.prometheus}/classic/targets
  its alerts     {url}:{p.prometheus}/classic/alerts
  Alertmanager   {url}:{p.alertmanager}/api/v2/alerts
  logs           {self._folder / 'logs'}

From another terminal:

  curl -s {url}:{p.web}/metrics | grep ^api_requests_total
  curl -s {url}:{p.prometheus}/api/v1/query --data-urlencode 'query={TRAFFIC}'
  {command} --stop-app     # within {after} APIDown is printed here
  {command} --start-app    # and that it is over

Ctrl-C ends all of it.
""")

    def traffic(self) -> Optional[float]:
        """Requests a second, as Prometheus says it; None as long as it does not."""
        query = urllib.parse.urlencode({"query": TRAFFIC})
        body = fetch(f"http://{HOST}:{self._ports.prometheus}/api/v1/query?{query}")
        result = json.loads(body)["data"]["result"] if body else []
        value = float(result[0]["value"][1]) if result else 0.0
        return value or None

    def tell_the_dead(self) -> None:
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                self._end(name)
                say(f"{name} ended with status {process.returncode}; see {self._log(name)}")

    def end(self) -> None:
        for name in reversed(list(self._running)):
            self._end(name)


def run(args: argparse.Namespace) -> int:
    signals: "queue.SimpleQueue[int]" = queue.SimpleQueue()
    for number in (*END, STOP_APP, START_APP):
        signal.signal(number, lambda got, frame: signals.put(got))
    begin = time.monotonic()
    seen = False
    demo = Demo(args)
    acts = {STOP_APP: demo.stop_app, START_APP: demo.start_app}
    try:
        with lock(args.folder):
            demo.start()
            demo.tell()
            while True:
                try:
                    got = signals.get(timeout=0.5)
                    if got not in acts:
                        return 0
                    acts[signal.Signals(got)]()
                except queue.Empty:
                    demo.tell_the_dead()
                if not seen and (rate := demo.traffic()):
                    seen = True
                    say(f"{time.strftime('%H:%M:%S')} Prometheus sees the traffic, "
                        f"{time.monotonic() - begin:.0f} s after the start: {rate:.3g} requests/s")
    finally:
        demo.end()


# ---- one demo and its commands ----

def lock(folder: Path) -> IO[str]:
    """The pid file, which is ours until it is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / "pid", "a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DemoError(f"a demo runs already in {folder}") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def command(folder: Path, number: signal.Signals) -> int:
    """Ask the demo that runs, and wait until it has done so."""
    try:
        with open(folder / "pid", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        raise DemoError(f"no demo runs in {folder}: make demo")
    except FileNotFoundError:
        raise DemoError(f"no demo runs in {folder}: make demo") from None
    except BlockingIOError:
        pid = int((folder / "pid").read_text(encoding="ascii"))
    os.kill(pid, number)
    started = number == START_APP
    wait_until("the demo has done so", lambda: (folder / "app.pid").exists() == started,
               START_SECONDS)
    return 0


DEFAULT_FOLDER = ROOT / "build" / "demo"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--stop-app", dest="command", action="store_const", const=STOP_APP)
    parser.add_argument("--start-app", dest="command", action="store_const", const=START_APP)
    parser.add_argument("--fast", action="store_true", help="seconds in place of minutes")
    parser.add_argument("--rate", type=float, default=20, help="requests a second (20)")
    parser.add_argument("--webhook", help="where alerts go, instead of to this terminal")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER,
                        help="for all that is written (build/demo)")
    parser.add_argument("--binary", type=Path, default=ROOT / "build" / "bacowr-statsd")
    for name, port in {"app": 8000, "statsd": 8125, "web": 9102, "prometheus": 9090,
                       "alertmanager": 9093, "receiver": 9099}.items():
        parser.add_argument(f"--{name}-port", type=int, default=port, metavar="N", help=f"{port}")
    args = parser.parse_args()
    args.folder = args.folder.resolve()
    args.binary = args.binary.resolve()
    return args


def main() -> int:
    args = arguments()
    try:
        return command(args.folder, args.command) if args.command else run(args)
    except (DemoError, OSError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
