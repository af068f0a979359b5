# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made by the openssl command: an authority, and who it vouches for."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@dataclass
class Pair:
    cert: Path
    key: Path


class Authority:
    """One that signs what it is given, in a folder of its own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        openssl("req", "-x509", *KEY, "-keyout", self.pair.key, "-out", self.pair.cert,
                "-days", "2", "-subj", f"/CN={name}")

    @property
    def cert(self) -> Path:
        return self.pair.cert

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        """One that trusts us alone, and shows @pair."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if pair:
            context.load_cert_chain(pair.cert, pair.key)
        return context

    def sign(self, name: str, names: str = "DNS:localhost,IP:127.0.0.1",
             use: str = "serverAuth,clientAuth") -> Pair:
        """A pair for @names, a subjectAltName as openssl writes it; empty: none."""
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text((f"subjectAltName={names}\n" if names else "")
                              + f"extendedKeyUsage={use}\n")
        openssl("req", *KEY, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.pair.cert, "-CAkey", self.pair.key,
                "-CAcreateserial", "-out", pair.cert, "-days", "2", "-extfile", extensions)
        return pair
