# SPDX-License-Identifier: Apache-2.0
"""The manual pages: whole, true, and readable by man."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import unittest

from lib.harness import ROOT, ServerTest, binary, environment, new_folder, run

PAGES = {"bacowr-statsd.1": ("man",), "bacowr-statsd-mapping.5": ("man", "mapping")}
HEADS = {
    "bacowr-statsd.1": ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "LINES",
                        "SIGNALS", "HTTP", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"],
    "bacowr-statsd-mapping.5": ["NAME", "DESCRIPTION", "KEYS", "EXAMPLES", "DIAGNOSTICS",
                                "SEE ALSO"],
}

MAX_BYTES = 110  # of a line of the source
COLUMNS = 100  # of a terminal that has room for every example

FLAG = re.compile(r"--(?:\[no-\])?[a-z][a-z0-9.-]*[a-z0-9]")
SCHEMA_KEY = re.compile(r"(?:^ *(?:# )?(?:- )?|[{,] *)([a-z_]+):(?= |$)")
HIDDEN_KEYS = {"timer_type", "fsm", "logger", "registerer", "mappingscount"}


def source(page: str) -> str:
    done = run(*PAGES[page])
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def plain(roff: str) -> str:
    """The source without its escapes: what a reader sees, in other lines."""
    for escape, text in ((r"\fB", ""), (r"\fR", ""), (r"\&", ""), (r"\-", "-"), (r"\(aq", "'"),
                         (r"\(ga", "`"), (r"\(dq", '"'), (r"\(ha", "^"), (r"\(ti", "~")):
        roff = roff.replace(escape, text)
    return roff.replace(r"\e", "\\")


def mandoc(page: str, *arguments: str) -> str:
    with new_folder() as folder:
        path = folder / page
        path.write_text(source(page))
        done = subprocess.run(["mandoc", *arguments, path], capture_output=True, text=True)
    return done.stdout


def shown(page: str) -> str:
    """The page as a terminal shows it, without its bold letters."""
    text = mandoc(page, "-T", "utf8", "-O", f"width={COLUMNS}")
    return re.sub(".\b", "", text)


def tags(roff: str) -> list[str]:
    return [plain(tag) for tag in re.findall(r"^\.TP\n(.*)$", roff, re.MULTILINE)]


def flags_of_help() -> set[str]:
    return set(re.findall(r"^  (--\S+)", run("--help").stdout, re.MULTILINE))


def examples(page: str) -> list[str]:
    """Each block of the examples as it is shown."""
    blocks: list[list[str]] = []
    inside = False
    lines = shown(page).split("\n\nEXAMPLES\n")[1].split("\n\nSEE ALSO\n")[0].splitlines()
    for line in lines:
        is_text = re.match(" {11}", line) is not None or (inside and not line)
        if is_text and not inside:
            blocks.append([])
        inside = is_text
        if inside:
            blocks[-1].append(line[11:])
    return ["\n".join(block).rstrip() + "\n" for block in blocks]


class PagesTest(unittest.TestCase):
    def test_mandoc_finds_no_fault(self) -> None:
        for page in PAGES:
            with self.subTest(page):
                self.assertEqual(mandoc(page, "-T", "lint", "-W", "style"), "")

    def test_heads(self) -> None:
        for page, heads in HEADS.items():
            with self.subTest(page):
                self.assertEqual(re.findall(r"^\.SH (.*)$", source(page), re.MULTILINE), heads)
                self.assertEqual(re.findall(r"^(?!BACOWR|bacowr)(\w.*)$", shown(page),
                                            re.MULTILINE), heads)

    def test_lines_are_short_and_plain(self) -> None:
        for page in PAGES:
            text = source(page)
            self.assertTrue(text.isascii() and text.endswith("\n"))
            for line in text.splitlines():
                self.assertLessEqual(len(line), MAX_BYTES, line)
                self.assertEqual(line, line.rstrip())

    def test_a_build_can_be_repeated(self) -> None:
        """The date is one that stands in the prose, whenever the page is made."""
        for page, file in zip(PAGES, ("conf/options_man.c", "mapping/keys_man.c"), strict=True):
            prose = (ROOT / "src" / file).read_text()
            date = re.search(r'^#define DATE "(.*)"$', prose, re.MULTILINE)
            assert date is not None
            self.assertRegex(source(page), rf'^\.TH "[A-Z\\-]+" \d "{date[1]}" "bacowr')

    def test_help_man_is_the_first_page(self) -> None:
        self.assertEqual(run("--help-man").stdout, source("bacowr-statsd.1"))

    def test_examples_are_shown_as_written(self) -> None:
        """Backslashes, dashes, quotes and blanks survive man."""
        all_written = ""
        for page in PAGES:
            text = source(page)
            written = [plain(block) for block in re.findall(r"^\.EX\n(.*?)^\.EE$", text,
                                                            re.MULTILINE | re.DOTALL)]
            self.assertGreater(len(written), 3)
            seen = "\n".join(line[11:] for line in shown(page).splitlines())
            for block in written:
                self.assertIn("\n" + block, seen + "\n")
            all_written += "".join(written)
        self.assertLessEqual(set("\\-'\"$^"), set(all_written))


class FlagsTest(unittest.TestCase):
    def test_every_flag_once(self) -> None:
        options = source("bacowr-statsd.1").split("\n.SH OPTIONS\n")[1].split("\n.SH ")[0]
        flags = [tag.split()[0] for tag in tags(options)]
        self.assertEqual(len(flags), len(set(flags)))
        self.assertEqual(set(flags), flags_of_help())

    def test_every_command(self) -> None:
        commands = source("bacowr-statsd.1").split("\n.SH COMMANDS\n")[1].split("\n.SH ")[0]
        helped = run("--help").stdout.split("\nCommands:\n")[1].split("\nFlags:\n")[0]
        self.assertEqual(tags(commands), re.findall(r"^  (\w.*)$", helped, re.MULTILINE))

    def test_no_other_flag_is_named(self) -> None:
        known = {flag.split("=")[0].replace("[no-]", "") for flag in flags_of_help()}
        known |= {flag.replace("--", "--no-") for flag in known}
        for page in PAGES:
            text = plain(source(page))
            named = {flag.replace("[no-]", "") for flag in FLAG.findall(text)}
            self.assertGreater(len(named), 0)
            self.assertEqual(named - known, set())

    def test_examples_are_right(self) -> None:
        """Each command of the examples is one that the program takes, as far as it goes."""
        blocks = "".join(examples("bacowr-statsd.1")).replace("\\\n", "")
        lines = [line for line in blocks.splitlines() if line.startswith("bacowr-statsd ")]
        self.assertGreater(len(lines), 3)
        with new_folder() as folder:
            rules = folder / "mapping.yml"
            rules.write_text("mappings: [{match: api.*, name: api_total}]\n")
            for line in lines:
                command = re.sub(r"\b(mapping|new)\.yml", str(rules), re.split(" [<|]", line)[0])
                words = [word for word in shlex.split(command)
                         if not word.startswith("--against=http:")]  # no server runs there
                if not {"check", "explain", "man"} & set(words):
                    words.append("--check-config")
                done = run(*words[1:])
                self.assertEqual((done.returncode, done.stderr), (0, ""), line)


class PathsTest(ServerTest):
    def test_paths_are_served(self) -> None:
        """Every path of the page is there, and no other (but those of the API that api.md tells of, and
        the ones that end the server)."""
        http = source("bacowr-statsd.1").split("\n.SH HTTP\n")[1].split("\n.SH ")[0]
        paths = tags(http)
        routes = (ROOT / "src/server/http_route.c").read_text()
        api = (ROOT / "src/server/api.c").read_text()
        self.assertEqual(set(paths) - set(re.findall(r'\.path = "(.*?)"', api)),
                         set(re.findall(r'\.path = "(.*?)"', routes)) | {"/metrics"})
        server = self.start("--web.enable-lifecycle")
        for path in paths:
            method = "HEAD" if path == "/api/v1/tap" else "GET"  # it streams without end
            self.assertEqual(server.get(path, method=method).status, 200, path)


class KeysTest(unittest.TestCase):
    page = "bacowr-statsd-mapping.5"

    def keys(self) -> list[tuple[str, str, str]]:
        """Each key with its section and its text."""
        text = source(self.page).split("\n.SH KEYS\n")[1].split("\n.SH ")[0]
        found: list[tuple[str, str, str]] = []
        for section in text.split(".SS ")[1:]:
            head, _, rest = section.partition("\n")
            for item in rest.split(".TP\n")[1:]:
                tag, _, meaning = item.partition("\n")
                found.append((plain(head), plain(tag).split(":")[0], " ".join(meaning.split())))
        return found

    def test_every_key_with_its_meaning(self) -> None:
        """Those of the example and of the loader's tables, each once in its section, none else."""
        keys = self.keys()
        self.assertEqual(len({key[:2] for key in keys}), len(keys))
        for key in keys:
            self.assertRegex(key[2], r"^.{10,}\. (Required|Default: .+)\.$", key)
        lines = (ROOT / "conf/example.yml").read_text().splitlines()
        used = {name for line in lines if not line.lstrip().startswith("#")
                for name in SCHEMA_KEY.findall(line)}
        names = {key[1] for key in keys}
        self.assertEqual(names - used, set(), "not in conf/example.yml")
        rows = set(re.findall(r'^    \{"([a-z_]+)", on_\w+', "".join(
            path.read_text() for path in (ROOT / "src/mapping").glob("load*.c")), re.MULTILINE))
        self.assertEqual(rows - HIDDEN_KEYS, names)

    def test_prose_names_no_other_key(self) -> None:
        """What prose writes as a key, a word in bold or one with a value, is one."""
        before = source(self.page).split("\n.SH KEYS\n")[0]
        marked = [plain(text).replace("\n", " ")
                  for text in re.findall(r"\\fB(.*?)\\fR", before, re.DOTALL)]
        names = {text.split(":")[0] for text in marked
                 if re.fullmatch(r"[a-z][a-z_]*(: \w+)?", text)}
        names = {name for name in names if not name.startswith(("bacowr_", "exported_"))} - {"le"}
        self.assertGreater(len(names), 3)
        self.assertEqual(names - {key[1] for key in self.keys()}, set())

    def test_example_is_true(self) -> None:
        """The mapping is right, without a warning, and each line becomes what the page says."""
        mapping, claims = examples(self.page)[:2]
        claimed = re.findall(r"^(\S.*)\n    (\S.*)$", claims, re.MULTILINE)
        self.assertEqual(len(claimed), claims.count("\n") / 2)
        with new_folder() as folder:
            path = folder / "mapping.yml"
            path.write_text(mapping)
            done = run("check", str(path))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = run(f"--statsd.mapping-config={path}", "explain", "--json", "--",
                       *[line for line, _ in claimed])
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        for (line, series), answer in zip(claimed, answers, strict=True):
            (sample,) = answer["samples"]
            became = sample["series"]["text"] if sample["series"] else "dropped by a rule"
            self.assertEqual((line, became), (line, series))
        rules = {sample["rule"]["number"] for answer in answers for sample in answer["samples"]
                 if sample["rule"]}
        self.assertEqual(rules, set(range(1, mapping.count("match:") + 1)), "a rule without a line")

    def test_diagnostics_are_real(self) -> None:
        said = re.search(r"^ +(mapping\.yml:4:3: .*)$", shown(self.page), re.MULTILINE)
        assert said is not None
        with new_folder() as folder:
            path = folder / "mapping.yml"
            path.write_text("mappings:\n- match: a.*\n  name: a\n  histgram_options: {}\n")
            done = run("check", str(path))
        self.assertEqual(done.stderr.replace(f"{folder}/", ""), said[1] + "\n")


class CommandTest(unittest.TestCase):
    def test_an_unknown_page(self) -> None:
        done = run("man", "serve")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("man mapping", done.stderr)

    def test_a_full_disk(self) -> None:
        """A page that does not arrive is a failure."""
        with open("/dev/full", "w") as full:
            for words in (*PAGES.values(), ("--help-man",)):
                done = subprocess.run([str(binary()), *words], stdout=full, stderr=subprocess.PIPE,
                                      env=environment())
                self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
