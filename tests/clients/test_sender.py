# SPDX-License-Identifier: Apache-2.0
"""The way of a line out of a process: packed, bounded, through forks and ends, without a server."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import unittest
from collections import deque
from typing import Any, Callable
from unittest import mock

from lib.harness import HOST, free_port, wait_until
from receiver import CALLS_LINES, SCRIPT, Receiver, environment, run_python

from bacowr_metrics import Client, Settings
from bacowr_metrics.sender import MAX_DATAGRAM, MAX_QUEUED, Sender, pack
from bacowr_metrics.target import Target

BALANCE = ("lines_sent", "lines_dropped_invalid", "lines_dropped_queue_full",
           "lines_dropped_socket_full", "lines_dropped_error", "lines_dropped_closed")

# A child reports by itself, and nothing of what waits in its parent. os._exit() runs no handlers
# of the exit, so it has to flush.
FORK = """
import os, bacowr_metrics as m
m.track_job_completion("parent")
child = os.fork()
if child == 0:
    m.track_job_completion("child")
    m.default_client().begin_worker()
    ok = m.flush(20)
    os._exit(0 if ok else 1)
m.track_job_completion("parent")
assert os.waitpid(child, 0)[1] == 0
print(child)
"""

# Many children while other threads report: the fork may come at any moment of a put or a turn.
FORK_STORM = """
import os, threading, bacowr_metrics as m
done = threading.Event()
n_put = [0, 0, 0]
def report(i):
    while not done.wait(0.0001):
        m.track_job_completion("parent")
        n_put[i] += 1
threads = [threading.Thread(target=report, args=(i,)) for i in range(3)]
for thread in threads:
    thread.start()
for i in range(40):
    child = os.fork()
    if child == 0:
        m.track_job_completion(f"child{i}")
        os._exit(0 if m.flush(20) else 1)
    assert os.waitpid(child, 0)[1] == 0, i
done.set()
for thread in threads:
    thread.join()
print(sum(n_put))
"""

# The handler reports while the environment is read for the process's client.
FIRST = """
import signal, bacowr_metrics as m
read = m.Settings.from_environment
found, signals = [], [signal.SIGUSR1]
signal.signal(signal.SIGUSR1, lambda *_: found.append(m.default_client()))
def slowly():
    if signals:
        signal.raise_signal(signals.pop())
    return read()
m.Settings.from_environment = slowly
m.track_qc_score(1)
print(len(found), found[0] is m.default_client())
"""

# As a signal handler or a finalizer would, at each line of a change: while the lock is held, too.
AT_EACH_LINE = """
import sys, bacowr_metrics as m
client = m.default_client()
n_lines = 0
def amid(frame, event, _):
    global n_lines
    if event == "line":
        n_lines += 1
        client.change_in_progress(1)
    return amid
code = m.Client.change_in_progress.__code__
sys.settrace(lambda frame, *_: amid if frame.f_code is code else None)
client.change_in_progress(1)
sys.settrace(None)
client.begin_worker()
print(n_lines + 1, m.flush(20))
"""

OFF = """
import asyncio, os, threading, bacowr_metrics as m
before = sorted(os.listdir("/proc/self/fd"))
m.track_llm_generation("a", "b", 1, 1); m.track_job_completion("delivered"); m.set_active_jobs(1)
m.set_batch_progress("b", 1); m.track_qc_score(1)
called = []
async def app(scope, receive, send):
    called.append((scope, receive, send))
asyncio.run(m.MetricsMiddleware(app)({"type": "http"}, None, None))
assert called == [({"type": "http"}, None, None)]
class App:
    def add_route(self, *args, **kwargs):
        raise AssertionError("a route")
m.mount_metrics(App())
assert m.flush() and m.stats() == {}
assert sorted(os.listdir("/proc/self/fd")) == before
assert threading.active_count() == 1
assert len(os.listdir("/proc/self/task")) == 1
"""


class SenderTest(unittest.TestCase):
    def setUp(self) -> None:
        self.receiver = Receiver(self)

    def client(self, port: int | None = None, host: str = HOST) -> Client:
        client = Client(Settings(True, host, port or self.receiver.port))
        self.addCleanup(client.close)
        return client

    def balance(self, client: Client) -> dict[str, int]:
        """The counts, after it was seen that they add up."""
        stats = client.stats()
        self.assertEqual(stats["lines_put"],
                         sum(stats[name] for name in BALANCE) + stats["lines_queued"], stats)
        self.assertEqual(stats["turns_failed"], 0)
        return stats

    # ---- lines and datagrams ----

    def test_the_five_functions_and_the_end_of_the_process(self) -> None:
        """The exact bytes; the interpreter's end sends what still waits."""
        run_python(SCRIPT, self.receiver.environment())
        self.assertEqual(self.receiver.rest(), CALLS_LINES)

    def test_lines_gather_into_one_datagram(self) -> None:
        client = self.client()
        for _ in range(5):
            client.track_job_completion("delivered")
        datagram = self.receiver.datagram(20)
        self.assertEqual(datagram, b"\n".join([b"jobs_completed_total:1|c|#status:delivered"] * 5))

    def test_datagrams_are_full_but_not_over(self) -> None:
        lines = [b"x" * (1 + n % 400) for n in range(3000)]
        packed = list(pack(lines))
        self.assertEqual(b"\n".join(data for _, data in packed), b"\n".join(lines))
        self.assertEqual(sum(n for n, _ in packed), len(lines))
        for (n_lines, data), (_, following) in zip(packed, packed[1:]):
            self.assertLessEqual(len(data), MAX_DATAGRAM)
            self.assertEqual(n_lines, data.count(b"\n") + 1)
            self.assertGreater(len(data) + 1 + len(following.split(b"\n")[0]), MAX_DATAGRAM)
        edge = [b"x" * 700, b"y" * (MAX_DATAGRAM - 701)]
        self.assertEqual(list(pack(edge)), [(2, b"\n".join(edge))])

    def test_what_is_no_number_is_dropped_and_counted(self) -> None:
        client = self.client()
        wrong: Any = "wrong"
        client.track_llm_generation("a", "b", float("nan"), 0.5)
        client.track_llm_generation("a", "b", wrong, float("inf"))
        client.set_active_jobs(-3)
        client.track_qc_score(wrong)
        self.assertTrue(client.flush(20))
        self.assertEqual(self.receiver.rest(),
                         ["llm_generation_cost_dollars:0.5|c|#provider:a,model:b"])
        stats = self.balance(client)
        self.assertEqual((stats["lines_dropped_invalid"], stats["lines_sent"]), (5, 1))

    def test_threads(self) -> None:
        """Nothing is lost between many threads."""
        client = self.client()

        def report() -> None:
            for _ in range(1000):
                client.track_qc_score(1)

        threads = [threading.Thread(target=report) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(client.flush(20))
        self.assertEqual(self.receiver.lines(4000), ["qc_score:1|h"] * 4000)
        self.assertEqual(self.balance(client)["lines_sent"], 4000)

    def test_signal_handlers_may_report(self) -> None:
        """One interrupts its own thread amid a put, again and again."""
        client = self.client()
        n_signals = 0

        def report(*_: object) -> None:
            nonlocal n_signals
            n_signals += 1
            client.track_qc_score(2)

        old = signal.signal(signal.SIGALRM, report)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        try:
            n_put = 0
            while n_signals < 300:
                client.track_qc_score(1)
                n_put += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertTrue(client.flush(20))
        self.assertEqual(self.balance(client)["lines_put"], n_put + n_signals)

    def test_signal_handlers_may_change_what_is_in_progress(self) -> None:
        """And so may finalizers: a request that is forgotten ends when it is collected."""
        client = self.client()
        n_signals = 0

        def begin(*_: object) -> None:
            nonlocal n_signals
            n_signals += 1
            client.change_in_progress(1)

        old = signal.signal(signal.SIGALRM, begin)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        try:
            n_begun = 0
            while n_signals < 2000:
                client.change_in_progress(1)
                n_begun += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        client.begin_worker()
        wanted = f"http_requests_inprogress:{n_begun + n_signals}|g|#worker:{client.worker}"
        self.assertIn(wanted, self.receiver.lines(2))

    def test_a_change_may_come_at_any_line_of_another(self) -> None:
        n_begun, flushed = run_python(AT_EACH_LINE, self.receiver.environment()).split()
        self.assertEqual(flushed, "True")
        self.assertGreater(int(n_begun), 4)
        self.assertTrue(any(f"http_requests_inprogress:{n_begun}|g" in line
                            for line in self.receiver.rest()))

    def test_finalizers_may_report(self) -> None:
        """The collector runs them wherever something is made, in the thread's turn too."""
        client = self.client()
        n_finalized = 0

        class Forgotten:  # pylint: disable=too-few-public-methods
            """In a cycle, so that only the collector ends it."""

            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                nonlocal n_finalized
                n_finalized += 1
                client.track_qc_score(2)

        def make(*args: Any) -> Any:
            Forgotten()
            gc.collect(0)
            return deque(*args)

        with mock.patch("bacowr_metrics.sender.deque", make):
            for n_put in range(1, 4):
                client.track_qc_score(1)
                self.assertTrue(client.flush(20))
        self.assertTrue(client.flush(20))
        self.assertEqual(n_finalized, 3)
        self.assertEqual(self.balance(client)["lines_put"], n_put + n_finalized)
        self.assertEqual(self.balance(client)["lines_sent"], n_put + n_finalized)

    def test_one_client_whoever_asks_first(self) -> None:
        """Even a signal handler that comes while the first one is made."""
        met = run_python(FIRST, self.receiver.environment())
        self.assertEqual(met.split(), ["1", "True"])

    def test_closed_drops_and_counts(self) -> None:
        client = self.client()
        client.track_qc_score(1)
        client.close()
        client.track_qc_score(2)
        client.begin_worker()
        self.assertEqual(self.receiver.rest(), ["qc_score:1|h"])
        self.assertTrue(client.flush())
        self.assertEqual(self.balance(client)["lines_dropped_closed"], 1)

    # ---- the worker's own lines ----

    def test_beats_repeat_heartbeat_and_requests_in_progress(self) -> None:
        """... and nothing else; a change of the latter comes at once."""
        with mock.patch("bacowr_metrics.sender.BEAT_SECONDS", 0.5):
            client = self.client()
            client.set_active_jobs(3)
            client.begin_worker()
            client.change_in_progress(1)
            lines = self.receiver.lines(8)
        beat = f"|g|#worker:{socket.gethostname()}-{os.getpid()}"
        self.assertEqual(lines.count("active_jobs:3|g"), 1)
        self.assertIn(f"http_requests_inprogress:1{beat}", lines)
        beats = [one for one in lines if one.startswith("bacowr_app_heartbeat")]
        self.assertGreaterEqual(len(beats), 2)
        for one in beats:
            self.assertRegex(one, r"^bacowr_app_heartbeat_timestamp_seconds:1\d{9}(\.\d+)?\|g\|#")
            self.assertTrue(one.endswith(beat), one)

    def test_a_change_in_progress_needs_no_beat(self) -> None:
        client = self.client()
        client.begin_worker()
        self.receiver.lines(2)
        client.change_in_progress(1)
        self.assertRegex(self.receiver.lines(1)[0], r"^http_requests_inprogress:1\|g")
        for change in (1, 1, -1, -1, -1, -1):  # never below zero, and only the last of a turn
            client.change_in_progress(change)
        self.assertRegex(self.receiver.lines(1)[0], r"^http_requests_inprogress:0\|g")
        self.assertEqual(self.receiver.rest(), [])

    # ---- nobody there ----

    def test_a_server_that_is_away_and_comes(self) -> None:
        port = free_port()
        client = self.client(port)
        for _ in range(3):
            client.track_qc_score(1)
            self.assertTrue(client.flush(20))
        self.assertGreater(self.balance(client)["datagrams_refused"], 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.settimeout(20)
            server.bind((HOST, port))
            client.track_qc_score(2)
            # The first datagram after the server came goes out, though news of the last one waits.
            self.assertEqual(server.recv(1000), b"qc_score:2|h")

    def test_a_process_without_a_server_ends_well(self) -> None:
        run_python(SCRIPT, environment(free_port()))

    def test_a_name_that_nobody_knows(self) -> None:
        """Lines wait for the name, which is looked up in the background, not by the caller."""
        known, callers = threading.Event(), set()
        real = socket.getaddrinfo

        def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
            callers.add(threading.current_thread().name)
            if not known.is_set() or kwargs.get("flags"):
                raise socket.gaierror("not known")
            return real(HOST, *args, **kwargs)

        with mock.patch("socket.getaddrinfo", look_up), \
                mock.patch("bacowr_metrics.target.FAILED_LOOKUP_SECONDS", 0.1), \
                self.assertLogs("bacowr_metrics") as log:
            client = self.client(host="statsd.invalid")
            client.track_qc_score(1)
            wait_until("two lookups", lambda: client.stats()["lookups_failed"] >= 2)
            self.assertFalse(client.flush(0.01))
            known.set()
            self.assertEqual(self.receiver.lines(1), ["qc_score:1|h"])
        self.assertEqual(callers, {"bacowr-metrics"})
        self.assertEqual(len(log.output), 1)

    def test_the_end_does_not_wait_long_for_a_name(self) -> None:
        with mock.patch("socket.getaddrinfo", side_effect=socket.gaierror("not known")), \
                self.assertLogs("bacowr_metrics"):
            client = self.client(host="statsd.invalid")
            client.track_qc_score(1)
            client.close()
            self.assertEqual(self.balance(client)["lines_dropped_error"], 1)

    def test_a_name_that_moves(self) -> None:
        """It is looked up again from time to time; the old address serves while that fails."""
        other = Receiver(self)
        ports: list[int | None] = [self.receiver.port, None, other.port]

        def look_up(_host: str, *_: Any, flags: int = 0, **kwargs: Any) -> Any:
            if flags or ports[0] is None:
                raise socket.gaierror("not known")
            return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (HOST, ports[0]))]

        with mock.patch("socket.getaddrinfo", look_up), \
                mock.patch("bacowr_metrics.target.LOOKUP_SECONDS", 0.0), \
                mock.patch("bacowr_metrics.target.STALE_LOOKUP_SECONDS", 0.0), \
                self.assertLogs("bacowr_metrics"):
            client = self.client(host="statsd.invalid")
            for value, receiver in enumerate((self.receiver, self.receiver, other)):
                client.track_qc_score(value)
                self.assertEqual(receiver.lines(1), [f"qc_score:{value}|h"])
                ports.pop(0)
                ports.append(ports[-1])

    def test_the_next_address_when_one_refuses(self) -> None:
        addresses = [(socket.AF_INET6, ("::1", free_port(), 0, 0)),
                     (socket.AF_INET, (HOST, free_port())),
                     (socket.AF_INET, (HOST, self.receiver.port))]
        rows = [(family, socket.SOCK_DGRAM, 17, "", address) for family, address in addresses]
        with mock.patch("socket.getaddrinfo", return_value=rows):
            client = self.client()
            for value in range(6):
                client.track_qc_score(value)
                self.assertTrue(client.flush(20))
        self.assertEqual(self.receiver.rest()[-1], "qc_score:5|h")

    def test_a_name_needs_no_codec(self) -> None:
        """Which would be imported in the thread: a fork just then would leave half of it."""
        out = run_python("import sys, bacowr_metrics as m\nm.track_qc_score(1)\n"
                         "print(m.flush(20), 'encodings.idna' in sys.modules)",
                         self.receiver.environment())
        self.assertEqual(out.split(), ["True", "False"])

    def test_names_that_are_not_ascii(self) -> None:
        for name in ("b\xfccher.invalid", "b\xfc" + "c" * 99 + ".invalid", "a\0b"):
            with self.subTest(name), self.assertLogs("bacowr_metrics"):
                client = self.client(host=name)
                client.track_qc_score(1)
                wait_until("a lookup", lambda: client.stats()["lookups_failed"] > 0)
                client.close()

    # ---- never wait ----

    def stuck(self) -> tuple[Client, Callable[[], None]]:
        """A client whose thread hangs in a lookup, and a way out of it."""
        go = threading.Event()
        self.addCleanup(go.set)
        real = socket.getaddrinfo

        def look_up(*args: Any, **kwargs: Any) -> Any:
            go.wait(60)
            return real(*args, **kwargs)

        patch = mock.patch("socket.getaddrinfo", look_up)
        patch.start()
        self.addCleanup(patch.stop)
        return self.client(), go.set

    def test_the_queue_is_bounded_and_nobody_waits(self) -> None:
        """While the thread hangs, reports return; the newest stay and the rest is counted."""
        client, go = self.stuck()
        n_put = 2 * MAX_QUEUED + 500

        def report() -> None:
            for value in range(n_put):
                client.track_qc_score(value)

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        reporter.join(60)
        self.assertFalse(reporter.is_alive(), "a report waits")
        stats = self.balance(client)
        self.assertEqual(stats["lines_queued"], MAX_QUEUED)
        self.assertEqual(stats["lines_dropped_queue_full"], n_put - MAX_QUEUED)
        go()
        self.assertTrue(client.flush(20))
        wanted = [f"qc_score:{value}|h" for value in range(n_put - MAX_QUEUED, n_put)]
        self.assertEqual(self.receiver.lines(MAX_QUEUED), wanted)

    def test_a_full_socket_drops_and_counts(self) -> None:
        """A real one: datagrams to a Unix socket that nobody reads."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        with mock.patch.object(Target, "_open", return_value=ours):
            client = self.client()
            for value in range(MAX_QUEUED):
                client.track_qc_score(value)
            done = client.flush(60)
            stats = self.balance(client)
            client.close()
        self.assertTrue(done)
        self.assertGreater(stats["lines_dropped_socket_full"], 0)
        self.assertGreater(stats["lines_sent"], 0)
        ours.close()

    def test_a_thread_that_cannot_start_is_tried_again(self) -> None:
        client = self.client()
        with mock.patch("threading.Thread.start", side_effect=RuntimeError("no thread")):
            client.track_qc_score(1)
            self.assertFalse(client.flush(0.1))
        client.track_qc_score(2)
        self.assertEqual(self.receiver.lines(2), ["qc_score:1|h", "qc_score:2|h"])

    def test_a_mistake_of_ours_does_not_end_the_thread(self) -> None:
        with mock.patch("bacowr_metrics.sender.RETRY_SECONDS", 0.05), \
                self.assertLogs("bacowr_metrics"):
            sender = Sender(Settings(port=self.receiver.port),
                            mock.Mock(side_effect=[ValueError("ours"), []]))
            self.addCleanup(sender.close)
            sender.put([b"a:1|c"])
            wait_until("the mistake", lambda: sender.stats()["turns_failed"] == 1)
            sender.wake()
            self.assertEqual(self.receiver.lines(1), ["a:1|c"])

    # ---- forks, and off ----

    def test_a_fork(self) -> None:
        """Each process sends its own, once; a child is a worker of its own name."""
        child = run_python(FORK, self.receiver.environment()).strip()
        lines = self.receiver.rest()
        own = [one for one in lines if "worker:" in one]
        self.assertEqual(sorted(set(lines) - set(own)), [
            "jobs_completed_total:1|c|#status:child", "jobs_completed_total:1|c|#status:parent"])
        self.assertEqual(lines.count("jobs_completed_total:1|c|#status:parent"), 2)
        self.assertEqual(lines.count("jobs_completed_total:1|c|#status:child"), 1)
        self.assertEqual(len(own), 2)
        for one in own:
            self.assertTrue(one.endswith(f"|#worker:{socket.gethostname()}-{child}"), one)

    def test_forks_at_any_moment(self) -> None:
        n_parent = int(run_python(FORK_STORM, self.receiver.environment()))
        lines = self.receiver.lines(n_parent + 40) + self.receiver.rest()
        self.assertEqual(lines.count("jobs_completed_total:1|c|#status:parent"), n_parent)
        for i in range(40):
            self.assertEqual(lines.count(f"jobs_completed_total:1|c|#status:child{i}"), 1)

    def test_off_does_nothing(self) -> None:
        """No thread, no socket, no line."""
        for word in ("false", "0", "no"):
            run_python(OFF, self.receiver.environment(ENABLE_METRICS=word))
        self.assertEqual(self.receiver.rest(), [])


if __name__ == "__main__":
    unittest.main()
