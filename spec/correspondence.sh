#!/usr/bin/env bash
# Keeps the abstract protocol the same in three languages: proofs/theories (Coq), spec (TLA+), src/abstract-zab (Rust).
#
#   spec/correspondence.sh            fails if any of the three is not what correspondence.tsv says
#   spec/correspondence.sh --update   writes the table anew, for a person to read: each line must say one thing three times
#
# A line is: action or definition, kind, Coq, TLA+, Rust. Guards and updates stand in the order of the texts, so none can be
# added, dropped, or changed in one language alone. "bound" is a guard of the finite texts that the proof does not have;
# that Rust has the same is shown by equal counts of states (counts.tsv).
#
# In Rust a comment with the Coq text names the code below it, in the arm of the action:
#     // guard: p s f < e          // update: log := upd (log s) f l
set -euo pipefail
cd "$(dirname "$0")"
coq=../proofs/theories table=correspondence.tsv

# Each of the three prints: name, kind, text.
coq_actions() {
  awk -f ../proofs/tools/actions.awk $coq/Protocol.v |
    awk '/^[A-Z]/ { name = $1; next } { kind = $1; sub(/^ *[a-z]+ */, ""); print name "\t" kind "\t" $0 }'
}

coq_definitions() { # name, file
  awk -v name="$1" '
    !on && $0 ~ "^ *(Definition|Notation|Fixpoint) " name "[ :]" { on = 1 }
    on { text = text " " $0; if ($0 ~ /\.$/) { gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); print text; exit } }' "$coq/$2"
}

tla_actions() {
  awk '
    /^\(\* The nine actions/ { on = 1; next } /^Next ==/ { on = 0 } !on { next }
    /^[A-Z][A-Za-z]*\(.*\) ==$/ { name = $0; sub(/\(.*/, "", name); if (name == "AppendLog") name = "Append"; next }
    /^  \/\\ UNCHANGED/ { next }
    /^  \/\\ / {
      text = $0; sub(/^  \/\\ /, "", text); kind = "guard"
      if (text ~ /\\\* bound$/) { kind = "bound"; sub(/ *\\\* bound$/, "", text) }
      else if (text ~ /^[A-Za-z]+\x27 = /) kind = "update"
      print name "\t" kind "\t" text; next
    }
    /^$/ || /^\\\*/ { next }
    { print "unread\tline\t" $0 }' Zab.tla
}

tla_definition() { # name, file
  awk -v name="$1" '
    on && /^[^ ]|^$/ { exit }
    !on && ($0 ~ "^" name "[( ]" || (name == "preceq" && /^l \\preceq m/)) { on = 1 }
    on { text = text " " $0 }
    END { gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); print text }' "$2"
}

rust_actions() {
  awk '
    function flush(   i) {
      gsub(/[ \t]+/, " ", code); sub(/^ /, "", code); sub(/ $/, "", code)
      for (i = 1; i <= marks; i++) print name "\t" kind[i] "\t" said[i] "\t" code
      marks = 0; code = ""
    }
    /^ *Action::[A-Za-z]+ \{.*\} => / { flush(); name = $0; sub(/^ *Action::/, "", name); sub(/ .*/, "", name); next }
    /^ *\/\/ (guard|update|bound): / {
      if (code != "") flush()
      kind[++marks] = $2; sub(/:/, "", kind[marks])
      said[marks] = $0; sub(/^ *\/\/ [a-z]+: /, "", said[marks]); next
    }
    /^ *$/ || /^ *\}$/ { if (code != "") flush(); next }
    marks > 0 { code = code " " $0 }
    END { flush() }' ../src/abstract-zab/src/action.rs ../model/src/spec/state.rs
}

pairs='prefix Lists.v preceq Histories.tla
keeps Lists.v Keeps Histories.tla
zle Entries.v ZLe Histories.tla
last_zxid Entries.v LastZxid Histories.tla
init Protocol.v Init Zab.tla
rank_le Protocol.v RankLe Zab.tla
acked Protocol.v Acked Zab.tla
chosen Protocol.v Chosen Zab.tla
electable Protocol.v Electable Zab.tla
next_zxid Protocol.v NextZxid Zab.tla'

generate() {
  printf 'name\tkind\tCoq\tTLA+\tRust\n'
  while read -r name file other module; do
    printf '%s\tdefinition\t%s\t%s\t-\n' "$name" "$(coq_definitions "$name" "$file")" "$(tla_definition "$other" "$module")"
  done <<<"$pairs"
  # The n-th guard of an action in one language is the n-th in the other; in Rust it says which it is.
  awk -F'\t' -v OFS='\t' '
    function bad(what) { print "correspondence.sh: " what > "/dev/stderr"; failed = 1 }
    FNR == 1 { file++ }
    file == 1 { coq[$1, $2, ++coqs[$1, $2]] = $3; if (!($1 in seen)) { seen[$1]; order[++actions] = $1 } next }
    file == 2 { if ($1 == "unread") bad("Zab.tla: not a guard, an update or UNCHANGED: " $3)
                  tla[$1, $2, ++tlas[$1, $2]] = $3; if (!($1 in seen)) { seen[$1]; order[++actions] = $1 } next }
    file == 3 { if (($1, $2, $3) in code) bad("model: twice: " $1 " " $2 " " $3)
                  code[$1, $2, $3] = $4; rusts[$1, $2]++
                  if (!($1 in seen)) bad("model: no such action: " $1) }
    END {
      split("guard bound update", kinds, " ")
      for (i = 1; i <= actions; i++) for (k = 1; k <= 3; k++) {
        name = order[i]; kind = kinds[k]
        count = tlas[name, kind] + 0
        if (kind != "bound" && coqs[name, kind] + 0 != count)
          bad(name ": " (coqs[name, kind] + 0) " " kind "s in Coq, " count " in TLA+")
        if (kind != "bound" && rusts[name, kind] + 0 != count)
          bad(name ": " count " " kind "s in TLA+, " (rusts[name, kind] + 0) " in Rust")
        for (n = 1; n <= count; n++) {
          said = kind == "bound" ? tla[name, kind, n] : coq[name, kind, n]
          if (kind != "bound" && !((name, kind, said) in code)) bad("model: " name " has no " kind ": " said)
          print name, kind, (kind == "bound" ? "-" : coq[name, kind, n]), tla[name, kind, n], kind != "bound" ? code[name, kind, said] : "-"
        }
      }
      exit failed
    }' <(coq_actions) <(tla_actions) <(rust_actions)
}

if [[ ${1-} == --update ]]; then
  generate >$table.new
  mv $table.new $table
  exit
fi
found=$(generate)
known=$(cat $table)
if [[ $found != "$known" ]]; then
  echo "correspondence.tsv is not what the sources say (< table, > sources):"
  diff <(echo "$known") <(echo "$found") || true
  exit 1
fi
echo "$(($(wc -l <$table) - 1)) lines in step"
