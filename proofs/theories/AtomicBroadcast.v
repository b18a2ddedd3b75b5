(** * AtomicBroadcast: what clients rely on, and that Zab refines it

    One sequence that only grows; everybody delivers prefixes of it, at any time, any number of times;
    nothing is in it that was not broadcast; the order of an epoch's broadcasts is kept and none of them is
    skipped; epochs follow one another. *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure Key Broadcast Corollaries.
Import ListNotations.

Section Spec.
  Context {Node Txn : Type} {ND : EqDec Node}.

  Notation history := (list (entry Txn)).

  Record ab : Type := AB {
    sent : list (entry Txn);       (* broadcast so far *)
    agreed : history;              (* the one sequence *)
    got : Node -> list history     (* every sequence ever delivered at a node *)
  }.

  Definition ab_init : ab := {| sent := []; agreed := []; got := fun _ => [] |}.

  Inductive ab_step (b : ab) : ab -> Prop :=
  (** Somebody broadcasts something with a zxid of its own. *)
  | AbBroadcast x :
      (forall y, In y (sent b) -> zxid_of y <> zxid_of x) ->
      ab_step b {| sent := x :: sent b; agreed := agreed b; got := got b |}
  (** The sequence grows by something that was broadcast; whatever was broadcast before it in its epoch is
      there already, and nothing of a later epoch is. *)
  | AbAgree x :
      In x (sent b) ->
      zlt (last_zxid (agreed b)) (zxid_of x) ->
      (forall y, In y (sent b) -> epoch_of y = epoch_of x -> counter_of y < counter_of x ->
                 In y (agreed b)) ->
      ab_step b {| sent := sent b; agreed := agreed b ++ [x]; got := got b |}
  (** A node delivers a prefix of the sequence. *)
  | AbDeliver f d :
      d ⊑ agreed b ->
      ab_step b {| sent := sent b; agreed := agreed b; got := upd (got b) f (d :: got b f) |}.

  Inductive ab_steps (b : ab) : ab -> Prop :=
  | AbDone : ab_steps b b
  | AbMore b1 b2 : ab_steps b b1 -> ab_step b1 b2 -> ab_steps b b2.

  Lemma ab_steps_trans b1 b2 b3 : ab_steps b1 b2 -> ab_steps b2 b3 -> ab_steps b1 b3.
  Proof. intros H12 H23. induction H23; [exact H12|econstructor; eassumption]. Qed.

  (** Nothing is lost: the sequence only grows, and what was delivered stays a part of it. *)
  Theorem agreed_only_grows b b' : ab_steps b b' -> agreed b ⊑ agreed b'.
  Proof.
    intros Hs. induction Hs as [|b1 b2 _ IH Hst]; [apply prefix_refl|].
    eapply prefix_trans; [exact IH|]. destruct Hst; simpl;
      [apply prefix_refl|apply prefix_app|apply prefix_refl].
  Qed.

  Theorem got_prefix b f d : ab_steps ab_init b -> In d (got b f) -> d ⊑ agreed b.
  Proof.
    intros Hs. revert f d. induction Hs as [|b1 b2 _ IH Hst]; intros f d Hd; [destruct Hd|].
    destruct Hst as [x Hf|x Hx Hz Hy|g d' Hp]; simpl in *.
    - eauto.
    - eapply prefix_trans; [eauto|apply prefix_app].
    - unfold upd in Hd. destruct (eq_dec f g) as [->|]; [|eauto].
      destruct Hd as [<-|Hd]; eauto.
  Qed.

  Theorem agreed_was_sent b x : ab_steps ab_init b -> In x (agreed b) -> In x (sent b).
  Proof.
    intros Hs. induction Hs as [|b1 b2 _ IH Hst]; intros Hx; [destruct Hx|].
    destruct Hst as [y Hf|y Hy Hz Ho|g d' Hp]; simpl in *; auto.
    apply in_app_or in Hx as [Hx|[<-|Hx]]; auto. destruct Hx.
  Qed.
End Spec.

Arguments ab : clear implicits.

Section Refinement.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).
  Notation ab := (ab Node Txn).

  (** How a state of the protocol is seen by clients: sent is what some epoch proposed; the sequence is the
      longest that was delivered anywhere; the deliveries are the same. *)
  Record refines (s : state) (b : ab) : Prop := {
    ref_sent : forall x, In x (sent b) <-> In x (H s (epoch_of x));
    ref_seq : agreed b = [] \/ exists f, In (agreed b) (D s f);
    ref_longest : forall f d, In d (D s f) -> d ⊑ agreed b;
    ref_got : forall f, got b f = D s f
  }.

  Lemma own_epoch (s : state) e x : Inv s -> In x (H s e) -> In x (H s (epoch_of x)).
  Proof.
    intros Hinv Hx. apply In_prefix_snoc in Hx as [c Hc].
    destruct (H_rooted Hinv e c x Hc) as [_ Hg]. eapply prefix_snoc_In, Hg.
  Qed.

  (** The sequence may grow to any history of the protocol that begins with it. *)
  Lemma agree_all (s : state) (b : ab) u :
    Inv s -> (forall x, In x (sent b) <-> In x (H s (epoch_of x))) ->
    sorted (agreed b ++ u) -> rooted s (agreed b ++ u) ->
    ab_steps b {| sent := sent b; agreed := agreed b ++ u; got := got b |}.
  Proof.
    intros Hinv Hsent. induction u as [|x u IH] using rev_ind; intros Hsort Hroot.
    - rewrite app_nil_r. destruct b. constructor.
    - rewrite app_assoc in *. destruct (Hroot _ _ (prefix_refl _)) as [_ Hg].
      econstructor.
      + apply IH; [eapply sorted_prefix|eapply rooted_prefix]; eauto using prefix_app.
      + pose proof (AbAgree {| sent := sent b; agreed := agreed b ++ u; got := got b |} x) as Hstep.
        simpl in Hstep. apply Hstep.
        * apply Hsent. eapply prefix_snoc_In, Hg.
        * now apply sorted_snoc_inv.
        * intros y Hy Ee Ec. apply Hsent in Hy. rewrite Ee in Hy.
          assert (Hin : In y ((agreed b ++ u) ++ [x])).
          { eapply sorted_In_prefix; [apply (H_sorted Hinv (epoch_of x))|exact Hg|exact Hy|].
            rewrite last_zxid_snoc. right. simpl. lia. }
          apply in_app_or in Hin as [Hin|[->|[]]]; [exact Hin|lia].
  Qed.

  (** Every step of the protocol is zero or more steps of the specification. *)
  Theorem refinement_step (s s' : state) x (b : ab) :
    reachable s -> refines s b -> step s x s' ->
    exists b', ab_steps b b' /\ refines s' b'.
  Proof.
    intros Hr Href Hst. pose proof (Inv_reachable s Hr) as Hinv.
    destruct Href as [Hsent Hseq Hlong Hgot].
    pose proof (reachable_step _ _ _ Hr Hst) as Hr'.
    pose proof (Inv_reachable s' Hr') as Hinv'.
    assert (Hst' := Hst).
    destruct Hst as [|e0 c rc Hl He| | | | |e0 z Ha Hc Hd Hz|g e0 n Hch|];
      try (exists b; split; [constructor|now constructor]).
    - (* Elect: the new history holds nothing new *)
      exists b. split; [constructor|]. constructor; simpl; auto.
      intros x. rewrite Hsent. unfold upde. destruct (Nat.eq_dec (epoch_of x) e0) as [Ee|]; [|tauto].
      split; intros Hx.
      + destruct (inv_nolead s Hinv e0 Hl) as [_ E]. rewrite Ee, E in Hx. destruct Hx.
      + exfalso. pose proof (I_epochs Hinv' e0 x) as Hlt. simpl in Hlt.
        rewrite upde_same in Hlt. specialize (Hlt Hx). lia.
    - (* Propose *)
      pose proof (propose_epoch _ _ _ _ Hst') as Ez.
      pose proof (H_sorted Hinv' e0) as Hsort. simpl in Hsort. rewrite upde_same in Hsort.
      eexists. split.
      + econstructor; [constructor|]. apply (AbBroadcast b z).
        intros y Hy E. apply Hsent in Hy.
        assert (Ey : epoch_of y = e0) by (unfold zxid_of in E; congruence).
        rewrite Ey in Hy. apply (zlt_irrefl (zxid_of z)). rewrite <- E at 1.
        eapply zle_zlt_trans; [|apply (sorted_snoc_inv _ _ Hsort)].
        apply sorted_In_le; [apply (H_sorted Hinv)|exact Hy].
      + constructor; simpl; auto.
        intros y. rewrite Hsent. unfold upde.
        destruct (Nat.eq_dec (epoch_of y) e0) as [Ey|Ny].
        * rewrite Ey. rewrite in_app_iff. simpl. tauto.
        * split; [intros [<-|Hy]; [congruence|exact Hy]|auto].
    - (* Deliver: the sequence grows if nobody has delivered that much *)
      set (d := firstn n (H s e0)) in *.
      assert (Hd : In d (D (State (p s) (a s) (log s) (lead s) (I s) (H s) (prom s) (ack s) (act s)
                           (upd (D s) g (d :: D s g))) g)).
      { simpl. rewrite upd_same. now left. }
      assert (Hcomp : comparable (agreed b) d).
      { destruct Hseq as [->|(f & Hf)]; [left; apply prefix_nil|].
        eapply prefix_consistency; [exact Hr'| |exact Hd].
        eapply (D_mono Hst'). exact Hf. }
      assert (Hsort : sorted d).
      { eapply sorted_prefix; [apply firstn_prefix|apply (H_sorted Hinv)]. }
      assert (Hroot : rooted s d).
      { eapply rooted_prefix; [apply firstn_prefix|apply (H_rooted Hinv)]. }
      destruct Hcomp as [[u Hu]|Hp].
      + eexists. split.
        * econstructor; [apply (agree_all s b u Hinv Hsent); rewrite <- Hu; assumption|].
          apply (AbDeliver _ g d). simpl. rewrite Hu. apply prefix_refl.
        * rewrite <- Hu. constructor; simpl; auto.
          -- right. exists g. rewrite upd_same. now left.
          -- intros f d1. unfold upd. destruct (eq_dec f g) as [->|]; intros H1.
             ++ destruct H1 as [<-|H1]; [apply prefix_refl|].
                eapply prefix_trans; [apply (Hlong _ _ H1)|]. rewrite Hu. apply prefix_app.
             ++ eapply prefix_trans; [apply (Hlong _ _ H1)|]. rewrite Hu. apply prefix_app.
          -- intros f. unfold upd. destruct (eq_dec f g) as [->|]; now rewrite Hgot.
      + eexists. split.
        * econstructor; [constructor|]. now apply (AbDeliver b g d).
        * constructor; simpl; auto.
          -- destruct Hseq as [E|(f & Hf)]; [now left|]. right. exists f.
             unfold upd. destruct (eq_dec f g) as [->|]; [now right|exact Hf].
          -- intros f d1. unfold upd. destruct (eq_dec f g) as [->|]; [|apply Hlong].
             intros [<-|H1]; [exact Hp|now apply Hlong with (f := g)].
          -- intros f. unfold upd. destruct (eq_dec f g) as [->|]; now rewrite Hgot.
  Qed.

  (** Every reachable state of Zab is seen by clients as a reachable state of AtomicBroadcast. *)
  Theorem refinement (s : state) :
    reachable s -> exists b, ab_steps ab_init b /\ refines s b.
  Proof.
    intros Hr. pattern s. revert Hr. revert s. refine (reachable_ind _ _ _).
    - exists ab_init. split; [constructor|]. constructor; simpl; auto; [reflexivity|intros f d []].
    - intros s x s' Hr (b & Hb & Href) Hst.
      destruct (refinement_step s s' x b Hr Href Hst) as (b' & Hb' & Href').
      exists b'. split; [eapply ab_steps_trans; eassumption|exact Href'].
  Qed.
End Refinement.
