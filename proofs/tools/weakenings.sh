# weakenings.sh FILE THEORY...: applies each weakening that FILE lists to a copy of the protocol, and fails unless the
# proofs then fail, in the lemma that FILE names. The theories are in order of compilation. Run from proofs/.
set -eu
list=$1
shift
dir=build/weakened
trim() { printf '%s' "$1" | sed 's/^ *//; s/ *$//'; }
fail() { echo "FAILED: $*" >&2; exit 1; }
grep -v '^#' "$list" | while IFS='|' read -r name rule old new where; do
  name=$(trim "$name"); rule=$(trim "$rule"); old=$(trim "$old"); new=$(trim "$new"); where=$(trim "$where")
  rm -rf "$dir"
  mkdir -p "$dir"
  cp theories/*.v "$dir"
  # Within one rule: replace one premise, and only there.
  RULE=$rule OLD=$old NEW=$new awk '
    BEGIN { rule = ENVIRON["RULE"]; old = ENVIRON["OLD"]; new = ENVIRON["NEW"] }
    /^  \| Step/ { inside = ($2 == rule) }
    inside && !done && (at = index($0, old)) {
      $0 = substr($0, 1, at - 1) new substr($0, at + length(old)); done = 1
    }
    { print }
    END { if (!done) exit 3 }' theories/Protocol.v > "$dir/Protocol.v" || fail "$name: no premise '$old' in $rule"
  found=
  same=yes
  for theory in "$@"; do
    # Files before Protocol.v are as they were.
    if [ $theory = Protocol ]; then same=no; fi
    if [ $same = yes ]; then cp "theories/$theory.vo" "$dir"; continue; fi
    if ! coqc -q -Q "$dir" Zab "$dir/$theory.v" > "$dir/out.txt" 2>&1; then
      line=$(sed -n "s/^File .*$theory.v\", line \([0-9]*\),.*/\1/p" "$dir/out.txt" | head -1)
      found="$theory $(awk -v line="${line:-0}" 'NR <= line && /^ *(Lemma|Theorem) / { l = $2 } END { print l }' "$dir/$theory.v")"
      break
    fi
  done
  [ -n "$found" ] || fail "$name: everything was proved of the weakened protocol"
  if [ "$found" != "$where" ]; then cat "$dir/out.txt" >&2; fail "$name: the proof failed in '$found', not in '$where'"; fi
  echo "$name: with '$new' for '$old' in $rule, the proof fails in $where"
done
rm -rf "$dir"
