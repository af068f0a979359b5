# SPDX-License-Identifier: Apache-2.0
"""A server before which calls, allocations and the clock fail as a test says: see fault.c."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from lib.builds import ROOT
from lib.harness import Server, binary, environment

SOURCE = ROOT / "tests" / "torture" / "fault.c"
LIBRARY = ROOT / "build" / "torture" / "fault.so"

CALLS = ("recvmmsg", "recvmsg", "read", "accept4", "sendmsg", "send", "write", "writev", "open",
         "fsync", "rename")
N_FRAMES = 10
WELL, EACH_SITE, EVERY = range(3)


class Call(ctypes.Structure):
    _fields_ = [("error", ctypes.c_uint32), ("every", ctypes.c_uint32),
                ("n_calls", ctypes.c_uint64), ("n_failed", ctypes.c_uint64)]


class Control(ctypes.Structure):
    """As in fault.c."""
    _fields_ = [("heap", ctypes.c_uint32), ("every", ctypes.c_uint32),
                ("clock_offset_ns", ctypes.c_int64), ("calls", Call * len(CALLS)),
                ("n_allocs", ctypes.c_uint64), ("n_failed", ctypes.c_uint64),
                ("n_sites", ctypes.c_uint64), ("frames", ctypes.c_uint64 * N_FRAMES)]

    def call(self, name: str) -> Call:
        found: Call = self.calls[CALLS.index(name)]
        return found


def library() -> Path:
    """Compiled when it is older than its source."""
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        new = LIBRARY.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror",
                        "-shared", "-fPIC", "-o", str(new), str(SOURCE), "-ldl", "-lgcc_s"], check=True)
        new.rename(LIBRARY)
    return LIBRARY


class FaultyServer(Server):
    """A server with the library before it; nothing fails until the test says so."""

    def __init__(self, flags: Sequence[str] = (), mapping: bytes | str | None = None,
                 name: str = "faulty") -> None:
        self.file = os.memfd_create("fault")
        os.truncate(self.file, ctypes.sizeof(Control))
        self._map = mmap.mmap(self.file, ctypes.sizeof(Control))
        self.control = Control.from_buffer(self._map)
        super().__init__(flags, mapping, name)
        self.maps = Path(f"/proc/{self.process.pid}/maps").read_text().splitlines()

    def _spawn(self) -> subprocess.Popen[bytes]:
        env = environment() | {"LD_PRELOAD": str(library()),
                               "FAULT_CONTROL": f"/proc/self/fd/{self.file}"}
        # It stands before the sanitizer's own allocator, which is to answer NULL for too much.
        env["ASAN_OPTIONS"] += ":verify_asan_link_order=0:allocator_may_return_null=1"
        with open(self.log_file, "wb") as log:
            return subprocess.Popen([str(binary()), *self.flags], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=env, pass_fds=[self.file])

    def kill(self) -> None:
        super().kill()
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    @contextmanager
    def no_memory(self, heap: int, every: int = 0) -> Iterator[None]:
        self.control.every = max(every, 1)
        self.control.heap = heap
        try:
            yield
        finally:
            self.control.heap = WELL

    @contextmanager
    def failing(self, call: str, error: int, every: int = 1) -> Iterator[Call]:
        """Each so many of these calls fail."""
        of = self.control.call(call)
        of.every = every
        of.error = error
        try:
            yield of
        finally:
            of.error = 0

    def last_site(self) -> str:
        """Where the allocation that failed last was asked for; for who looks at a crash."""
        found = []
        for frame in self.control.frames:
            for line in self.maps:
                begin, end = (int(part, 16) for part in line.split()[0].split("-"))
                if begin <= frame < end:
                    found.append(f"{line.split()[-1]}+{frame - begin + int(line.split()[2], 16):#x}")
        return "\n  ".join(found)
