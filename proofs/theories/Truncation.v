(** * A truncation that stops halfway

    On a real disk a truncation may take several steps, for example the removal of several log files, newest
    first, and a crash may fall between them. What is then on disk is a prefix of the old log that [Sync] alone
    does not allow. It is safe all the same, as long as it is not below the common prefix with the initial
    history: the protocol with this tenth action has the same invariants, hence the key theorem, and prefix
    consistency. *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure Key Broadcast.
Import ListNotations.

Section Truncation.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).

  Inductive truncate (s : state) : state -> Prop :=
  | Truncate f e l :
      lead s e <> None ->
      p s f = e -> a s f < e ->
      l ⊑ log s f ->
      keeps (log s f) (I s e) l ->
      truncate s
        {| p := p s; a := a s; log := upd (log s) f l;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := ack s; act := act s; D := D s |}.

  (** Reachable by the nine actions and this one. *)
  Inductive reachable_truncating : state -> Prop :=
  | TruncInit : reachable_truncating init
  | TruncStep s x s' : reachable_truncating s -> step s x s' -> reachable_truncating s'
  | TruncTruncate s s' : reachable_truncating s -> truncate s s' -> reachable_truncating s'.

  Lemma Inv_truncate (s s' : state) : Inv s -> truncate s s' -> Inv s'.
  Proof.
    intros Hinv Ht. destruct Ht as [f e l Hl Hp Ha Hpre Hkeep].
    constructor; simpl; try apply Hinv.
    - intros g. destruct (inv_log s Hinv g) as (e1 & Hb & Hlog). exists e1. split; [exact Hb|].
      unfold upd. destruct (eq_dec g f) as [->|]; [|exact Hlog].
      eapply prefix_trans; eassumption.
    - intros g e0 n C Hin HC Hall.
      pose proof (inv_keep s Hinv g e0 n C Hin HC Hall) as Hold.
      unfold upd. destruct (eq_dec g f) as [->|]; [|exact Hold].
      apply Hkeep; [exact Hold|]. apply Hall; [|exact Hl].
      pose proof (inv_ack_le_a s Hinv f e0 n Hin). lia.
  Qed.

  Theorem Inv_reachable_truncating s : reachable_truncating s -> Inv s.
  Proof.
    intros Hr. induction Hr as [|s x s' _ IH Hst|s s' _ IH Ht].
    - apply Inv_init.
    - eapply Inv_step; eassumption.
    - eapply Inv_truncate; eassumption.
  Qed.

  Theorem Key_truncating (s : state) e0 n e :
    reachable_truncating s -> e0 < e -> lead s e <> None -> chosen s e0 n ->
    firstn n (H s e0) ⊑ I s e.
  Proof. intros Hr. apply Key. now apply Inv_reachable_truncating. Qed.

  Lemma delivered_chosen_truncating (s : state) f d :
    reachable_truncating s -> In d (D s f) -> exists e n, chosen s e n /\ d = firstn n (H s e).
  Proof.
    intros Hr. revert f d. induction Hr as [|s x s' Hr IH Hst|s s' Hr IH Ht]; intros f d Hd.
    - destruct Hd.
    - pose proof (Inv_reachable_truncating s Hr) as Hinv.
      assert (Hcase : exists e n, chosen s e n /\ d = firstn n (H s e)).
      { destruct Hst; simpl in Hd; eauto.
        unfold upd in Hd. destruct (eq_dec f f0) as [->|]; [|eauto].
        destruct Hd as [<-|Hd]; eauto. }
      destruct Hcase as (e & n & Hc & ->). exists e, n. split; [eapply chosen_mono; eassumption|].
      symmetry. apply firstn_stable; [eapply H_grows; eassumption|]. now apply (chosen_length Hinv).
    - destruct Ht. exact (IH f d Hd).
  Qed.

  Theorem prefix_consistency_truncating (s : state) f1 d1 f2 d2 :
    reachable_truncating s -> In d1 (D s f1) -> In d2 (D s f2) -> comparable d1 d2.
  Proof.
    intros Hr H1 H2.
    destruct (delivered_chosen_truncating s f1 d1 Hr H1) as (e1 & n1 & Hc1 & ->).
    destruct (delivered_chosen_truncating s f2 d2 Hr H2) as (e2 & n2 & Hc2 & ->).
    apply chosen_comparable; auto. now apply Inv_reachable_truncating.
  Qed.
End Truncation.
