----------------------- MODULE AtomicBroadcastBroken -----------------------
(* Variants of AtomicBroadcast that must fail. *)
EXTENDS AtomicBroadcast

\* The sequence loses its end, though it may have been delivered: a lost delivery.
Lose(n) ==
  /\ n < Len(agreed)
  /\ agreed' = First(n, agreed)
  /\ sent' = sent
  /\ got' = got

NextLose == Next \/ \E n \in 0..Len(agreed) : Lose(n)

\* Agreement on what nobody has broadcast.
AgreeUnsent(x) ==
  /\ ZLt(LastZxid(agreed), x)
  /\ agreed' = Snoc(agreed, x)
  /\ sent' = sent
  /\ got' = got

NextAgreeUnsent == Next \/ \E x \in Entry : AgreeUnsent(x)

\* Agreement in any order.
AgreeOutOfTurn(x) ==
  /\ x \in sent \ Entries(agreed)
  /\ agreed' = Snoc(agreed, x)
  /\ sent' = sent
  /\ got' = got

NextAgreeOutOfTurn == Next \/ \E x \in Entry : AgreeOutOfTurn(x)

\* Agreement on a broadcast before an older one of its epoch: the older one is skipped.
AgreeSkipping(x) ==
  /\ x \in sent
  /\ ZLt(LastZxid(agreed), x)
  /\ agreed' = Snoc(agreed, x)
  /\ sent' = sent
  /\ got' = got

NextAgreeSkipping == Next \/ \E x \in Entry : AgreeSkipping(x)
=============================================================================
