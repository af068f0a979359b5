#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/volumes.sh backup|restore: the volumes of the monitoring, to archives in $BACKUP_DIR (backup/)
# and back. An archive has the layout that `tar czf FILE /data` gives with the volume at /data.
#
# Nothing is pulled: tar runs in the image of Prometheus or Grafana, which is there when there is a volume
# (BACKUP_IMAGE names another one). For the time of a backup the containers of a volume are paused:
# what is copied is what a power failure would have left, and both databases are made for that. For a
# restore they are stopped; an archive is read to its end before anything is removed for it.
set -euo pipefail

cd "$(dirname "$0")/.."
folder=${BACKUP_DIR:-backup}

fail() {
    echo "$0: $*" >&2
    exit 1
}

# The first image of these repositories that is there.
find_image() {
    local repository image
    for repository in prom/prometheus grafana/grafana; do
        image=$(docker image ls --format '{{.Repository}}:{{.Tag}}' "$repository" | head -n 1)
        if [ -n "$image" ]; then
            echo "$image"
            return
        fi
    done
    fail "no image of Prometheus or Grafana is there; name one that has sh and tar: BACKUP_IMAGE=..."
}

# The running containers that have the volume.
holders() {
    docker ps --quiet --filter "volume=$1" --filter status=running | tr '\n' ' '
}

# With no container to name, docker would complain.
each() {
    if [ -n "$2" ]; then
        # shellcheck disable=SC2086 # one word per container
        docker "$1" $2 >/dev/null
    fi
}

backup() {
    local volume=$1 archive=$2
    docker volume inspect "$volume" >/dev/null 2>&1 || fail "there is no volume $volume"
    held=$(holders "$volume")
    trap 'each unpause "$held"; rm -f "$folder"/*.new' EXIT
    each pause "$held"
    docker run --rm --network none --user 0:0 --entrypoint tar --volume "$volume:/data:ro" "$image" \
        czf - -C / data >"$archive.new"
    each unpause "$held"
    trap - EXIT
    mv "$archive.new" "$archive"
    echo "$volume: $archive, $(du -h "$archive" | cut -f1)"
}

restore() {
    local volume=$1 archive=$2
    [ -r "$archive" ] || fail "there is no $archive"
    tar tzf "$archive" >/dev/null || fail "$archive cannot be read to its end, nothing was changed"
    if tar tzf "$archive" | grep -v '^data/' >/dev/null; then
        fail "$archive holds more than data/, nothing was changed"
    fi
    docker volume create "$volume" >/dev/null
    held=$(holders "$volume")
    each stop "$held"
    docker run --rm --interactive --network none --user 0:0 --entrypoint sh --volume "$volume:/data" \
        "$image" -c 'find /data -mindepth 1 -delete && tar xzf - -C /' <"$archive"
    each start "$held"
    echo "$volume: restored from $archive"
}

case ${1:-} in
    backup | restore) ;;
    *) echo "usage: $0 backup|restore" >&2; exit 2 ;;
esac
# What docker says of it stands above our line: not installed, not running, not allowed.
docker version >/dev/null || fail "this needs a Docker engine, and none answers"
image=${BACKUP_IMAGE:-$(find_image)}
mkdir -p "$folder"
for name in prometheus grafana; do
    "$1" "bacowr_${name}_data" "$folder/$name-backup.tar.gz"
done
