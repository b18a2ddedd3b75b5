# traces.sh CHECKER FILE...: every trace must be accepted, except those named *-refused.trace, which must be refused.
set -eu
checker=$1
shift
for file in "$@"; do
  status=0
  "$checker" "$file" || status=$?
  case "$file" in
    *-refused.trace) expected=1 ;;
    *) expected=0 ;;
  esac
  if [ "$status" -ne "$expected" ]; then
    echo "FAILED: $file: exit status $status, expected $expected" >&2
    exit 1
  fi
done
