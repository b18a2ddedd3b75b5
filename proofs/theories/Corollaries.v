(** * What follows: the broadcast properties of the Zab paper, and that nothing is lost *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure Key Broadcast.
Import ListNotations.

Section Corollaries.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).

  (** Node [f] has delivered [x], now or before a crash. *)
  Definition delivers (s : state) (f : Node) (x : entry Txn) : Prop :=
    exists d, In d (D s f) /\ In x d.

  (** Prefix consistency: of any two sequences ever delivered, by whatever nodes, at whatever times, before
      or after crashes, one is a prefix of the other. *)
  Theorem prefix_consistency (s : state) f1 d1 f2 d2 :
    reachable s -> In d1 (D s f1) -> In d2 (D s f2) -> comparable d1 d2.
  Proof.
    intros Hr H1 H2.
    destruct (delivered_chosen s f1 d1 Hr H1) as (e1 & n1 & Hc1 & ->).
    destruct (delivered_chosen s f2 d2 Hr H2) as (e2 & n2 & Hc2 & ->).
    apply chosen_comparable; auto. now apply Inv_reachable.
  Qed.

  (** Integrity: what is delivered was broadcast before, in its epoch. *)
  Theorem integrity tr (s : state) f d x :
    run tr s -> In d (D s f) -> In x d -> In (Propose (epoch_of x) x) tr.
  Proof.
    intros Hr Hd Hx. pose proof (run_reachable _ _ Hr) as Hre.
    destruct (delivered_chosen s f d Hre Hd) as (e & n & _ & ->).
    eapply history_was_broadcast; [exact Hr|]. eapply prefix_In; [apply firstn_prefix|exact Hx].
  Qed.

  (** ... and stands in a delivered sequence once. *)
  Theorem delivered_once (s : state) f d : reachable s -> In d (D s f) -> NoDup d.
  Proof.
    intros Hr Hd. pose proof (delivered_sorted s f d Hr Hd) as Hs. clear Hd.
    induction d as [|x d IH] using rev_ind; [constructor|].
    apply NoDup_Add with (a := x) (l := d).
    - rewrite <- (app_nil_r d) at 1. apply Add_app.
    - split.
      + apply IH. eapply sorted_prefix; [apply prefix_app|exact Hs].
      + intros Hx. apply (zlt_irrefl (zxid_of x)).
        eapply zle_zlt_trans; [|apply (sorted_snoc_inv _ _ Hs)].
        apply sorted_In_le; [|exact Hx]. eapply sorted_prefix; [apply prefix_app|exact Hs].
  Qed.

  (** Total order: if some node delivers [x] before [y], then every sequence that any node ever delivers and
      that holds [y] holds [x] before it. *)
  Theorem total_order (s : state) f1 d1 f2 d2 x y :
    reachable s -> In d1 (D s f1) -> In d2 (D s f2) ->
    before x y d1 -> In y d2 -> before x y d2.
  Proof.
    intros Hr H1 H2 Hb Hy. destruct (prefix_consistency s f1 d1 f2 d2 Hr H1 H2) as [Hp|Hp].
    - eapply before_prefix; eassumption.
    - apply before_inv in Hb as (c & Hx & Hc).
      apply In_prefix_snoc in Hy as [c' Hc'].
      assert (E : c = c').
      { eapply sorted_same_place with (l := d1); eauto using delivered_sorted, prefix_trans. }
      subst c'. eapply before_snoc; eassumption.
  Qed.

  (** Agreement: if [f] delivers [x] and [g] delivers [y], then [g] delivers [x] or [f] delivers [y]. *)
  Theorem agreement (s : state) f g x y :
    reachable s -> delivers s f x -> delivers s g y -> delivers s g x \/ delivers s f y.
  Proof.
    intros Hr (d1 & H1 & Hx) (d2 & H2 & Hy).
    destruct (prefix_consistency s f d1 g d2 Hr H1 H2) as [Hp|Hp].
    - left. exists d2. eauto using prefix_In.
    - right. exists d1. eauto using prefix_In.
  Qed.

  (** Local primary order: if the primary of an epoch broadcasts [x] and then [y], whoever delivers [y]
      delivers [x] before it. *)
  Theorem local_primary_order t1 t2 t3 (s : state) e x y f d :
    run (t1 ++ Propose e x :: t2 ++ Propose e y :: t3) s ->
    In d (D s f) -> In y d -> before x y d.
  Proof.
    intros Hr Hd Hy. pose proof (run_reachable _ _ Hr) as Hre.
    assert (Hr' := Hr). rewrite app_comm_cons, app_assoc in Hr'.
    destruct (run_split _ _ _ _ Hr') as (s3 & s4 & Hr3 & Hst3 & Hr4 & Hl4).
    assert (Hx3 : In x (H s3 e)).
    { destruct (run_split _ _ _ _ Hr3) as (s1 & s2 & Hr1 & Hst1 & Hr2 & Hl2).
      eapply prefix_In; [eapply later_H; [exact (run_reachable _ _ Hr2)|exact Hl2]|].
      rewrite (propose_H _ _ _ _ Hst1). apply in_or_app. right. now left. }
    assert (Hp : H s3 e ++ [y] ⊑ H s e).
    { rewrite <- (propose_H _ _ _ _ Hst3).
      eapply later_H; [exact (run_reachable _ _ Hr4)|exact Hl4]. }
    apply In_prefix_snoc in Hy as [c Hc].
    destruct (delivered_rooted s f d Hre Hd c y Hc) as [_ Hg].
    rewrite (propose_epoch _ _ _ _ Hst3) in Hg.
    assert (E : c = H s3 e).
    { eapply sorted_same_place; [apply (H_sorted (Inv_reachable s Hre) e)|exact Hg|exact Hp|].
      reflexivity. }
    subst c. eapply before_snoc; eassumption.
  Qed.

  (** Global primary order: [x] is of an older epoch than [y], and both are delivered, at the same node or
      not: then every sequence that holds [y] holds [x] before it. *)
  Theorem global_primary_order (s : state) f g d x y :
    reachable s -> epoch_of x < epoch_of y -> delivers s f x ->
    In d (D s g) -> In y d -> before x y d.
  Proof.
    intros Hr Hlt (d1 & H1 & Hx) Hd Hy.
    assert (Hz : zlt (zxid_of x) (zxid_of y)) by (left; exact Hlt).
    destruct (prefix_consistency s f d1 g d Hr H1 Hd) as [Hp|Hp].
    - eapply sorted_lt_before; eauto using delivered_sorted, prefix_In.
    - eapply (total_order s f d1 g d); eauto.
      eapply sorted_lt_before; eauto using delivered_sorted, prefix_In.
  Qed.

  (** Primary integrity, at the moment of broadcast: when the primary of [e] broadcasts anything, it has
      itself delivered every transaction of an older epoch that anybody delivers, now or at any later time. *)
  Theorem primary_integrity (s s1 s2 : state) e y f d x :
    reachable s -> step s (Propose e y) s1 -> later s1 s2 ->
    In d (D s2 f) -> In x d -> epoch_of x < e ->
    exists c, lead s e = Some c /\ delivers s c x.
  Proof.
    intros Hr Hst Hl Hd Hx Hlt.
    inversion Hst as [| | | | | |e0 x0 Hact Hch Hdel Hz| |]; subst e0 x0. clear Hact Hz.
    destruct Hdel as (c & dl & Hlead & Hdl & Hp). exists c. split; [exact Hlead|].
    exists dl. split; [exact Hdl|]. eapply prefix_In; [exact Hp|].
    assert (Hl2 : later s s2).
    { clear - Hst Hl. induction Hl; [now apply step_later in Hst|econstructor; eassumption]. }
    pose proof (reachable_later _ _ Hr Hl2) as Hr2. pose proof (Inv_reachable _ Hr2) as Hinv2.
    assert (Hset : lead s e <> None) by congruence.
    pose proof (later_lead_set Hl2 e Hset) as Hset2.
    assert (HI : I s2 e = I s e) by (apply later_I; [exact Hl2|exact Hset]).
    assert (Hch2 : chosen s2 e (length (I s2 e))).
    { rewrite HI. now apply (later_chosen Hl2). }
    rewrite <- HI.
    assert (Hsame : forall t, In x (I s2 e ++ t) -> (forall z, In z t -> e <= epoch_of z) -> In x (I s2 e)).
    { intros t Hin Hall. apply in_app_or in Hin as [Hin|Hin]; [exact Hin|].
      specialize (Hall x Hin). lia. }
    destruct (delivered_chosen s2 f d Hr2 Hd) as (e1 & n1 & Hc1 & ->).
    destruct (lt_eq_lt_dec e1 e) as [[Hlt1| ->]|Hlt1].
    - eapply prefix_In; [|exact Hx]. now apply Key.
    - apply (prefix_In _ _ _ (firstn_prefix _ _)) in Hx.
      destruct (inv_H s2 Hinv2 e) as (t & Ht & Hn). rewrite Ht in Hx.
      eapply Hsame; [exact Hx|]. intros z Hz. now rewrite (numbered_epoch _ _ _ Hn Hz).
    - apply (prefix_In _ _ _ (firstn_prefix _ _)) in Hx.
      destruct (later_history_shape Hinv2 e e1 Hch2 Hlt1 (chosen_lead Hinv2 _ _ Hc1)) as (t & Ht & Hall).
      rewrite Ht in Hx. eapply Hsame; eassumption.
  Qed.

  (** ** Beyond the paper's list *)

  (** One leader per epoch, for ever. *)
  Theorem one_leader_per_epoch (s s' : state) e c c' :
    later s s' -> lead s e = Some c -> lead s' e = Some c' -> c = c'.
  Proof. intros Hl E E'. rewrite (later_lead Hl e c E) in E'. congruence. Qed.

  (** A zxid means one transaction: in logs, and in what was delivered. *)
  Theorem zxid_determines_entry (s : state) l1 l2 x1 x2 :
    reachable s -> rooted s l1 -> rooted s l2 -> In x1 l1 -> In x2 l2 ->
    zxid_of x1 = zxid_of x2 -> x1 = x2.
  Proof.
    intros Hr R1 R2 H1 H2 E.
    apply In_prefix_snoc in H1 as [c1 H1]. apply In_prefix_snoc in H2 as [c2 H2].
    eapply (log_matching (Inv_reachable s Hr)); [exact R1|exact R2|exact H1|exact H2|exact E].
  Qed.

  (** What is chosen is, at all times after, a prefix of the durable log of every node of some quorum. *)
  Theorem chosen_stays_on_disk (s s' : state) e n :
    reachable s -> chosen s e n -> later s s' ->
    exists Q, quorum Q /\ forall f, Q f -> firstn n (H s e) ⊑ log s' f.
  Proof.
    intros Hr Hc Hl. pose proof (reachable_later _ _ Hr Hl) as Hr'.
    pose proof (Inv_reachable _ Hr') as Hinv'.
    pose proof (later_chosen Hl e n Hc) as Hc'.
    rewrite <- (later_firstn Hr Hl e n Hc).
    destruct Hc' as (Q & HQ & Hall). exists Q. split; [exact HQ|]. intros f Hf.
    destruct (Hall f Hf) as (m & Hm & Hin).
    eapply (inv_keep s' Hinv'); [exact Hin|now apply firstn_prefix_le|].
    intros e1 [H1 _] H2. apply Key; auto. now exists Q.
  Qed.

  (** What was delivered is in the initial history of every leader elected for a later epoch than the one
      in which it was chosen, at all times after. *)
  Theorem delivered_survives (s s' : state) f d :
    reachable s -> In d (D s f) -> later s s' ->
    exists e n, chosen s e n /\ d = firstn n (H s e) /\
      d ⊑ H s' e /\ forall e', e < e' -> lead s' e' <> None -> d ⊑ I s' e'.
  Proof.
    intros Hr Hd Hl. destruct (delivered_chosen s f d Hr Hd) as (e & n & Hc & ->).
    exists e, n. repeat split; auto.
    - eapply prefix_trans; [apply firstn_prefix|]. now apply later_H.
    - intros e' Hlt Hset. rewrite <- (later_firstn Hr Hl e n Hc).
      apply Key; auto; [|now apply (later_chosen Hl)].
      apply Inv_reachable. eapply reachable_later; eassumption.
  Qed.
End Corollaries.
