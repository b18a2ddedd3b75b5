(** * Variant: a node promises an epoch that it has promised before ([<=] in place of [<])

    I1 fails: two candidates of one epoch each have a quorum's promises. The guard [lead e = None] of [Elect]
    looks at the whole ensemble; what a candidate can see for itself is only that it has not led this epoch
    yet, which is enough as long as promises are strict ([elect_guard_is_local]). With promises that are not,
    and that guard, two leaders of one epoch deliver different transactions. *)

From Coq Require Import List Arith Bool.
From Zab Require Import Lists Entries Quorums Protocol Checker.
From Variants Require Import Variant.
Import ListNotations.

Inductive promise_again (s : state) : action -> state -> Prop :=
| AgainPromise f e c :
    p s f <= e ->
    promise_again s (Promise f e c) (direct_effect s (CPromise f e c)).

Definition exec_again (s : state) (cmd : command) : option state :=
  match cmd with
  | CPromise f e c => if p s f <=? e then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_again_sound s cmd s' : exec_again s cmd = Some s' -> exists x, promise_again s x s'.
Proof.
  destruct cmd; simpl; try discriminate. destruct (p s f <=? e) eqn:E; [|discriminate].
  intros Es. injection Es as <-. eexists. apply AgainPromise. now apply Nat.leb_le.
Qed.

Definition two_candidates : list command := [
  CPromise 1 1 1; CPromise 2 1 1;
  CPromise 2 1 3; (* again, to somebody else *)
  CPromise 3 1 3].

Theorem one_electable_fails :
  exists s, weak_reachable promise_again s /\
    exists e c1 r1 c2 r2, electable s e c1 r1 /\ electable s e c2 r2 /\ c1 <> c2.
Proof.
  apply (shown_by _ exec_again exec_again_sound
           (fun s => electableb s 1 1 && electableb s 1 3) _ two_candidates); [|vm_compute; reflexivity].
  intros s Hb. apply andb_true_iff in Hb as [Hb1 Hb2].
  destruct (electable_b _ _ _ Hb1) as (r1 & _ & H1). destruct (electable_b _ _ _ Hb2) as (r2 & _ & H2).
  exists 1, 1, r1, 3, r2. split; [exact H1|]. split; [exact H2|discriminate].
Qed.

(** ... and with the local guard of [Elect]. *)
Inductive promise_again_elect_locally (s : state) : action -> state -> Prop :=
| LocalPromise f e c :
    p s f <= e ->
    promise_again_elect_locally s (Promise f e c) (direct_effect s (CPromise f e c))
| LocalElect e c rc :
    lead s e <> Some c -> own_record s e c = Some rc -> electable s e c rc ->
    promise_again_elect_locally s (Elect e c rc) (direct_effect s (CElect e c)).

Definition exec_locally (s : state) (cmd : command) : option state :=
  match cmd with
  | CPromise f e c => if p s f <=? e then Some (direct_effect s cmd) else None
  | CElect e c =>
      if negb (match lead s e with Some c' => c' =? c | None => false end) && electableb s e c
      then Some (direct_effect s cmd) else None
  | _ => None
  end.

Lemma exec_locally_sound s cmd s' :
  exec_locally s cmd = Some s' -> exists x, promise_again_elect_locally s x s'.
Proof.
  unfold exec_locally. destruct cmd; try discriminate.
  - destruct (p s f <=? e) eqn:E; [|discriminate].
    intros Es. injection Es as <-. eexists. apply LocalPromise. now apply Nat.leb_le.
  - destruct (_ && _) eqn:E; [|discriminate]. apply andb_true_iff in E as [E1 E2].
    destruct (electable_b _ _ _ E2) as (rc & Hr & He).
    intros Es. injection Es as <-. eexists. eapply LocalElect; [|exact Hr|exact He].
    intros El. rewrite El, Nat.eqb_refl in E1. discriminate.
Qed.

Definition two_leaders : list command := two_candidates ++ [
  CElect 1 1; CSetEpoch 1 1; CSetEpoch 2 1; CDeliver 1 1 0;
  CPropose 1 10; CAppend 1 1 1; CAppend 2 1 1; CAck 1 1 1; CAck 2 1 1;
  CDeliver 1 1 1; (* 10 *)
  CElect 1 3; CDeliver 3 1 0; CPropose 1 20;
  CDeliver 3 1 1  (* 20 *)].

Theorem prefix_consistency_fails :
  exists s, weak_reachable promise_again_elect_locally s /\ inconsistent s.
Proof.
  apply (shown_by _ exec_locally exec_locally_sound (inconsistentb 1 3) _ two_leaders (inconsistent_b 1 3)).
  vm_compute. reflexivity.
Qed.
