# SPDX-License-Identifier: Apache-2.0
"""The project's own configuration, changed as little as lets it run on loopback without containers.

Only addresses change, and what would look up names that do not exist here goes. With `fast`,
durations are shortened too: alerts in seconds where the product says minutes.

Laws: a change that finds nothing to change is an error, so the demo cannot quietly go on with a
      file that was worded anew. Nothing outside of the demo's folder is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "programs" / "usr"
HOST = "127.0.0.1"
FAST_BEAT_SECONDS = 1

Change = Tuple[str, str]  # a regular expression, and what takes its place


@dataclass(frozen=True)
class Ports:
    app: int
    statsd: int
    web: int
    prometheus: int
    alertmanager: int
    receiver: int


def copy(source: str, folder: Path, changes: Sequence[Change]) -> Path:
    """@source of the project into @folder, with all @changes."""
    text = (ROOT / source).read_text(encoding="utf-8")
    for pattern, replacement in changes:
        text, n_changed = re.subn(pattern, replacement, text)
        if n_changed == 0:
            raise ValueError(f"{source} has no {pattern!r}: tools/demo_files.py knows another one")
    target = folder / Path(source).name
    target.write_text(text, encoding="utf-8")
    return target


def prometheus_file(folder: Path, ports: Ports, fast: bool) -> Path:
    """With its rules beside it. There is no node exporter, and no name that stands for replicas."""
    copy("prometheus/recording_rules.yml", folder, [])
    copy("prometheus/aggregator_rules.yml", folder, [])
    # Two beats are missed for longer than it takes to forget a worker, then a while more.
    copy("prometheus/alert_rules.yml", folder, [
        (r"(heartbeat_timestamp_seconds\)) > 30\n", r"\1 > 6\n"),
        (r"for: 2m\n", "for: 2s\n"),
    ] if fast else [])
    return copy("prometheus/prometheus.yml", folder, [
        (r"(?m)^  dns_sd_configs:\n(?:  [- ] .*\n)+", ""),
        (r"\balertmanager:9093\b", f"{HOST}:{ports.alertmanager}"),
        (r"\bbacowr-statsd:9102\b", f"{HOST}:{ports.web}"),
        (r"\blocalhost:9090\b", f"{HOST}:{ports.prometheus}"),
        (r"\bnode-exporter:9100\b", ""),
        *([(r"_interval: \d+s\b", "_interval: 1s")] if fast else []),
    ])


def alertmanager_file(folder: Path, webhook: str, fast: bool) -> Path:
    """Critical alerts go to @webhook; mail stays unsent, as its server is a placeholder."""
    return copy("prometheus/alertmanager.yml", folder, [
        (r"(?m)^  email_configs:\n(?:  [- ] .*\n|    .*\n)+", ""),
        (r"- url: http://\S+", f"- url: {webhook}"),
        *([(r"group_interval: \w+", "group_interval: 1s")] if fast else []),
    ])


def mapping_file(folder: Path, fast: bool) -> Path:
    """The gauges of a dead worker go after a minute; here after eight beats, four times as soon."""
    return copy("conf/bacowr.yml", folder, [(r"ttl: 60s", "ttl: 8s")] if fast else [])


# Debian's programs read templates and pages from this folder, which is there only when their packages
# are installed, and no flag says otherwise. The text in its place is as long, and leads into the
# folder in which they run.
SHARE = b"/usr/share/prometheus"
SHARE_HERE = b"share".rjust(len(SHARE) - 1, b"/").rjust(len(SHARE), b".")


def program(name: str, folder: Path) -> Path:
    """A copy that runs in @folder without being installed; builds of others need no change."""
    share = folder / "share"
    if not share.is_symlink():
        share.symlink_to(PROGRAMS / "share" / "prometheus")
    target = folder / name
    target.write_bytes((PROGRAMS / "bin" / name).read_bytes().replace(SHARE, SHARE_HERE))
    target.chmod(0o755)
    return target
