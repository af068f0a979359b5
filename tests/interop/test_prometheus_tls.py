# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes over TLS, with a client certificate and a password, by the very files
that docs/security.md shows."""

from __future__ import annotations

import ssl

from lib import documents, programs
from lib.certs import Authority
from lib.harness import HOST, FolderTest, ServerTest, free_port, wait_until

DOCUMENTED = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
SECRET = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # secret


class PrometheusTlsTest(FolderTest, ServerTest):
    def test_scrape(self) -> None:
        server_file, scrape_file = documents.chapters("docs/security.md")["The web interface"]
        ours, theirs = Authority(self.folder, "ca"), Authority(self.folder, "clients")
        ours.sign("server")
        pair = theirs.sign("prometheus", "DNS:prometheus.example.com", "clientAuth")
        self.assertIn(DOCUMENTED, server_file)
        config = self.file("web.yml", server_file.replace(DOCUMENTED, SECRET))
        self.file("password", "secret")
        context = ssl.create_default_context(cafile=str(ours.cert))
        context.load_cert_chain(pair.cert, pair.key)
        server = self.start(f"--web.config.file={config}", tls=context, login="prometheus:secret")
        self.assertIn("statsd.example.com:9102", scrape_file)
        scrape = scrape_file.replace("statsd.example.com:9102", f"{HOST}:{server.ports.web}")
        server.send("over_tls_total:7|c")
        prometheus = programs.Prometheus(self, self.folder, free_port(), config=(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + scrape))
        wait_until("Prometheus has it", lambda: prometheus.value("over_tls_total") == 7, 60)
        self.assertEqual(prometheus.value("up"), 1)
        page = server.scrape()
        self.assertEqual(page.get("bacowr_statsd_http_password_checks_total"), 1)
        self.assertEqual(page.get("bacowr_statsd_http_refused_requests_total",
                                  reason="unauthorized"), 0)
