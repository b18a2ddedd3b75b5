(** * Weakened protocols, and how to show what they do

    A weakened protocol takes every step of the protocol, and some more. A trace of commands is run by
    computation; what it shows is a state that the weakened protocol reaches. *)

From Coq Require Import List Arith Bool Lia.
From Zab Require Import Lists Entries Quorums Protocol Plan Checker.
Import ListNotations.

(** Three servers, 1, 2 and 3; a majority decides. *)
Definition three : ensemble := [[(1, 1); (2, 1); (3, 1)]].
Global Instance three_quorums : Quorums nat := ensemble_quorums three.

Notation state := (state nat nat).
Notation action := (action nat nat).
Notation history := (list (entry nat)).
Notation prefixb := (prefixb entry_eq_dec).

(** ** The protocol itself, by computation on its own states *)

Definition direct_allowed (s : state) (cmd : command) : bool :=
  match cmd with
  | CPropose e v =>
      act s e && chosenb three s e (length (I s e)) &&
      match lead s e with None => false | Some c => existsb (prefixb (I s e)) (D s c) end
  | _ => allowed three (X s []) cmd
  end.

Definition direct_effect (s : state) (cmd : command) : state :=
  match cmd with
  | CDeliver f e n =>
      State (p s) (a s) (log s) (lead s) (I s) (H s) (prom s) (ack s) (act s)
            (upd (D s) f (firstn n (H s e) :: D s f))
  | _ => base (effect (X s []) cmd)
  end.

Ltac unbool := repeat
  match goal with
  | h : _ && _ = true |- _ => apply andb_true_iff in h; destruct h
  | h : (_ <? _) = true |- _ => apply Nat.ltb_lt in h
  | h : (_ <=? _) = true |- _ => apply Nat.leb_le in h
  | h : (_ =? _) = true |- _ => apply Nat.eqb_eq in h
  | h : is_some _ = true |- _ => apply is_some_spec in h
  | h : is_none _ = true |- _ => apply is_none_spec in h
  | h : Lists.prefixb _ _ _ = true |- _ => apply prefixb_sound in h
  end.

Lemma chosen_b (s : state) e n : chosenb three s e n = true -> chosen s e n.
Proof.
  intros Hc. exists (acked s e n). split; [|auto].
  apply (quorumb_sound three (ackedb s e n)); [|exact Hc].
  intros f Hf. apply existsb_exists in Hf as ([[f' e'] m] & Hin & Hb). unbool. subst f' e'.
  exists m. auto.
Qed.

(** The part of the guard of [Elect] that does not ask who leads already. *)
Definition electableb (s : state) (e c : nat) : bool :=
  match own_record s e c with
  | None => false
  | Some rc => quorumb three (fun f =>
      existsb (fun r => (r_node r =? f) && promised_to e c r && rank_leb r rc) (prom s))
  end.

Lemma electable_b (s : state) e c : electableb s e c = true ->
  exists rc, own_record s e c = Some rc /\ electable s e c rc.
Proof.
  unfold electableb. destruct (own_record s e c) as [rc|] eqn:Hrec; [|discriminate]. intros Hq.
  exists rc. split; [reflexivity|].
  apply find_some in Hrec as [Hin Hb]. unfold promised_to in Hb. unbool.
  repeat split; auto.
  exists (fun f => exists r, In r (prom s) /\ r_node r = f /\ r_epoch r = e /\ r_cand r = c /\ rank_le r rc).
  repeat split; auto.
  - eapply quorumb_sound; [|exact Hq]. intros n Hn. cbv beta in Hn.
    apply existsb_exists in Hn as (r & Hr & Hb). unfold promised_to in Hb. unbool.
    exists r. repeat split; auto. now apply rank_leb_sound.
  - exists rc. repeat split; auto. right. split; [reflexivity|apply zle_refl].
Qed.

Lemma direct_sound (s : state) cmd :
  direct_allowed s cmd = true ->
  direct_effect s cmd = s \/ exists x, step s x (direct_effect s cmd).
Proof.
  intros Hal. destruct cmd as [f e c|e c|f e k|f e|f e k|f e n|e v|f e n|f|f e1 e2 k|f e c]; simpl in *;
    auto; right.
  - exists (Promise f e c). unbool. now constructor.
  - pose proof (electable_b s e c) as He. unfold electableb in He.
    destruct (own_record s e c) as [rc|] eqn:Hrec; [|discriminate]. unbool.
    destruct He as (rc' & E & He); [assumption|]. injection E as <-.
    eexists. now apply StepElect.
  - exists (Sync f e (firstn k (H s e))). unbool. apply StepSync; auto; [apply firstn_prefix|].
    now apply (keeps_cp entry_eq_dec).
  - exists (SetEpoch f e). unbool. now apply StepSetEpoch.
  - exists (Append f e (firstn k (H s e))). unbool. apply StepAppend; auto. apply firstn_prefix.
  - exists (Ack f e n). unbool. now apply StepAck.
  - unbool. destruct (lead s e) as [c|] eqn:El; [|discriminate].
    eexists. apply StepPropose; auto; [now apply chosen_b|].
    match goal with h : existsb _ _ = true |- _ => apply existsb_exists in h as (d & Hd & Hp) end.
    exists c, d. unbool. auto.
  - unbool. eexists. apply StepDeliver. now apply chosen_b.
  - eexists. constructor.
Qed.

(** ** A weakened protocol *)

Section Variant.
  (** The additional steps, and how a command runs as one of them. *)
  Context (weak : state -> action -> state -> Prop) (weak_exec : state -> command -> option state)
    (weak_sound : forall s cmd s', weak_exec s cmd = Some s' -> exists x, weak s x s').

  Definition weak_step (s : state) (x : action) (s' : state) : Prop := step s x s' \/ weak s x s'.

  Inductive weak_reachable : state -> Prop :=
  | WeakInit : weak_reachable init
  | WeakStep s x s' : weak_reachable s -> weak_step s x s' -> weak_reachable s'.

  Fixpoint weak_run (s : state) (tr : list command) : option state :=
    match tr with
    | [] => Some s
    | cmd :: tr' =>
        if direct_allowed s cmd then weak_run (direct_effect s cmd) tr'
        else match weak_exec s cmd with Some s' => weak_run s' tr' | None => None end
    end.

  Lemma weak_run_reachable tr s s' : weak_reachable s -> weak_run s tr = Some s' -> weak_reachable s'.
  Proof.
    revert s. induction tr as [|cmd tr IH]; intros s Hs Hr; simpl in Hr; [now injection Hr as <-|].
    destruct (direct_allowed s cmd) eqn:E.
    - apply (IH (direct_effect s cmd)); [|exact Hr].
      destruct (direct_sound s cmd E) as [->|(x & Hx)]; [exact Hs|].
      econstructor; [exact Hs|left; exact Hx].
    - destruct (weak_exec s cmd) as [s1|] eqn:Ew; [|discriminate].
      destruct (weak_sound _ _ _ Ew) as (x & Hx).
      apply (IH s1); [|exact Hr]. econstructor; [exact Hs|right; exact Hx].
  Qed.

  (** What a trace shows, if [check] computes to true in its last state. *)
  Theorem shown_by (check : state -> bool) (Bad : state -> Prop) tr :
    (forall s, check s = true -> Bad s) ->
    match weak_run init tr with Some s => check s | None => false end = true ->
    exists s, weak_reachable s /\ Bad s.
  Proof.
    intros Hcheck Htr. destruct (weak_run init tr) as [s|] eqn:E; [|discriminate].
    exists s. split; [eapply weak_run_reachable; [apply WeakInit|exact E]|auto].
  Qed.
End Variant.

(** ** What can be shown: the negation of what is proved of the protocol *)

(** Prefix consistency fails. *)
Definition inconsistent (s : state) : Prop :=
  exists f1 d1 f2 d2, In d1 (D s f1) /\ In d2 (D s f2) /\ ~ comparable d1 d2.

Definition inconsistentb (f1 f2 : nat) (s : state) : bool :=
  existsb (fun d1 => existsb (fun d2 => negb (prefixb d1 d2) && negb (prefixb d2 d1)) (D s f2)) (D s f1).

Lemma not_prefix_b (l1 l2 : history) : negb (prefixb l1 l2) = true -> ~ l1 ⊑ l2.
Proof. intros Hn Hp. now rewrite (prefixb_complete entry_eq_dec _ _ Hp) in Hn. Qed.

Lemma inconsistent_b f1 f2 s : inconsistentb f1 f2 s = true -> inconsistent s.
Proof.
  intros Hb. apply existsb_exists in Hb as (d1 & H1 & Hb).
  apply existsb_exists in Hb as (d2 & H2 & Hb). apply andb_true_iff in Hb as [Hb1 Hb2].
  exists f1, d1, f2, d2. repeat split; auto.
  intros [Hp|Hp]; [exact (not_prefix_b _ _ Hb1 Hp)|exact (not_prefix_b _ _ Hb2 Hp)].
Qed.

(** The key theorem fails. *)
Definition key_fails (s : state) : Prop :=
  exists e0 n e, e0 < e /\ lead s e <> None /\ chosen s e0 n /\ ~ firstn n (H s e0) ⊑ I s e.

Definition key_failsb (e0 n e : nat) (s : state) : bool :=
  (e0 <? e) && is_some (lead s e) && chosenb three s e0 n && negb (prefixb (firstn n (H s e0)) (I s e)).

Lemma key_fails_b e0 n e s : key_failsb e0 n e s = true -> key_fails s.
Proof.
  unfold key_failsb. intros Hb. unbool. exists e0, n, e. repeat split; auto using chosen_b.
  now apply not_prefix_b.
Qed.
