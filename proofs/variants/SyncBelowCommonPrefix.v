(** * Variant: a synchronisation cuts a log below what it shares with the initial history

    For example: it empties the log first and then copies. If the node crashes in between, a chosen transaction is
    on one disk less. The key theorem and prefix consistency fail. *)

From Coq Require Import List Arith Bool.
From Zab Require Import Lists Entries Quorums Protocol Checker.
From Variants Require Import Variant.
Import ListNotations.

(** [keeps (log s f) (I s e) l] is left out. *)
Inductive sync_below (s : state) : action -> state -> Prop :=
| BelowSync f e k :
    lead s e <> None -> p s f = e -> a s f < e ->
    sync_below s (Sync f e (firstn k (H s e))) (direct_effect s (CSync f e k)).

Definition exec_below (s : state) (cmd : command) : option state :=
  match cmd with
  | CSync f e k =>
      if is_some (lead s e) && (p s f =? e) && (a s f <? e) then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_below_sound s cmd s' : exec_below s cmd = Some s' -> exists x, sync_below s x s'.
Proof.
  unfold exec_below. destruct cmd; try discriminate. destruct (_ && _) eqn:E; [|discriminate].
  unbool. intros Es. injection Es as <-. eexists. now apply BelowSync.
Qed.

Definition emptied_first : list command := [
  (* epoch 1: 10 is chosen by 1 and 2, and delivered *)
  CPromise 1 1 1; CPromise 2 1 1; CPromise 3 1 1; CElect 1 1;
  CSetEpoch 1 1; CSetEpoch 2 1; CSetEpoch 3 1; CDeliver 1 1 0;
  CPropose 1 10; CAppend 1 1 1; CAppend 2 1 1; CAck 1 1 1; CAck 2 1 1;
  CDeliver 1 1 1; (* 10 *)
  (* epoch 2: 1 leads again; 2 joins, empties its log, and gets no further *)
  CPromise 1 2 1; CPromise 3 2 1; CElect 2 1; CPromise 2 2 1;
  CSync 2 2 0;
  (* epoch 3: 2 and 3 go on without 10 *)
  CPromise 2 3 3; CPromise 3 3 3; CElect 3 3; CSetEpoch 2 3; CSetEpoch 3 3;
  CDeliver 3 3 0; CPropose 3 30; CAppend 2 3 1; CAppend 3 3 1; CAck 2 3 1; CAck 3 3 1;
  CDeliver 3 3 1  (* 30 *)].

Theorem key_theorem_fails : exists s, weak_reachable sync_below s /\ key_fails s.
Proof.
  apply (shown_by _ exec_below exec_below_sound (key_failsb 1 1 3) _ emptied_first (key_fails_b 1 1 3)).
  vm_compute. reflexivity.
Qed.

Theorem prefix_consistency_fails : exists s, weak_reachable sync_below s /\ inconsistent s.
Proof.
  apply (shown_by _ exec_below exec_below_sound (inconsistentb 1 3) _ emptied_first (inconsistent_b 1 3)).
  vm_compute. reflexivity.
Qed.
