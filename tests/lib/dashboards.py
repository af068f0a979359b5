# SPDX-License-Identifier: Apache-2.0
"""Grafana's dashboards as the tests see them: files, panels, expressions, what Grafana puts in the
place of variables, and how it asks Prometheus then.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from lib.harness import ROOT
from lib.programs import PrometheusApi

FOLDER = ROOT / "grafana" / "dashboards"
PROVISIONING = ROOT / "grafana" / "provisioning"

Json = dict[str, Any]

# Variables that Grafana has by itself. Others are declared in the dashboard.
BUILT_IN = {"__interval", "__interval_ms", "__rate_interval", "__range", "__range_s"}

VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")
LEGEND_LABEL = re.compile(r"{{\s*(\w+)\s*}}")
UNITS = {"s": 1, "m": 60, "h": 3600}


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def load(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


def all_panels(dashboard: Json) -> Iterator[Json]:
    """Rows and panels, those in collapsed rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def panels(dashboard: Json) -> list[Json]:
    """What shows something: all but the rows."""
    return [panel for panel in all_panels(dashboard) if panel["type"] != "row"]


def variables(dashboard: Json) -> list[Json]:
    return dashboard["templating"]["list"]


def used_variables(text: str) -> set[str]:
    """Names after a $; the $1 of a label_replace is none."""
    names = {braced or bare for braced, bare in VARIABLE.findall(text)}
    return {name for name in names if not name.isdigit()}


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables' values. A KeyError names one that has none."""
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return match[0] if name.isdigit() else values[name]

    return VARIABLE.sub(value, text)


def choice(values: Sequence[str]) -> str:
    """Several chosen values as Grafana writes them into a PromQL string."""
    escaped = [re.sub(r"([$^*{}\[\]+?.()|])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def seconds(duration: str) -> int:
    return int(duration[:-1]) * UNITS[duration[-1]]


def intervals(target: Json, scrape: int, span: int, width: int = 800) -> tuple[int, dict[str, str]]:
    """The step of a range query and Grafana's own variables, for a time range of @span seconds.

    A target's own interval takes the place of the data source's, in both.
    """
    least = seconds(target["interval"]) if "interval" in target else scrape
    step = max(least, math.ceil(span / width))
    rate = max(step + least, 4 * least)
    return step, {"__interval": f"{step}s", "__interval_ms": str(step * 1000),
                  "__rate_interval": f"{rate}s", "__range": f"{span}s", "__range_s": str(span)}


# ---- as Grafana asks ----

def resolve(board: Json, prometheus: PrometheusApi) -> dict[str, list[str]]:
    """The values of each variable, in order: one may be chosen by those before it."""
    found: dict[str, list[str]] = {}
    for variable in variables(board):
        query = fill_in(variable["query"]["query"], choose_all(board, found))
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert match, query
        found[variable["name"]] = prometheus.label_values(match[2], match[1])
        assert found[variable["name"]], f"{variable['name']} has no values"
    return found


def choose_all(board: Json, found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    of_all = {variable["name"]: variable.get("allValue") for variable in variables(board)}
    return {name: of_all[name] or choice(values) for name, values in found.items()}


def ask(prometheus: PrometheusApi, target: Json, chosen: Mapping[str, str], step: int,
        start: float, end: float) -> list[Json]:
    """The series of a target whose variables are all @chosen, each with the values over time."""
    expression = fill_in(target["expr"], chosen)
    if target["instant"]:
        return [series | {"values": [series["value"]]}
                for series in prometheus.query(expression, end)]
    return prometheus.query_range(expression, start, end, step)


def legend(target: Json, series: Json) -> str:
    """What a target calls a series. A KeyError names a label that it has not."""
    return LEGEND_LABEL.sub(lambda match: series["metric"][match[1]], target["legendFormat"])
