# SPDX-License-Identifier: Apache-2.0
"""Where datagrams go: a name, its addresses, and a socket that never waits.

Used by the background thread only, because looking a name up can take long.

Laws: send() neither waits nor raises; each datagram is sent or counted under the reason why not.
      A server that is away costs nothing and is noticed when it is back.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import Any, Optional

from bacowr_metrics.settings import logger

LOOKUP_SECONDS = 60.0          # until a name is looked up again: containers move
FAILED_LOOKUP_SECONDS = 5.0    # ... when there is no address yet
STALE_LOOKUP_SECONDS = 300.0   # ... when that failed and an older address still serves

Address = tuple[int, Any]  # a family, and what connect() takes for it


class Target:
    """A StatsD server over UDP."""

    def __init__(self, host: str, port: int, counts: Counter[str]) -> None:
        self._host = _encoded(host)
        self._port = port
        self._counts = counts
        self._addresses: list[Address] = []
        self._next_lookup: Optional[float] = 0.0  # None: a literal address, never again
        self._socket: Optional[socket.socket] = None
        self._warned = False

    def ready(self) -> bool:
        """Look the name up when it is time; whether there is an address to send to."""
        if self._next_lookup is not None and time.monotonic() >= self._next_lookup:
            self._look_up()
        return bool(self._addresses)

    def send(self, datagram: bytes) -> Optional[str]:
        """None when it went out, else why not: "socket_full" or "error"."""
        if not self._addresses:
            return "error"
        try:
            return self._send(datagram)
        except BlockingIOError:
            return "socket_full"
        except (OSError, ValueError):
            self.close()
            return "error"

    def close(self) -> None:
        """Let go of the socket; the next datagram opens a new one."""
        if self._socket is not None:
            try:
                self._socket.close()
            except OSError:
                pass
            self._socket = None

    def _send(self, datagram: bytes) -> Optional[str]:
        try:
            self._open().send(datagram)
        except ConnectionRefusedError:
            # The news is about an earlier datagram; this one has not been sent yet.
            self._counts["datagrams_refused"] += 1
            self._try_next_address()
            try:
                self._open().send(datagram)
            except ConnectionRefusedError:
                self._counts["datagrams_refused"] += 1
                return "error"
        return None

    def _open(self) -> socket.socket:
        if self._socket is None:
            family, address = self._addresses[0]
            new = socket.socket(family, socket.SOCK_DGRAM)
            try:
                new.setblocking(False)
                new.connect(address)
            except BaseException:
                new.close()
                raise
            self._socket = new
        return self._socket

    def _try_next_address(self) -> None:
        if len(self._addresses) > 1:
            self._addresses.append(self._addresses.pop(0))
            self.close()

    def _look_up(self) -> None:
        try:
            found, literal = self._resolve()
        except (OSError, UnicodeError, ValueError, OverflowError) as error:
            self._counts["lookups_failed"] += 1
            wait = STALE_LOOKUP_SECONDS if self._addresses else FAILED_LOOKUP_SECONDS
            self._next_lookup = time.monotonic() + wait
            if not self._warned:
                self._warned = True
                logger.warning("STATSD_HOST=%s: %s; trying again from time to time",
                               self._host.decode("ascii", "replace"), error)
            return
        self._next_lookup = None if literal else time.monotonic() + LOOKUP_SECONDS
        if set(map(repr, found)) != set(map(repr, self._addresses)):
            self._addresses = found
            self.close()

    def _resolve(self) -> tuple[list[Address], bool]:
        """The addresses, IPv4 first, and whether the name was one already."""
        try:
            rows = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM,
                                      flags=socket.AI_NUMERICHOST)
            literal = True
        except socket.gaierror:
            rows = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            literal = False
        found = [(int(family), address) for family, _, _, _, address in rows
                 if family in (socket.AF_INET, socket.AF_INET6)]
        if not found:
            raise OSError("no address")
        return sorted(found, key=lambda row: row[0] != socket.AF_INET), literal


def _encoded(host: str) -> bytes:
    """A name as the resolver wants it, made before any thread starts.

    getaddrinfo() would do it too, but imports a codec for that: a process forked just then by
    another thread inherits half a module, and never looks up any name again.
    """
    try:
        return host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError:
        return host.encode("utf-8", "replace")  # a name that nobody knows, told by the lookup
