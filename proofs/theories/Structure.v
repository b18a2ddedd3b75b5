(** * What the invariants say of any single state: I1, I3, I4, J5 and log matching *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants.
Import ListNotations.

Section Structure.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).
  Notation promise := (promise Node Txn).

  (** Every prefix of [l] that ends in an entry of epoch [g] is what epoch [g] proposed up to there. *)
  Definition rooted (s : state) (l : history) : Prop :=
    forall c x, c ++ [x] ⊑ l ->
      lead s (epoch_of x) <> None /\ c ++ [x] ⊑ H s (epoch_of x).

  Lemma numbered_snoc_inv e (t : history) x :
    numbered e (t ++ [x]) -> numbered e t /\ zxid_of x = (e, S (length t)).
  Proof.
    unfold numbered. rewrite app_length, map_app. simpl.
    rewrite Nat.add_1_r, seq_S, map_app. simpl. intros Heq.
    apply app_inj_tail in Heq. exact Heq.
  Qed.

  Lemma numbered_epoch e (t : history) x : numbered e t -> In x t -> epoch_of x = e.
  Proof.
    unfold numbered. intros Hn Hx. apply (in_map zxid_of) in Hx. rewrite Hn in Hx.
    apply in_map_iff in Hx as (i & Hi & _). unfold zxid_of in Hi. congruence.
  Qed.

  Lemma numbered_prefix e (c t : history) : c ⊑ t -> numbered e t -> numbered e c.
  Proof.
    intros [d ->]. induction d as [|x d IH] using rev_ind; [now rewrite app_nil_r|].
    rewrite app_assoc. intros Hn. apply numbered_snoc_inv in Hn as [Hn _]. auto.
  Qed.

  Section State.
    Context {s : state} (Hinv : Inv s).

    Lemma rooted_prefix c l : c ⊑ l -> rooted s l -> rooted s c.
    Proof. intros Hc Hl d x Hd. apply Hl. eapply prefix_trans; eassumption. Qed.

    (** *** I1: one candidate per promise, hence one leader per epoch *)

    Theorem one_candidate r1 r2 : In r1 (prom s) -> In r2 (prom s) ->
      r_node r1 = r_node r2 -> r_epoch r1 = r_epoch r2 -> r_cand r1 = r_cand r2.
    Proof. intros H1 H2 En Ee. now rewrite (inv_prom_once s Hinv r1 r2 H1 H2 En Ee). Qed.

    Theorem one_electable e c1 r1 c2 r2 :
      electable s e c1 r1 -> electable s e c2 r2 -> c1 = c2.
    Proof.
      intros (_ & _ & _ & _ & Q1 & HQ1 & _ & Hall1) (_ & _ & _ & _ & Q2 & HQ2 & _ & Hall2).
      destruct (quorum_meet Q1 Q2 HQ1 HQ2) as (f & Hf1 & Hf2).
      destruct (Hall1 f Hf1) as (q1 & Hq1 & Hn1 & He1 & Hc1 & _).
      destruct (Hall2 f Hf2) as (q2 & Hq2 & Hn2 & He2 & Hc2 & _).
      rewrite <- Hc1, <- Hc2. apply one_candidate; congruence.
    Qed.

    (** The guard [lead e = None] of [Elect] looks at the whole ensemble. A candidate that merely never
        makes itself the leader of the same epoch twice satisfies it. *)
    Theorem elect_guard_is_local e c rc :
      electable s e c rc -> lead s e <> Some c -> lead s e = None.
    Proof.
      intros He Hl. destruct (lead s e) as [c'|] eqn:El; [|reflexivity].
      destruct (inv_lead s Hinv e c' El) as (rc' & He' & _).
      now rewrite (one_electable _ _ _ _ _ He He') in Hl.
    Qed.

    (** *** J5: an initial history was proposed in some older epoch *)

    Lemma initial_history_older e : lead s e <> None ->
      exists e', e' < e /\ I s e ⊑ H s e'.
    Proof.
      destruct (lead s e) as [c|] eqn:El; [intros _|congruence].
      destruct (inv_lead s Hinv e c El) as (rc & (Hin & _ & Hep & _) & HI).
      destruct (inv_r_log s Hinv rc Hin) as (e' & Hb & Hp).
      exists e'. rewrite HI. split; [lia|exact Hp].
    Qed.

    Lemma lead_positive e : lead s e <> None -> 0 < e.
    Proof. intros Hl. destruct (initial_history_older e Hl) as (e' & Hlt & _). lia. Qed.

    Lemma H_nonempty_lead e x : In x (H s e) -> lead s e <> None.
    Proof. intros Hx El. apply (inv_nolead s Hinv) in El as [_ El]. now rewrite El in Hx. Qed.

    Lemma I_prefix_H e : I s e ⊑ H s e.
    Proof. destruct (inv_H s Hinv e) as (t & -> & _). apply prefix_app. Qed.

    (** *** I3: which epochs occur where *)

    Lemma H_epochs e x : In x (H s e) -> epoch_of x <= e.
    Proof.
      induction e as [e IH] using lt_wf_ind. intros Hx.
      pose proof (H_nonempty_lead e x Hx) as Hl.
      destruct (inv_H s Hinv e) as (t & Ht & Hn). rewrite Ht in Hx.
      apply in_app_or in Hx as [Hx|Hx].
      - destruct (initial_history_older e Hl) as (e' & Hlt & Hp).
        pose proof (IH e' Hlt (prefix_In _ _ _ Hp Hx)). lia.
      - now rewrite (numbered_epoch _ _ _ Hn Hx).
    Qed.

    Lemma I_epochs e x : In x (I s e) -> epoch_of x < e.
    Proof.
      intros Hx. pose proof (H_nonempty_lead e x (prefix_In _ _ _ (I_prefix_H e) Hx)) as Hl.
      destruct (initial_history_older e Hl) as (e' & Hlt & Hp).
      pose proof (H_epochs e' x (prefix_In _ _ _ Hp Hx)). lia.
    Qed.

    Lemma log_epochs f x : In x (log s f) -> epoch_of x <= p s f.
    Proof.
      intros Hx. destruct (inv_log s Hinv f) as (e & Hb & Hp).
      pose proof (H_epochs e x (prefix_In _ _ _ Hp Hx)). lia.
    Qed.

    (** *** I4: histories are sorted; log matching *)

    Lemma last_zxid_epoch e (l : history) :
      0 < e -> (forall x, In x l -> epoch_of x < e) -> fst (last_zxid l) < e.
    Proof.
      intros He Hall. destruct l as [|x l _] using rev_ind; [exact He|].
      rewrite last_zxid_snoc. apply Hall. apply in_or_app. right. now left.
    Qed.

    Theorem H_sorted e : sorted (H s e).
    Proof.
      induction e as [e IH] using lt_wf_ind.
      destruct (lead s e) as [c|] eqn:El.
      - assert (Hl : lead s e <> None) by congruence.
        destruct (inv_H s Hinv e) as (t & Ht & Hn). rewrite Ht. clear Ht.
        assert (HI : sorted (I s e)).
        { destruct (initial_history_older e Hl) as (e' & Hlt & Hp).
          eapply sorted_prefix; [exact Hp|]. auto. }
        induction t as [|x t IHt] using rev_ind; [now rewrite app_nil_r|].
        apply numbered_snoc_inv in Hn as [Hn Hx]. rewrite app_assoc.
        apply sorted_snoc; [auto|]. rewrite Hx.
        destruct t as [|y t _] using rev_ind.
        + rewrite app_nil_r. left. simpl.
          apply last_zxid_epoch; [now apply lead_positive|apply I_epochs].
        + apply numbered_snoc_inv in Hn as [_ Hy]. rewrite app_assoc, last_zxid_snoc, Hy.
          rewrite app_length. right. simpl. lia.
      - apply (inv_nolead s Hinv) in El as [_ ->]. apply sorted_nil.
    Qed.

    Lemma I_sorted e : sorted (I s e).
    Proof. eapply sorted_prefix; [apply I_prefix_H|apply H_sorted]. Qed.

    Lemma log_sorted f : sorted (log s f).
    Proof.
      destruct (inv_log s Hinv f) as (e & _ & Hp).
      eapply sorted_prefix; [exact Hp|apply H_sorted].
    Qed.

    Lemma r_log_sorted r : In r (prom s) -> sorted (r_log r).
    Proof.
      intros Hr. destruct (inv_r_log s Hinv r Hr) as (e & _ & Hp).
      eapply sorted_prefix; [exact Hp|apply H_sorted].
    Qed.

    Theorem H_rooted e : rooted s (H s e).
    Proof.
      induction e as [e IH] using lt_wf_ind. intros c x Hp.
      pose proof (prefix_snoc_In _ _ _ Hp) as Hx.
      pose proof (H_nonempty_lead e x Hx) as Hl.
      destruct (inv_H s Hinv e) as (t & Ht & Hn).
      pose proof Hp as Hp'. rewrite Ht in Hp'.
      apply prefix_app_cases in Hp' as [Hpi|(d & Ed & Hd)].
      - destruct (initial_history_older e Hl) as (e' & Hlt & HI).
        apply (IH e' Hlt). eapply prefix_trans; eassumption.
      - destruct d as [|y d _] using rev_ind.
        + rewrite app_nil_r in Ed.
          destruct (initial_history_older e Hl) as (e' & Hlt & HI).
          apply (IH e' Hlt). now rewrite Ed.
        + rewrite app_assoc in Ed. apply app_inj_tail in Ed as [_ <-].
          assert (Ex : epoch_of x = e).
          { eapply numbered_epoch; [exact Hn|]. eapply prefix_snoc_In, Hd. }
          rewrite Ex. split; assumption.
    Qed.

    Lemma I_rooted e : rooted s (I s e).
    Proof. eapply rooted_prefix; [apply I_prefix_H|apply H_rooted]. Qed.

    Lemma log_rooted f : rooted s (log s f).
    Proof.
      destruct (inv_log s Hinv f) as (e & _ & Hp).
      eapply rooted_prefix; [exact Hp|apply H_rooted].
    Qed.

    Lemma r_log_rooted r : In r (prom s) -> rooted s (r_log r).
    Proof.
      intros Hr. destruct (inv_r_log s Hinv r Hr) as (e & _ & Hp).
      eapply rooted_prefix; [exact Hp|apply H_rooted].
    Qed.

    (** A zxid determines the transaction and all that stands before it, wherever it occurs. *)
    Theorem log_matching l1 l2 c1 x1 c2 x2 :
      rooted s l1 -> rooted s l2 ->
      c1 ++ [x1] ⊑ l1 -> c2 ++ [x2] ⊑ l2 ->
      zxid_of x1 = zxid_of x2 -> c1 = c2 /\ x1 = x2.
    Proof.
      intros R1 R2 P1 P2 E.
      destruct (R1 _ _ P1) as [_ G1]. destruct (R2 _ _ P2) as [_ G2].
      assert (Ee : epoch_of x1 = epoch_of x2) by (unfold zxid_of in E; congruence).
      rewrite <- Ee in G2. eapply sorted_same_place; eauto using H_sorted.
    Qed.

    (** No history has a hole: an entry is the first of its epoch, behind older ones, or the next of its epoch. *)
    Theorem no_holes l c x : rooted s l -> c ++ [x] ⊑ l ->
      fst (last_zxid c) < epoch_of x /\ counter_of x = 1 \/
      fst (last_zxid c) = epoch_of x /\ counter_of x = S (snd (last_zxid c)).
    Proof.
      intros Hroot Hp. destruct (Hroot c x Hp) as [Hl Hg]. set (g := epoch_of x) in *.
      destruct (inv_H s Hinv g) as (t & Ht & Hn). rewrite Ht in Hg.
      apply prefix_app_cases in Hg as [Hi|(d & Ed & Hd)].
      - exfalso. pose proof (I_epochs g x (prefix_snoc_In _ _ _ Hi)). unfold g in *. lia.
      - destruct d as [|y d _] using rev_ind.
        + exfalso. rewrite app_nil_r in Ed.
          assert (Hx : In x (I s g)) by (rewrite <- Ed; apply in_or_app; right; now left).
          pose proof (I_epochs g x Hx). unfold g in *. lia.
        + rewrite app_assoc in Ed. apply app_inj_tail in Ed as [-> <-].
          apply (numbered_prefix g _ _ Hd) in Hn. apply numbered_snoc_inv in Hn as [Hn Hx].
          assert (Hc : counter_of x = S (length d)) by (unfold zxid_of in Hx; congruence).
          rewrite Hc.
          destruct d as [|y d _] using rev_ind.
          * left. rewrite app_nil_r. split; [|reflexivity].
            apply last_zxid_epoch; [now apply lead_positive|apply I_epochs].
          * right. apply numbered_snoc_inv in Hn as [_ Hy].
            rewrite app_assoc, last_zxid_snoc, Hy, app_length. simpl. split; [reflexivity|lia].
    Qed.

    Lemma rooted_last_nonzero l : rooted s l -> last_zxid l = zero -> l = [].
    Proof.
      intros R E. destruct l as [|x l _] using rev_ind; [reflexivity|].
      destruct (R l x (prefix_refl _)) as [Hl _]. apply lead_positive in Hl.
      rewrite last_zxid_snoc in E. unfold zxid_of, zero in E. injection E as E0 _. lia.
    Qed.

    (** Histories with the same last zxid are the same. *)
    Theorem same_last_same_history l1 l2 :
      rooted s l1 -> rooted s l2 -> last_zxid l1 = last_zxid l2 -> l1 = l2.
    Proof.
      intros R1 R2 E.
      destruct l1 as [|x1 l1 _] using rev_ind.
      - symmetry. now apply rooted_last_nonzero.
      - destruct l2 as [|x2 l2 _] using rev_ind; [now apply rooted_last_nonzero|].
        rewrite !last_zxid_snoc in E.
        destruct (log_matching _ _ l1 x1 l2 x2 R1 R2 (prefix_refl _) (prefix_refl _) E) as [-> ->].
        reflexivity.
    Qed.
  End State.
End Structure.
