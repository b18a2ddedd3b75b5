-------------------------- MODULE AtomicBroadcast --------------------------
(***************************************************************************)
(* What ZooKeeper's clients rely on: one sequence that only grows;         *)
(* everybody delivers prefixes of it, at any time, any number of times;    *)
(* nothing is in it that was not broadcast; the order of an epoch's        *)
(* broadcasts is kept and none of them is skipped; epochs follow one       *)
(* another. As in proofs/theories/AtomicBroadcast.v.                       *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Histories

CONSTANTS
  Node,          \* the servers
  MaxEpoch,      \* zxids that may be given: epochs 1..MaxEpoch,
  MaxCounter     \* counters 1..MaxCounter

Entry == (1..MaxEpoch) \X (1..MaxCounter)

VARIABLES
  sent,      \* broadcast so far
  agreed,    \* the one sequence
  got        \* for each server, every sequence that it ever delivered

vars == <<sent, agreed, got>>

Init ==
  /\ sent = {}
  /\ agreed = <<>>
  /\ got = [f \in Node |-> {}]

\* x may stand behind l: it was broadcast, it is newer than the end of l, and whatever was broadcast before it in its
\* epoch stands in l.
MayFollow(l, x) ==
  /\ x \in sent
  /\ ZLt(LastZxid(l), x)
  /\ \A y \in sent : y[1] = x[1] /\ y[2] < x[2] => y \in Entries(l)

\* Somebody broadcasts something with a zxid of its own.
Broadcast(x) ==
  /\ x \notin sent
  /\ sent' = sent \cup {x}
  /\ agreed' = agreed
  /\ got' = got

\* The sequence grows by one entry.
Agree(x) ==
  /\ MayFollow(agreed, x)
  /\ agreed' = Snoc(agreed, x)
  /\ sent' = sent
  /\ got' = got

\* A server delivers a prefix of the sequence.
Deliver(f, d) ==
  /\ d \preceq agreed
  /\ got' = [got EXCEPT ![f] = @ \cup {d}]
  /\ sent' = sent
  /\ agreed' = agreed

Next ==
  \/ \E x \in Entry : Broadcast(x)
  \/ \E x \in Entry : Agree(x)
  \/ \E f \in Node : \E d \in Prefixes(agreed) : Deliver(f, d)

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* Several steps told as one: any number of Agree, then the Deliver of all *)
(* that is agreed. In a single step of Zab somebody may be the first to    *)
(* deliver many entries, so that step is this one.                         *)
(***************************************************************************)
AgreeAndDeliver(f) ==
  /\ agreed \preceq agreed'
  /\ \A i \in (Len(agreed) + 1)..Len(agreed') : MayFollow(First(i - 1, agreed'), agreed'[i])
  /\ got' = [got EXCEPT ![f] = @ \cup {agreed'}]
  /\ sent' = sent

Steps == Next \/ \E f \in Node : AgreeAndDeliver(f)

SpecSteps == Init /\ [][Steps]_vars

-----------------------------------------------------------------------------
(* What follows from it. *)

TypeOK ==
  /\ sent \subseteq Entry
  /\ Entries(agreed) \subseteq Entry

AgreedWasSent == Entries(agreed) \subseteq sent

GotIsPrefix == \A f \in Node : \A d \in got[f] : d \preceq agreed

AgreedIsSorted == Sorted(agreed)

\* Each zxid is given once, so it is in the sequence once.
AgreedOnce == Cardinality(Entries(agreed)) = Len(agreed)

\* Whatever was broadcast before something in its epoch is agreed before it. (A zxid that is given out of turn, too late,
\* can never be agreed.)
NothingSkipped ==
  [][\A x \in Entries(agreed') \ Entries(agreed) : \A y \in sent :
       y[1] = x[1] /\ y[2] < x[2] => Before(y, x, agreed')]_vars

\* Nothing is lost: the sequence only grows, and what was delivered stays delivered.
NothingLost == [][agreed \preceq agreed' /\ \A f \in Node : got[f] \subseteq got'[f]]_vars
=============================================================================
