#!/usr/bin/env python3
"""Mutants of the host, the node and the store: all of them in one build, each behind a switch.

    switched.py build             writes the mutants into a copy of the sources, and builds what may find them
    switched.py alone             builds those that no switch can express, one by one: most of them do not compile
    switched.py reach KILLER      what each killer of a kind (tests, models, seeds) reaches with no mutant on: it has to pass
    switched.py run KILLER        asks them of each mutant that none of their kind has found and that they reach
    switched.py table             the tables host.tsv, node.tsv and store.tsv, and their numbers

    --under PATH                  run: mutants only of files whose path begins so
    --named NAME                  run: killers only whose name begins so
    --seeds N                     reach: so many seeds are one killer, and the next runs ask it
    --seconds N                   run: killers only that take at most so long with no mutant on
    --rest                        run: mutants only that no killer of any kind has found
    --again                       run: also those that have been asked before, as after a test was added

Works in target/switched. Every answer is appended to answers.tsv there: stopped, it goes on where it was; to begin anew remove it.
Needs cargo-mutants (cargo install --locked cargo-mutants) and python3.
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PACKAGES = ["host", "node", "store"]
ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target/switched"
SOURCE = WORK / "source"
ANSWERS = WORK / "answers.tsv"
LISTED = WORK / "mutants.json"
KILLERS = WORK / "killers.json"
# Of this process alone: two of them may run at a time.
WORK.mkdir(parents=True, exist_ok=True)
SCRATCH = tempfile.TemporaryDirectory(dir=WORK, prefix="scratch-")
RECORD = Path(SCRATCH.name) / "record.json"
REACHED = WORK / "reached.json"
# Optimised as the tests of the checker are, with checks of overflow.
ENVIRONMENT = os.environ | {
    "CARGO_TARGET_DIR": str(WORK / "build"),
    "CARGO_PROFILE_MUTANTS_OPT_LEVEL": "3",
    "CARGO_PROFILE_MUTANTS_INCREMENTAL": "false",
}
# Errors of names, types and traits: what a mutant says means nothing there, with a switch or without.
MEANINGLESS = {"E0004", "E0061", "E0277", "E0308", "E0368", "E0369", "E0412", "E0423", "E0425", "E0433", "E0599", "E0600", "E0614"}
MEMORY_MAX = 6 << 30
# Seconds for a killer that waits for what does not come.
WAITS_MAX = 900
# No mutant is on, and those that are reached are noted.
NONE = 2**32 - 1
HEADER = ["mutant", "outcome", "layer", "note"]
# What the table says of a mutant is the first of these that has found it.
LAYERS = ["types", "refinement", "property", "crash", "seeds", "tests", "hang", "count", "none", "untried"]

# The module that a mutated crate gets.
SWITCH = """//! The mutant that is on.

use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ON: LazyLock<u32> = LazyLock::new(|| {
    std::env::var("VIVARIUM_MUTANT").map_or(0, |id| id.parse().expect("VIVARIUM_MUTANT is a number"))
});

/// Whether it is this one. If it is the last number there is, none is on: which are asked for is noted.
#[inline]
pub(crate) fn is(id: u32) -> bool {
    if *ON == u32::MAX {
        reach(id);
    }
    *ON == id
}

#[cold]
fn reach(id: u32) {
    static REACHED: [AtomicBool; MUTANTS] = [const { AtomicBool::new(false) }; MUTANTS];
    if !REACHED[id as usize].swap(true, Ordering::Relaxed) {
        let path = std::env::var_os("VIVARIUM_REACHED").expect("VIVARIUM_REACHED is a file");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("opens");
        file.write_all(format!("{id}\\n").as_bytes()).expect("is written");
    }
}
"""


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("command", choices=["build", "alone", "reach", "run", "table"])
    parser.add_argument("killer", nargs="?", choices=["tests", "models", "seeds"])
    parser.add_argument("--under", default="")
    parser.add_argument("--named", default="")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    if (given.command in ("reach", "run")) != (given.killer is not None):
        parser.error("reach and run need a killer, and nothing else does")
    match given.command:
        case "build":
            build()
        case "alone":
            build_alone()
        case "reach":
            reach(given.killer, given.seeds)
        case "run":
            run(given)
        case "table":
            tables()


# ---- the sources


def sources():
    """The files of the project, as they are here."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "Cargo.*", "src", "model"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name: (ROOT / name).read_bytes() for name in names if name and (ROOT / name).is_file()}


def put(files, copy=SOURCE):
    """Makes a copy equal to these files. What is equal already is not touched, and not built again."""
    for name, content in files.items():
        path = copy / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def listed():
    """The mutants of all packages, numbered from 1."""
    mutants = []
    for package in PACKAGES:
        command = ["cargo", "mutants", "--package", package, "--list", "--json", "--diff", "--colors", "never"]
        out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        mutants += json.loads(out)
    # The simulated disks of the store are a tool of tests.
    mutants = [mutant for mutant in mutants if mutant["file"] != "src/store/src/sim.rs"]
    return [mutant | {"id": number} for number, mutant in enumerate(mutants, 1)]


def switched(files, mutants, numbers):
    """The files with these mutants in them, whose numbers are below that one, and where each is: (file, start, end), or why it is in
    none.
    """
    work = WORK / "rewritten"
    for name in {mutant["file"] for mutant in mutants}:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(files[name])
    tool = ["cargo", "run", "--quiet", "--locked", "--package", "switches", "--", str(work)]
    out = subprocess.run(tool, cwd=ROOT, input=json.dumps(mutants), stdout=subprocess.PIPE, text=True, check=True)
    file_of = {mutant["id"]: mutant["file"] for mutant in mutants}
    places = {place.pop("id"): place for place in json.loads(out.stdout)}
    new = dict(files)
    for name in set(file_of.values()):
        new[name] = (work / name).read_bytes()
    module = SWITCH.replace("MUTANTS]", f"{numbers}]").encode()
    for package in PACKAGES:
        new[f"src/{package}/src/lib.rs"] += b"\nmod mutant;\n"
        new[f"src/{package}/src/mutant.rs"] = module
    where = {}
    for number, place in places.items():
        at = place.get("switched")
        where[number] = (file_of[number], at["start"], at["end"]) if at else place["inexpressible"]
    return new, where


def cargo(*arguments, copy=SOURCE):
    """Runs cargo in a copy: whether it succeeded, and its messages."""
    command = ["cargo", *arguments, "--locked", "--profile", "mutants", "--message-format", "json"]
    done = subprocess.run(command, cwd=copy, env=ENVIRONMENT, capture_output=True, text=True)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode == 0, messages, done.stderr


def errors(messages):
    for message in messages:
        if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            yield message["message"]


def spans(error):
    """The places that an error speaks of, the one where it is before the others."""
    own = sorted(error["spans"], key=lambda span: not span["is_primary"])
    for span in own:
        yield span
    for child in error["children"]:
        yield from child["spans"]


def culprit(error, where, arms):
    """The mutant that an error is of. `arms`: those that take an arm out of a `match`."""
    placed = sorted((place, number) for number, place in where.items() if isinstance(place, tuple))
    for span in spans(error):
        for (file, start, end), number in placed:
            if file == span["file_name"] and span["byte_start"] < end and start < span["byte_end"]:
                return number
    # A `match` that lacks an arm: the error is where it begins.
    for span in spans(error):
        for (file, start, _), number in placed:
            if number in arms and file == span["file_name"] and span["byte_end"] <= start:
                return number
    return None


def build():
    files = sources()
    mutants = listed()
    by_number = {mutant["id"]: mutant for mutant in mutants}
    arms = {mutant["id"] for mutant in mutants if mutant["genre"] == "MatchArm"}
    names = [mutant["name"] for mutant in mutants]
    before = json.loads(LISTED.read_text()) if LISTED.exists() else {"all": []}
    is_known = before["all"] == names
    inexpressible, meaningless = {}, set()
    known = {mutant["id"] for mutant in mutants if is_known and mutant["name"] not in before["switched"]}
    out = set(known)
    while True:
        chosen = [mutant for mutant in mutants if mutant["id"] not in out]
        new, where = switched(files, chosen, len(mutants) + 1)
        inexpressible |= {number: why for number, why in where.items() if isinstance(why, str)}
        put(new)
        built, messages, stderr = cargo("build", *(f"--package={package}" for package in PACKAGES), "--keep-going")
        if built:
            break
        found = {}
        for error in errors(messages):
            found.setdefault(culprit(error, where, arms), set()).add((error["code"] or {}).get("code"))
        found.pop(None, None)
        if not found:
            said = "".join(error["rendered"] for error in errors(messages)) or stderr
            sys.exit(f"the sources with mutants do not compile, and no mutant is to blame:\n{said}")
        out |= set(found)
        meaningless |= {number for number, codes in found.items() if codes <= MEANINGLESS}
        print(f"{len(chosen)} mutants, {len(found)} do not compile behind a switch", flush=True)
    by_hand = sorted(out | set(inexpressible))
    print(f"{len(mutants) - len(by_hand)} of {len(mutants)} mutants are behind switches", flush=True)
    if not is_known or out != known:
        for number in sorted(meaningless):
            answer(by_number[number]["name"], "build", "unviable", "")
        numbers = {mutant["name"]: mutant["id"] for mutant in mutants if mutant["id"] not in by_hand}
        rest = [by_number[number] | {"why": inexpressible.get(number, "the switch does not compile")}
                for number in by_hand if number not in meaningless]
        LISTED.write_text(json.dumps({"switched": numbers, "rest": rest, "all": names}))
        REACHED.unlink(missing_ok=True)
    forget_tests()
    KILLERS.write_text(json.dumps(killers()))


def forget_tests():
    """What tests reach may be otherwise now."""
    base = baseline()
    for of_kind in (base["reached"], base["seconds"]):
        for key in [key for key in of_kind if key.startswith("tests ")]:
            del of_kind[key]
    REACHED.write_text(json.dumps(base))


def build_alone():
    """Builds the mutants that are behind no switch one by one: of some the switch alone does not compile."""
    files = sources()
    answered = {name for name, _, _, _ in answers()}
    for mutant in json.loads(LISTED.read_text())["rest"]:
        if mutant["name"] not in answered:
            put(files | alone(files, mutant), WORK / "alone")
            built, _, _ = cargo("build", f"--package={mutant['package']}", copy=WORK / "alone")
            answer(mutant["name"], "build", *(("inexpressible", mutant["why"]) if built else ("unviable", "")))


def alone(files, mutant):
    """The file of a mutant, with nothing but it."""
    path = Path(SCRATCH.name) / "alone.rs"
    path.write_bytes(files[mutant["file"]])
    patch = ["patch", "--quiet", "--no-backup-if-mismatch", str(path)]
    subprocess.run(patch, input=mutant["diff"], text=True, check=True)
    return {mutant["file"]: path.read_bytes()}


def killers():
    """Builds what may find mutants: the programs of each."""
    tests = {package: programs("test", "--no-run", f"--package={package}", "--lib", "--tests") for package in PACKAGES}
    others = programs("build", "--package=sim", "--package=model", "--example=first_wrong", "--example=check")
    return {"tests": tests, "seeds": others["first_wrong"], "models": others["check"]}


def programs(*arguments):
    """Builds, and says where each program is."""
    built, messages, stderr = cargo(*arguments)
    if not built:
        sys.exit(f"cargo {' '.join(arguments)}:\n{stderr[-4000:]}")
    made = [message for message in messages if message.get("executable")]
    return {message["target"]["name"]: message["executable"] for message in made}


# ---- answers


def answers():
    """What was answered: mutant, killer, outcome, note."""
    lines = ANSWERS.read_text().splitlines() if ANSWERS.exists() else []
    return [tuple(line.split("\t")) for line in lines]


def answer(mutant, killer, outcome, note):
    with ANSWERS.open("a") as file:
        note = re.sub(r"\s+", " ", note)[:200]
        file.write(f"{mutant}\t{killer}\t{outcome}\t{note}\n")


def ask(command, mutant, seconds, reached=None):
    """Runs a killer with this mutant on, for so many seconds of processor time: its exit status, None if it did not end, and what it
    printed.
    """
    environment = os.environ | {"VIVARIUM_MUTANT": str(mutant), "RUST_BACKTRACE": "0"}
    if reached is not None:
        environment["VIVARIUM_REACHED"] = str(reached)
    with tempfile.TemporaryFile(dir=SCRATCH.name) as said:
        limits = lambda: limit(seconds)
        running = subprocess.Popen(
            command, cwd=SOURCE, env=environment, stdout=said, stderr=subprocess.STDOUT, preexec_fn=limits
        )
        try:
            status = running.wait(WAITS_MAX)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            status = None
        said.seek(0)
        return None if status in (-signal.SIGXCPU, -signal.SIGKILL) else status, said.read().decode(errors="replace")


def limit(seconds):
    """Limits the process that calls it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))


def processor_seconds():
    """The processor time of the killers until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def models():
    """The models of the quick tier, the smallest first."""
    pinned = (ROOT / "model/tests/quick_tier.rs").read_text()
    rows = re.findall(r'\("([a-z0-9-]+)", ([\d_]+), ([\d_]+), \d+\),', pinned)
    return [name for name, _, _ in sorted(rows, key=lambda row: int(row[2].replace("_", "")))]


def command(kind, package, name):
    """The run of a killer."""
    programs = json.loads(KILLERS.read_text())
    match kind:
        case "tests":
            program, test = name.split("::", 1)
            return [programs["tests"][package][program], "--exact", test]
        case "models":
            return [programs["models"], name, "1", str(RECORD), SCRATCH.name]
        case "seeds":
            return [programs["seeds"], name]


def said(kind, status, out):
    """What a killer that has ended says of the mutant: outcome and note."""
    crash = re.search(r"panicked at ([^\n]*:\d+):\d+:?\n?([^\n]*)", out)
    crashed = f"{crash.group(1)}: {crash.group(2)}" if crash else f"ended with {status}"
    match kind:
        case "tests":
            return ("survived", "") if status == 0 else ("killed", crashed)
        case "seeds":
            if status != 0:
                return "killed", crashed
            wrong = re.search(r"^(seed \d+: .*)", out, re.M)
            return ("killed", wrong.group(1)) if wrong else ("survived", "")
        case "models":
            if status not in (0, 1, 3) or not RECORD.exists():
                return "crash", crashed
            for wrong in record()["properties"]:
                if wrong["holds"] is False:
                    return "killed", wrong["name"]
            # The search of runs ends where a claim about single states does not hold.
            elsewhere = re.match(r"(\S+) is violated", record()["incomplete"] or "")
            return ("killed", elsewhere.group(1)) if elsewhere else ("survived", "")


def record():
    """What the last run of a model came to."""
    [record] = json.loads(RECORD.read_text())
    return record


def counted():
    """The numbers that a model has come to."""
    return [record()[what] for what in ("complete", "distinct", "generated", "depth")]


def asked_of(kind):
    """The killers of a kind, by package and name."""
    match kind:
        case "tests":
            return list(tests())
        case "models":
            return [("host", name) for name in models()]
        case "seeds":
            return [("", baseline()["seeds"])]


def tests():
    """The tests of each package."""
    for package, programs in json.loads(KILLERS.read_text())["tests"].items():
        for program, path in programs.items():
            listed = subprocess.run([path, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
            for test in re.findall(r"^(.*): test$", listed, re.M):
                yield package, f"{program}::{test}"


def baseline():
    """What was found with no mutant on."""
    return json.loads(REACHED.read_text()) if REACHED.exists() else {"seeds": "0", "reached": {}, "seconds": {}, "counted": {}}


def reach(kind, seeds=None):
    """Runs each killer of a kind with no mutant on."""
    base = baseline()
    base["seeds"] = str(seeds or base["seeds"])
    REACHED.write_text(json.dumps(base))
    for package, name in asked_of(kind):
        key = f"{kind} {package} {name}"
        # The numbers of mutants are those of one build: the next one removes this.
        if key in base["reached"]:
            continue
        path = Path(SCRATCH.name) / "reached.txt"
        path.write_text("")
        begun = processor_seconds()
        status, out = ask(command(kind, package, name), NONE, None, path)
        found = said(kind, status, out)
        if found[0] != "survived":
            sys.exit(f"{key}: with no mutant on it says: {found}\n{out[-2000:]}")
        base["seconds"][key] = processor_seconds() - begun
        base["reached"][key] = sorted(set(map(int, path.read_text().split())))
        if kind == "models":
            base["counted"][key] = counted()
        print(f"{key}: {base['seconds'][key]:.1f} s, {len(base['reached'][key])} reached", flush=True)
        REACHED.write_text(json.dumps(base))


def run(given):
    kind = given.killer
    base = baseline()
    numbers = json.loads(LISTED.read_text())["switched"]
    done = {(mutant, killer): outcome for mutant, killer, outcome, _ in answers()}
    found = {
        mutant for (mutant, killer), outcome in done.items()
        if (given.rest or killer.split()[0] == kind) and finds(killer.split()[0], outcome)
    }
    for seconds, package, name in soonest_first(kind, base["seconds"], given.seconds):
        if not name.startswith(given.named):
            continue
        key = f"{kind} {package} {name}"
        reached = set(base["reached"][key])
        for mutant, number in numbers.items():
            is_asked = package in ("", package_of(mutant)) and mutant.startswith(given.under)
            if not is_asked or mutant in found or ((mutant, f"{kind} {name}") in done and not given.again):
                continue
            if number not in reached:
                continue
            outcome, note = try_mutant(kind, package, name, number, 5 + 5 * seconds, base)
            answer(mutant, f"{kind} {name}", outcome, note)
            if finds(kind, outcome):
                found.add(mutant)
                print(f"{name}: {mutant}: {outcome} {note}", flush=True)


def package_of(mutant):
    return mutant.split("/")[1]


def soonest_first(kind, seconds, longest):
    """The killers of a kind, package by package, with the seconds that each takes: those that take least come first."""
    asked = [(seconds.get(f"{kind} {package} {name}"), package, name) for package, name in asked_of(kind)]
    known = [one for one in asked if one[0] is not None and one[0] <= longest]
    return sorted(known, key=lambda one: (PACKAGES.index(one[1] or PACKAGES[0]), one[0]))


def finds(kind, outcome):
    """Whether no other killer of that kind is to be asked. (Of a model that does not end another may say what is wrong.)"""
    return outcome in ("killed", "crash") or (outcome == "hang" and kind != "models")


def try_mutant(kind, package, name, number, seconds, base):
    """Outcome and note of a killer with this mutant on."""
    RECORD.unlink(missing_ok=True)
    status, out = ask(command(kind, package, name), number, seconds)
    if status is None:
        return "hang", f"{name}: after {seconds:.0f} s of processor time"
    outcome, note = said(kind, status, out)
    if outcome != "survived":
        return outcome, {"tests": name, "models": f"{name}: {note}", "seeds": note}[kind]
    if kind == "models" and counted() != base["counted"][f"{kind} {package} {name}"]:
        return "count", name
    return outcome, note


# ---- the tables


def row(name, of_mutant, note):
    """Outcome, layer and note of a mutant, of what was answered of it: killer, outcome, note."""
    if not of_mutant:
        return "untried", "untried", ""
    by_layer = {}
    for killer, outcome, said in of_mutant:
        kind = killer.split()[0]
        match kind, outcome:
            case "build", "unviable":
                return "unviable", "types", ""
            case "build", _:
                return "untried", "untried", said
            case "models", "killed":
                layer = "refinement" if said.endswith("every-step-is-abstract") else "property"
            case "models", "crash" | "count" | "hang":
                layer = outcome
            case ("tests" | "seeds"), "killed" | "hang":
                layer = kind
            case _:
                layer = "none"
        by_layer.setdefault(layer, said)
    layer = next((layer for layer in LAYERS if layer in by_layer), "none")
    if layer == "none":
        asked = ", ".join(sorted({killer.split()[0] for killer, _, _ in of_mutant}))
        return "survived", "none", note or f"open; asked: {asked}"
    return "killed", layer, by_layer[layer]


def tables():
    mutants = json.loads(LISTED.read_text())["all"]
    answered = {}
    # The last answer of a killer is the one that counts.
    last = {(mutant, killer): (outcome, note) for mutant, killer, outcome, note in answers()}
    for (mutant, killer), (outcome, note) in last.items():
        answered.setdefault(mutant, []).append((killer, outcome, note))
    asked = {mutant for mutant, killer, _, _ in answers() if killer != "build"}
    for package in PACKAGES:
        path = Path(__file__).with_name(f"{package}.tsv")
        if not any(name.startswith(f"src/{package}/") and name in asked for name in mutants):
            continue
        before = [line.split("\t") for line in path.read_text().splitlines()[1:]] if path.exists() else []
        notes = {without_place(line[0]): line[3] for line in before if is_explained(line)}
        notes |= {line[0]: line[3] for line in before if is_explained(line)}
        own = sorted(name for name in mutants if name.startswith(f"src/{package}/"))
        rows = {
            name: row(name, answered.get(name, []), notes.get(name, notes.get(without_place(name), "")))
            for name in own
        }
        lines = ["\t".join(HEADER)] + ["\t".join([name, *rows[name]]) for name in own]
        path.write_text("\n".join(lines) + "\n")
        layers = Counter(layer for _, layer, _ in rows.values())
        print(f"{len(own)} mutants of {package}: {path}")
        for layer in LAYERS:
            print(f"  {layer:<11}{layers[layer]:>5}")


def is_explained(line):
    """Whether a line of a table says why a mutant survives."""
    return line[1] == "survived" and not line[3].startswith("open")


def without_place(name):
    """The name of a mutant without line and column, which change with every edit of the file."""
    return re.sub(r"^([^:]*):\d+:\d+: ", r"\1: ", name)


if __name__ == "__main__":
    main()
