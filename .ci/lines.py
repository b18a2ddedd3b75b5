#!/usr/bin/env python3
"""No Rust file is longer than 600 lines, and no comment or prose wider than 100 columns.

rustfmt sees to the code itself. Tables, code and links in Markdown cannot be wrapped.
"""
import re
import subprocess
import sys

LINES_MAX = 600
COLUMNS_MAX = 100

# Files whose names begin so are not looked at yet. (The sources of the core are pinned by their hash,
# comments included: the next change of the core wraps them.)
WAITING = ("src/zab/src/", "model/src/hostile/server.rs")


def wide_lines(name, text):
    """The numbers of the lines that have to be wrapped."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if name.endswith(".rs"):
            if not re.match(r"//[/!]? ", words):
                is_code = False
                continue
            words = words.lstrip("/! ")
        elif line.startswith("    "):
            continue
        is_code ^= words.startswith("```")
        may_be_wide = is_code or words.startswith(("|", "[", "#"))
        # A word that is wider than a line stays alone.
        if len(line) > COLUMNS_MAX and not may_be_wide and words.count(" ") > 1:
            yield number


def problems(name):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    lines = text.count("\n")
    if name.endswith(".rs") and lines > LINES_MAX:
        yield f"{name}: {lines} lines, at most {LINES_MAX}"
    for number in wide_lines(name, text):
        yield f"{name}:{number}: wider than {COLUMNS_MAX} columns"


def main():
    tracked = ["git", "ls-files", "*.rs", "*.md"]
    names = subprocess.run(tracked, capture_output=True, text=True, check=True).stdout.split()
    looked_at = [name for name in names if not name.startswith(WAITING)]
    found = [problem for name in looked_at for problem in problems(name)]
    print("\n".join(found) or f"{len(looked_at)} of {len(names)} files, no problem")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
