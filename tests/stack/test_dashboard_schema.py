# SPDX-License-Identifier: Apache-2.0
"""Dashboards against Grafana's own types: JSON Schemas are made of @grafana/schema, of the release
that the compose file names, each time the test runs.

What Grafana does not know it leaves out without a word, so a misspelt key is a setting that is not
there. Mistakes are planted first: a schema that lets one pass proves nothing.
"""

from __future__ import annotations

import copy
import json
import unittest
from pathlib import Path
from typing import Any, Callable, Iterator

import jsonschema

from lib import dashboards, programs
from lib.dashboards import Json
from lib.harness import new_folder

HERE = Path(__file__).resolve().parent
GENERATOR = (programs.NODE_MODULES / "ts-json-schema-generator" / "bin"
             / "ts-json-schema-generator.js")
RELEASE = "11.6."
SCHEMA_VERSION = 41  # what this release writes

# The schema has queries as any object; these are the keys of Prometheus' source that Grafana reads.
TARGET = {
    "type": "object",
    "additionalProperties": False,
    "required": ["refId", "datasource", "expr", "legendFormat", "range", "instant"],
    "properties": {
        "refId": {"type": "string", "pattern": "^[A-Z]$"},
        "datasource": {"type": "object"},
        "editorMode": {"enum": ["code", "builder"]},
        "expr": {"type": "string", "minLength": 1},
        "legendFormat": {"type": "string"},
        "range": {"type": "boolean"},
        "instant": {"type": "boolean"},
        "interval": {"type": "string", "pattern": "^[0-9]+[smh]$"},
    },
}


def make_schema() -> Json:
    with new_folder() as folder:
        out = folder / "schema.json"
        done = programs.run(["node", GENERATOR, "--tsconfig", HERE / "tsconfig.json",
                             "--path", HERE / "panels.ts", "--type", "Checked",
                             "--expose", "none", "--out", out])
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(out.read_text())["definitions"]["Checked"]["properties"]


def complaints(schema: Json, value: Any) -> list[str]:
    validator = jsonschema.Draft7Validator(schema)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in validator.iter_errors(value)]


def check_panel(schemas: Json, panel: Json) -> Iterator[str]:
    if panel["type"] not in schemas:
        yield f"{panel['type']} has no line in panels.ts"
        return
    part = {"options": panel["options"]}
    if "custom" in panel["fieldConfig"]["defaults"]:
        part["custom"] = panel["fieldConfig"]["defaults"]["custom"]
    yield from complaints(schemas[panel["type"]], part)
    for target in panel["targets"]:
        yield from complaints(TARGET, target)


def check(schemas: Json, dashboard: Json) -> list[str]:
    found = complaints(schemas["dashboard"], dashboard)
    for panel in dashboards.panels(dashboard):
        found += [f"{panel['title']}: {text}" for text in check_panel(schemas, panel)]
    return found


def set_in(*path: str | int) -> Callable[[Json, Any], None]:
    def change(dashboard: Json, value: Any) -> None:
        place: Any = dashboard
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


DEFAULTS = ("panels", 4, "fieldConfig", "defaults")

# Where, and what is wrong there: a key that does not exist, a wrong type, no word of the list.
PLANTED = [
    (("refesh",), "10s"),
    (("schemaVersion",), "41"),
    (("graphTooltip",), 3),
    (("links", 0, "keeptime"), True),
    (("templating", "list", 0, "refresh"), "time"),
    (("templating", "list", 0, "includeAl"), True),
    (("panels", 0, "gridPos", "x"), "0"),
    (("panels", 0, "gridpos"), {"x": 0, "y": 0, "w": 1, "h": 1}),
    (("panels", 0, "options", "colorMode"), "values"),
    (("panels", 0, "options", "reduceOptions", "calc"), ["mean"]),
    (("panels", 0, "fieldConfig", "defaults", "custom"), {"lineWidth": 1}),
    (("panels", 0, "targets", 0, "legend"), "p95"),
    (("panels", 0, "targets", 0, "instant"), "true"),
    ((*DEFAULTS, "noValues"), "none"),
    ((*DEFAULTS, "thresholds", "steps", 0, "value"), "null"),
    ((*DEFAULTS, "thresholds", "mode"), "relative"),
    ((*DEFAULTS, "color", "mode"), "palette"),
    ((*DEFAULTS, "custom", "drawStyle"), "lines"),
    ((*DEFAULTS, "custom", "linewidth"), 1),
    (("panels", 4, "options", "legend", "placement"), "top"),
    (("panels", 4, "options", "tooltip"), {"mode": "multi"}),
    (("panels", 4, "type"), "gauge"),
]


class SchemaTest(unittest.TestCase):
    schemas: Json

    @classmethod
    def setUpClass(cls) -> None:
        cls.schemas = make_schema()

    def test_the_types_are_of_the_release(self) -> None:
        package = programs.NODE_MODULES / "@grafana" / "schema" / "package.json"
        version = json.loads(package.read_text())["version"]
        self.assertTrue(version.startswith(RELEASE), version)

    def test_dashboards_are_what_grafana_reads(self) -> None:
        for path in dashboards.files():
            board = dashboards.load(path)
            self.assertEqual(check(self.schemas, board), [], path.name)
            self.assertEqual(board["schemaVersion"], SCHEMA_VERSION)

    def test_planted_mistakes_are_found(self) -> None:
        good = dashboards.load(dashboards.FOLDER / "bacowr-api.json")
        for path, value in PLANTED:
            with self.subTest(path=path):
                board = copy.deepcopy(good)
                set_in(*path)(board, value)
                self.assertNotEqual(check(self.schemas, board), [])

    def test_what_must_be_there_is_missed(self) -> None:
        good = dashboards.load(dashboards.FOLDER / "bacowr-api.json")
        for place, key in ((good, "schemaVersion"), (good["panels"][0], "type"),
                           (good["panels"][0]["options"], "graphMode"),
                           (good["panels"][0]["targets"][0], "expr")):
            with self.subTest(key):
                value = place.pop(key)
                self.assertNotEqual(complaints(self.schemas["dashboard"], good)
                                    or check(self.schemas, good), [])
                place[key] = value
        self.assertEqual(check(self.schemas, good), [])


if __name__ == "__main__":
    unittest.main()
