# assumptions.sh ASKED ANSWERED: prints each theorem that ASKED names with Coq's answer, and fails unless every
# answer is that it is closed under the global context.
set -eu
asked=$(grep -c '^Print Assumptions' "$1")
grep '^Print Assumptions' "$1" | sed 's/^Print Assumptions \(.*\)\.$/\1/' | paste -d: - "$2" | sed 's/:/: /'
closed=$(grep -c '^Closed under the global context$' "$2")
lines=$(wc -l < "$2")
if [ "$asked" -eq 0 ] || [ "$asked" -ne "$closed" ] || [ "$asked" -ne "$lines" ]; then
  echo "FAILED: $asked theorems, $closed closed, $lines lines of answers" >&2
  cat "$2" >&2
  exit 1
fi
echo "$closed theorems, all closed under the global context"
