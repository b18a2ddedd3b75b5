(** * Variant: a node acknowledges in an older epoch than it has promised

    The key theorem and prefix consistency fail. It does not help to compare the log with the older epoch's
    history first. *)

From Coq Require Import List Arith Bool.
From Zab Require Import Lists Entries Quorums Protocol Checker.
From Variants Require Import Variant.
Import ListNotations.

(** [p s f = e] is left out. *)
Inductive ack_older (s : state) : action -> state -> Prop :=
| OlderAck f e n :
    0 < e -> a s f = e -> length (I s e) <= n -> n <= length (log s f) ->
    ack_older s (Ack f e n) (direct_effect s (CAck f e n)).

Definition exec_older (s : state) (cmd : command) : option state :=
  match cmd with
  | CAck f e n =>
      if (0 <? e) && (a s f =? e) && (length (I s e) <=? n) && (n <=? length (log s f))
      then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_older_sound s cmd s' : exec_older s cmd = Some s' -> exists x, ack_older s x s'.
Proof.
  unfold exec_older. destruct cmd; try discriminate. destruct (_ && _) eqn:E; [|discriminate].
  unbool. intros Es. injection Es as <-. eexists. now apply OlderAck.
Qed.

(** 1 leads epoch 1 and has proposed 10, which only 1 has on disk; all three servers have accepted epoch 1. *)
Definition epoch_one : list command := [
  CPromise 1 1 1; CPromise 2 1 1; CPromise 3 1 1; CElect 1 1;
  CSetEpoch 1 1; CSetEpoch 2 1; CSetEpoch 3 1; CDeliver 1 1 0;
  CPropose 1 10; CAppend 1 1 1; CAck 1 1 1].

Definition late_ack : list command := epoch_one ++ [
  (* 3 is elected for epoch 2 without 10; 1 follows *)
  CPromise 2 2 3; CPromise 3 2 3; CElect 2 3; CSetEpoch 3 2;
  CPromise 1 2 3; CSync 1 2 0; CSetEpoch 1 2;
  CDeliver 3 2 0; CPropose 2 20;
  (* 2 has 20 on disk when it acknowledges one entry of epoch 1 *)
  CSync 2 2 1; CAck 2 1 1;
  CDeliver 1 1 1; (* 10 *)
  CAppend 3 2 1; CAppend 1 2 1; CAck 3 2 1; CAck 1 2 1;
  CDeliver 3 2 1  (* 20 *)].

Theorem key_theorem_fails : exists s, weak_reachable ack_older s /\ key_fails s.
Proof.
  apply (shown_by _ exec_older exec_older_sound (key_failsb 1 1 2) _ late_ack (key_fails_b 1 1 2)).
  vm_compute. reflexivity.
Qed.

Theorem prefix_consistency_fails : exists s, weak_reachable ack_older s /\ inconsistent s.
Proof.
  apply (shown_by _ exec_older exec_older_sound (inconsistentb 1 3) _ late_ack (inconsistent_b 1 3)).
  vm_compute. reflexivity.
Qed.

(** The same, but only what is really on disk is acknowledged. *)
Inductive ack_older_agreeing (s : state) : action -> state -> Prop :=
| AgreeingAck f e n :
    0 < e -> a s f = e -> length (I s e) <= n -> n <= length (log s f) -> firstn n (H s e) ⊑ log s f ->
    ack_older_agreeing s (Ack f e n) (direct_effect s (CAck f e n)).

Definition exec_agreeing (s : state) (cmd : command) : option state :=
  match cmd with
  | CAck f e n =>
      if (0 <? e) && (a s f =? e) && (length (I s e) <=? n) && (n <=? length (log s f)) &&
         prefixb (firstn n (H s e)) (log s f)
      then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_agreeing_sound s cmd s' :
  exec_agreeing s cmd = Some s' -> exists x, ack_older_agreeing s x s'.
Proof.
  unfold exec_agreeing. destruct cmd; try discriminate. destruct (_ && _) eqn:E; [|discriminate].
  unbool. intros Es. injection Es as <-. eexists. now apply AgreeingAck.
Qed.

Definition late_ack_agreeing : list command := epoch_one ++ [
  (* 3 is elected for epoch 2 without 10 *)
  CPromise 2 2 3; CPromise 3 2 3; CElect 2 3;
  (* 1 is elected for epoch 3 with 10, which so reaches 2 *)
  CPromise 1 3 1; CPromise 2 3 1; CElect 3 1; CSync 2 3 1;
  CAck 2 1 1].

Theorem key_theorem_fails_agreeing : exists s, weak_reachable ack_older_agreeing s /\ key_fails s.
Proof.
  apply (shown_by _ exec_agreeing exec_agreeing_sound (key_failsb 1 1 2) _ late_ack_agreeing (key_fails_b 1 1 2)).
  vm_compute. reflexivity.
Qed.
