# weakenings.sh FILE: applies each weakening that FILE lists to a copy of the protocol, and fails unless the proof
# of the invariants then fails, in the lemma that FILE names. Run from proofs/, with the theories compiled.
set -eu
list=$1
dir=build/weakened
grep -v '^#' "$list" | while IFS='|' read -r name rule old new lemma; do
  trim() { printf '%s' "$1" | sed 's/^ *//; s/ *$//'; }
  name=$(trim "$name"); rule=$(trim "$rule"); old=$(trim "$old"); new=$(trim "$new"); lemma=$(trim "$lemma")
  rm -rf "$dir"
  mkdir -p "$dir"
  cp theories/Lists.vo theories/Entries.vo theories/Quorums.vo theories/Invariants.v "$dir"
  # Within one rule: replace one premise, and only there.
  awk -v rule="$rule" -v old="$old" -v new="$new" '
    /^  \| Step/ { inside = ($2 == rule) }
    inside && !done && (at = index($0, old)) {
      $0 = substr($0, 1, at - 1) new substr($0, at + length(old)); done = 1
    }
    { print }
    END { if (!done) exit 3 }' theories/Protocol.v > "$dir/Protocol.v" ||
    { echo "FAILED: $name: no premise '$old' in $rule" >&2; exit 1; }
  coqc -q -Q "$dir" Zab "$dir/Protocol.v" > /dev/null
  if coqc -q -Q "$dir" Zab "$dir/Invariants.v" > "$dir/out.txt" 2>&1; then
    echo "FAILED: $name: the invariants were proved of the weakened protocol" >&2
    exit 1
  fi
  line=$(sed -n 's/^File .*Invariants.v", line \([0-9]*\),.*/\1/p' "$dir/out.txt" | head -1)
  found=$(awk -v line="${line:-0}" 'NR <= line && /^ *(Lemma|Theorem) / { l = $2 } END { print l }' "$dir/Invariants.v")
  if [ "$found" != "$lemma" ]; then
    echo "FAILED: $name: the proof failed in '$found', not in '$lemma'" >&2
    cat "$dir/out.txt" >&2
    exit 1
  fi
  echo "$name: with '$new' for '$old' in $rule, the proof fails in $lemma"
done
rm -rf "$dir"
