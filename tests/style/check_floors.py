#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may know whom: reads the includes of src and include, and fails on a breach.

The floors are those of docs/architecture.md. Each folder of src may include the headers in its row
of FLOORS and nothing else of the project; each library has its places in LIBRARIES; floors that do
no I/O and read no clock do not include what these need. The orders of memory live in few files, so
there are few places for the words of ATOMIC_WORDS too.

    check_floors.py              planted breaches first, then the tree
    check_floors.py --self-test  planted breaches only

The last line is `N passed, N failed`.
"""

from __future__ import annotations

import re
import sys
from typing import Iterator

sys.dont_write_bytecode = True

from sources import Finding, check_files, files, planted, report, self_test, without_comments

# Folder (or file): the project headers that it may include. A trailing slash means all in it.
FLOORS = {
    "include/bacowr": ["bacowr/"],
    "src/base": ["base/", "bacowr/slice.h"],
    "src/statsd": ["base/", "statsd/", "bacowr/statsd.h", "bacowr/slice.h"],
    "src/conf": ["base/", "conf/", "bacowr/statsd.h", "bacowr/slice.h"],
    "src/mapping": ["base/", "conf/", "mapping/", "bacowr/slice.h"],
    "src/store": ["base/", "store/", "bacowr/slice.h"],
    "src/expo": ["base/", "expo/", "store/snapshot.h", "bacowr/slice.h"],
    "src/state": ["base/", "state/", "store/", "bacowr/slice.h"],
    "src/engine": ["base/", "statsd/", "mapping/", "store/", "expo/", "state/state.h", "engine/",
                   "bacowr/"],
    "src/server": ["base/", "conf/", "server/", "bacowr/"],
    "src/command": ["base/", "conf/", "server/", "command/", "bacowr/"],
    "src/main.c": ["base/", "conf/", "server/", "command/", "bacowr/"],
}

# Library header: the files that may include it, as prefixes of their paths.
LIBRARIES = {
    "uv.h": ["src/server/"],
    "llhttp.h": ["src/server/"],
    "zlib.h": ["src/server/"],
    "crypt.h": ["src/server/password.c"],
    "dlfcn.h": ["src/server/library.c"],
    "malloc.h": ["src/main.c", "src/server/reload.c"],
    "openssl/crypto.h": ["src/server/openssl.h"],
    "openssl/evp.h": ["src/server/openssl.h"],
    "openssl/hmac.h": ["src/server/openssl.h"],
    "openssl/err.h": ["src/server/openssl.h"],
    "openssl/pem.h": ["src/server/openssl.h"],
    "openssl/ssl.h": ["src/server/openssl.h"],
    "openssl/x509v3.h": ["src/server/openssl.h"],
    "yaml.h": ["src/conf/yaml.c"],
    "pcre2.h": ["src/mapping/regex.c"],
    "xxhash.h": ["src/base/hash.h"],
    "emmintrin.h": ["src/statsd/plain.c", "src/store/cell_histogram.c", "src/store/route_find.h"],
    "stdatomic.h": ["src/base/huge.c", "src/base/relaxed.h", "src/engine/", "src/mapping/regex.c", "src/server/", "src/store/cell.",
                    "src/store/cell_", "src/store/series", "src/store/rebuild.", "src/store/registry.",
                    "src/store/census.", "src/store/family.", "src/store/index.", "src/store/list.", "src/store/reclaim.",
                    "src/store/seq.h", "src/store/slab."],
    "pthread.h": ["src/mapping/regex.c", "src/store/series.", "src/store/registry.", "src/engine/", "src/server/"],
}

# What needs no row above.
LIBC = re.compile(r"""(assert|ctype|dirent|errno|fcntl|fenv|float|grp|inttypes|limits|locale|math|netdb|poll
    |pwd|sched|setjmp|signal|spawn|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn
    |string|strings|syslog|termios|time|unistd|wchar|((arpa|linux|net|netinet|sys)/[a-z0-9_]+))\.h""",
                  re.VERBOSE)

# The public headers are for every C compiler.
PUBLIC = re.compile(r"std(arg|bool|def|int)\.h")

# Floors that do no I/O and read no clock, and what they therefore have no use for.
PURE = ["src/statsd/", "src/mapping/", "src/store/", "src/expo/", "src/state/", "src/engine/"]
IMPURE = re.compile(r"""(dirent|fcntl|locale|netdb|poll|signal|spawn|syslog|termios|time|unistd
    |((arpa|linux|net|netinet|sys)/[a-z0-9_]+))\.h""", re.VERBOSE)

# Floors 1 to 4 never log; conf names the log's levels in its settings.
NO_LOG = PURE
LOG_HEADER = "base/log.h"

ATOMIC_WORDS = re.compile(r"\b(_Atomic|atomic_[a-z_]+|__atomic_[a-z_]+|__sync_[a-z_]+)\b")

INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>|(\S.*))')


def starts(path: str, prefixes: list[str]) -> bool:
    return any(path.startswith(prefix) for prefix in prefixes)


def floor_of(path: str) -> str | None:
    return next((floor for floor in FLOORS if path == floor or path.startswith(floor + "/")), None)


def may_include(floor: str, header: str) -> bool:
    return any(header.startswith(known) if known.endswith("/") else header == known
               for known in FLOORS[floor])


def check_own(path: str, header: str) -> Iterator[tuple[str, str]]:
    floor = floor_of(path)
    if floor is None:
        yield "unknown-floor", f"{path} lies on no floor of the table"
    elif ".." in header or "/" not in header:
        yield "path", f'"{header}": headers of the project are named from src or include'
    elif not may_include(floor, header):
        yield "floor", f'{floor} may not include "{header}", only {", ".join(FLOORS[floor])}'
    if header == LOG_HEADER and starts(path, NO_LOG):
        yield "log", "floors 1 to 4 return outcomes and never log"


def check_library(path: str, header: str) -> Iterator[tuple[str, str]]:
    if header in LIBRARIES:
        if not starts(path, LIBRARIES[header]):
            yield "library", f"<{header}> belongs to {', '.join(LIBRARIES[header])}"
    elif header.split("/")[0] in {"base", "statsd", "conf", "mapping", "store", "expo", "state",
                                  "engine", "server", "bacowr"}:
        yield "path", f"<{header}>: headers of the project stand in double quotes"
    elif not LIBC.fullmatch(header):
        yield "library", f"<{header}> is neither libc's nor in the table of libraries"
    elif path.startswith("include/") and not PUBLIC.fullmatch(header):
        yield "public", f"<{header}>: a public header needs the language's own headers only"
    if starts(path, PURE) and IMPURE.fullmatch(header):
        yield "pure", f"<{header}>: no I/O and no clock on floors 1 to 4"


def check_include(path: str, match: re.Match[str]) -> Iterator[tuple[str, str]]:
    own, library, computed = match.groups()
    if computed is not None:
        yield "path", f"an include that cannot be read: {computed}"
    elif own is not None:
        yield from check_own(path, own)
    else:
        yield from check_library(path, library)


def check(path: str, text: str) -> Iterator[Finding]:
    atomic_places = LIBRARIES["stdatomic.h"]
    seen_atomic = starts(path, atomic_places)
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        if match := INCLUDE.match(line):
            for rule, why in check_include(path, match):
                yield Finding(path, number, rule, why)
        elif not seen_atomic and (word := ATOMIC_WORDS.search(line)):
            seen_atomic = True  # once a file
            yield Finding(path, number, "atomic",
                          f"{word[0]} belongs to {', '.join(atomic_places)}")


def include(*headers: str) -> str:
    return "".join(f"#include {header}\n" for header in headers)


PLANTED = [
    # The walls between floors.
    planted("src/server/a.c", include('"store/cell.h"'), "floor"),
    planted("src/server/a.h", include('"mapping/mapping.h"'), "floor"),
    planted("src/server/a.c", include('"statsd/tags.h"'), "floor"),
    planted("src/server/a.c", include('"expo/encoder.h"'), "floor"),
    planted("src/server/a.c", include('"engine/engine.h"'), "floor"),
    planted("src/mapping/a.c", include('"store/series.h"'), "floor"),
    planted("src/mapping/a.c", include('"bacowr/statsd.h"'), "floor"),
    planted("src/store/a.c", include('"mapping/rule.h"'), "floor"),
    planted("src/store/a.h", include('"conf/options.h"'), "floor"),
    planted("src/statsd/a.c", include('"conf/yaml.h"'), "floor"),
    planted("src/statsd/a.c", include('"bacowr/aggregator.h"'), "floor"),
    planted("src/conf/a.c", include('"statsd/tags.h"'), "floor"),
    planted("src/expo/a.c", include('"store/cell.h"'), "floor"),
    planted("src/expo/a.c", include('"store/snapshot.hh"'), "floor"),
    planted("src/engine/a.c", include('"server/http.h"'), "floor"),
    planted("src/engine/a.c", include('"conf/yaml.h"'), "floor"),
    planted("src/state/a.c", include('"engine/engine.h"'), "floor"),
    planted("src/state/a.c", include('"bacowr/aggregator.h"'), "floor"),
    planted("src/engine/a.c", include('"state/format.h"'), "floor"),
    planted("src/server/a.c", include('"state/state.h"'), "floor"),
    planted("src/base/a.c", include('"store/cell.h"'), "floor"),
    planted("src/base/a.h", include('"bacowr/statsd.h"'), "floor"),
    planted("src/main.c", include('"engine/engine.h"'), "floor"),
    planted("include/bacowr/a.h", include('"base/buf.h"'), "floor"),
    planted("src/extra/a.c", include('"base/buf.h"'), "unknown-floor"),
    planted("src/store/a.c", include('"../mapping/rule.h"'), "path"),
    planted("src/store/a.c", include('"cell.h"'), "path"),
    planted("src/server/a.c", include("<store/cell.h>"), "path"),
    planted("src/server/a.c", include("HEADER"), "path"),
    # Libraries.
    planted("src/engine/a.c", include("<uv.h>"), "library"),
    planted("src/main.c", include("<uv.h>"), "library"),
    planted("src/command/check.c", include('"mapping/mapping.h"'), "floor"),
    planted("src/server/server.c", include('"command/command.h"'), "floor"),
    planted("src/conf/a.c", include("<yaml.h>"), "library"),
    planted("src/mapping/glob.c", include("<pcre2.h>"), "library"),
    planted("src/expo/a.c", include("<zlib.h>"), "library"),
    planted("src/engine/a.c", include("<llhttp.h>"), "library"),
    planted("src/store/set.c", include("<xxhash.h>"), "library"),
    planted("src/store/sketch.c", include("<stdatomic.h>"), "library"),
    planted("src/store/route.c", include("<pthread.h>"), "library"),
    planted("src/server/a.c", include("<curl/curl.h>"), "library"),
    planted("include/bacowr/a.h", include("<uv.h>"), "library"),
    planted("include/bacowr/a.h", include("<stdio.h>"), "public"),
    planted("src/store/route.c", "static _Atomic int n;\n", "atomic"),
    planted("src/mapping/a.c", "    n = atomic_load(&m->n);\n", "atomic"),
    planted("src/base/a.c", "    __atomic_thread_fence(5);\n", "atomic"),
    # What a floor may not do.
    planted("src/store/a.c", include("<time.h>"), "pure"),
    planted("src/engine/a.c", include("<sys/socket.h>"), "pure"),
    planted("src/expo/a.c", include("<unistd.h>"), "pure"),
    planted("src/mapping/a.c", include("<locale.h>"), "pure"),
    planted("src/state/a.c", include("<fcntl.h>"), "pure"),
    planted("src/engine/a.c", include('"base/log.h"'), "log"),
    planted("src/store/a.c", include('"base/log.h"'), "log"),
    # Spellings of an include.
    planted("src/server/a.c", '#  include   "store/cell.h" /* why */\n', "floor"),
    planted("src/server/a.c", '/* a */ #include "store/cell.h"\n', "floor"),
    planted("src/server/a.c", '#if 0\n#include "store/cell.h"\n#endif\n', "floor"),
    planted("src/server/a.c", 'char *s = "/*";\n#include "store/cell.h"\n', "floor"),
    planted("src/server/a.c", '#include "store/cell.h"\n#include <yaml.h>\n', "floor", "library"),
    # What is allowed.
    planted("src/server/a.c", include('"server/http.h"', '"base/log.h"', '"conf/options.h"',
                                      '"bacowr/aggregator.h"', "<uv.h>", "<zlib.h>", "<llhttp.h>",
                                      "<stdatomic.h>", "<sys/socket.h>", "<time.h>")),
    planted("src/engine/a.c", include('"store/cell.h"', '"mapping/mapping.h"', '"statsd/tags.h"',
                                      '"expo/encoder.h"', '"bacowr/aggregator.h"',
                                      "<stdatomic.h>")),
    planted("src/store/cell.c", include('"base/relaxed.h"', "<stdatomic.h>", "<math.h>")),
    planted("src/store/cell_set.c", include('"store/cell_types.h"', "<stdatomic.h>")),
    planted("src/expo/text.c", include('"store/snapshot.h"', '"base/num.h"', "<string.h>")),
    planted("src/mapping/regex.c", include('"conf/yaml.h"', "<pcre2.h>")),
    planted("src/base/hash.h", include("<xxhash.h>", '"bacowr/slice.h"')),
    planted("src/base/log.c", include('"base/log.h"', "<time.h>", "<unistd.h>")),
    planted("src/main.c", include('"server/server.h"', '"base/log.h"', "<signal.h>")),
    planted("include/bacowr/a.h", include('"bacowr/slice.h"', "<stdint.h>")),
    planted("src/server/a.c", '/*\n#include "store/cell.h"\n*/\n// #include "store/cell.h"\n'),
    planted("src/store/a.c", "/* an atomic_load here would be one too many */\n"),
]


def main() -> int:
    counts = [self_test(check, PLANTED)]
    if sys.argv[1:] != ["--self-test"]:
        counts.append(check_files(check, files("src/**/*.[ch]", "include/**/*.h")))
    return report(*counts)


if __name__ == "__main__":
    sys.exit(main())
