(** * Variant: a node accepts an epoch before it has the epoch's initial history on disk

    Then a log that misses chosen transactions ranks above one that has them. The key theorem and prefix consistency
    fail. *)

From Coq Require Import List Arith Bool.
From Zab Require Import Lists Entries Quorums Protocol Checker.
From Variants Require Import Variant.
Import ListNotations.

(** [I s e ⊑ log s f] is left out. *)
Inductive epoch_first (s : state) : action -> state -> Prop :=
| FirstSetEpoch f e :
    lead s e <> None -> p s f = e -> a s f < e -> log s f ⊑ H s e ->
    epoch_first s (SetEpoch f e) (direct_effect s (CSetEpoch f e)).

Definition exec_first (s : state) (cmd : command) : option state :=
  match cmd with
  | CSetEpoch f e =>
      if is_some (lead s e) && (p s f =? e) && (a s f <? e) && prefixb (log s f) (H s e)
      then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_first_sound s cmd s' : exec_first s cmd = Some s' -> exists x, epoch_first s x s'.
Proof.
  unfold exec_first. destruct cmd; try discriminate. destruct (_ && _) eqn:E; [|discriminate].
  unbool. intros Es. injection Es as <-. eexists. now apply FirstSetEpoch.
Qed.

Definition empty_but_newer : list command := [
  (* epoch 1: 10 is chosen by 1 and 2, and delivered *)
  CPromise 1 1 1; CPromise 2 1 1; CElect 1 1; CSetEpoch 1 1; CSetEpoch 2 1; CDeliver 1 1 0;
  CPropose 1 10; CAppend 1 1 1; CAppend 2 1 1; CAck 1 1 1; CAck 2 1 1;
  CDeliver 1 1 1; (* 10 *)
  (* epoch 2: 1 leads again; 3 accepts the epoch with an empty log *)
  CPromise 1 2 1; CPromise 3 2 1; CElect 2 1;
  CSetEpoch 3 2;
  (* epoch 3: the empty log of 3 ranks above the log of 2 *)
  CPromise 2 3 3; CPromise 3 3 3; CElect 3 3; CSync 2 3 0; CSetEpoch 2 3; CSetEpoch 3 3;
  CDeliver 3 3 0; CPropose 3 30; CAppend 2 3 1; CAppend 3 3 1; CAck 2 3 1; CAck 3 3 1;
  CDeliver 3 3 1  (* 30 *)].

Theorem key_theorem_fails : exists s, weak_reachable epoch_first s /\ key_fails s.
Proof.
  apply (shown_by _ exec_first exec_first_sound (key_failsb 1 1 3) _ empty_but_newer (key_fails_b 1 1 3)).
  vm_compute. reflexivity.
Qed.

Theorem prefix_consistency_fails : exists s, weak_reachable epoch_first s /\ inconsistent s.
Proof.
  apply (shown_by _ exec_first exec_first_sound (inconsistentb 1 3) _ empty_but_newer (inconsistent_b 1 3)).
  vm_compute. reflexivity.
Qed.
