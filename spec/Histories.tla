----------------------------- MODULE Histories -----------------------------
(***************************************************************************)
(* Zxids and histories. A zxid is a pair <<epoch, counter>>; a history is  *)
(* a sequence of zxids: what a transaction carries adds nothing, as a zxid *)
(* is given to one transaction only (I4 in Zab.tla, log_matching in        *)
(* proofs/theories/Structure.v). As in proofs/theories/Lists.v and         *)
(* Entries.v.                                                              *)
(***************************************************************************)
EXTENDS Naturals, Sequences

Zero == <<0, 0>>                       \* the end of the empty history

ZLt(x, y) == x[1] < y[1] \/ (x[1] = y[1] /\ x[2] < y[2])
ZLe(x, y) == x[1] < y[1] \/ (x[1] = y[1] /\ x[2] <= y[2])

Entries(l) == {l[i] : i \in 1..Len(l)}
LastZxid(l) == IF Len(l) = 0 THEN Zero ELSE l[Len(l)]
Snoc(l, x) == l \o <<x>>

\* The first n entries of l, all of them if there are no more.
First(n, l) == IF n < Len(l) THEN SubSeq(l, 1, n) ELSE l

\* l is a prefix of m.
l \preceq m == Len(l) <= Len(m) /\ \A i \in 1..Len(l) : l[i] = m[i]

Comparable(l, m) == l \preceq m \/ m \preceq l
Prefixes(l) == {First(n, l) : n \in 0..Len(l)}

\* l keeps everything that l1 and l2 have in common from the start.
Keeps(l1, l2, l) == \A c \in Prefixes(l1) : c \preceq l2 => c \preceq l

\* x stands somewhere before y in l.
Before(x, y, l) == \E i, j \in 1..Len(l) : i < j /\ l[i] = x /\ l[j] = y

\* Each entry is larger than the end of what stands before it.
Sorted(l) == \A i \in 1..Len(l) : ZLt(LastZxid(First(i - 1, l)), l[i])

\* Entries of epoch e with counters 1, 2, 3, ...
Numbered(e, l) == \A i \in 1..Len(l) : l[i] = <<e, i>>

\* Counters begin with 1 and are not skipped.
NoHoles(l) ==
  \A i \in 1..Len(l) :
    LET last == LastZxid(First(i - 1, l))
    IN  \/ last[1] < l[i][1] /\ l[i][2] = 1
        \/ last[1] = l[i][1] /\ l[i][2] = last[2] + 1
=============================================================================
