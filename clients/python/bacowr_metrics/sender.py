# SPDX-License-Identifier: Apache-2.0
"""Lines to datagrams, in the background.

put() leaves lines in a bounded queue; one daemon thread packs what gathered there into datagrams
and sends them. The thread starts with the first line or beat of its process, sleeps until there is
something to do, and then gathers for a quarter of a second.

Laws: put() waits for a short lock only, never for the network, and may be called from any thread,
      from signal handlers, finalizers and after a fork. When the queue is full the oldest line
      goes: a newer gauge is worth more. After flush() was true and before the next line, lines_put
      is the sum of lines_sent and all lines_dropped_*. A forked child begins with nothing: no line
      of its parent's is sent twice.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Callable, Iterable, Iterator, Optional

from bacowr_metrics.settings import Settings, logger
from bacowr_metrics.target import Target

MAX_DATAGRAM = 1432      # bytes: what an Ethernet frame holds, with room for headers and tunnels
MAX_QUEUED = 10_000      # lines
GATHER_SECONDS = 0.25
BEAT_SECONDS = 15.0
RETRY_SECONDS = 1.0      # between looks at a target that has no address
CLOSE_SECONDS = 2.0      # what the end of the process waits for the last lines, at most

COUNTS = ("lines_put", "lines_sent", "lines_dropped_invalid", "lines_dropped_queue_full",
          "lines_dropped_socket_full", "lines_dropped_error", "lines_dropped_closed",
          "datagrams_sent", "datagrams_refused", "lookups_failed", "turns_failed")

OwnLines = Callable[[bool], list[bytes]]
"""What the worker says of itself in this turn; the argument says whether a beat is due."""


class Sender:
    """A queue, a thread, a target."""

    def __init__(self, settings: Settings, own_lines: OwnLines) -> None:
        self._settings = settings
        self._own_lines = own_lines
        self._target: Optional[Target] = None
        self.reset()

    def reset(self) -> None:
        """Begin anew, as a forked child must: locks, lines, thread and socket are its parent's."""
        if self._target is not None:
            self._target.close()
        self._lock = threading.RLock()    # a signal handler or finalizer may come amid a put()
        self._wake = threading.Lock()     # a flag: released means that there is something to do
        self._wake.acquire()
        self._queue: deque[bytes] = deque()
        # put() and the thread write different keys, and all are there from the start.
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._target = Target(self._settings.host, self._settings.port, self._counts)
        self._thread: Optional[threading.Thread] = None
        self._flushes: list[threading.Event] = []
        self._beats = False
        self._closing = False

    # ---- any thread ----

    def put(self, lines: Iterable[Optional[bytes]]) -> None:
        """Leave lines to be sent; None stands for a sample that could not be written as one."""
        with self._lock:
            before = len(self._queue)
            for line in lines:
                self._counts["lines_put"] += 1
                if line is None or len(line) > MAX_DATAGRAM:
                    self._counts["lines_dropped_invalid"] += 1
                elif self._closing:
                    self._counts["lines_dropped_closed"] += 1
                else:
                    self._append(line)
            after = len(self._queue)
            if after:
                self._start()
        if before == 0 < after or before < MAX_QUEUED // 2 <= after:
            self.wake()

    def wake(self) -> None:
        """Have the thread take a turn soon."""
        try:
            self._wake.release()
        except RuntimeError:  # it is about to
            pass

    def beat(self) -> None:
        """From now on this process is a worker that says so every BEAT_SECONDS."""
        if self._beats or self._closing:
            return
        with self._lock:
            self._beats = True
            self._start()
        self.wake()

    def flush(self, seconds: float) -> bool:
        """Wait until what is queued was sent or dropped, at most so long; whether it was."""
        done = threading.Event()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                return not self._queue
            self._flushes.append(done)
        self.wake()
        return done.wait(seconds)

    def close(self) -> None:
        """Send what is queued and end; later lines are dropped."""
        with self._lock:
            self._closing = True
            thread = self._thread
        self.wake()
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def stats(self) -> dict[str, int]:
        """All counts since the process began, and how many lines wait."""
        with self._lock:
            return {**self._counts, "lines_queued": len(self._queue)}

    def _append(self, line: bytes) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self._queue.popleft()
            self._counts["lines_dropped_queue_full"] += 1
        self._queue.append(line)

    def _start(self) -> None:
        if self._thread is not None or self._closing:
            return
        self._thread = threading.Thread(target=self._run, name="bacowr-metrics", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread to be had: the next line tries again
            self._thread = None

    # ---- the thread ----

    def _run(self) -> None:
        target = self._target
        assert target is not None
        next_beat = 0.0
        while not self._closing:
            self._sleep(next_beat)
            try:
                if not target.ready():
                    continue
                now = time.monotonic()
                beat = self._beats and now >= next_beat
                self._turn(target, self._own_lines(beat))
                next_beat = now + BEAT_SECONDS if beat else next_beat
            except Exception:  # pylint: disable=broad-except # no mistake may end the beats
                if self._counts["turns_failed"] == 0:
                    logger.warning("metrics are not sent, which is a mistake", exc_info=True)
                self._counts["turns_failed"] += 1
                time.sleep(RETRY_SECONDS)
        self._turn(target, [])
        target.close()

    def _sleep(self, next_beat: float) -> None:
        """Until there is something to do, and then a little, for more to come."""
        waits = [next_beat - time.monotonic()] if self._beats else []
        if self._queue or self._flushes:  # left by a turn without an address
            waits.append(RETRY_SECONDS)
        self._wake.acquire(timeout=max(min(waits), 0.001) if waits else -1)
        end = time.monotonic() + GATHER_SECONDS
        while not self._closing and not self._flushes and len(self._queue) < MAX_QUEUED // 2:
            if not self._wake.acquire(timeout=max(end - time.monotonic(), 0)):
                break

    def _turn(self, target: Target, own: list[bytes]) -> None:
        # Made before the exchange: the collector may run a finalizer here, and that may report.
        queue: deque[bytes] = deque()
        flushes: list[threading.Event] = []
        with self._lock:
            queue, self._queue = self._queue, queue
            flushes, self._flushes = self._flushes, flushes
            self._counts["lines_put"] += len(own)
        try:
            for n_lines, datagram in pack([*own, *queue]):
                failure = target.send(datagram)
                self._counts[f"lines_dropped_{failure}" if failure else "lines_sent"] += n_lines
                self._counts["datagrams_sent"] += failure is None
        finally:
            for done in flushes:
                done.set()


def pack(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Datagrams of whole lines, each as full as can be, with the number of their lines."""
    packed: list[bytes] = []
    size = -1  # no LF before the first
    for line in lines:
        if packed and size + 1 + len(line) > MAX_DATAGRAM:
            yield len(packed), b"\n".join(packed)
            packed, size = [], -1
        packed.append(line)
        size += 1 + len(line)
    if packed:
        yield len(packed), b"\n".join(packed)
