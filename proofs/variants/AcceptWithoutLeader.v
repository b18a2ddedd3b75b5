(** * Variant: a node accepts an epoch for which nobody was elected

    Its log ranks above logs that have chosen transactions. The key theorem and prefix consistency fail. *)

From Coq Require Import List Arith Bool.
From Zab Require Import Lists Entries Quorums Protocol Checker.
From Variants Require Import Variant.
Import ListNotations.

(** [lead s e <> None] is left out. *)
Inductive accept_unled (s : state) : action -> state -> Prop :=
| UnledSetEpoch f e :
    p s f = e -> a s f < e -> I s e ⊑ log s f -> log s f ⊑ H s e ->
    accept_unled s (SetEpoch f e) (direct_effect s (CSetEpoch f e)).

Definition exec_unled (s : state) (cmd : command) : option state :=
  match cmd with
  | CSetEpoch f e =>
      if (p s f =? e) && (a s f <? e) && prefixb (I s e) (log s f) && prefixb (log s f) (H s e)
      then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_unled_sound s cmd s' : exec_unled s cmd = Some s' -> exists x, accept_unled s x s'.
Proof.
  unfold exec_unled. destruct cmd; try discriminate. destruct (_ && _) eqn:E; [|discriminate].
  unbool. intros Es. injection Es as <-. eexists. now apply UnledSetEpoch.
Qed.

Definition nobody_elected : list command := [
  (* epoch 1: 10 is chosen by 1 and 2, and delivered *)
  CPromise 1 1 1; CPromise 2 1 1; CElect 1 1; CSetEpoch 1 1; CSetEpoch 2 1; CDeliver 1 1 0;
  CPropose 1 10; CAppend 1 1 1; CAppend 2 1 1; CAck 1 1 1; CAck 2 1 1;
  CDeliver 1 1 1; (* 10 *)
  (* epoch 2 has no leader, but 3 accepts it *)
  CPromise 3 2 3;
  CSetEpoch 3 2;
  (* epoch 3: the empty log of 3 ranks above the log of 2 *)
  CPromise 2 3 3; CPromise 3 3 3; CElect 3 3; CSync 2 3 0; CSetEpoch 2 3; CSetEpoch 3 3;
  CDeliver 3 3 0; CPropose 3 30; CAppend 2 3 1; CAppend 3 3 1; CAck 2 3 1; CAck 3 3 1;
  CDeliver 3 3 1  (* 30 *)].

Theorem key_theorem_fails : exists s, weak_reachable accept_unled s /\ key_fails s.
Proof.
  apply (shown_by _ exec_unled exec_unled_sound (key_failsb 1 1 3) _ nobody_elected (key_fails_b 1 1 3)).
  vm_compute. reflexivity.
Qed.

Theorem prefix_consistency_fails : exists s, weak_reachable accept_unled s /\ inconsistent s.
Proof.
  apply (shown_by _ exec_unled exec_unled_sound (inconsistentb 1 3) _ nobody_elected (inconsistent_b 1 3)).
  vm_compute. reflexivity.
Qed.
