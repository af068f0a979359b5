# SPDX-License-Identifier: Apache-2.0
#
# Stand-ins for the images that docker-compose.monitoring.yml names, made of Debian's packages: the
# same paths, users and entrypoints, a shell and busybox' wget and tar. Grafana's is a stub that
# answers its health page, which says nothing about Grafana. The context is build/programs.

FROM debian:bookworm-slim AS base
COPY bin/busybox /bin/busybox
COPY bin/busybox /bin/wget

FROM base AS prometheus
COPY usr/bin/prometheus /bin/prometheus
COPY usr/share/prometheus/web /usr/share/prometheus/web
RUN mkdir -p /prometheus && chown 65534:65534 /prometheus
USER nobody
ENTRYPOINT ["/bin/prometheus"]

FROM base AS alertmanager
COPY usr/bin/prometheus-alertmanager /bin/alertmanager
COPY usr/share/prometheus/alertmanager /usr/share/prometheus/alertmanager
RUN mkdir -p /alertmanager /etc/alertmanager && chown 65534:65534 /alertmanager
USER nobody
ENTRYPOINT ["/bin/alertmanager"]

FROM base AS node-exporter
COPY usr/bin/prometheus-node-exporter /bin/node_exporter
USER nobody
ENTRYPOINT ["/bin/node_exporter"]

FROM base AS grafana
RUN mkdir -p /www/api /var/lib/grafana && echo '{"database": "ok"}' >/www/api/health \
    && chown 472:0 /var/lib/grafana
USER 472
# The stub is process 1 and has no ears for SIGTERM.
STOPSIGNAL SIGKILL
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]
