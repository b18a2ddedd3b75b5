-------------------------------- MODULE Zab --------------------------------
(***************************************************************************)
(* Abstract Zab: the protocol that src/zab is checked to follow, and that  *)
(* proofs/ proves safe for any number of servers, epochs and transactions. *)
(* State, actions, guards and updates are those of                         *)
(* proofs/theories/Protocol.v, with the same names in the same order;      *)
(* spec/correspondence.sh compares them. protocol.md tells how a server    *)
(* takes these actions.                                                    *)
(*                                                                         *)
(* What was said is a set that only grows, so that loss, duplication,      *)
(* reordering and delay of messages need no action of their own. Only      *)
(* durable logs are state: what is volatile is a prefix of some H[e].      *)
(*                                                                         *)
(* Payloads are left out: histories consist of zxids (see Histories.tla).  *)
(*                                                                         *)
(* Bounds are guards, marked "bound": nothing is pruned behind the         *)
(* explorer's back.                                                        *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Histories

CONSTANTS
  Node,            \* the servers
  NONE,            \* no server
  MaxEpoch,        \* epochs are 1..MaxEpoch
  MaxTxns,         \* at most so many transactions are proposed, over all epochs
  MaxDelivered     \* at most so many different sequences are delivered at each server

Epoch == 1..MaxEpoch

\* Any two quorums meet: the only fact about them that the protocol uses. (In Coq a member of a class; here majorities,
\* unless a configuration says otherwise.)
Quorums == {Q \in SUBSET Node : 2 * Cardinality(Q) > Cardinality(Node)}

VARIABLES
  p,       \* server: last epoch promised (acceptedEpoch)
  a,       \* server: epoch of the last NEWLEADER fully accepted (currentEpoch)
  log,     \* server: durable history
  lead,    \* epoch: who was elected for it, or NONE
  I,       \* epoch: its initial history
  H,       \* epoch: all ever proposed in it, I[e] first
  prom,    \* promises ever made: [node, epoch, cand, a, log]
  ack,     \* <<f, e, n>>: the first n entries of H[e] were durable at f in epoch e
  act,     \* epoch: the leader that was elected for it has not crashed since
  D        \* server: every sequence ever delivered there; never cleared

vars == <<p, a, log, lead, I, H, prom, ack, act, D>>

Init ==
  /\ p = [f \in Node |-> 0]
  /\ a = [f \in Node |-> 0]
  /\ log = [f \in Node |-> <<>>]
  /\ lead = [e \in Epoch |-> NONE]
  /\ I = [e \in Epoch |-> <<>>]
  /\ H = [e \in Epoch |-> <<>>]
  /\ prom = {}
  /\ ack = {}
  /\ act = [e \in Epoch |-> FALSE]
  /\ D = [f \in Node |-> {}]

\* The order in which candidates are compared: currentEpoch first, then the last zxid.
RankLe(r1, r2) ==
  \/ r1.a < r2.a
  \/ r1.a = r2.a /\ ZLe(LastZxid(r1.log), LastZxid(r2.log))

\* Who has acknowledged at least the first n entries of epoch e.
Acked(e, n) == {f \in Node : \E y \in ack : y[1] = f /\ y[2] = e /\ n <= y[3]}

\* The first n entries of epoch e are acknowledged by a quorum.
Chosen(e, n) == \E Q \in Quorums : Q \subseteq Acked(e, n)

\* The record rc of the candidate is maximal among the promises of a quorum for its epoch.
Electable(e, c, rc) ==
  /\ rc \in prom /\ rc.node = c /\ rc.epoch = e /\ rc.cand = c
  /\ \E Q \in Quorums :
       /\ c \in Q
       /\ \A f \in Q : \E r \in prom :
            r.node = f /\ r.epoch = e /\ r.cand = c /\ RankLe(r, rc)

\* The zxid that the next transaction of epoch e gets.
NextZxid(e) == <<e, Len(H[e]) - Len(I[e]) + 1>>

\* What epoch e has broadcast.
Own(e) == {H[e][i] : i \in (Len(I[e]) + 1)..Len(H[e])}

\* Everything broadcast so far.
Sent == UNION {Own(e) : e \in Epoch}

-----------------------------------------------------------------------------
(* The nine actions. *)

\* A node promises a strictly larger epoch to one candidate.
Promise(f, e, c) ==
  /\ p[f] < e
  /\ p' = [p EXCEPT ![f] = e]
  /\ prom' = prom \cup {[node |-> f, epoch |-> e, cand |-> c, a |-> a[f], log |-> log[f]]}
  /\ UNCHANGED <<a, log, lead, I, H, ack, act, D>>

\* A candidate with a quorum's promises, none of them more recent than its own, becomes the leader; its log as promised
\* is the initial history of the epoch.
Elect(e, c, rc) ==
  /\ lead[e] = NONE
  /\ Electable(e, c, rc)
  /\ lead' = [lead EXCEPT ![e] = c]
  /\ I' = [I EXCEPT ![e] = rc.log]
  /\ H' = [H EXCEPT ![e] = rc.log]
  /\ act' = [act EXCEPT ![e] = TRUE]
  /\ UNCHANGED <<p, a, log, prom, ack, D>>

\* The log of a learner is brought nearer to the leader's, in any number of steps: never below what the log and the
\* initial history of the epoch have in common.
Sync(f, e, l) ==
  /\ lead[e] # NONE
  /\ p[f] = e
  /\ a[f] < e
  /\ l \preceq H[e]
  /\ Keeps(log[f], I[e], l)
  /\ log' = [log EXCEPT ![f] = l]
  /\ UNCHANGED <<p, a, lead, I, H, prom, ack, act, D>>

\* The learner holds the initial history and accepts the epoch: the ACK of NEWLEADER.
SetEpoch(f, e) ==
  /\ lead[e] # NONE
  /\ p[f] = e
  /\ a[f] < e
  /\ I[e] \preceq log[f]
  /\ log[f] \preceq H[e]
  /\ a' = [a EXCEPT ![f] = e]
  /\ ack' = ack \cup {<<f, e, Len(I[e])>>}
  /\ UNCHANGED <<p, log, lead, I, H, prom, act, D>>

\* Proposals of the epoch reach the disk. (In Coq Append, which is an operator of Sequences here.)
AppendLog(f, e, l) ==
  /\ p[f] = e
  /\ a[f] = e
  /\ log[f] \preceq l
  /\ l \preceq H[e]
  /\ log' = [log EXCEPT ![f] = l]
  /\ UNCHANGED <<p, a, lead, I, H, prom, ack, act, D>>

\* A node acknowledges entries that are on its disk, in the epoch that it has both promised and accepted.
Ack(f, e, n) ==
  /\ 0 < e
  /\ p[f] = e
  /\ a[f] = e
  /\ Len(I[e]) <= n
  /\ n <= Len(log[f])
  /\ ack' = ack \cup {<<f, e, n>>}
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, act, D>>

\* The leader of e, once established, and once it has delivered the initial history itself, broadcasts one more
\* transaction.
Propose(e, x) ==
  /\ act[e] = TRUE
  /\ Chosen(e, Len(I[e]))
  /\ \E d \in D[lead[e]] : I[e] \preceq d
  /\ x = NextZxid(e)
  /\ Cardinality(Sent) < MaxTxns                                                                            \* bound
  /\ H' = [H EXCEPT ![e] = Snoc(H[e], x)]
  /\ UNCHANGED <<p, a, log, lead, I, prom, ack, act, D>>

\* Any node delivers any chosen prefix.
Deliver(f, e, n) ==
  /\ Chosen(e, n)
  /\ First(n, H[e]) \in D[f] \/ Cardinality(D[f]) < MaxDelivered                                            \* bound
  /\ D' = [D EXCEPT ![f] = @ \cup {First(n, H[e])}]
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, ack, act>>

\* A node crashes, or gives up leading: no epoch that it leads goes on. All else of the state is durable or a memory of
\* ours, so the crash of a node that does not lead changes nothing, and is left out: a step to the same state adds none.
Crash(f) ==
  /\ \E e \in Epoch : lead[e] = f /\ act[e]                                                                 \* bound
  /\ act' = [e \in Epoch |-> IF lead[e] = f THEN FALSE ELSE act[e]]
  /\ UNCHANGED <<p, a, log, lead, I, H, prom, ack, D>>

Next ==
  \/ \E f \in Node, e \in Epoch, c \in Node : Promise(f, e, c)
  \/ \E e \in Epoch : \E rc \in prom : Elect(e, rc.node, rc)
  \/ \E f \in Node, e \in Epoch : \E l \in Prefixes(H[e]) : Sync(f, e, l)
  \/ \E f \in Node, e \in Epoch : SetEpoch(f, e)
  \/ \E f \in Node, e \in Epoch : \E l \in Prefixes(H[e]) : AppendLog(f, e, l)
  \/ \E f \in Node, e \in Epoch : \E n \in Len(I[e])..Len(log[f]) : Ack(f, e, n)
  \/ \E e \in Epoch : Propose(e, NextZxid(e))
  \/ \E f \in Node, e \in Epoch : \E n \in 0..Len(H[e]) : Deliver(f, e, n)
  \/ \E f \in Node : Crash(f)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* The invariants of the proof, by their numbers there (proofs/theories:     *)
(* Invariants.v, Structure.v).                                               *)

\* What epoch e proposed; no epoch 0 was ever led.
HistoryOf(e) == IF e = 0 THEN <<>> ELSE H[e]

\* Each prefix of l that ends in an entry of epoch g is what g proposed up to there.
Rooted(l) ==
  \A i \in 1..Len(l) : lead[l[i][1]] # NONE /\ First(i, l) \preceq H[l[i][1]]

\* Every history that somebody has, or had when it promised.
AllHistories == {log[f] : f \in Node} \cup {r.log : r \in prom} \cup {I[e] : e \in Epoch} \cup {H[e] : e \in Epoch}

TypeOK ==
  /\ p \in [Node -> 0..MaxEpoch]
  /\ a \in [Node -> 0..MaxEpoch]
  /\ lead \in [Epoch -> Node \cup {NONE}]
  /\ act \in [Epoch -> BOOLEAN]
  /\ \A l \in AllHistories : Entries(l) \subseteq (Epoch \X (1..MaxTxns))
  /\ \A r \in prom : r.node \in Node /\ r.epoch \in Epoch /\ r.cand \in Node /\ r.a \in 0..MaxEpoch
  /\ \A y \in ack : y[1] \in Node /\ y[2] \in Epoch

\* I1: all promises of one server for one epoch name one candidate; an epoch has at most one electable candidate, and
\* only it leads.
I1 ==
  /\ \A r1, r2 \in prom : r1.node = r2.node /\ r1.epoch = r2.epoch => r1.cand = r2.cand
  /\ \A r1, r2 \in prom :
       r1.epoch = r2.epoch /\ Electable(r1.epoch, r1.cand, r1) /\ Electable(r2.epoch, r2.cand, r2)
         => r1.cand = r2.cand

\* I2: epochs of promises, acknowledgements and nodes.
I2 ==
  /\ \A f \in Node : a[f] <= p[f]
  /\ \A r \in prom : r.epoch <= p[r.node]
  /\ \A y \in ack : y[2] <= a[y[1]]

\* I3: which epochs occur where; the initial history, then the epoch's own entries, numbered.
I3 ==
  /\ \A f \in Node : \A x \in Entries(log[f]) : x[1] <= p[f]
  /\ \A e \in Epoch : \A x \in Entries(I[e]) : x[1] < e
  /\ \A e \in Epoch : I[e] \preceq H[e]
  /\ \A e \in Epoch : \A i \in (Len(I[e]) + 1)..Len(H[e]) : H[e][i] = <<e, i - Len(I[e])>>

\* I4: histories are sorted and without holes; histories that share a zxid agree up to it; those that end alike are
\* equal.
I4 ==
  /\ \A l \in AllHistories : Sorted(l) /\ Rooted(l) /\ NoHoles(l)
  /\ \A l, m \in AllHistories : \A i \in 1..Len(l), j \in 1..Len(m) :
       l[i] = m[j] => First(i, l) = First(j, m)
  /\ \A l, m \in AllHistories : LastZxid(l) = LastZxid(m) => l = m

\* I5: a log is a piece of what some epoch between a and p proposed.
I5 ==
  /\ \A f \in Node : \E e \in a[f]..p[f] : log[f] \preceq HistoryOf(e)
  /\ \A r \in prom : \E e \in r.a..(r.epoch - 1) : r.log \preceq HistoryOf(e)

\* I6: what a node acknowledged in an older epoch, it did before the promise.
I6 == \A r \in prom : \A y \in ack : y[1] = r.node /\ y[2] < r.epoch => y[2] <= r.a

\* I7: what an acknowledger keeps, as long as all later leaders have it.
I7 ==
  /\ \A y \in ack : \A c \in Prefixes(First(y[3], H[y[2]])) :
       (\A e \in Epoch : y[2] < e /\ e <= p[y[1]] /\ lead[e] # NONE => c \preceq I[e])
         => c \preceq log[y[1]]
  /\ \A r \in prom : \A y \in ack : y[1] = r.node /\ y[2] < r.epoch =>
       \A c \in Prefixes(First(y[3], H[y[2]])) :
         (\A e \in Epoch : y[2] < e /\ e < r.epoch /\ lead[e] # NONE => c \preceq I[e])
           => c \preceq r.log

\* J1: an acknowledgement is of an elected epoch, and of something that exists.
J1 == \A y \in ack : lead[y[2]] # NONE /\ Len(I[y[2]]) <= y[3] /\ y[3] <= Len(H[y[2]])

\* J2: an accepted epoch has been acknowledged.
J2 ==
  /\ \A f \in Node : 0 < a[f] => \E y \in ack : y[1] = f /\ y[2] = a[f]
  /\ \A r \in prom : 0 < r.a => \E y \in ack : y[1] = r.node /\ y[2] = r.a

\* J3: where a leader and its initial history come from.
J3 ==
  \A e \in Epoch :
    IF lead[e] = NONE
    THEN I[e] = <<>> /\ H[e] = <<>>
    ELSE \E rc \in prom : Electable(e, lead[e], rc) /\ I[e] = rc.log

\* J4: a node promises an epoch once.
J4 == \A r1, r2 \in prom : r1.node = r2.node /\ r1.epoch = r2.epoch => r1 = r2

\* J5: an initial history is a piece of what an older epoch proposed.
J5 == \A e \in Epoch : lead[e] # NONE => \E g \in 0..(e - 1) : I[e] \preceq HistoryOf(g)

\* Key: what is chosen in an epoch is in the initial history of every later one.
Key ==
  \A g, e \in Epoch : g < e /\ lead[e] # NONE =>
    \A n \in 0..Len(H[g]) : Chosen(g, n) => First(n, H[g]) \preceq I[e]

-----------------------------------------------------------------------------
(* The paper's properties, of everything ever delivered, before and after    *)
(* crashes, by whatever server (proofs/theories/Corollaries.v).              *)

EverDelivered == UNION {D[f] : f \in Node}

\* The entries that f has delivered.
Delivered(f) == UNION {Entries(d) : d \in D[f]}

\* Integrity: what is delivered was broadcast before, in its epoch, and is in a delivered sequence once.
Integrity ==
  \A d \in EverDelivered :
    /\ Entries(d) \subseteq Sent
    /\ Cardinality(Entries(d)) = Len(d)

\* Total order: if x is delivered before y somewhere, then whoever delivers y delivers x before it.
TotalOrder ==
  \A d1, d2 \in EverDelivered : \A x, y \in Entries(d1) :
    Before(x, y, d1) /\ y \in Entries(d2) => Before(x, y, d2)

\* Agreement: f delivers x, g delivers y; then g delivers x or f delivers y.
Agreement ==
  \A f, g \in Node : \A x \in Delivered(f), y \in Delivered(g) : x \in Delivered(g) \/ y \in Delivered(f)

\* Local primary order: one primary broadcasts x, then y; who delivers y delivers x before it. For all x and y.
LocalPrimaryOrder ==
  \A e \in Epoch : \A i, j \in (Len(I[e]) + 1)..Len(H[e]) : i < j =>
    \A d \in EverDelivered : H[e][j] \in Entries(d) => Before(H[e][i], H[e][j], d)

\* Global primary order: x of an older epoch than y, both delivered; every sequence with y has x before it.
GlobalPrimaryOrder ==
  \A f \in Node : \A x \in Delivered(f) : \A d \in EverDelivered : \A y \in Entries(d) :
    x[1] < y[1] => Before(x, y, d)

\* Primary integrity: what anybody delivers of epochs older than that of a primary that has broadcast, the primary has
\* delivered, ...
PrimaryIntegrity ==
  \A e \in Epoch : Own(e) # {} =>
    \A f \in Node : \A x \in Delivered(f) : x[1] < e => x \in Delivered(lead[e])

\* ... and it had when it broadcast. (Deliveries that come later are in PrimaryIntegrity: had the primary delivered x
\* only after its broadcast, somebody else could have delivered x in its place.)
PrimaryIntegrityThen ==
  [][\A e \in Epoch : Own(e)' # Own(e) =>
       \A f \in Node : \A x \in Delivered(f) : x[1] < e => x \in Delivered(lead[e])]_vars

\* Prefix consistency: of any two sequences ever delivered, one is a prefix of the other. Implies total order and
\* agreement.
PrefixConsistency == \A d1, d2 \in EverDelivered : Comparable(d1, d2)

\* What is chosen is on the disks of a quorum.
ChosenOnDisk ==
  \A e \in Epoch : \A n \in 0..Len(H[e]) : Chosen(e, n) =>
    \E Q \in Quorums : \A f \in Q : First(n, H[e]) \preceq log[f]

\* An epoch has one leader and one initial history for ever, histories of epochs only grow, nothing said or delivered is
\* taken back.
OnlyGrows ==
  [][/\ \A e \in Epoch : lead[e] # NONE => lead'[e] = lead[e] /\ I'[e] = I[e]
     /\ \A e \in Epoch : H[e] \preceq H'[e]
     /\ \A f \in Node : p[f] <= p'[f] /\ a[f] <= a'[f] /\ D[f] \subseteq D'[f]
     /\ prom \subseteq prom' /\ ack \subseteq ack']_vars

-----------------------------------------------------------------------------
(* Zab => AtomicBroadcast. Clients see: what was broadcast; the longest        *)
(* sequence that was delivered anywhere; the deliveries.                       *)

Longest == CHOOSE d \in EverDelivered \cup {<<>>} : \A d1 \in EverDelivered : Len(d1) <= Len(d)

Atomic == INSTANCE AtomicBroadcast WITH
  Node <- Node, MaxEpoch <- MaxEpoch, MaxCounter <- MaxTxns, sent <- Sent, agreed <- Longest, got <- D

\* Each step of Zab is a step of AtomicBroadcast, or several told as one, or none that can be seen.
Refinement == Atomic!Init /\ [][Atomic!Steps]_<<Sent, Longest, D>>

THEOREM Spec => Refinement
=============================================================================
