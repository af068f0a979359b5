#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/rootfs.sh BINARY FOLDER: the root of an image that holds BINARY as /usr/bin and the shared
# libraries that it is linked with or opens by itself, and nothing to run besides.
#
# Of each Debian package that a library comes from, the status and the copyright come along: scanners
# of images read the first to tell which versions are in there, the licences ask for the second.
set -eu

binary=$1
root=$2

# The package that FILE is from; a merged /usr has two names for it.
package_of() {
    dpkg -S "$1" 2>/dev/null || dpkg -S "/usr$1" 2>/dev/null || dpkg -S "${1#/usr}"
}

install -D "$binary" "$root/usr/bin/$(basename "$binary")"
mkdir -p "$root/var/lib/dpkg/status.d"

# Lines are "NAME => PATH (ADDRESS)" and, of the loader, "PATH (ADDRESS)".
linked_with() {
    ldd "$1" | sed -n 's/.*=> //; s|^[[:space:]]*\(/[^ ]*\) (.*|\1|p'
}

# What it opens stands in a note of the program (ELF dlopen metadata): "soname":["NAME"].
opened_by() {
    grep -ao '"soname":\["[^"]*"' "$1" | sed 's/.*\["//; s/"$//' | while read -r name; do
        path=$(/sbin/ldconfig -p | sed -n "s|^[[:space:]]*$name (.* => ||p" | head -n 1)
        [ -n "$path" ] || { echo "$name is not on this machine" >&2; exit 1; }
        echo "$path"
        linked_with "$path"
    done
}

libraries=$(linked_with "$binary" && opened_by "$binary")
echo "$libraries" | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
    package=$(package_of "$(realpath "$library")" | sed 's/:.*//')
    dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done
