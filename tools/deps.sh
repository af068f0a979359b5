#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing to build (tools/deps.sh build), to show the whole stack too (tools/deps.sh
# demo), to build and test (tools/deps.sh test), to make the Debian package (tools/deps.sh deb), to test
# it and the containers (tools/deps.sh stack), or to draw the dashboards (tools/deps.sh preview) or the
# status page (tools/deps.sh status).
#
# It names each missing Debian package and what it is for, shows the command that installs it, and
# runs it; sudo only when not root. When nothing is missing it says nothing and asks no network.
# Programs that are services on a Debian system (Prometheus and its kin, Docker) are never installed: their packages
# are unpacked under build/programs.
set -eu

cd "$(dirname "$0")/.."
programs=build/programs
missing=

have_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need PACKAGE REASON [COMMAND]: a COMMAND that is already there, from wherever, will do.
need() {
    if [ $# -eq 3 ] && command -v "$3" >/dev/null; then
        return
    fi
    if ! have_package "$1"; then
        printf '  missing: %-20s %s\n' "$1" "$2"
        missing="$missing $1"
    fi
}

need_to_build() {
    need gcc 'C compiler' gcc
    need libc6-dev 'C library headers'
    need meson 'build system' meson
    need ninja-build 'runs the build' ninja
    need pkg-config 'finds the libraries' pkg-config
    need libuv1-dev 'event loops: UDP, TCP, timers, signals'
    need libyaml-dev 'reads the mapping file'
    need libpcre2-dev 'regex mappings'
    need libxxhash-dev 'hashes'
    need zlib1g-dev 'gzip for scrapes'
    need libssl-dev 'TLS of the web interface'
    need libcrypt-dev 'bcrypt: its passwords'
    # Newer releases have llhttp as a library; Debian 12 has its C sources in node-llhttp.
    if ! have_package libllhttp-dev; then
        need node-llhttp 'reads HTTP requests (C sources)'
    fi
}

need_to_show() {
    need python3 'runs the demo and the tests'
    need curl 'a client of the metrics page' curl
    need python3-fastapi 'the application in the demo and in the end-to-end test'
    need python3-uvicorn 'serves that application'
}

need_to_test() {
    need check 'C unit tests'
    need openssl 'makes certificates for the tests of TLS' openssl
    need python3-prometheus-client 'reads OpenMetrics'
    need clang-14 'fuzzing' clang-14
    need libclang-rt-14-dev 'fuzzing: libFuzzer and the sanitizers'
    need spin 'explores the model of the threads (make torture)' spin
    need nftables 'loses datagrams in a namespace (make torture)' nft
    need iproute2 'brings up its loopback' ip
    need valgrind 'counts instructions' valgrind
    need jq "a command of the README's" jq
    need mandoc 'checks and shows the manual pages' mandoc
    need python3-statsd 'a live sender'
    need uvicorn "the application's server as a command"
    need gunicorn 'a live sender'
    need python3-pip 'installs the Python client'
    need python3-setuptools 'builds its package'
    need python3-venv 'installs it as its README says'
    need python3-wheel 'in the form that pip takes'
    need mypy 'checks its types' mypy
    need python3-yaml 'reads configuration of Grafana and Prometheus'
    need python3-jsonschema 'checks the dashboards against schemas'
    need nodejs 'runs the live sender hot-shots, makes those schemas' node
    need npm 'fetches hot-shots, playwright-core and what makes the schemas' npm
    need chromium 'the status page in a real browser (a program, no service)' chromium
    need ca-certificates 'npm talks TLS'
}

need_to_pack() {
    need debhelper 'makes the Debian package, with dpkg-dev'
}

need_for_stack() {
    need python3 'runs the tests'
    need docker-compose 'starts the stack (a script; its engine is not installed)'
    need python3-yaml 'reads what it made of the compose file'
    need mmdebstrap 'makes the base image and the chroot from packages, no registry needed' mmdebstrap
    need lintian 'checks the Debian package' lintian
    need faketime 'builds it once more in another year' faketime
    need iptables 'publishes ports in the network namespace of the tests'
    need iproute2 'sets up that namespace' ip
    need libdevmapper1.02.1 'the engine is linked with it'
    need libseccomp2 'runc is linked with it'
    need systemd 'runs the units, in namespaces (a program, no service)' /lib/systemd/systemd
}

need_to_draw() {
    need python3 'sends traffic, asks for the answers'
    need chromium 'draws the dashboards (a program, no service)' chromium
    need fonts-inter "the typeface of Grafana's pages"
    need pngquant 'makes the pictures small' pngquant
    need nodejs "builds the page of Grafana's components, drives Chromium" node
    need npm 'fetches these components' npm
    need ca-certificates 'npm talks TLS'
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        set -- env DEBIAN_FRONTEND=noninteractive "$@"
    else
        set -- sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
    echo "+ $*"
    "$@"
}

# Lists that are old, or one source of many that fails, need not stop the installation.
update_lists() {
    as_root apt-get update || echo 'apt-get update failed; going on with the lists that are there'
}

# unpack PACKAGE FILE: FILE is what is wanted of it.
unpack() {
    [ -e "$programs/$2" ] && return
    echo "  missing: $1, unpacked under $programs (not installed)"
    mkdir -p "$programs/deb"
    if ! apt-cache show "$1" >/dev/null 2>&1; then
        update_lists
    fi
    echo "+ apt-get download $1"
    (cd "$programs/deb" && apt-get -o APT::Sandbox::User=root download "$1")
    echo "+ dpkg -x $programs/deb/$1_*.deb $programs"
    dpkg -x "$programs"/deb/"$1"_*.deb "$programs"
}

# fetch PACKAGE VERSION REASON: from npm's registry, under build/npm
fetch() {
    [ -e "build/npm/node_modules/$1" ] && return
    echo "  missing: $1 $2 (npm), under build/npm: $3"
    mkdir -p build/npm
    echo "+ npm install --prefix build/npm --omit=optional $1@$2"
    npm install --prefix build/npm --omit=optional --no-audit --no-fund --loglevel=error "$1@$2"
}

# What tools/preview/package.json names, and all that it needs: some 600 MB.
fetch_components() {
    cmp -s tools/preview/package.json build/preview/package.json && return
    echo "  missing (npm), under build/preview: Grafana's components, React, esbuild, playwright-core"
    mkdir -p build/preview
    cp tools/preview/package.json build/preview/
    echo '+ npm install --prefix build/preview'
    npm install --prefix build/preview --no-audit --no-fund --loglevel=error ||
        { rm build/preview/package.json; exit 1; }
}

case "${1:-build}" in
    build) need_to_build ;;
    demo) need_to_build; need_to_show ;;
    test) need_to_build; need_to_show; need_to_test ;;
    deb) need_to_build; need_to_pack ;;
    stack) need_to_build; need_to_pack; need_for_stack ;;
    preview | status) need_to_build; need_to_draw ;;
    *) echo "usage: $0 build|demo|test|deb|stack|preview|status" >&2; exit 2 ;;
esac

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian: please install the equivalents of$missing" >&2
        exit 1
    fi
    update_lists
    # shellcheck disable=SC2086 # one word per package
    as_root apt-get install -y --no-install-recommends $missing
fi

case "${1:-build}" in
    demo | test | stack)
        unpack prometheus usr/bin/prometheus
        unpack prometheus-alertmanager usr/bin/prometheus-alertmanager
        ;;
esac

if [ "${1:-build}" = preview ]; then
    unpack prometheus usr/bin/prometheus
    fetch_components
fi

case "${1:-build}" in
    test | stack) unpack prometheus-node-exporter usr/bin/prometheus-node-exporter ;;
esac

case "${1:-build}" in
    test | status) fetch playwright-core 1.56.1 'drives Chromium' ;;
esac

if [ "${1:-build}" = test ]; then
    # With the libraries that it is linked with; each has a folder here whatever the architecture.
    unpack haproxy usr/sbin/haproxy
    unpack liblua5.3-0 usr/share/doc/liblua5.3-0
    unpack libopentracing-c-wrapper0 usr/share/doc/libopentracing-c-wrapper0
    unpack libopentracing1 usr/share/doc/libopentracing1
    fetch hot-shots 17.1.1 'a live sender'
    fetch @grafana/schema 11.6.14 "Grafana's own types, for the dashboards"
    fetch ts-json-schema-generator 2.3.0 'makes JSON Schemas of them'
fi

if [ "${1:-build}" = stack ]; then
    unpack docker.io usr/sbin/dockerd
    unpack containerd usr/bin/containerd
    unpack runc usr/sbin/runc
    unpack busybox-static bin/busybox
fi
