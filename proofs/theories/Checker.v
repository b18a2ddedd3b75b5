(** * A trace checker: what it accepts is an execution of the protocol

    Nodes and payloads are numbers. A trace names histories by their length in the epoch's history. *)

From Coq Require Import List Arith Bool Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Key Plan Broadcast Corollaries.
Import ListNotations.

Global Instance nat_eq_dec : EqDec nat := Nat.eq_dec.

(** ** Ensembles: groups of weighted members. One group of weights 1 is a plain majority. *)

Definition ensemble : Type := list (list (nat * nat)).

Definition members (en : ensemble) (g : nat) : list nat := map fst (nth g en []).

Definition weight (en : ensemble) (n : nat) : nat :=
  match find (fun m => fst m =? n) (concat en) with Some (_, w) => w | None => 0 end.

(** Groups without weight do not count. *)
Definition group_ids (en : ensemble) : list nat :=
  filter (fun g => 0 <? weight_of (weight en) (members en g)) (seq 0 (length en)).

Definition ensemble_quorums (en : ensemble) : Quorums nat :=
  grouped_quorums (group_ids en) (members en) (weight en).

Definition heavyb (ms : list nat) (w : nat -> nat) (b : nat -> bool) : bool :=
  weight_of w ms <? 2 * weight_of w (filter b (nodup Nat.eq_dec ms)).

Definition quorumb (en : ensemble) (b : nat -> bool) : bool :=
  heavyb (group_ids en) (fun _ => 1) (fun g => heavyb (members en g) (weight en) b).

Lemma heavyb_sound ms w b (P : nat -> Prop) :
  (forall n, b n = true -> P n) -> heavyb ms w b = true -> heavy ms w P.
Proof.
  intros HP Hb. apply Nat.ltb_lt in Hb. exists (filter b (nodup Nat.eq_dec ms)).
  repeat split.
  - apply NoDup_filter, NoDup_nodup.
  - intros n Hn. apply filter_In in Hn as [Hn _]. now apply nodup_In in Hn.
  - intros n Hn. apply filter_In in Hn as [_ Hn]. auto.
  - exact Hb.
Qed.

Lemma quorumb_sound en b (P : nat -> Prop) :
  (forall n, b n = true -> P n) -> quorumb en b = true -> @quorum _ (ensemble_quorums en) P.
Proof.
  intros HP Hb. apply (heavyb_sound _ _ _ _ (fun g => heavyb_sound _ _ _ _ HP)) in Hb. exact Hb.
Qed.

(** ** Traces *)

Inductive command : Type :=
| CPromise (f e c : nat)        (* f promises epoch e to c *)
| CElect (e c : nat)            (* c is the leader of e *)
| CSync (f e k : nat)           (* the log of f becomes the first k entries of e's history *)
| CSetEpoch (f e : nat)         (* f accepts e *)
| CAppend (f e k : nat)         (* the log of f grows to the first k entries of e's history *)
| CAck (f e n : nat)            (* f acknowledges n entries of e's history *)
| CPropose (e v : nat)          (* the leader of e broadcasts v *)
| CDeliver (f e n : nat)        (* f delivers the first n entries of e's history *)
| CCrash (f : nat)              (* f crashes or stops leading *)
| CExpect (f e1 e2 k : nat)     (* no step: f has promised e1, accepted e2, and has k entries on disk *)
| CExpectLast (f e c : nat).    (* no step: the last entry on the disk of f is (e, c) *)

Section Check.
  Context (en : ensemble).

  Local Instance quorums : Quorums nat := ensemble_quorums en.

  Notation state := (state nat nat).
  Notation history := (list (entry nat)).

  (** The state of the checker: as the protocol's, but what was delivered is kept as (node, epoch, length).
      The field [D] of [base] is not used. *)
  Record xstate : Type := X { base : state; given : list (nat * nat * nat) }.

  Definition xinit : xstate := X init [].

  Definition rank_leb (r1 r2 : promise nat nat) : bool :=
    (r_a r1 <? r_a r2) ||
    ((r_a r1 =? r_a r2) && zleb (last_zxid (r_log r1)) (last_zxid (r_log r2))).

  Definition promised_to (e c : nat) (r : promise nat nat) : bool :=
    (r_epoch r =? e) && (r_cand r =? c).

  Definition own_record (s : state) (e c : nat) : option (promise nat nat) :=
    find (fun r => (r_node r =? c) && promised_to e c r) (prom s).

  Definition entry_eq_dec (x y : entry nat) : {x = y} + {x <> y}.
  Proof. decide equality; apply Nat.eq_dec. Defined.

  Definition is_none {A} (o : option A) : bool := match o with None => true | Some _ => false end.
  Definition is_some {A} (o : option A) : bool := negb (is_none o).

  Definition ackedb (s : state) (e n f : nat) : bool :=
    existsb (fun k => match k with (f', e', m) => (f' =? f) && (e' =? e) && (n <=? m) end) (ack s).

  Definition chosenb (s : state) (e n : nat) : bool := quorumb en (ackedb s e n).

  Definition has_delivered (x : xstate) (c : nat) (l : history) : bool :=
    existsb (fun g => match g with (f, e, n) =>
                        (f =? c) && prefixb entry_eq_dec l (firstn n (H (base x) e)) end) (given x).

  Definition next_entry (s : state) (e v : nat) : entry nat := Entry e (snd (next_zxid s e)) v.

  (** The action that a command stands for; none for an expectation. *)
  Definition action_of (x : xstate) (cmd : command) : option (action nat nat) :=
    let s := base x in
    match cmd with
    | CPromise f e c => Some (Promise f e c)
    | CElect e c => option_map (Elect e c) (own_record s e c)
    | CSync f e k => Some (Sync f e (firstn k (H s e)))
    | CSetEpoch f e => Some (SetEpoch f e)
    | CAppend f e k => Some (Append f e (firstn k (H s e)))
    | CAck f e n => Some (Ack f e n)
    | CPropose e v => Some (Propose e (next_entry s e v))
    | CDeliver f e n => Some (Deliver f e n)
    | CCrash f => Some (Crash f)
    | CExpect _ _ _ _ | CExpectLast _ _ _ => None
    end.

  Definition allowed (x : xstate) (cmd : command) : bool :=
    let s := base x in
    match cmd with
    | CPromise f e c => p s f <? e
    | CElect e c =>
        match own_record s e c with
        | None => false
        | Some rc =>
            is_none (lead s e) &&
            quorumb en (fun f => existsb (fun r => (r_node r =? f) && promised_to e c r && rank_leb r rc) (prom s))
        end
    | CSync f e k =>
        is_some (lead s e) && (p s f =? e) && (a s f <? e) && (k <=? length (H s e)) &&
        prefixb entry_eq_dec (cp entry_eq_dec (log s f) (I s e)) (firstn k (H s e))
    | CSetEpoch f e =>
        is_some (lead s e) && (p s f =? e) && (a s f <? e) &&
        prefixb entry_eq_dec (I s e) (log s f) && prefixb entry_eq_dec (log s f) (H s e)
    | CAppend f e k =>
        (p s f =? e) && (a s f =? e) && (k <=? length (H s e)) &&
        prefixb entry_eq_dec (log s f) (firstn k (H s e))
    | CAck f e n =>
        (0 <? e) && (p s f =? e) && (a s f =? e) && (length (I s e) <=? n) && (n <=? length (log s f))
    | CPropose e v =>
        act s e && chosenb s e (length (I s e)) &&
        match lead s e with None => false | Some c => has_delivered x c (I s e) end
    | CDeliver f e n => is_some (lead s e) && (n <=? length (H s e)) && chosenb s e n
    | CCrash f => true
    | CExpect f e1 e2 k => (p s f =? e1) && (a s f =? e2) && (length (log s f) =? k)
    | CExpectLast f e c => zeqb (last_zxid (log s f)) (e, c)
    end.

  Definition effect (x : xstate) (cmd : command) : xstate :=
    let s := base x in
    let keep p' a' log' lead' I' H' prom' ack' act' :=
      X (State p' a' log' lead' I' H' prom' ack' act' (D s)) (given x) in
    match cmd with
    | CPromise f e c =>
        keep (upd (p s) f e) (a s) (log s) (lead s) (I s) (H s)
             (Promised f e c (a s f) (log s f) :: prom s) (ack s) (act s)
    | CElect e c =>
        match own_record s e c with
        | None => x
        | Some rc =>
            keep (p s) (a s) (log s) (upde (lead s) e (Some c)) (upde (I s) e (r_log rc))
                 (upde (H s) e (r_log rc)) (prom s) (ack s) (upde (act s) e true)
        end
    | CSync f e k | CAppend f e k =>
        keep (p s) (a s) (upd (log s) f (firstn k (H s e))) (lead s) (I s) (H s) (prom s) (ack s) (act s)
    | CSetEpoch f e =>
        keep (p s) (upd (a s) f e) (log s) (lead s) (I s) (H s) (prom s)
             ((f, e, length (I s e)) :: ack s) (act s)
    | CAck f e n =>
        keep (p s) (a s) (log s) (lead s) (I s) (H s) (prom s) ((f, e, n) :: ack s) (act s)
    | CPropose e v =>
        keep (p s) (a s) (log s) (lead s) (I s) (upde (H s) e (H s e ++ [next_entry s e v]))
             (prom s) (ack s) (act s)
    | CDeliver f e n => X s ((f, e, n) :: given x)
    | CCrash f => keep (p s) (a s) (log s) (lead s) (I s) (H s) (prom s) (ack s) (deposed s f)
    | CExpect _ _ _ _ | CExpectLast _ _ _ => x
    end.

  Definition exec (x : xstate) (cmd : command) : option xstate :=
    if allowed x cmd then Some (effect x cmd) else None.

  Fixpoint exec_all (x : xstate) (tr : list command) : option xstate :=
    match tr with
    | [] => Some x
    | cmd :: tr' => match exec x cmd with Some x' => exec_all x' tr' | None => None end
    end.

  Fixpoint actions (x : xstate) (tr : list command) : list (action nat nat) :=
    match tr with
    | [] => []
    | cmd :: tr' =>
        match action_of x cmd with Some l => [l] | None => [] end ++ actions (effect x cmd) tr'
    end.

  Definition accepts (tr : list command) : bool := is_some (exec_all xinit tr).

  (** ** Soundness *)

  Definition sequences (s : state) (gs : list (nat * nat * nat)) (f : nat) : list history :=
    map (fun g => firstn (snd g) (H s (snd (fst g)))) (filter (fun g => fst (fst g) =? f) gs).

  (** The checker's state stands for a state of the protocol. *)
  Record stands_for (x : xstate) (s : state) : Prop := {
    sf_same : s = State (p (base x)) (a (base x)) (log (base x)) (lead (base x)) (I (base x)) (H (base x))
                        (prom (base x)) (ack (base x)) (act (base x)) (D s);
    sf_D : forall f, D s f = sequences (base x) (given x) f;
    sf_given : forall f e n, In (f, e, n) (given x) ->
      lead (base x) e <> None /\ n <= length (H (base x) e)
  }.

  Lemma stands_for_init : stands_for xinit init.
  Proof. constructor; try reflexivity. intros f e n []. Qed.

  Lemma sequences_same (s s' : state) gs f :
    (forall g e n, In (g, e, n) gs -> firstn n (H s' e) = firstn n (H s e)) ->
    sequences s' gs f = sequences s gs f.
  Proof.
    intros Heq. unfold sequences. apply map_ext_in. intros [[g e] n] Hin.
    apply filter_In in Hin as [Hin _]. simpl. eauto.
  Qed.

  Lemma is_some_spec {A} (o : option A) : is_some o = true <-> o <> None.
  Proof. unfold is_some, is_none, negb. destruct o; split; congruence. Qed.

  Lemma is_none_spec {A} (o : option A) : is_none o = true <-> o = None.
  Proof. unfold is_some, is_none, negb. destruct o; split; congruence. Qed.

  Ltac unbool := repeat
    match goal with
    | h : _ && _ = true |- _ => apply andb_true_iff in h; destruct h
    | h : (_ <? _) = true |- _ => apply Nat.ltb_lt in h
    | h : (_ <=? _) = true |- _ => apply Nat.leb_le in h
    | h : (_ =? _) = true |- _ => apply Nat.eqb_eq in h
    | h : is_some _ = true |- _ => apply is_some_spec in h
    | h : is_none _ = true |- _ => apply is_none_spec in h
    | h : prefixb _ _ _ = true |- _ => apply prefixb_sound in h
    end.

  Lemma chosenb_sound (x : xstate) (s : state) e n :
    stands_for x s -> chosenb (base x) e n = true -> chosen s e n.
  Proof.
    intros [Hs _ _] Hc. exists (acked s e n). split; [|auto].
    apply (quorumb_sound en (ackedb (base x) e n)); [|exact Hc].
    intros f Hf. apply existsb_exists in Hf as ([[f' e'] m] & Hin & Hb). unbool. subst f' e'.
    exists m. split; [assumption|]. rewrite Hs. exact Hin.
  Qed.

  Lemma rank_leb_sound r1 r2 : rank_leb r1 r2 = true -> rank_le r1 r2.
  Proof.
    unfold rank_leb, rank_le. intros Hb. apply orb_true_iff in Hb as [Hb|Hb]; unbool; [auto|].
    right. split; [assumption|]. now destruct (zleb_spec (last_zxid (r_log r1)) (last_zxid (r_log r2))).
  Qed.

  Lemma exec_sound (x x' : xstate) (s : state) cmd :
    stands_for x s -> exec x cmd = Some x' ->
    x' = effect x cmd /\
    exists s', stands_for x' s' /\
      match action_of x cmd with Some l => step s l s' | None => s' = s end.
  Proof.
    intros Hsf Hex. unfold exec in Hex. destruct (allowed x cmd) eqn:Hal; [|discriminate].
    injection Hex as <-. split; [reflexivity|].
    pose proof (chosenb_sound x s) as Hch.
    destruct Hsf as [Hs HD Hg].
    assert (Hsame := Hs).
    destruct x as [b gs]. simpl in *.
    set (d := D s) in *. clearbody d. subst s.
    assert (Hsf : stands_for (X b gs)
      (State (p b) (a b) (log b) (lead b) (I b) (H b) (prom b) (ack b) (act b) d)).
    { now constructor. }
    destruct cmd as [f e c|e c|f e k|f e|f e k|f e n|e v|f e n|f|f e1 e2 k|f e c]; simpl in *.
    - unbool. eexists. split; [|now constructor]. now constructor.
    - destruct (own_record b e c) as [rc|] eqn:Hrec; [|discriminate]. simpl. unbool.
      apply find_some in Hrec as [Hin Hb]. unfold promised_to in Hb. unbool.
      eexists. split.
      2:{ apply StepElect; [assumption|]. simpl.
          repeat split; auto.
          exists (fun f => exists r, In r (prom b) /\ r_node r = f /\ r_epoch r = e /\ r_cand r = c /\
                                     rank_le r rc).
          repeat split; auto.
          - eapply quorumb_sound; [|eassumption]. intros n Hn. cbv beta in Hn.
            apply existsb_exists in Hn as (r & Hr & Hb). unfold promised_to in Hb. unbool.
            exists r. repeat split; auto. now apply rank_leb_sound.
          - exists rc. repeat split; auto. right. split; [reflexivity|apply zle_refl]. }
      constructor; simpl; try reflexivity.
      + intros f. rewrite HD. symmetry. apply sequences_same. intros g e' n Hgn. simpl.
        rewrite upde_other; [reflexivity|]. intros ->. destruct (Hg _ _ _ Hgn). contradiction.
      + intros g e' n Hgn. destruct (Hg _ _ _ Hgn) as [G1 G2].
        rewrite !upde_other; auto; intros ->; contradiction.
    - unbool. eexists. split; [|apply StepSync; simpl; auto].
      + now constructor.
      + apply firstn_prefix.
      + apply (keeps_cp entry_eq_dec). assumption.
    - unbool. eexists. split; [|apply StepSetEpoch; simpl; auto]. now constructor.
    - unbool. eexists. split; [|apply StepAppend; simpl; auto].
      + now constructor.
      + apply firstn_prefix.
    - unbool. eexists. split; [|apply StepAck; simpl; auto]. now constructor.
    - unbool. destruct (lead b e) as [c|] eqn:El; [|discriminate].
      eexists. split.
      2:{ apply StepPropose; simpl; auto.
          exists c.
          match goal with h : has_delivered _ _ _ = true |- _ =>
            apply existsb_exists in h as ([[f e'] n] & Hin & Hb) end.
          simpl in Hin, Hb. unbool. subst f.
          exists (firstn n (Protocol.H b e')). repeat split; auto.
          rewrite HD. unfold sequences.
          apply in_map_iff. exists (c, e', n). split; [reflexivity|].
          apply filter_In. split; [exact Hin|]. simpl. apply Nat.eqb_refl. }
      constructor; simpl; try reflexivity.
      + intros f. rewrite HD. symmetry. apply sequences_same. intros g e' n Hgn. simpl.
        unfold upde. destruct (Nat.eq_dec e' e) as [->|]; [|reflexivity].
        destruct (Hg _ _ _ Hgn). apply firstn_stable; [apply prefix_app|assumption].
      + intros g e' n Hgn. destruct (Hg _ _ _ Hgn) as [G1 G2]. split; [assumption|].
        unfold upde. destruct (Nat.eq_dec e' e) as [->|]; [|assumption].
        rewrite app_length. lia.
    - unbool. eexists. split; [|apply StepDeliver; simpl; auto].
      constructor; simpl; try reflexivity.
      + intros g. unfold sequences. simpl. unfold upd.
        destruct (eq_dec g f) as [->|Ng].
        * rewrite Nat.eqb_refl. simpl. now rewrite HD.
        * destruct (Nat.eqb_spec f g); [congruence|]. now rewrite HD.
      + intros g e' m [E|Hin]; [|eauto]. injection E as <- <- <-. auto.
    - eexists. split; [|constructor]. now constructor.
    - eexists. split; [exact Hsf|reflexivity].
    - eexists. split; [exact Hsf|reflexivity].
  Qed.

  Lemma exec_all_sound (x x' : xstate) (s : state) acts tr :
    stands_for x s -> run acts s -> exec_all x tr = Some x' ->
    exists s', stands_for x' s' /\ run (acts ++ actions x tr) s'.
  Proof.
    revert x s acts. induction tr as [|cmd tr IH]; intros x s acts Hsf Hrun Hex; simpl in *.
    - injection Hex as <-. exists s. rewrite app_nil_r. auto.
    - destruct (exec x cmd) as [x1|] eqn:E1; [|discriminate].
      destruct (exec_sound x x1 s cmd Hsf E1) as (-> & s1 & Hsf1 & Hst).
      rewrite app_assoc. eapply IH; [exact Hsf1| |exact Hex].
      destruct (action_of x cmd) as [l|].
      + econstructor; eassumption.
      + rewrite app_nil_r. now subst s1.
  Qed.

  (** An accepted trace is an execution of the protocol, under the ensemble's own quorums; so everything that
      is proved of executions holds of it. *)
  Theorem accepts_sound tr :
    accepts tr = true ->
    exists x s, exec_all xinit tr = Some x /\ stands_for x s /\ run (actions xinit tr) s.
  Proof.
    unfold accepts. destruct (exec_all xinit tr) as [x|] eqn:E; [intros _|discriminate].
    destruct (exec_all_sound xinit x init [] tr stands_for_init RunInit E) as (s & Hsf & Hrun).
    exists x, s. auto.
  Qed.

  (** For example: whatever an accepted trace delivers, of any two one is a prefix of the other. *)
  Corollary accepted_prefix_consistency tr x f1 e1 n1 f2 e2 n2 :
    exec_all xinit tr = Some x ->
    In (f1, e1, n1) (given x) -> In (f2, e2, n2) (given x) ->
    comparable (firstn n1 (H (base x) e1)) (firstn n2 (H (base x) e2)).
  Proof.
    intros E G1 G2.
    destruct (exec_all_sound xinit x init [] tr stands_for_init RunInit E) as (s & [_ HD _] & Hrun).
    apply (prefix_consistency s f1 _ f2 _ (run_reachable _ _ Hrun)); rewrite HD; unfold sequences;
      apply in_map_iff; [exists (f1, e1, n1)|exists (f2, e2, n2)]; (split; [reflexivity|]);
      apply filter_In; (split; [assumption|]); apply Nat.eqb_refl.
  Qed.
  (** ** Completeness: a refusal is never a false alarm *)

  Lemma heavyb_complete ms w b (P : nat -> Prop) :
    (forall n, P n -> b n = true) -> heavy ms w P -> heavyb ms w b = true.
  Proof.
    intros HP (l & Hnd & Hin & Hl & Hw). apply Nat.ltb_lt.
    assert (Hle : weight_of w l <= weight_of w (filter b (nodup Nat.eq_dec ms))).
    { apply (weight_incl w l); [exact Hnd|]. intros n Hn. apply filter_In.
      split; [apply nodup_In, Hin, Hn|apply HP, Hl, Hn]. }
    lia.
  Qed.

  Lemma quorumb_complete b (P : nat -> Prop) :
    (forall n, P n -> b n = true) -> quorum P -> quorumb en b = true.
  Proof.
    intros HP Hq. apply (heavyb_complete _ _ _ _ (fun g => heavyb_complete _ _ _ _ HP)). exact Hq.
  Qed.

  Lemma chosenb_complete (x : xstate) (s : state) e n :
    stands_for x s -> chosen s e n -> chosenb (base x) e n = true.
  Proof.
    intros [Hs _ _] (Q & HQ & Hall). apply (quorumb_complete _ Q); [|exact HQ].
    intros f Hf. destruct (Hall f Hf) as (m & Hm & Hin). rewrite Hs in Hin. simpl in Hin.
    apply existsb_exists. exists (f, e, m). split; [exact Hin|].
    rewrite !Nat.eqb_refl. simpl. now apply Nat.leb_le.
  Qed.

  Lemma rank_leb_complete r1 r2 : rank_le r1 r2 -> rank_leb r1 r2 = true.
  Proof.
    unfold rank_leb, rank_le. intros Hr. apply orb_true_iff. destruct Hr as [Hr|[Ha Hz]].
    - left. now apply Nat.ltb_lt.
    - right. apply andb_true_iff. split; [now apply Nat.eqb_eq|].
      now destruct (zleb_spec (last_zxid (r_log r1)) (last_zxid (r_log r2))).
  Qed.

  Ltac boolean := repeat
    match goal with
    | |- _ && _ = true => apply andb_true_iff; split
    | |- (_ <? _) = true => apply Nat.ltb_lt; lia
    | |- (_ <=? _) = true => apply Nat.leb_le
    | |- (_ =? _) = true => apply Nat.eqb_eq; first [assumption | reflexivity | congruence]
    | |- is_some _ = true => apply is_some_spec; assumption
    | |- is_none _ = true => apply is_none_spec; assumption
    | |- prefixb _ _ _ = true => apply prefixb_complete; assumption
    end.

  (** What a command stands for is allowed by the checker if the protocol can do it, in any reachable state.
      A length that is longer than the epoch's history names no history. *)
  Theorem exec_complete (x : xstate) (s : state) cmd l s' :
    reachable s -> stands_for x s -> action_of x cmd = Some l -> step s l s' ->
    match cmd with CSync _ e k | CAppend _ e k => k <= length (H (base x) e) | _ => True end ->
    exists x', exec x cmd = Some x'.
  Proof.
    intros Hr Hsf Hact Hst Hlen. pose proof (Inv_reachable s Hr) as Hinv.
    unfold exec. enough (Hal : allowed x cmd = true) by (rewrite Hal; eauto).
    pose proof (chosenb_complete x s) as Hch. specialize (fun e n => Hch e n Hsf).
    pose proof (chosen_lead Hinv) as Hcl. pose proof (chosen_length Hinv) as Hcn.
    destruct Hsf as [Hs HD Hg].
    destruct x as [b gs]. simpl in *.
    assert (Ep : p b = p s) by now rewrite Hs. assert (Ea : a b = a s) by now rewrite Hs.
    assert (El : log b = log s) by now rewrite Hs. assert (Ed : lead b = lead s) by now rewrite Hs.
    assert (EI : I b = I s) by now rewrite Hs. assert (EH : H b = H s) by now rewrite Hs.
    assert (Er : prom b = prom s) by now rewrite Hs. assert (Et : act b = act s) by now rewrite Hs.
    clear Hs.
    destruct cmd as [f e c|e c|f e k|f e|f e k|f e n|e v|f e n|f|f e1 e2 k|f e c]; simpl in *;
      rewrite ?Ep, ?Ea, ?El, ?Ed, ?EI, ?EH, ?Er, ?Et in *; try discriminate.
    - injection Hact as <-. inversion Hst; subst. boolean.
    - destruct (own_record b e c) as [rc|] eqn:Hrec; [|discriminate].
      injection Hact as <-. inversion Hst as [|? ? ? Hnone Hel| | | | | | |]; subst.
      boolean. destruct Hel as (_ & _ & _ & _ & Q & HQ & _ & Hall).
      apply (quorumb_complete _ Q); [|exact HQ]. intros f Hf.
      destruct (Hall f Hf) as (r & Hin & Hn & He & Hc & Hk). apply existsb_exists. exists r.
      split; [exact Hin|]. unfold promised_to. boolean. now apply rank_leb_complete.
    - injection Hact as <-. inversion Hst; subst. boolean; auto.
      apply prefixb_complete. now apply (keeps_cp entry_eq_dec).
    - injection Hact as <-. inversion Hst; subst. boolean; auto.
    - injection Hact as <-. inversion Hst; subst. boolean; auto.
    - injection Hact as <-. inversion Hst; subst. boolean; auto.
    - injection Hact as <-. inversion Hst as [| | | | | |? ? Ha Hc (c & d & Hl & Hd & Hp) Hz| |]; subst.
      boolean; auto. rewrite Hl. rewrite HD in Hd. unfold sequences in Hd.
      apply in_map_iff in Hd as ([[f e'] n] & <- & Hin). apply filter_In in Hin as [Hin Hf].
      simpl in Hf, Hp. apply existsb_exists. exists (f, e', n). split; [exact Hin|]. simpl.
      rewrite EH. apply andb_true_iff. split; [exact Hf|].
      apply prefixb_complete. rewrite <- EH. exact Hp.
    - injection Hact as <-. inversion Hst as [| | | | | | |? ? ? Hc|]; subst.
      boolean; eauto. apply is_some_spec. eauto.
    - reflexivity.
  Qed.
End Check.
