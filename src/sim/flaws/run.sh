#!/usr/bin/env bash
# Puts each flaw of this directory into the shell (node, store), one at a time, and runs seeds until
# one is wrong. Prints the flaw, the first seed and what was wrong; fails if a flaw is not caught.
#   src/sim/flaws/run.sh [seeds] [flaw.patch ...]
set -euo pipefail
cd "$(dirname "$0")/../../.."
seeds=${1:-300}
shift || true
flaws=("$@")
[ ${#flaws[@]} -gt 0 ] || flaws=(src/sim/flaws/*.patch)
root=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$copy"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/sim-flaws
export CARGO_PROFILE_DEV_DEBUG=0
missed=0
for flaw in "${flaws[@]}"; do
    name=$(basename "$flaw" .patch)
    patch -s -p1 -d "$copy" <"$flaw"
    (cd "$copy" && cargo build --quiet --locked -p sim --example first_wrong)
    found=$(ulimit -v 8000000 && timeout 600 "$CARGO_TARGET_DIR/debug/examples/first_wrong" "$seeds") ||
        found="no end of a run within ten minutes or 8 GB"
    patch -s -R -p1 -d "$copy" <"$flaw"
    printf '%-50s %.300s\n' "$name" "$found"
    case $found in none*) missed=$((missed + 1)) ;; esac
done
printf '%d flaws, %d not caught within %d seeds\n' ${#flaws[@]} "$missed" "$seeds"
[ "$missed" -eq 0 ]
