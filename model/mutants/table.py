#!/usr/bin/env python3
"""What found each mutant of the core, as a table.

    table.py WORK TABLE [--explained EXPLAINED]
    table.py --settled STAGE WORK

Reads what run.sh left in WORK and writes TABLE, one tab-separated line a mutant: where and what it is, its outcome (killed, survived,
unviable: it does not compile), the layer that found it, and what that said. A note that TABLE has on a survivor stays. Prints the
numbers of each layer. With --explained the exit status is 1 if a mutant survives that EXPLAINED has no note on.

With --settled it prints the mutants that STAGE is not to try.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

HEADER = ["mutant", "outcome", "layer", "note"]
# In the order in which they are asked. The last one asks again, of what the models only counted otherwise.
STAGES = ["small", "quick", "tests", "why"]
LAYERS = ["types", "refinement", "property", "count", "crash", "hang", "tests", "none"]


def without_place(name):
    """The name of a mutant without line and column, which change with every edit of the file."""
    return re.sub(r"^([^:]*):\d+:\d+: ", r"\1: ", name)


def found_by(stage, log):
    """The layer and the words of a failed run of the quick tier, or of the core's own tests."""
    if stage == "tests":
        failed = sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", log, re.M)))
        return "tests", ", ".join(failed[:3]) + (", ..." if len(failed) > 3 else "")
    said = re.findall(r"\b(property|count|refinement): (.*)", log)
    if not said:
        crash = re.search(r"panicked at (.*)", log)
        return "crash", crash.group(1).rstrip(":") if crash else "the checker ended"
    # The small models and the large ones are two tests: one may count what the other says.
    layer, what = next((one for one in said if one[0] != "count"), said[0])
    if what.endswith("every-step-is-abstract"):
        layer = "refinement"
    return layer, what


def before(work):
    """What the table says that was there before, if it is to count: one that survives, and no note says why, is tried again."""
    path = work / "before.tsv"
    for line in path.read_text().splitlines()[1:] if path.exists() else []:
        name, outcome, layer, note = line.split("\t")
        if outcome != "survived" or note:
            yield name, outcome, layer, note


def tried(work):
    """What was tried, in its order: stage, name, what came of it, and then layer and words of what found it. First comes what the table says
    that was there before, if it is to count.
    """
    for name, outcome, layer, note in before(work):
        yield (STAGES[0] if outcome != "survived" else "tests"), name, outcome, (layer, note)
    for stage in STAGES:
        for outcomes in sorted((work / stage).glob("mutants.out*/outcomes.json")):
            for outcome in json.loads(outcomes.read_text())["outcomes"]:
                if outcome["scenario"] == "Baseline":
                    continue
                name = outcome["scenario"]["Mutant"]["name"]
                match outcome["summary"]:
                    case "CaughtMutant":
                        log = (outcomes.parent / outcome["log_path"]).read_text(errors="replace")
                        yield stage, name, "killed", found_by(stage, log)
                    case "Unviable":
                        yield stage, name, "unviable", ("types", "")
                    case "Timeout":
                        yield stage, name, "killed", ("hang", f"stage {stage}")
                    case "MissedMutant":
                        yield stage, name, "survived", ("none", "")
                    case _:
                        pass


def settled(work, stage):
    """The mutants that this stage is not to try: it has, or an earlier one has found them. The last stage tries those only of which one
    has said that something is wrong, but not what.
    """
    found = {name: layer for _, name, outcome, (layer, _) in tried(work) if outcome != "survived"}
    asked = {name for tried_in, name, _, _ in tried(work) if tried_in == stage}
    asked |= {name for name, outcome, _, _ in before(work) if outcome == "survived"}
    if stage == STAGES[-1]:
        every = (work / "all.txt").read_text().splitlines()
        return asked | {name for name in every if found.get(name) != "count"}
    return asked | set(found)


def main():
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] == "--settled":
        print("\n".join(sorted(settled(Path(arguments[2]), arguments[1]))))
        return
    explained_path = None
    if len(arguments) == 4 and arguments[2] == "--explained":
        explained_path = Path(arguments[3])
    elif len(arguments) != 2:
        sys.exit(__doc__)
    work, table = Path(arguments[0]), Path(arguments[1])
    notes = {}
    for path in filter(None, [table, explained_path]):
        if path.exists():
            for line in path.read_text().splitlines()[1:]:
                mutant, outcome, _, note = line.split("\t")
                if outcome == "survived" and note:
                    # By its place if the file is as it was: two mutants may differ in that alone.
                    notes[mutant] = notes[without_place(mutant)] = note

    rows = {}
    for stage, name, outcome, found in tried(work):
        if outcome != "survived":
            rows[name] = [outcome, *found]
        elif stage == "tests":
            rows.setdefault(name, [outcome, found[0], notes.get(name, notes.get(without_place(name), ""))])
    every = (work / "all.txt").read_text().splitlines()
    lines = ["\t".join(HEADER)] + ["\t".join([name, *rows[name]]) for name in sorted(rows)]
    table.write_text("\n".join(lines) + "\n")

    layers = Counter(row[1] for row in rows.values())
    print(f"{len(rows)} of {len(every)} mutants decided: {table}")
    for layer in LAYERS:
        print(f"  {layer:<11}{layers[layer]:>4}")
    open_ones = [name for name, row in rows.items() if row[0] == "survived" and not row[2]]
    for name in open_ones:
        print(f"  survives, and no note says why: {name}")
    if explained_path is not None and open_ones:
        sys.exit(1)


main()
