# Prints the protocol's actions from theories/Protocol.v: each with its guards, one a line, and its updates (the
# fields that do not stay as they are).
function trim(t) { gsub(/[ \t\n]+/, " ", t); sub(/^ /, "", t); sub(/ $/, "", t); return t }
function finish(   n, i, parts, g, body, fields, j, k) {
  if (name == "") return
  sub(/\.$/, "", text)
  n = index(text, "step s (")
  split_guards(substr(text, 1, n - 1))
  body = substr(text, n); body = substr(body, index(body, "{|") + 2); sub(/\|\}.*/, "", body)
  k = split(body, fields, ";")
  for (j = 1; j <= k; j++) {
    g = trim(fields[j])
    if (g ~ /^[A-Za-z]+ := [A-Za-z]+ s$/ && substr(g, 1, index(g, " ") - 1) == substr(g, index(g, ":=") + 3, length(g) - index(g, ":=") - 4)) continue
    print "  update  " g
  }
  name = ""
}
function split_guards(t,   parts, i, n) {
  n = split(t, parts, "->")
  for (i = 1; i <= n; i++) if (trim(parts[i]) != "") print "  guard   " trim(parts[i])
}
/^  \| Step/ {
  finish()
  name = $0; sub(/^  \| Step/, "", name); sub(/ :$/, "", name)
  print name; text = ""; next
}
name != "" && /^  \(\*\*/ { finish(); next }
name != "" && /^$/ { finish(); next }
name != "" { text = text "\n" $0 }
END { finish() }
