----------------------------- MODULE ZabBroken -----------------------------
(***************************************************************************)
(* Zab with one guard weakened, or one update wrong, at a time. Each       *)
(* variant must fail: the configurations configs/broken-*.cfg say in which *)
(* bounds, and check.sh which property must be the first to go. The same   *)
(* weakenings of the Coq text make a proof fail (proofs/variants).         *)
(***************************************************************************)
EXTENDS Zab

\* The actions of Zab but one.
Others(left_out) ==
  \/ left_out # "Promise" /\ \E f \in Node, e \in Epoch, c \in Node : Promise(f, e, c)
  \/ left_out # "Elect" /\ \E e \in Epoch : \E rc \in prom : Elect(e, rc.node, rc)
  \/ left_out # "Sync" /\ \E f \in Node, e \in Epoch : \E l \in Prefixes(H[e]) : Sync(f, e, l)
  \/ left_out # "SetEpoch" /\ \E f \in Node, e \in Epoch : SetEpoch(f, e)
  \/ left_out # "AppendLog" /\ \E f \in Node, e \in Epoch : \E l \in Prefixes(H[e]) : AppendLog(f, e, l)
  \/ left_out # "Ack" /\ \E f \in Node, e \in Epoch : \E n \in Len(I[e])..Len(log[f]) : Ack(f, e, n)
  \/ left_out # "Propose" /\ \E e \in Epoch : Propose(e, NextZxid(e))
  \/ left_out # "Deliver" /\ \E f \in Node, e \in Epoch : \E n \in 0..Len(H[e]) : Deliver(f, e, n)
  \/ left_out # "Crash" /\ \E f \in Node : Crash(f)

\* p[f] <= e for p[f] < e: an epoch is promised twice.
PromiseAgain(f, e, c) ==
  /\ p[f] <= e
  /\ p' = [p EXCEPT ![f] = e]
  /\ prom' = prom \cup {[node |-> f, epoch |-> e, cand |-> c, a |-> a[f], log |-> log[f]]}
  /\ UNCHANGED <<a, log, lead, I, H, ack, act, D>>

NextPromiseAgain == Others("Promise") \/ \E f \in Node, e \in Epoch, c \in Node : PromiseAgain(f, e, c)

\* Without RankLe: a leader need not be the most recent of its quorum.
ElectAnybody(e, c, rc) ==
  /\ lead[e] = NONE
  /\ rc \in prom /\ rc.node = c /\ rc.epoch = e /\ rc.cand = c
  /\ \E Q \in Quorums : c \in Q /\ \A f \in Q : \E r \in prom : r.node = f /\ r.epoch = e /\ r.cand = c
  /\ lead' = [lead EXCEPT ![e] = c]
  /\ I' = [I EXCEPT ![e] = rc.log]
  /\ H' = [H EXCEPT ![e] = rc.log]
  /\ act' = [act EXCEPT ![e] = TRUE]
  /\ UNCHANGED <<p, a, log, prom, ack, D>>

NextElectAnybody == Others("Elect") \/ \E e \in Epoch : \E rc \in prom : ElectAnybody(e, rc.node, rc)

\* Without Keeps: a synchronisation may empty the log first, and crash.
SyncBelowCommonPrefix(f, e, l) ==
  /\ lead[e] # NONE
  /\ p[f] = e
  /\ a[f] < e
  /\ l \preceq H[e]
  /\ log' = [log EXCEPT ![f] = l]
  /\ UNCHANGED <<p, a, lead, I, H, prom, ack, act, D>>

NextSyncBelowCommonPrefix ==
  Others("Sync") \/ \E f \in Node, e \in Epoch : \E l \in Prefixes(H[e]) : SyncBelowCommonPrefix(f, e, l)

\* Without I[e] \preceq log[f]: the epoch is accepted before the history is there.
EpochBeforeHistory(f, e) ==
  /\ lead[e] # NONE
  /\ p[f] = e
  /\ a[f] < e
  /\ log[f] \preceq H[e]
  /\ a' = [a EXCEPT ![f] = e]
  /\ ack' = ack \cup {<<f, e, Len(I[e])>>}
  /\ UNCHANGED <<p, log, lead, I, H, prom, act, D>>

NextEpochBeforeHistory == Others("SetEpoch") \/ \E f \in Node, e \in Epoch : EpochBeforeHistory(f, e)

\* Without lead[e] # NONE: an epoch is accepted that nobody was elected for.
AcceptWithoutLeader(f, e) ==
  /\ p[f] = e
  /\ a[f] < e
  /\ I[e] \preceq log[f]
  /\ log[f] \preceq H[e]
  /\ a' = [a EXCEPT ![f] = e]
  /\ ack' = ack \cup {<<f, e, Len(I[e])>>}
  /\ UNCHANGED <<p, log, lead, I, H, prom, act, D>>

NextAcceptWithoutLeader == Others("SetEpoch") \/ \E f \in Node, e \in Epoch : AcceptWithoutLeader(f, e)

\* e <= p[f] for p[f] = e: an acknowledgement of an epoch that a newer promise has ended.
AckOlderEpoch(f, e, n) ==
  /\ 0 < e
  /\ e <= p[f]
  /\ a[f] = e
  /\ Len(I[e]) <= n
  /\ n <= Len(log[f])
  /\ ack' = ack \cup {<<f, e, n>>}
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, act, D>>

NextAckOlderEpoch ==
  Others("Ack") \/ \E f \in Node, e \in Epoch : \E n \in Len(I[e])..Len(log[f]) : AckOlderEpoch(f, e, n)

\* Without n <= Len(log[f]): what is acknowledged need not be on the disk.
AckBeforeDisk(f, e, n) ==
  /\ 0 < e
  /\ p[f] = e
  /\ a[f] = e
  /\ Len(I[e]) <= n
  /\ ack' = ack \cup {<<f, e, n>>}
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, act, D>>

NextAckBeforeDisk ==
  Others("Ack") \/ \E f \in Node, e \in Epoch : \E n \in Len(I[e])..Len(H[e]) : AckBeforeDisk(f, e, n)

\* Without the delivery of I[e]: a leader broadcasts before it has delivered the initial history.
ProposeUndelivered(e, x) ==
  /\ act[e] = TRUE
  /\ Chosen(e, Len(I[e]))
  /\ x = NextZxid(e)
  /\ Cardinality(Sent) < MaxTxns
  /\ H' = [H EXCEPT ![e] = Snoc(H[e], x)]
  /\ UNCHANGED <<p, a, log, lead, I, prom, ack, act, D>>

NextProposeUndelivered == Others("Propose") \/ \E e \in Epoch : ProposeUndelivered(e, NextZxid(e))

\* A counter is skipped.
ProposeWithHole(e) ==
  /\ act[e] = TRUE
  /\ Chosen(e, Len(I[e]))
  /\ \E d \in D[lead[e]] : I[e] \preceq d
  /\ Cardinality(Sent) < MaxTxns
  /\ H' = [H EXCEPT ![e] = Snoc(H[e], <<e, Len(H[e]) - Len(I[e]) + 2>>)]
  /\ UNCHANGED <<p, a, log, lead, I, prom, ack, act, D>>

NextProposeWithHole == Others("Propose") \/ \E e \in Epoch : ProposeWithHole(e)

\* The first entry is lost on the way to the one who delivers.
DeliverLost(f, e, n) ==
  /\ Chosen(e, n)
  /\ Cardinality(D[f]) < MaxDelivered
  /\ D' = [D EXCEPT ![f] = @ \cup {[i \in 1..(n - 1) |-> H[e][i + 1]]}]
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, ack, act>>

NextDeliverLost ==
  Others("none") \/ \E f \in Node, e \in Epoch : \E n \in 1..Len(H[e]) : DeliverLost(f, e, n)

\* The last entry is delivered twice.
DeliverTwice(f, e, n) ==
  /\ Chosen(e, n)
  /\ Cardinality(D[f]) < MaxDelivered
  /\ D' = [D EXCEPT ![f] = @ \cup {Snoc(First(n, H[e]), H[e][n])}]
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, ack, act>>

NextDeliverTwice ==
  Others("none") \/ \E f \in Node, e \in Epoch : \E n \in 1..Len(H[e]) : DeliverTwice(f, e, n)

\* A crash forgets what was delivered (so do published specifications).
CrashForgets(f) ==
  /\ D[f] # {}
  /\ D' = [D EXCEPT ![f] = {}]
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, ack, act>>

NextCrashForgets == Others("none") \/ \E f \in Node : CrashForgets(f)
=============================================================================
