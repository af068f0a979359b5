# SPDX-License-Identifier: Apache-2.0
#
# bacowr-statsd in an image of its own: the binary, the libraries it needs, the mapping of BACOWR. No
# shell and no package manager; whoever gets in has nothing to run.
#
#   docker build -t bacowr/bacowr-statsd .
#   docker run -d --read-only --cap-drop=ALL -p 127.0.0.1:8125:8125/udp -p 127.0.0.1:9102:9102 \
#       bacowr/bacowr-statsd
#
# Arguments behind the image replace the mapping and are added to the addresses:
#   docker run ... bacowr/bacowr-statsd --statsd.mapping-config=/my.yml --statsd.ingest-threads=2
#   docker run --rm -i bacowr/bacowr-statsd explain

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY tools/deps.sh tools/
RUN tools/deps.sh build && rm -rf /var/lib/apt/lists/*
COPY meson.build meson_options.txt ./
COPY include include/
COPY src src/
COPY systemd systemd/
RUN meson setup build -Dtests=false && ninja -C build bacowr-statsd && strip build/bacowr-statsd
COPY tools/rootfs.sh tools/
RUN tools/rootfs.sh build/bacowr-statsd /rootfs
COPY LICENSE /rootfs/usr/share/doc/bacowr-statsd/copyright
COPY conf/bacowr.yml conf/example.yml /rootfs/etc/bacowr-statsd/
# The same files make the same layer, whenever they were put there.
ARG SOURCE_DATE_EPOCH=0
RUN find /rootfs -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="bacowr-statsd" \
      org.opencontainers.image.description="StatsD server for Prometheus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="scratch"
COPY --from=build /rootfs/ /
USER 65532:65532
EXPOSE 8125/udp 8125/tcp 9125/udp 9125/tcp 9102/tcp
# The container's own loopback is nobody else's, so here every address is listened on; what of it
# can be reached from outside, and from where, says who publishes the ports.
ENTRYPOINT ["/usr/bin/bacowr-statsd", \
    "--statsd.listen-udp=:8125", "--statsd.listen-udp=:9125", \
    "--statsd.listen-tcp=:8125", "--statsd.listen-tcp=:9125", \
    "--web.listen-address=:9102"]
CMD ["--statsd.mapping-config=/etc/bacowr-statsd/bacowr.yml"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/bin/bacowr-statsd", "healthcheck", "--web.listen-address=:9102"]
