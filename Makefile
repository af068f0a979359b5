# SPDX-License-Identifier: Apache-2.0
# Thin wrappers round meson and tests/run.py: `make help` lists them.

PYTHON := $(shell test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)
BINARY := build/bacowr-statsd
RUN := # flags of the server: --web.listen-address=127.0.0.1:9103
DEMO := # flags of tools/demo.py
BENCH := # flags of both benchmarks: --rounds N
TORTURE := # flags of tests/torture/run.py: --only NAME, --seed N
export PEER

.PHONY: all build deps test-deps run demo test test-unit test-stack torture bench bench-against \
	bench-build dashboards-preview status-preview backup restore deb clean help

all: build

build: build/build.ninja
	ninja -C build

# build/ holds more than meson's files (logs, unpacked programs), so look for a file of meson's.
build/build.ninja:
	@command -v meson >/dev/null || { echo 'meson is missing: try "make deps"' >&2; exit 1; }
	meson setup build -Dtests=false

deps:
	@tools/deps.sh build

test-deps:
	@tools/deps.sh test

run: deps
	@$(MAKE) --no-print-directory build
	@echo
	@echo 'A first metric, from bash in another terminal, and a look at it:'
	@echo
	@echo '  echo -n "api_requests_total:1|c|#endpoint:/jobs,method:GET,status:200" > /dev/udp/127.0.0.1/8125'
	@echo '  curl -s http://127.0.0.1:9102/metrics | grep api_requests'
	@echo
	@echo 'Ctrl-C ends the server.'
	@echo
	@exec $(BINARY) --statsd.mapping-config=conf/bacowr.yml $(RUN)

demo:
	@tools/deps.sh demo
	@$(MAKE) --no-print-directory build
	@exec $(PYTHON) tools/demo.py $(DEMO)

test: test-deps
	@$(PYTHON) tests/run.py

test-unit: test-deps
	@$(PYTHON) tests/run.py --only style --only unit

test-stack:
	@tools/deps.sh stack
	@$(PYTHON) tests/run.py --only package --only containers --only systemd

torture: test-deps
	@$(PYTHON) -B tests/torture/run.py $(TORTURE)

bench-build: test-deps
	@test -e build-bench/build.ninja || meson setup build-bench
	@ninja --quiet -C build-bench bacowr-statsd $(addprefix tests/bench/,bench load sink)

deb:
	@tools/deps.sh deb
	@tools/deb.sh build/deb

bench: bench-build
	@status=0; \
	build-bench/tests/bench/bench --json build-bench/bench.json $(BENCH) || status=$$?; \
	echo; \
	$(PYTHON) -B tests/bench/micro.py --json build-bench/micro.json || status=$$?; \
	echo; \
	$(PYTHON) -B tests/bench/sockets.py --json build-bench/sockets.json $(BENCH) || status=$$?; \
	exit $$status

bench-against: bench-build
	@test -n "$$PEER" || { echo "whom? make bench-against PEER='COMMAND with {port}'" >&2; exit 2; }
	@$(PYTHON) -B tests/bench/sockets.py --peer "$$PEER" $(BENCH)

dashboards-preview:
	@tools/deps.sh preview
	@$(MAKE) --no-print-directory build
	@$(PYTHON) tools/preview/preview.py

status-preview:
	@tools/deps.sh status
	@$(MAKE) --no-print-directory build
	@$(PYTHON) tools/preview/status.py

backup restore:
	@tools/volumes.sh $@

clean:
	rm -rf build build-asan build-bench build-fuzz build-release build-tsan
	rm -rf clients/python/build clients/python/*.egg-info

help:
	@echo 'make            release build: $(BINARY)'
	@echo 'make deps       install what the build needs (Debian packages, each named with its reason)'
	@echo 'make run        deps, build, and serve with conf/bacowr.yml on loopback; RUN=--flags of yours'
	@echo 'make demo       the whole stack on loopback: application, load, Prometheus, Alertmanager'
	@echo 'make test       install what the tests need and run all of them'
	@echo 'make test-deps  only install what the tests need'
	@echo 'make test-unit  the style checks and the C unit tests only'
	@echo 'make test-stack the Debian package, the Dockerfile, the compose file and the units, for real: in a'
	@echo '                clean chroot, on a Docker engine, under systemd (as root)'
	@echo 'make deb        the Debian package: build/deb/*.deb'
	@echo 'make torture    every promise of docs/reliability.md, for two hours; TORTURE=--help'
	@echo 'make bench      the benchmarks, in memory and over sockets; a missed gate is an exit status'
	@echo "make bench-against PEER='COMMAND with {port}'  the same load against another server"
	@echo 'make dashboards-preview  docs/dashboards/*.png anew (installs Chromium; 600 MB from npm)'
	@echo 'make status-preview  docs/status.png anew (installs Chromium)'
	@echo 'make backup     the volumes of the monitoring to $(or $(BACKUP_DIR),backup)/'
	@echo 'make restore    and back'
	@echo 'make clean      remove everything that was built'
