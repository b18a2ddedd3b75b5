(** * The key theorem: a chosen prefix is a prefix of every later epoch's initial history *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure.
Import ListNotations.

Section Key.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation state := (state Node Txn).

  Section State.
    Context {s : state} (Hinv : Inv s).

    Lemma chosen_lead e n : chosen s e n -> lead s e <> None.
    Proof.
      intros (Q & HQ & Hall). destruct (quorum_inhabited Q HQ) as (f & Hf).
      destruct (Hall f Hf) as (m & _ & Hin). now apply (inv_ack_range s Hinv) in Hin.
    Qed.

    Lemma chosen_length e n : chosen s e n -> n <= length (H s e).
    Proof.
      intros (Q & HQ & Hall). destruct (quorum_inhabited Q HQ) as (f & Hf).
      destruct (Hall f Hf) as (m & Hm & Hin). apply (inv_ack_range s Hinv) in Hin. lia.
    Qed.

    Lemma chosen_le e n m : m <= n -> chosen s e n -> chosen s e m.
    Proof.
      intros Hle (Q & HQ & Hall). exists Q. split; [exact HQ|]. intros f Hf.
      destruct (Hall f Hf) as (k & Hk & Hin). exists k. split; [lia|exact Hin].
    Qed.

    (** The quorum that elected [e] contains somebody who had acknowledged [n] entries of the older epoch
        [e0] when it promised [e]. *)
    Lemma witness e0 n e c rc :
      chosen s e0 n -> electable s e c rc -> e0 < e ->
      exists r m, In r (prom s) /\ r_epoch r = e /\ rank_le r rc /\
                  n <= m /\ In (r_node r, e0, m) (ack s) /\ e0 <= r_a r.
    Proof.
      intros (Q0 & HQ0 & Hall0) (_ & _ & _ & _ & Qe & HQe & _ & Halle) Hlt.
      destruct (quorum_meet Q0 Qe HQ0 HQe) as (f & Hf0 & Hfe).
      destruct (Hall0 f Hf0) as (m & Hm & Hack).
      destruct (Halle f Hfe) as (r & Hr & Hrn & Hre & _ & Hrank).
      subst f. exists r, m. repeat split; auto.
      eapply (inv_ack_before s Hinv); [exact Hr|exact Hack|lia].
    Qed.

    Lemma rank_le_a (r1 r2 : promise Node Txn) : rank_le r1 r2 -> r_a r1 <= r_a r2.
    Proof. intros [Hr|[Hr _]]; lia. Qed.

    Theorem Key e0 n e :
      e0 < e -> lead s e <> None -> chosen s e0 n -> firstn n (H s e0) ⊑ I s e.
    Proof.
      revert e0 n. induction e as [e IH] using lt_wf_ind. intros e0 n Hlt Hl Hch.
      set (C := firstn n (H s e0)).
      destruct (lead s e) as [c|] eqn:El; [clear Hl|congruence].
      destruct (inv_lead s Hinv e c El) as (rm & He & HI). rewrite HI.
      destruct (witness e0 n e c rm Hch He Hlt) as (rf & m & Hrf & Erf & Hrank & Hm & Hack & Haf).
      destruct He as (Hrm & _ & Erm & _ & _).
      pose proof (rank_le_a _ _ Hrank) as Ham.
      assert (HC : C ⊑ firstn m (H s e0)) by now apply firstn_prefix_le.
      (* every leader between e0 and e has C, by induction *)
      assert (Hbetween : forall e1, e0 < e1 < e -> lead s e1 <> None -> C ⊑ I s e1).
      { intros e1 [H1 H2] H3. now apply IH. }
      (* (1) the log that f had when it promised e has C *)
      assert (HCf : C ⊑ r_log rf).
      { apply (inv_r_keep s Hinv rf e0 m C Hrf Hack); [lia|exact HC|].
        rewrite Erf. exact Hbetween. }
      destruct (le_lt_eq_dec _ _ (Nat.le_trans _ _ _ Haf Ham)) as [Hgt|Heq].
      - (* (2) the elected record has accepted an epoch after e0 *)
        destruct (inv_r_a_acked s Hinv rm Hrm) as (k & Hk); [lia|].
        destruct (inv_ack_range s Hinv _ _ _ Hk) as (Hla & Hka & _).
        destruct (inv_r_log s Hinv rm Hrm) as (e2 & He2 & _).
        assert (HCa : C ⊑ I s (r_a rm)) by (apply Hbetween; [lia|exact Hla]).
        apply (inv_r_keep s Hinv rm (r_a rm) k C Hrm Hk); [lia| |].
        + apply prefix_of_firstn.
          * eapply prefix_trans; [exact HCa|]. now apply I_prefix_H.
          * etransitivity; [apply prefix_length, HCa|exact Hka].
        + intros e1 H1 H2. apply Hbetween; [lia|exact H2].
      - (* (3) both have accepted e0: the zxids decide *)
        assert (Hz : zle (last_zxid C) (last_zxid (r_log rm))).
        { destruct Hrank as [Hr|[_ Hr]]; [lia|]. eapply zle_trans; [|exact Hr].
          apply sorted_last_le; [|exact HCf]. now apply (r_log_sorted Hinv). }
        destruct (inv_r_log s Hinv rm Hrm) as (e2 & He2 & Hp2).
        assert (HC2 : C ⊑ H s e2 \/ r_log rm = []).
        { destruct (Nat.eq_dec e2 e0) as [->|Hne]; [left; apply firstn_prefix|].
          destruct (lead s e2) as [c2|] eqn:El2.
          - left. eapply prefix_trans; [|now apply I_prefix_H].
            apply Hbetween; [lia|congruence].
          - right. destruct (inv_nolead s Hinv e2 El2) as [_ E2]. rewrite E2 in Hp2.
            now apply prefix_of_nil. }
        destruct HC2 as [HC2|E2].
        + eapply sorted_le_prefix; [apply (H_sorted Hinv e2)|exact HC2|exact Hp2|exact Hz].
        + rewrite E2 in *. rewrite last_zxid_nil in Hz.
          assert (HCs : sorted C).
          { eapply sorted_prefix; [apply firstn_prefix|apply (H_sorted Hinv)]. }
          rewrite (sorted_last_zero C HCs); [apply prefix_refl|].
          clear - Hz. apply zle_antisym; [exact Hz|zlia].
    Qed.

    (** Chosen prefixes, of whatever epochs, are prefixes of one another. *)
    Theorem chosen_comparable e1 n1 e2 n2 :
      chosen s e1 n1 -> chosen s e2 n2 ->
      comparable (firstn n1 (H s e1)) (firstn n2 (H s e2)).
    Proof.
      intros H1 H2. destruct (lt_eq_lt_dec e1 e2) as [[Hlt|<-]|Hlt].
      - apply (prefix_comparable _ _ (H s e2)); [|apply firstn_prefix].
        eapply prefix_trans; [|now apply I_prefix_H].
        apply Key; auto. eapply chosen_lead; eassumption.
      - apply (prefix_comparable _ _ (H s e1)); apply firstn_prefix.
      - apply (prefix_comparable _ _ (H s e1)); [apply firstn_prefix|].
        eapply prefix_trans; [|now apply I_prefix_H].
        apply Key; auto. eapply chosen_lead; eassumption.
    Qed.

    Lemma chosen_initial e n : chosen s e n -> n <= length (I s e) -> firstn n (H s e) = firstn n (I s e).
    Proof. intros _ Hn. apply firstn_stable; [now apply I_prefix_H|exact Hn]. Qed.

    (** Once the initial history of [e] is chosen, every later epoch's history is that, followed by entries
        of epoch [e] and later only: no older entry can come in any more. *)
    Theorem later_history_shape e e1 :
      chosen s e (length (I s e)) -> e < e1 -> lead s e1 <> None ->
      exists t, H s e1 = I s e ++ t /\ forall x, In x t -> e <= epoch_of x.
    Proof.
      intros Hch. induction e1 as [e1 IH] using lt_wf_ind. intros Hlt Hl.
      assert (HI : I s e ⊑ I s e1).
      { pose proof (Key e _ e1 Hlt Hl Hch) as HK.
        now rewrite (chosen_initial _ _ Hch (le_n _)), firstn_all in HK. }
      assert (Hi : exists t, I s e1 = I s e ++ t /\ forall x, In x t -> e <= epoch_of x).
      { destruct (lead s e1) as [c|] eqn:El; [|congruence].
        destruct (inv_lead s Hinv e1 c El) as (rm & He & HIm).
        destruct (witness _ _ _ _ _ Hch He Hlt) as (rf & m & _ & _ & Hrank & _ & _ & Haf).
        pose proof (rank_le_a _ _ Hrank) as Ham.
        destruct He as (Hrm & _ & Erm & _ & _).
        destruct (inv_r_log s Hinv rm Hrm) as (e2 & He2 & Hp2). rewrite <- HIm in Hp2.
        assert (H2 : exists t, H s e2 = I s e ++ t /\ forall x, In x t -> e <= epoch_of x).
        { destruct (Nat.eq_dec e2 e) as [->|Hne].
          - destruct (inv_H s Hinv e) as (t & Ht & Hn). exists t. split; [exact Ht|].
            intros x Hx. rewrite (numbered_epoch _ _ _ Hn Hx). lia.
          - destruct (lead s e2) as [c2|] eqn:El2.
            + apply IH; [lia|lia|congruence].
            + destruct (inv_nolead s Hinv e2 El2) as [_ E2].
              rewrite E2 in Hp2. apply prefix_of_nil in Hp2.
              rewrite Hp2 in HI. apply prefix_of_nil in HI.
              exists []. rewrite E2, HI. split; [reflexivity|]. intros x []. }
        destruct H2 as (t & Ht & Hall).
        destruct HI as [u Hu]. exists u. split; [exact Hu|].
        intros x Hx. apply Hall. rewrite Ht, Hu in Hp2. destruct Hp2 as [v Hv].
        rewrite <- app_assoc in Hv. apply app_inv_head in Hv. rewrite Hv.
        apply in_or_app. now left. }
      destruct Hi as (t & Ht & Hall). destruct (inv_H s Hinv e1) as (u & Hu & Hn).
      exists (t ++ u). rewrite Hu, Ht, app_assoc. split; [reflexivity|].
      intros x Hx. apply in_app_or in Hx as [Hx|Hx]; [auto|].
      rewrite (numbered_epoch _ _ _ Hn Hx). lia.
    Qed.
  End State.
End Key.
