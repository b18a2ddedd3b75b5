(** * Facts about runs: what was chosen stays chosen, what was delivered was chosen, what a history holds
      was broadcast *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure Key.
Import ListNotations.

Section Broadcast.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).

  Lemma run_reachable tr (s : state) : run tr s -> reachable s.
  Proof. intros Hr. now exists tr. Qed.

  Lemma run_split t1 x t2 (s : state) : run (t1 ++ x :: t2) s ->
    exists s1 s2, run t1 s1 /\ step s1 x s2 /\ run (t1 ++ [x]) s2 /\ later s2 s.
  Proof.
    revert s. induction t2 as [|y t2 IH] using rev_ind; intros s Hr.
    - inversion Hr as [E|tr s1 z s2 Hr1 Hst E]; [now destruct t1|].
      apply app_inj_tail in E as [-> ->]. exists s1, s.
      repeat split; auto. constructor.
    - rewrite app_comm_cons, app_assoc in Hr.
      inversion Hr as [E|tr s1 z s2 Hr1 Hst E]; [now destruct (t1 ++ x :: t2)|].
      apply app_inj_tail in E as [-> ->].
      destruct (IH _ Hr1) as (u1 & u2 & H1 & H2 & H3 & H4).
      exists u1, u2. repeat split; auto. econstructor; eassumption.
  Qed.

  Lemma run_later t1 t2 (s : state) : run (t1 ++ t2) s -> exists s1, run t1 s1 /\ later s1 s.
  Proof.
    revert s. induction t2 as [|y t2 IH] using rev_ind; intros s Hr.
    - rewrite app_nil_r in Hr. exists s. split; [exact Hr|constructor].
    - rewrite app_assoc in Hr. inversion Hr as [E|tr s1 z s2 Hr1 Hst E].
      + now destruct (t1 ++ t2).
      + apply app_inj_tail in E as [-> ->]. destruct (IH _ Hr1) as (u & Hu & Hl).
        exists u. split; [exact Hu|]. econstructor; eassumption.
  Qed.

  (** ** What later states have *)

  Section Later.
    Context {s s' : state} (Hr : reachable s) (Hl : later s s').

    Lemma later_lead e c : lead s e = Some c -> lead s' e = Some c.
    Proof. intros El. induction Hl; auto. eapply lead_stable; eauto. Qed.

    Lemma later_lead_set e : lead s e <> None -> lead s' e <> None.
    Proof.
      destruct (lead s e) eqn:El; [|congruence]. intros _.
      rewrite (later_lead _ _ El). discriminate.
    Qed.

    Lemma later_I e : lead s e <> None -> I s' e = I s e.
    Proof.
      intros El. revert El. induction Hl as [|s1 x s2 Hl1 IH Hst]; intros El; [reflexivity|].
      rewrite <- IH by auto. eapply I_stable; [exact Hst|].
      destruct (lead s e) as [c|] eqn:E; [|congruence].
      assert (E1 : lead s1 e = Some c).
      { clear - Hl1 E. induction Hl1; auto. eapply lead_stable; eauto. }
      congruence.
    Qed.

    Lemma later_H e : H s e ⊑ H s' e.
    Proof.
      induction Hl as [|s1 x s2 Hl1 IH Hst]; [apply prefix_refl|].
      eapply prefix_trans; [apply IH; exact Hl1|]. eapply H_grows; [|exact Hst].
      apply Inv_reachable. eapply reachable_later; eassumption.
    Qed.

    Lemma later_D f d : In d (D s f) -> In d (D s' f).
    Proof. intros Hd. induction Hl; auto. eapply D_mono; eauto. Qed.

    Lemma later_chosen e n : chosen s e n -> chosen s' e n.
    Proof. intros Hc. induction Hl; auto. eapply chosen_mono; eauto. Qed.

    Lemma later_firstn e n : chosen s e n -> firstn n (H s' e) = firstn n (H s e).
    Proof.
      intros Hc. apply firstn_stable; [apply later_H|].
      eapply chosen_length; [|exact Hc]. now apply Inv_reachable.
    Qed.
  End Later.

  Lemma step_later (s s' : state) x : step s x s' -> later s s'.
  Proof. intros Hst. econstructor; [constructor|exact Hst]. Qed.

  (** ** What was delivered was chosen *)

  Theorem delivered_chosen (s : state) f d : reachable s -> In d (D s f) ->
    exists e n, chosen s e n /\ d = firstn n (H s e).
  Proof.
    intros Hr. revert f d. pattern s. revert Hr. revert s. refine (reachable_ind _ _ _).
    - intros f d [].
    - intros s x s' Hr IH Hst f d Hd.
      assert (Hcase : exists e n, chosen s e n /\ d = firstn n (H s e)).
      { destruct Hst; simpl in Hd; eauto.
        unfold upd in Hd. destruct (eq_dec f f0) as [->|]; [|eauto].
        destruct Hd as [<-|Hd]; eauto. }
      destruct Hcase as (e & n & Hc & ->). exists e, n. split.
      + eapply chosen_mono; eassumption.
      + symmetry. eapply later_firstn; eauto using step_later.
  Qed.

  Lemma delivered_rooted (s : state) f d : reachable s -> In d (D s f) -> rooted s d.
  Proof.
    intros Hr Hd. destruct (delivered_chosen s f d Hr Hd) as (e & n & _ & ->).
    eapply rooted_prefix; [apply firstn_prefix|]. now apply H_rooted, Inv_reachable.
  Qed.

  Lemma delivered_sorted (s : state) f d : reachable s -> In d (D s f) -> sorted d.
  Proof.
    intros Hr Hd. destruct (delivered_chosen s f d Hr Hd) as (e & n & _ & ->).
    eapply sorted_prefix; [apply firstn_prefix|]. now apply H_sorted, Inv_reachable.
  Qed.

  (** ** What a history holds was broadcast *)

  Lemma propose_epoch (s s' : state) e x : step s (Propose e x) s' -> epoch_of x = e.
  Proof.
    intros Hst. inversion Hst as [| | | | | |? ? ? ? ? Hz| |]; subst.
    unfold zxid_of, next_zxid in Hz. congruence.
  Qed.

  Lemma propose_H (s s' : state) e x : step s (Propose e x) s' -> H s' e = H s e ++ [x].
  Proof. intros Hst. inversion Hst; subst; simpl. apply upde_same. Qed.

  Theorem history_was_broadcast tr (s : state) e x :
    run tr s -> In x (H s e) -> In (Propose (epoch_of x) x) tr.
  Proof.
    intros Hr. revert e. induction Hr as [|tr s y s' Hr IH Hst]; intros e Hx; [destruct Hx|].
    apply in_or_app.
    assert (Hcase : (exists e', In x (H s e')) \/ y = Propose (epoch_of x) x).
    { assert (Hst' := Hst).
      destruct Hst as [|e0 c rc Hl He| | | | |e0 z Ha Hc Hd Hz| |]; simpl in Hx; eauto.
      - unfold upde in Hx. destruct (Nat.eq_dec e e0) as [->|]; [|eauto].
        destruct He as (Hin & _).
        destruct (inv_r_log s (Inv_reachable s (run_reachable _ _ Hr)) rc Hin) as (e1 & _ & Hp).
        left. exists e1. eapply prefix_In; eassumption.
      - unfold upde in Hx. destruct (Nat.eq_dec e e0) as [->|]; [|eauto].
        apply in_app_or in Hx as [Hx|Hx]; [eauto|]. destruct Hx as [Hx|Hx]; [|destruct Hx].
        subst z. right.
        now rewrite (propose_epoch _ _ _ _ Hst'). }
    destruct Hcase as [(e' & Hx')| -> ]; [left; eapply IH; eassumption|right; now left].
  Qed.
End Broadcast.
