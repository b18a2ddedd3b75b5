#!/usr/bin/env bash
# The pages of this directory speak of things that are there: every link leads to a file, every #anchor to a place in it,
# and a link to Rust source whose text is a name, `Type::function` or `function`, to its definition. The table of messages
# has every message of the core, and only those.
set -uo pipefail
cd "$(dirname "$0")"
problems=0
wrong() { echo "$*"; problems=$((problems + 1)); }

checked=0 names=0
for page in *.md; do
  while IFS=$'\t' read -r text target; do
    [[ $target == *://* ]] && continue
    checked=$((checked + 1))
    file=${target%%#*} anchor=
    [[ $target == *'#'* ]] && anchor=${target#*#}
    [[ -n $file ]] || file=$page
    if [[ ! -e $file ]]; then wrong "$page: $target: no such file"; continue; fi
    if [[ -n $anchor ]] && ! grep -q "<a id=\"$anchor\">" "$file"; then wrong "$page: $target: no such anchor"; fi
    if [[ $file == *.rs && $text == '`'*'`' ]]; then
      name=${text//\`/} names=$((names + 1))
      case $name in
        'enum '* | 'struct '* | 'const '*)
          grep -Eq "\b$name\b" "$file" || wrong "$page: $file defines no $name" ;;
        *)
          grep -Eq "\bfn ${name##*::}\b" "$file" || wrong "$page: $file defines no function ${name##*::}"
          if [[ $name == *::* ]] && ! grep -Eq "^(impl|    impl).*\b${name%%::*}\b" "$file"; then
            wrong "$page: $file has no impl of ${name%%::*}"
          fi ;;
      esac
    fi
  done < <(grep -oE '\[[^][]*\]\([^() ]*\)' "$page" | sed -E 's/^\[([^]]*)\]\((.*)\)$/\1\t\2/')
  twice=$(grep -o '<a id="[^"]*">' "$page" | sort | uniq -d)
  [[ -z $twice ]] || wrong "$page: more than once: $twice"
done

core=$(sed -n '/^pub enum MessageKind {/,/^}/p' ../src/zab/src/message.rs | grep -oE '^    [A-Z][A-Za-z]*' | tr -d ' ' | sort)
table=$(sed -n '/^## Messages/,/^## Phase 0/p' protocol.md | grep -oE '^\| `[A-Z][A-Za-z]*` \|' | tr -d '|` ' | grep -v '^Notification$' | sort)
[[ $core == "$table" ]] || wrong "protocol.md: the messages of the core and of the table differ:
$(diff <(echo "$core") <(echo "$table"))"

# Nothing found would mean that the search is broken.
[[ $checked -ge 100 && $names -ge 40 ]] || wrong "only $checked links, $names of them to names in Rust sources, were found"
echo "$checked links, $names names, $problems problems"
[[ $problems -eq 0 ]]
