(** * Variant: an acknowledgement in epoch 0, before any epoch was accepted

    J1 fails: there is an acknowledgement of an epoch that has no leader. (What is acknowledged is empty, so nothing
    is lost by it; but the invariants need the guard [0 < e] of [Ack], which the plan of the proof left out.) *)

From Coq Require Import List Arith Bool.
From Zab Require Import Lists Entries Quorums Protocol Checker.
From Variants Require Import Variant.
Import ListNotations.

(** [0 < e] is left out. *)
Inductive ack_zero (s : state) : action -> state -> Prop :=
| ZeroAck f e n :
    p s f = e -> a s f = e -> length (I s e) <= n -> n <= length (log s f) ->
    ack_zero s (Ack f e n) (direct_effect s (CAck f e n)).

Theorem ack_range_fails :
  exists s, weak_reachable ack_zero s /\ exists f e n, In (f, e, n) (ack s) /\ lead s e = None.
Proof.
  exists (direct_effect init (CAck 1 0 0)). split.
  - eapply WeakStep; [apply WeakInit|right]. apply ZeroAck; simpl; auto.
  - exists 1, 0, 0. simpl. auto.
Qed.
