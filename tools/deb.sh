#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/deb.sh FOLDER: the Debian package, made in FOLDER of a copy of what a build needs.
#
# Debian's tools look for debian/ at the top of a source tree, here it is packaging/debian: so the copy.
# Two runs on the same packages give the same bytes, wherever and whenever: dates are those of the
# changelog, paths are mapped away. FOLDER/*.buildinfo names the packages that it was built with.
set -eu

umask 022
cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
packed=$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)

if [ "${packed%-*}" != "$version" ]; then
    echo "packaging/debian/changelog is of version $packed, meson.build of $version" >&2
    exit 1
fi

tree=$out/bacowr-statsd-$version
rm -rf "$tree" "$out"/bacowr-statsd*_"$packed"_*
mkdir "$tree"
cp -r packaging/debian "$tree/debian"
cp -r LICENSE README.md CHANGELOG.md meson.build meson_options.txt conf docs include src systemd "$tree"
cd "$tree"
env -u MAKEFLAGS -u MAKELEVEL -u CC -u CPPFLAGS -u CFLAGS -u LDFLAGS \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    dpkg-buildpackage --build=binary --no-sign >"$out/build.log" 2>&1 || {
    tail -n 40 "$out/build.log" >&2
    echo "the package was not built: $out/build.log" >&2
    exit 1
}
rm -rf "$tree"
ls "$out"/bacowr-statsd*_"$packed"_*.deb
