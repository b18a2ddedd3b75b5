(** * The inductive invariants

    Names as in the plan: I2, I5, I6, I7, J1 to J4 and the shape of [H]. The rest (I1, I3, I4, J5) follows
    from these in any single state: see Structure.v. None of them needs that quorums meet. *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol.
Import ListNotations.

Section Invariants.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).
  Notation state := (state Node Txn).
  Notation promise := (promise Node Txn).

  (** Entries of epoch [e] with counters 1, 2, 3, ... *)
  Definition numbered (e : nat) (t : history) : Prop :=
    map zxid_of t = map (fun i => (e, i)) (seq 1 (length t)).

  Record Inv (s : state) : Prop := {

    (** I2: epochs of promises, acknowledgements and nodes. *)
    inv_a_le_p : forall f, a s f <= p s f;
    inv_prom_le_p : forall r, In r (prom s) -> r_epoch r <= p s (r_node r);
    inv_ack_le_a : forall f e n, In (f, e, n) (ack s) -> e <= a s f;

    (** J4: a node promises an epoch once. *)
    inv_prom_once : forall r1 r2, In r1 (prom s) -> In r2 (prom s) ->
      r_node r1 = r_node r2 -> r_epoch r1 = r_epoch r2 -> r1 = r2;

    (** J3: where a leader and its initial history come from. *)
    inv_lead : forall e c, lead s e = Some c ->
      exists rc, electable s e c rc /\ I s e = r_log rc;
    inv_nolead : forall e, lead s e = None -> I s e = [] /\ H s e = [];

    (** The initial history, then the epoch's own entries, numbered. *)
    inv_H : forall e, exists t, H s e = I s e ++ t /\ numbered e t;

    (** J1: an acknowledgement is of an elected epoch, and of something that exists. *)
    inv_ack_range : forall f e n, In (f, e, n) (ack s) ->
      lead s e <> None /\ length (I s e) <= n /\ n <= length (H s e);

    (** J2: an accepted epoch has been acknowledged. *)
    inv_a_acked : forall f, 0 < a s f -> exists n, In (f, a s f, n) (ack s);
    inv_r_a_acked : forall r, In r (prom s) -> 0 < r_a r ->
      exists n, In (r_node r, r_a r, n) (ack s);

    (** I5: a log is a piece of what some epoch between [a] and [p] proposed. *)
    inv_log : forall f, exists e, a s f <= e <= p s f /\ log s f ⊑ H s e;
    inv_r_log : forall r, In r (prom s) ->
      exists e, r_a r <= e < r_epoch r /\ r_log r ⊑ H s e;

    (** I6: what a node acknowledged in an older epoch, it did before the promise. *)
    inv_ack_before : forall r e n, In r (prom s) -> In (r_node r, e, n) (ack s) ->
      e < r_epoch r -> e <= r_a r;

    (** I7: what an acknowledger keeps, as long as all later leaders have it. *)
    inv_keep : forall f e0 n C, In (f, e0, n) (ack s) -> C ⊑ firstn n (H s e0) ->
      (forall e, e0 < e <= p s f -> lead s e <> None -> C ⊑ I s e) -> C ⊑ log s f;
    inv_r_keep : forall r e0 n C, In r (prom s) -> In (r_node r, e0, n) (ack s) ->
      e0 < r_epoch r -> C ⊑ firstn n (H s e0) ->
      (forall e, e0 < e < r_epoch r -> lead s e <> None -> C ⊑ I s e) -> C ⊑ r_log r
  }.

  (** ** What every step leaves as it was *)

  Ltac cases_upd :=
    unfold upd, upde in *;
    repeat (match goal with
            | |- context [eq_dec ?x ?y] => destruct (eq_dec x y); subst
            | |- context [Nat.eq_dec ?x ?y] => destruct (Nat.eq_dec x y); subst
            | h : context [eq_dec ?x ?y] |- _ => destruct (eq_dec x y); subst
            | h : context [Nat.eq_dec ?x ?y] |- _ => destruct (Nat.eq_dec x y); subst
            end; simpl in *).

  Lemma numbered_snoc e t x :
    numbered e t -> zxid_of x = (e, S (length t)) -> numbered e (t ++ [x]).
  Proof.
    unfold numbered. intros Ht Hx. rewrite app_length, map_app, Ht. simpl.
    rewrite Nat.add_1_r, seq_S, map_app, Hx. reflexivity.
  Qed.

  Section Step.
    Context {s s' : state} {x : action Node Txn} (Hinv : Inv s) (Hst : step s x s').

    Lemma p_mono f : p s f <= p s' f.
    Proof. clear Hinv. destruct Hst; simpl; cases_upd; lia. Qed.

    Lemma a_mono f : a s f <= a s' f.
    Proof. clear Hinv. destruct Hst; simpl; cases_upd; lia. Qed.

    Lemma prom_mono r : In r (prom s) -> In r (prom s').
    Proof. clear Hinv. destruct Hst; simpl; auto. Qed.

    Lemma ack_mono y : In y (ack s) -> In y (ack s').
    Proof. clear Hinv. destruct Hst; simpl; auto. Qed.

    Lemma D_mono f d : In d (D s f) -> In d (D s' f).
    Proof. clear Hinv. destruct Hst; simpl; cases_upd; simpl; auto. Qed.

    Lemma lead_stable e c : lead s e = Some c -> lead s' e = Some c.
    Proof. clear Hinv. destruct Hst; simpl; cases_upd; congruence. Qed.

    Lemma lead_set e : lead s e <> None -> lead s' e <> None.
    Proof.
      destruct (lead s e) eqn:E; [|congruence].
      intros _. rewrite (lead_stable _ _ E). discriminate.
    Qed.

    Lemma I_stable e : lead s e <> None -> I s' e = I s e.
    Proof. clear Hinv. destruct Hst; simpl; cases_upd; congruence. Qed.

    Lemma H_grows e : H s e ⊑ H s' e.
    Proof.
      destruct Hst; simpl; cases_upd; try apply prefix_refl.
      - match goal with h : lead s ?e0 = None |- _ =>
          destruct (inv_nolead s Hinv e0 h) as [_ ->] end.
        apply prefix_nil.
      - apply prefix_app.
    Qed.

    Lemma acked_firstn f e n : In (f, e, n) (ack s) -> firstn n (H s' e) = firstn n (H s e).
    Proof.
      intros Hin. apply firstn_stable; [apply H_grows|].
      now apply (inv_ack_range s Hinv) in Hin.
    Qed.

    Lemma acked_mono e n f : acked s e n f -> acked s' e n f.
    Proof. intros (m & Hm & Hin). exists m. split; [exact Hm|]. now apply ack_mono. Qed.

    Lemma chosen_mono e n : chosen s e n -> chosen s' e n.
    Proof.
      intros (Q & HQ & Hall). exists Q. split; [exact HQ|].
      intros f Hf. now apply acked_mono, Hall.
    Qed.

    Lemma electable_mono e c rc : electable s e c rc -> electable s' e c rc.
    Proof.
      intros (H1 & H2 & H3 & H4 & Q & HQ & Hc & Hall).
      repeat split; auto using prom_mono.
      exists Q. repeat split; auto. intros f Hf.
      destruct (Hall f Hf) as (r & Hr & Hrest). exists r. auto using prom_mono.
    Qed.

    (** ** Each invariant is kept *)

    Lemma a_le_p_step f : a s' f <= p s' f.
    Proof.
      pose proof (inv_a_le_p s Hinv f). destruct Hst; simpl; cases_upd; try lia.
    Qed.

    Lemma prom_le_p_step r : In r (prom s') -> r_epoch r <= p s' (r_node r).
    Proof.
      intros Hr. assert (Hcase : In r (prom s) \/ ~ In r (prom s) /\ r_epoch r <= p s' (r_node r)
                                  \/ r_epoch r <= p s' (r_node r)).
      { destruct Hst; simpl in *; auto. destruct Hr as [<-|Hr]; auto. simpl.
        rewrite upd_same. auto. }
      destruct Hcase as [Hin|[[_ Hle]|Hle]]; auto.
      etransitivity; [apply (inv_prom_le_p s Hinv r Hin)|apply p_mono].
    Qed.

    Lemma ack_le_a_step f e n : In (f, e, n) (ack s') -> e <= a s' f.
    Proof.
      intros Hin.
      assert (Hcase : In (f, e, n) (ack s) \/ e <= a s' f).
      { destruct Hst; simpl in *; auto; destruct Hin as [E|Hin]; auto;
          injection E as Ef Ee En; subst f e n; cases_upd; auto; try congruence; lia. }
      destruct Hcase as [Hold|Hle]; auto.
      etransitivity; [apply (inv_ack_le_a s Hinv f e n Hold)|apply a_mono].
    Qed.

    Lemma prom_once_step r1 r2 : In r1 (prom s') -> In r2 (prom s') ->
      r_node r1 = r_node r2 -> r_epoch r1 = r_epoch r2 -> r1 = r2.
    Proof.
      pose proof (inv_prom_once s Hinv r1 r2) as Hold.
      pose proof (inv_prom_le_p s Hinv) as Hle.
      destruct Hst; simpl in *; auto.
      intros [<-|H1] [<-|H2] En Ee; simpl in *; auto; exfalso.
      - specialize (Hle _ H2). subst. lia.
      - specialize (Hle _ H1). subst. lia.
    Qed.

    Lemma lead_step e c : lead s' e = Some c ->
      exists rc, electable s' e c rc /\ I s' e = r_log rc.
    Proof.
      intros Hl.
      assert (Hcase : lead s e = Some c \/ exists rc, electable s e c rc /\ I s' e = r_log rc).
      { destruct Hst; simpl in *; auto. cases_upd; auto.
        right. injection Hl as <-. eauto. }
      destruct Hcase as [Hold|(rc & He & Hi)].
      - destruct (inv_lead s Hinv e c Hold) as (rc & He & Hi). exists rc. split.
        + now apply electable_mono.
        + rewrite I_stable; [exact Hi|congruence].
      - exists rc. auto using electable_mono.
    Qed.

    Lemma nolead_step e : lead s' e = None -> I s' e = [] /\ H s' e = [].
    Proof.
      pose proof (inv_nolead s Hinv e) as Hold.
      intros Hl. destruct Hst; simpl in *; auto; cases_upd; auto; try discriminate.
      exfalso.
      match goal with h : exists c d, _ |- _ => destruct h as (c & d & Hc & _) end. congruence.
    Qed.

    Lemma H_step e : exists t, H s' e = I s' e ++ t /\ numbered e t.
    Proof.
      destruct (inv_H s Hinv e) as (t & Ht & Hn).
      destruct Hst as [| | | | | |e1 y Hact Hch Hdel Hz| |]; simpl; eauto; cases_upd; eauto.
      - exists []. rewrite app_nil_r. split; reflexivity.
      - exists (t ++ [y]). rewrite Ht, app_assoc. split; [reflexivity|].
        apply numbered_snoc; [exact Hn|].
        rewrite Hz. unfold next_zxid. rewrite Ht, app_length. repeat f_equal. lia.
    Qed.

    Lemma ack_range_step f e n : In (f, e, n) (ack s') ->
      lead s' e <> None /\ length (I s' e) <= n /\ n <= length (H s' e).
    Proof.
      intros Hin.
      assert (Hcase : In (f, e, n) (ack s) \/
        lead s e <> None /\ length (I s e) <= n /\ n <= length (H s e)).
      { destruct Hst as [| | |f0 e0 ? ? ? ? ?| |f0 e0 m| | |]; simpl in *; auto;
          destruct Hin as [E|Hin]; auto; injection E as Ef Ee En; subst f e n; right.
        - repeat split; auto.
          transitivity (length (log s f0)); now apply prefix_length.
        - (* Ack: the accepted epoch has a leader, and the log is of this very epoch *)
          assert (Hlead : lead s e0 <> None).
          { destruct (inv_a_acked s Hinv f0) as (k & Hk); [lia|].
            apply (inv_ack_range s Hinv) in Hk. now replace e0 with (a s f0). }
          repeat split; auto.
          destruct (inv_log s Hinv f0) as (e' & Hb & Hp).
          replace e' with e0 in * by lia.
          apply prefix_length in Hp. lia. }
      assert (Hold : lead s e <> None /\ length (I s e) <= n /\ n <= length (H s e)).
      { destruct Hcase; [now apply (inv_ack_range s Hinv f)|assumption]. }
      destruct Hold as (H1 & H2 & H3). repeat split.
      - now apply lead_set.
      - now rewrite I_stable.
      - pose proof (prefix_length _ _ (H_grows e)). lia.
    Qed.

    Lemma a_acked_step f : 0 < a s' f -> exists n, In (f, a s' f, n) (ack s').
    Proof.
      pose proof (inv_a_acked s Hinv f) as Hold.
      destruct Hst; simpl in *; auto.
      - cases_upd; intros Hpos; [eexists; left; reflexivity|].
        destruct (Hold Hpos) as (k & Hk). eauto.
      - intros Hpos. destruct (Hold Hpos) as (k & Hk). eauto.
    Qed.

    Lemma r_a_acked_step r : In r (prom s') -> 0 < r_a r ->
      exists n, In (r_node r, r_a r, n) (ack s').
    Proof.
      intros Hr Hpos.
      assert (Hcase : exists n, In (r_node r, r_a r, n) (ack s)).
      { pose proof (inv_r_a_acked s Hinv r) as Hold.
        destruct Hst; simpl in *; auto.
        destruct Hr as [<-|Hr]; auto. simpl in *. now apply (inv_a_acked s Hinv). }
      destruct Hcase as (n & Hn). exists n. now apply ack_mono.
    Qed.

    Lemma log_step f : exists e, a s' f <= e <= p s' f /\ log s' f ⊑ H s' e.
    Proof.
      assert (Hcase : exists e, a s' f <= e <= p s' f /\ log s' f ⊑ H s e).
      { destruct (inv_log s Hinv f) as (e1 & Hb & Hp).
        destruct Hst; simpl in *; cases_upd; eauto;
          try (exists e1; split; [lia|assumption]);
          match goal with h : _ ⊑ H s (p s ?g) |- _ => exists (p s g) end;
          (split; [lia|assumption]). }
      destruct Hcase as (e & Hb & Hp). exists e. split; [exact Hb|].
      eapply prefix_trans; [exact Hp|apply H_grows].
    Qed.

    Lemma r_log_step r : In r (prom s') ->
      exists e, r_a r <= e < r_epoch r /\ r_log r ⊑ H s' e.
    Proof.
      intros Hr.
      assert (Hcase : exists e, r_a r <= e < r_epoch r /\ r_log r ⊑ H s e).
      { pose proof (inv_r_log s Hinv r) as Hold.
        destruct Hst; simpl in *; auto.
        destruct Hr as [<-|Hr]; auto. simpl.
        destruct (inv_log s Hinv f) as (e1 & Hb & Hp). exists e1. split; [lia|exact Hp]. }
      destruct Hcase as (e & Hb & Hp). exists e. split; [exact Hb|].
      eapply prefix_trans; [exact Hp|apply H_grows].
    Qed.

    Lemma ack_before_step r e n : In r (prom s') -> In (r_node r, e, n) (ack s') ->
      e < r_epoch r -> e <= r_a r.
    Proof.
      intros Hr Hin Hlt. pose proof (inv_ack_before s Hinv r e n) as Hold.
      destruct Hst; simpl in *; auto.
      - destruct Hr as [<-|Hr]; auto. simpl in *. eapply (inv_ack_le_a s Hinv); eassumption.
      - destruct Hin as [E|Hin]; auto. exfalso. injection E as Ef Ee En; subst.
        pose proof (inv_prom_le_p s Hinv r Hr). lia.
      - destruct Hin as [E|Hin]; auto. exfalso. injection E as Ef Ee En; subst.
        pose proof (inv_prom_le_p s Hinv r Hr). lia.
    Qed.

    (** What all later leaders have after the step, those of before had before it. *)
    Lemma keep_hyp C (P : nat -> Prop) (P' : nat -> Prop) :
      (forall e, P e -> P' e) ->
      (forall e, P' e -> lead s' e <> None -> C ⊑ I s' e) ->
      (forall e, P e -> lead s e <> None -> C ⊑ I s e).
    Proof.
      intros HP Hall e He Hl. rewrite <- I_stable by exact Hl. apply Hall; auto using lead_set.
    Qed.

    Lemma keep_step f e0 n C : In (f, e0, n) (ack s') -> C ⊑ firstn n (H s' e0) ->
      (forall e, e0 < e <= p s' f -> lead s' e <> None -> C ⊑ I s' e) -> C ⊑ log s' f.
    Proof.
      intros Hin HC Hall.
      assert (Hcase : In (f, e0, n) (ack s) \/ C ⊑ log s' f).
      { destruct Hst as [| | |f1 e1 ? ? ? ? ?| |f1 e1 m Hq1 Hq2 Hq3 Hq4 Hq5| | |]; simpl in *; auto;
          destruct Hin as [E|Hin]; auto; injection E as Ef Ee En; subst f e0 n; right;
          (eapply prefix_trans; [exact HC|]).
        - (* SetEpoch acknowledges the initial history, which the log holds *)
          destruct (inv_H s Hinv e1) as (t & Ht & _). rewrite Ht.
          rewrite firstn_app, Nat.sub_diag, firstn_all. simpl. now rewrite app_nil_r.
        - (* Ack: the log is of this very epoch *)
          destruct (inv_log s Hinv f1) as (e' & Hb & Hp). replace e' with e1 in * by lia.
          rewrite (firstn_stable m (log s f1) (H s e1)) by assumption. apply firstn_prefix. }
      destruct Hcase as [Hold|Hnew]; [|exact Hnew].
      rewrite (acked_firstn _ _ _ Hold) in HC.
      assert (Hlog : C ⊑ log s f).
      { apply (inv_keep s Hinv f e0 n C Hold HC). eapply keep_hyp; [|exact Hall].
        simpl. intros e He. pose proof (p_mono f). lia. }
      pose proof (inv_ack_le_a s Hinv f e0 n Hold) as Hle.
      clear Hin HC. destruct Hst; simpl in *; auto; cases_upd; auto.
      - (* Sync keeps what log and initial history share *)
        match goal with h : keeps _ _ _ |- _ => apply h end; [exact Hlog|].
        apply Hall; [lia|assumption].
      - (* Append *)
        eapply prefix_trans; eassumption.
    Qed.

    Lemma r_keep_step r e0 n C : In r (prom s') -> In (r_node r, e0, n) (ack s') ->
      e0 < r_epoch r -> C ⊑ firstn n (H s' e0) ->
      (forall e, e0 < e < r_epoch r -> lead s' e <> None -> C ⊑ I s' e) -> C ⊑ r_log r.
    Proof.
      intros Hr Hin Hlt HC Hall.
      assert (Hcase : In (r_node r, e0, n) (ack s)).
      { pose proof (prom_le_p_step r Hr) as Hle.
        destruct Hst; simpl in *; auto; destruct Hin as [E|Hin]; auto; exfalso;
          injection E as Ef Ee En; subst; lia. }
      rewrite (acked_firstn _ _ _ Hcase) in HC.
      pose proof (keep_hyp C _ _ (fun e He => He) Hall) as Hall'.
      pose proof (inv_r_keep s Hinv r e0 n C) as Hold.
      clear Hin Hall. destruct Hst; simpl in *; eauto.
      destruct Hr as [<-|Hr]; eauto. simpl in *.
      apply (inv_keep s Hinv f e0 n C Hcase HC). intros e' He'. apply Hall'. lia.
    Qed.

    Lemma Inv_step : Inv s'.
    Proof.
      constructor; eauto using a_le_p_step, prom_le_p_step, ack_le_a_step, prom_once_step,
        lead_step, nolead_step, H_step, ack_range_step, a_acked_step, r_a_acked_step, log_step,
        r_log_step, ack_before_step, keep_step, r_keep_step.
    Qed.
  End Step.

  Lemma Inv_init : Inv init.
  Proof.
    constructor; simpl; try tauto; try lia; try discriminate; auto.
    - intros e. exists []. split; reflexivity.
    - intros f. exists 0. split; [lia|apply prefix_refl].
  Qed.

  Theorem Inv_reachable s : reachable s -> Inv s.
  Proof.
    revert s. apply (reachable_ind Inv); [apply Inv_init|]. intros. eapply Inv_step; eassumption.
  Qed.
End Invariants.
