(** * The synchronisation plan in reachable states: it takes only steps [Sync], and ends at the leader's history *)

From Coq Require Import List Arith Bool Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure Key Broadcast Established Plan.
Import ListNotations.

Section PlanSafety.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).

  (** An entry of [e]'s history that is not above the end of a learner's log is in that log. It rests on the
      guard of [Propose]: that the log ends in an entry of epoch [g] shows that the initial history of [g] was
      chosen, so that the history of [e] holds nothing older than [g] beside it. *)
  Theorem not_above_is_in_log (s : state) f e x :
    reachable s -> lead s e <> None -> p s f = e ->
    In x (H s e) -> zle (zxid_of x) (last_zxid (log s f)) -> In x (log s f).
  Proof.
    intros Hr Hlead Hp Hx Hle. pose proof (Inv_reachable s Hr) as Hinv.
    destruct (log s f) as [|y c _] eqn:Ef using rev_ind.
    - exfalso. rewrite last_zxid_nil in Hle. eapply zle_not_zlt; [exact Hle|].
      eapply sorted_nonzero; [apply (H_sorted Hinv e)|exact Hx].
    - pose proof (log_rooted Hinv f) as Hroot. rewrite Ef in Hroot.
      destruct (Hroot c y (prefix_refl _)) as [Hg Hpg].
      assert (Hy : In y (log s f)) by (rewrite Ef; apply in_or_app; right; now left).
      pose proof (log_epochs Hinv f y Hy) as Hge. rewrite Hp in Hge.
      assert (Hxg : In x (H s (epoch_of y))).
      { destruct (le_lt_eq_dec _ _ Hge) as [Hlt|Heq]; [|now rewrite Heq].
        destruct (entry_fixes_the_past s (log s f) y e Hr) as (t & Ht & Hall); auto.
        { now apply log_rooted. }
        destruct (Nat.eq_dec (epoch_of x) (epoch_of y)) as [Exy|Nxy].
        - apply In_prefix_snoc in Hx as [d Hd].
          destruct (H_rooted Hinv e d x Hd) as [_ Hdx]. rewrite Exy in Hdx.
          eapply prefix_snoc_In, Hdx.
        - rewrite Ht in Hx. apply in_app_or in Hx as [Hx|Hx].
          + eapply prefix_In; [apply (I_prefix_H Hinv)|exact Hx].
          + specialize (Hall x Hx). rewrite last_zxid_snoc in Hle.
            unfold zle, zxid_of in Hle. simpl in Hle. lia. }
      eapply sorted_In_prefix; [apply (H_sorted Hinv (epoch_of y))|exact Hpg|exact Hxg|exact Hle].
  Qed.

  (** The largest entry of the leader that is not above the learner's last zxid is in the learner's log. *)
  Corollary trunc_target_is_in_log (s : state) f e (leader c : history) x :
    reachable s -> lead s e <> None -> p s f = e -> leader ⊑ H s e ->
    c ++ [x] ⊑ leader -> c ++ [x] = upto (last_zxid (log s f)) leader -> In x (log s f).
  Proof.
    intros Hr Hlead Hp Hl Hc Eu. eapply not_above_is_in_log; eauto.
    - eapply prefix_In; [exact Hl|]. eapply prefix_snoc_In, Hc.
    - assert (Hin : In x (upto (last_zxid (log s f)) leader)).
      { rewrite <- Eu. apply in_or_app. right. now left. }
      apply filter_In in Hin as [_ Hz].
      destruct (zleb_spec (zxid_of x) (last_zxid (log s f))); [assumption|discriminate].
  Qed.

  (** The state with another log at [f]. *)
  Definition with_log (s : state) (f : Node) (l : history) : state :=
    State (p s) (a s) (upd (log s) f l) (lead s) (I s) (H s) (prom s) (ack s) (act s) (D s).

  Section Synchronise.
    (** Any reachable state in which [f] has promised the elected epoch [e] and not accepted it yet. *)
    Context (s : state) (f : Node) (e : nat)
      (Hr : reachable s) (Hlead : lead s e <> None) (Hp : p s f = e) (Ha : a s f < e).
    (** The leader's history, cut anywhere into snapshot and log: the initial history, and possibly some of
        what it has proposed since. *)
    Context (snap es : history) (HI : I s e ⊑ snap ++ es) (HH : snap ++ es ⊑ H s e).
    (** What the leader has delivered: at least its snapshot. *)
    Context (dl : history) (Hsnap : snap ⊑ dl) (Hdl : dl ⊑ snap ++ es).

    Let the_plan := plan (last_zxid snap) (last_zxid dl) (map zxid_of es) (last_zxid (log s f)).
    Let op := fst the_plan.
    Let start : zxid := match op with Diff => last_zxid (log s f) | Trunc to => to | Snap z => z end.

    (** The learner's history after the first packet and [i] proposals. *)
    Definition stage (i : nat) : history :=
      apply_op (snap ++ es) op (log s f) ++ firstn i (after start es).

    Lemma leader_sorted : sorted (snap ++ es).
    Proof. eapply sorted_prefix; [exact HH|]. now apply H_sorted, Inv_reachable. Qed.

    Lemma leader_learner_match c1 x1 c2 x2 :
      c1 ++ [x1] ⊑ snap ++ es -> c2 ++ [x2] ⊑ log s f -> zxid_of x1 = zxid_of x2 -> c1 = c2 /\ x1 = x2.
    Proof.
      pose proof (Inv_reachable s Hr) as Hinv. intros H1 H2.
      eapply (log_matching Hinv); [|apply (log_rooted Hinv f)|exact H1|exact H2].
      eapply rooted_prefix; [exact HH|]. now apply H_rooted.
    Qed.

    Lemma leader_cut c x : c ++ [x] ⊑ snap ++ es ->
      c ++ [x] = upto (last_zxid (log s f)) (snap ++ es) -> In x (log s f).
    Proof. intros Hc Eu. eapply trunc_target_is_in_log; eauto. Qed.

    Let sorted_f : sorted (log s f) := log_sorted (Inv_reachable s Hr) f.

    (** The proposals of the plan are the entries behind [start]. *)
    Theorem plan_proposals : map zxid_of (after start es) = snd the_plan.
    Proof. apply (follow_is_planned snap es dl (log s f)). Qed.

    (** Every stage is one that [Sync] may reach from the log that the learner came with: a prefix of the
        history of [e], and not below the common prefix with the initial history. *)
    Theorem stage_allowed i :
      stage i ⊑ H s e /\ keeps (log s f) (I s e) (stage i) /\
      step s (Sync f e (stage i)) (with_log s f (stage i)).
    Proof.
      destruct (plan_every_stage snap es leader_sorted dl Hsnap Hdl (log s f) sorted_f
                  leader_learner_match leader_cut i) as [Hs Hk].
      fold the_plan op start in Hs, Hk. fold (stage i) in Hs, Hk.
      assert (H1 : stage i ⊑ H s e) by (eapply prefix_trans; eassumption).
      assert (H2 : keeps (log s f) (I s e) (stage i)).
      { intros c Hc1 Hc2. apply Hk; [exact Hc1|]. eapply prefix_trans; eassumption. }
      split; [exact H1|]. split; [exact H2|]. now constructor.
    Qed.

    (** So is the way from any stage to a later one. *)
    Theorem stage_next i j : i <= j ->
      step (with_log s f (stage i)) (Sync f e (stage j)) (with_log (with_log s f (stage i)) f (stage j)).
    Proof.
      intros Hij. destruct (stage_allowed j) as (H1 & _ & _).
      constructor; simpl; auto. rewrite upd_same. intros c Hc _.
      eapply prefix_trans; [exact Hc|]. unfold stage.
      apply prefix_app_both, firstn_prefix_le, Hij.
    Qed.

    (** The last stage is the leader's history; there the learner may accept the epoch. *)
    Theorem plan_ends_at_leader :
      stage (length (after start es)) = snap ++ es /\
      exists s', step (with_log s f (stage (length (after start es)))) (SetEpoch f e) s'.
    Proof.
      destruct (plan_first snap es leader_sorted dl Hsnap Hdl (log s f) sorted_f
                  leader_learner_match leader_cut) as (_ & _ & He).
      fold the_plan op start in He.
      assert (E : stage (length (after start es)) = snap ++ es).
      { unfold stage. now rewrite firstn_all. }
      split; [exact E|]. rewrite E. eexists. constructor; simpl; auto; now rewrite upd_same.
    Qed.

    (** The learner obeys TRUNC if what its own snapshot holds is in the leader's history; it is, if it was
        delivered in an older epoch. *)
    Theorem trunc_is_obeyed snap' es' to :
      log s f = snap' ++ es' -> snap' ⊑ snap ++ es -> op = Trunc to ->
      obeys_trunc (last_zxid snap') (map zxid_of es') to = true.
    Proof.
      apply (plan_obeyed snap es leader_sorted dl Hsnap Hdl (log s f) sorted_f
               leader_learner_match leader_cut).
    Qed.

    Lemma chosen_snapshot_in_leader snap' e0 n :
      chosen s e0 n -> e0 < e -> snap' = firstn n (H s e0) -> snap' ⊑ snap ++ es.
    Proof.
      intros Hc Hlt ->. eapply prefix_trans; [|exact HI].
      apply Key; auto. now apply Inv_reachable.
    Qed.

    (** What anybody has delivered in an older epoch, and the learner has on disk, no stage takes away. *)
    Theorem stage_keeps_chosen i e0 n :
      chosen s e0 n -> e0 < e -> firstn n (H s e0) ⊑ log s f -> firstn n (H s e0) ⊑ stage i.
    Proof.
      intros Hc Hlt Hin. destruct (stage_allowed i) as (_ & Hk & _). apply Hk; [exact Hin|].
      apply Key; auto. now apply Inv_reachable.
    Qed.
  End Synchronise.

  (** A learner that has accepted [e] already, and comes back to the same leader: whatever its log is, the leader
      has it. The plan then only appends. *)
  Section Resynchronise.
    Context (s : state) (f : Node) (e : nat)
      (Hr : reachable s) (Hlead : lead s e <> None) (Hp : p s f = e) (Ha : a s f = e).
    Context (snap es : history) (HH : snap ++ es ⊑ H s e) (Hf : log s f ⊑ snap ++ es).
    Context (dl : history) (Hsnap : snap ⊑ dl) (Hdl : dl ⊑ snap ++ es).

    Theorem stage_appends i :
      step s (Append f e (stage s f snap es dl i)) (with_log s f (stage s f snap es dl i)).
    Proof.
      destruct (plan_every_stage snap es (leader_sorted s e Hr snap es HH) dl Hsnap Hdl (log s f)
                  (log_sorted (Inv_reachable s Hr) f)
                  (leader_learner_match s f e Hr snap es HH)
                  (leader_cut s f e Hr Hlead Hp snap es HH) i) as [Hs Hk].
      constructor; auto.
      - apply Hk; [apply prefix_refl|exact Hf].
      - eapply prefix_trans; [exact Hs|exact HH].
    Qed.
  End Resynchronise.
End PlanSafety.
