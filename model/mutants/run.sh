#!/usr/bin/env bash
# Mutants of the core: each is built and tried by the checker, then by the core's own tests. What found it is written to a table.
#
#   model/mutants/run.sh                    all mutants: outcomes.tsv, hours on two cores
#   model/mutants/run.sh --rest             those that outcomes.tsv does not decide, if the core is that of the table
#   model/mutants/run.sh --in-diff FILE     those that a diff touches: exit status 1 if one survives that the table does not explain
#   model/mutants/run.sh --table            the table from what has been tried until now
#
# Needs cargo-mutants (cargo install --locked cargo-mutants) and python3. Stopped, it goes on where it was: `target/mutants` is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=target/mutants
case "${1:-}" in
    "") given=() ;;
    --rest) given=() ;;
    --table) exec model/mutants/table.py "$work" model/mutants/outcomes.tsv ;;
    --in-diff)
        given=(--in-diff "${2:?--in-diff needs a file}")
        work=target/mutants-in-diff
        rm -rf "$work"
        ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac

# try STAGE SECONDS LEVEL PACKAGE TEST...: the mutants that no earlier stage has found, and that this one was not asked about, for at
# most so long each.
try() {
    local stage=$1 seconds=$2 level=$3 package=$4 status=0
    shift 4
    mkdir -p "$work/$stage"
    # cargo-mutants keeps one earlier run only; the table is made from all.
    if [ -e "$work/$stage/mutants.out/outcomes.json" ]; then
        mv "$work/$stage/mutants.out" "$work/$stage/mutants.out.$(date +%s)"
    fi
    model/mutants/table.py --settled "$stage" "$work" >"$work/settled.txt"
    # cargo-mutants takes it for an error if there is nothing to try.
    if ! grep -qvxFf "$work/settled.txt" "$work/all.txt"; then
        return
    fi
    # It leaves out what it reads that it has caught, and tries again what it missed and what did not end.
    rm -rf "$work/$stage/mutants.out"
    mkdir "$work/$stage/mutants.out"
    mv "$work/settled.txt" "$work/$stage/mutants.out/previously_caught.txt"
    # 2 and 3: some were missed, or ran out of time.
    CARGO_PROFILE_MUTANTS_OPT_LEVEL=$level cargo mutants --package zab --test-package "$package" --profile mutants \
        --no-shuffle --baseline skip --iterate --timeout "$seconds" --build-timeout 900 --colors never \
        --output "$work/$stage" "${given[@]}" "$@" || status=$?
    case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
}

mkdir -p "$work"
rm -f "$work/before.tsv"
if [ "${1:-}" = --rest ]; then
    since=$(git log -1 --format=%H -- model/mutants/outcomes.tsv)
    if ! git diff --quiet "$since" -- src/zab/src; then
        echo "--rest: src/zab/src is not that of outcomes.tsv, which is of ${since:0:9}: the places of its mutants mean nothing; run without --rest" >&2
        exit 1
    fi
    cp model/mutants/outcomes.tsv "$work/before.tsv"
fi
cargo mutants --package zab --list --colors never "${given[@]}" >"$work/all.txt"
if [ "${1:-}" = --in-diff ]; then
    # Of a diff it is enough that something finds each: what takes longest comes last.
    try tests 120 1 zab
    try small 120 0 model --cargo-arg=--test=quick_tier -- small
    try quick 600 1 model --cargo-arg=--test=quick_tier
else
    try small 120 0 model --cargo-arg=--test=quick_tier -- small
    try quick 600 1 model --cargo-arg=--test=quick_tier
    try tests 120 1 zab
    try why 600 1 model --cargo-arg=--test=quick_tier
fi
if [ "${1:-}" = --in-diff ]; then
    model/mutants/table.py "$work" "$work/outcomes.tsv" --explained model/mutants/outcomes.tsv
else
    model/mutants/table.py "$work" model/mutants/outcomes.tsv
fi
