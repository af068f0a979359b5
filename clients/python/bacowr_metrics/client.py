# SPDX-License-Identifier: Apache-2.0
"""What BACOWR reports: the families of conf/bacowr.yml, one method for each.

A worker is a process that serves requests. It says every 15 s that it lives and how many requests
it is busy with; the latter also when it changes, at most four times a second. Active jobs and batch
progress are not repeated: several workers would overwrite each other with old values.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time
import weakref
from typing import Optional

from bacowr_metrics.lines import line
from bacowr_metrics.sender import Sender
from bacowr_metrics.settings import Settings

FLUSH_SECONDS = 1.0


class Client:
    """Sends samples where @settings say; does nothing at all when they say so."""

    def __init__(self, settings: Optional[Settings] = None) -> None:
        self.settings = settings or Settings.from_environment()
        self._sender: Optional[Sender] = None
        if self.settings.enabled:
            self._sender = Sender(self.settings, self._own_lines)
        self._begin_process()
        _clients.add(self)

    def _begin_process(self) -> None:
        # A signal handler or a finalizer may come amid a change and make one too. So the lock is
        # one that its thread may take again, and what it guards calls nothing: Python lets them
        # in at calls, and a sum that waits for a call's result would overwrite theirs.
        self._lock = threading.RLock()
        self._in_progress = 0
        self._changed = False
        # A number alone is not enough: in two containers the worker may be process 1.
        self.worker = f"{socket.gethostname()}-{os.getpid()}"

    @property
    def enabled(self) -> bool:
        return self._sender is not None

    # ---- the application's own words ----

    def track_llm_generation(self, provider: str, model: str, duration: float,
                             cost: float) -> None:
        """A generation took @duration seconds and cost @cost US dollars."""
        tags: dict[str, object] = {"provider": provider, "model": model}
        self._put(("llm_generation_duration_seconds", _milliseconds(duration), "ms", tags),
                  ("llm_generation_cost_dollars", cost, "c", tags))

    def track_job_completion(self, status: str) -> None:
        """A job ended: "delivered", "blocked" or "failed"."""
        self._put(("jobs_completed_total", 1, "c", {"status": status}))

    def set_active_jobs(self, count: int) -> None:
        """So many jobs are active, in all workers; say it again within 5 minutes."""
        self._put(("active_jobs", count, "g", {}))

    def set_batch_progress(self, batch_id: str, progress_percent: float) -> None:
        """The review of a batch has come so far; forgotten after 15 minutes without news."""
        self._put(("batch_review_progress_percent", progress_percent, "g",
                   {"batch_id": batch_id}))

    def track_qc_score(self, score: float) -> None:
        """Quality control gave a score, 0 to 100."""
        self._put(("qc_score", score, "h", {}))

    # ---- the middleware's ----

    def begin_worker(self) -> None:
        """This process serves requests: its heartbeat starts, once."""
        if self._sender is not None:
            self._sender.beat()

    def change_in_progress(self, change: int) -> None:
        """A request began (1) or ended (-1)."""
        if self._sender is None:
            return
        with self._lock:
            self._in_progress += change
            if self._in_progress < 0:  # a child forked by a request ends what it never began
                self._in_progress = 0
            news, self._changed = not self._changed, True
        if news:
            self._sender.wake()

    def request(self, endpoint: str, method: str, status: str, seconds: float) -> None:
        """A request was answered."""
        tags: dict[str, object] = {"endpoint": endpoint, "method": method}
        self._put(("api_requests_total", 1, "c", {**tags, "status": status}),
                  ("api_request_duration_seconds", seconds * 1000, "ms", tags))

    # ---- the end ----

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait, at most so long, until everything reported so far was sent or dropped.

        The end of the interpreter does it by itself; a child that ends by os._exit(), as those of
        multiprocessing do, has to call it.
        """
        return self._sender is None or self._sender.flush(seconds)

    def close(self) -> None:
        """Send the rest and stop for good."""
        if self._sender is not None:
            self._sender.close()

    def stats(self) -> dict[str, int]:
        """What was sent and what was dropped, by reason; empty when metrics are off."""
        return self._sender.stats() if self._sender is not None else {}

    def _put(self, *samples: tuple[str, object, str, dict[str, object]]) -> None:
        if self._sender is not None:
            self._sender.put([line(*sample) for sample in samples])

    def _own_lines(self, beat: bool) -> list[bytes]:
        with self._lock:
            changed, self._changed = self._changed, False
            in_progress = self._in_progress
        tags: dict[str, object] = {"worker": self.worker}
        samples = []
        if beat:
            samples.append(("bacowr_app_heartbeat_timestamp_seconds", round(time.time(), 3)))
        if beat or changed:
            samples.append(("http_requests_inprogress", in_progress))
        written = [line(name, value, "g", tags) for name, value in samples]
        return [one for one in written if one is not None]

    def after_fork(self) -> None:
        """In the child: a process of its own, that has reported nothing and serves nothing yet."""
        self._begin_process()
        if self._sender is not None:
            self._sender.reset()


def _milliseconds(seconds: object) -> object:
    """What is no number stays what it is, to be counted as that."""
    try:
        return float(seconds) * 1000  # type: ignore[arg-type] # the application's, maybe wrong
    except Exception:  # pylint: disable=broad-except
        return None


# ---- one client for the whole process ----

_clients: weakref.WeakSet[Client] = weakref.WeakSet()
_default: dict[str, Client] = {}


def default_client() -> Client:
    """The client of the functions below; the environment is read when it is first needed."""
    client = _default.get("client")
    # Where two come first, in threads or in a signal handler, one of theirs becomes everybody's;
    # the other was never used, and has neither thread nor socket.
    return client if client is not None else _default.setdefault("client", Client())


def _after_fork() -> None:
    for client in list(_clients):
        client.after_fork()


def _close_all() -> None:
    for client in list(_clients):
        client.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close_all)


def track_llm_generation(provider: str, model: str, duration: float, cost: float) -> None:
    """After an LLM call: what it took, in seconds, and what it cost, in US dollars."""
    default_client().track_llm_generation(provider, model, duration, cost)


def track_job_completion(status: str) -> None:
    """When a job ends: "delivered", "blocked" or "failed"."""
    default_client().track_job_completion(status)


def set_active_jobs(count: int) -> None:
    """Now and then, at least every 5 minutes: how many jobs are active, in all workers."""
    default_client().set_active_jobs(count)


def set_batch_progress(batch_id: str, progress_percent: float) -> None:
    """During a batch review: how far it has come, 0 to 100."""
    default_client().set_batch_progress(batch_id, progress_percent)


def track_qc_score(score: float) -> None:
    """After quality control: the score, 0 to 100."""
    default_client().track_qc_score(score)


def flush(seconds: float = FLUSH_SECONDS) -> bool:
    """See Client.flush()."""
    return default_client().flush(seconds)


def stats() -> dict[str, int]:
    """See Client.stats()."""
    return default_client().stats()
