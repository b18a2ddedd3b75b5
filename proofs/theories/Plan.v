(** * The synchronisation plan: DIFF, TRUNC or SNAP from zxids alone, on lists as the Rust code computes it *)

From Coq Require Import List Arith Bool Lia Sorted.
From Zab Require Import Lists Entries.
Import ListNotations.

Definition zltb (x y : zxid) : bool :=
  (fst x <? fst y) || ((fst x =? fst y) && (snd x <? snd y)).
Definition zleb (x y : zxid) : bool := negb (zltb y x).
Definition zeqb (x y : zxid) : bool := (fst x =? fst y) && (snd x =? snd y).

(** The first packet of a synchronisation; proposals follow it. *)
Inductive sync_op : Type :=
| Diff                  (* nothing to undo *)
| Trunc (to : zxid)     (* cut the learner's history behind [to] *)
| Snap (at_ : zxid).    (* replace it by the leader's state at [at_] *)

Definition behind (z : zxid) (zs : list zxid) : list zxid := filter (zltb z) zs.

(** [base]: what the leader's snapshot holds; [delivered]: what the leader has delivered; [zs]: the zxids
    of the leader's entries behind the snapshot; [last]: what the learner reports. *)
Definition plan (base delivered : zxid) (zs : list zxid) (last : zxid) : sync_op * list zxid :=
  if zltb last base then (Snap delivered, behind delivered zs)
  else if zeqb last base || existsb (zeqb last) zs then (Diff, behind last zs)
  else
    let to := List.last (filter (fun z => zleb z last) zs) base in
    (Trunc to, behind to zs).

(** The learner obeys TRUNC only to an entry behind its own snapshot, or to that snapshot. *)
Definition obeys_trunc (base : zxid) (zs : list zxid) (to : zxid) : bool :=
  zeqb to base || existsb (zeqb to) zs.

Lemma zltb_spec x y : reflect (zlt x y) (zltb x y).
Proof.
  apply iff_reflect. unfold zltb, zlt.
  rewrite orb_true_iff, andb_true_iff, !Nat.ltb_lt, Nat.eqb_eq. tauto.
Qed.

Lemma zleb_spec x y : reflect (zle x y) (zleb x y).
Proof.
  unfold zleb. destruct (zltb_spec y x) as [Hl|Hl]; constructor.
  - intros Hle. exact (zle_not_zlt _ _ Hle Hl).
  - destruct (zle_zlt_dec x y); [assumption|contradiction].
Qed.

Lemma zeqb_spec x y : reflect (x = y) (zeqb x y).
Proof.
  apply iff_reflect. unfold zeqb. rewrite andb_true_iff, !Nat.eqb_eq.
  destruct x, y; simpl. split; [intros E; injection E; auto|intros [-> ->]; reflexivity].
Qed.

Lemma existsb_zeqb z zs : existsb (zeqb z) zs = true <-> In z zs.
Proof.
  rewrite existsb_exists. split.
  - intros (y & Hy & E). destruct (zeqb_spec z y) as [->|]; [exact Hy|discriminate].
  - intros Hz. exists z. split; [exact Hz|]. destruct (zeqb_spec z z); congruence.
Qed.

(** The same plan in the words of the Rust code, which looks for the last position of the leader's history that
    is not behind the learner's last zxid. *)
Definition floor (base : zxid) (zs : list zxid) (last : zxid) : option zxid :=
  if zltb last base then None else Some (List.last (filter (fun z => zleb z last) zs) base).

Lemma last_cons {A} (x d : A) l : List.last (x :: l) d = List.last l x.
Proof.
  revert x d. induction l as [|y l IH]; intros x d; [reflexivity|].
  transitivity (List.last (y :: l) d); [reflexivity|]. now rewrite !IH.
Qed.

Lemma last_In {A} (l : list A) d : In (List.last l d) (d :: l).
Proof.
  revert d. induction l as [|x l IH]; intros d; [now left|]. right. rewrite last_cons. apply IH.
Qed.

Lemma floor_of_position base zs z :
  StronglySorted zlt (base :: zs) -> In z (base :: zs) ->
  List.last (filter (fun y => zleb y z) zs) base = z.
Proof.
  revert base. induction zs as [|y zs IH]; intros base Hs Hz.
  - destruct Hz as [Hz|[]]. exact Hz.
  - inversion Hs as [|? ? Hs' Hall]; subst. destruct Hz as [<-|Hz].
    + replace (filter (fun w => zleb w base) (y :: zs)) with (@nil zxid); [reflexivity|].
      clear - Hall. induction Hall as [|w ws Hw _ IH]; [reflexivity|]. simpl.
      destruct (zleb_spec w base) as [Hle|_]; [|exact IH].
      exfalso. exact (zle_not_zlt _ _ Hle Hw).
    + specialize (IH y Hs' Hz). simpl.
      destruct (zleb_spec y z) as [_|N]; [now rewrite last_cons|].
      exfalso. apply N. destruct Hz as [<-|Hz]; [apply zle_refl|].
      inversion Hs' as [|? ? _ Hall']; subst. apply zlt_zle.
      rewrite Forall_forall in Hall'. auto.
Qed.

Theorem plan_by_floor base delivered zs last :
  StronglySorted zlt (base :: zs) ->
  plan base delivered zs last =
  match floor base zs last with
  | None => (Snap delivered, behind delivered zs)
  | Some z => if zeqb z last then (Diff, behind last zs) else (Trunc z, behind z zs)
  end.
Proof.
  intros Hs. unfold plan, floor. destruct (zltb last base); [reflexivity|].
  destruct (zeqb last base || existsb (zeqb last) zs) eqn:Hfound.
  - rewrite floor_of_position; [now destruct (zeqb_spec last last)|exact Hs|].
    apply orb_true_iff in Hfound as [E|E].
    + left. destruct (zeqb_spec last base); congruence.
    + right. now apply existsb_zeqb.
  - set (z := List.last (filter (fun y => zleb y last) zs) base).
    destruct (zeqb_spec z last) as [E|]; [|reflexivity]. exfalso.
    apply orb_false_iff in Hfound as [E1 E2].
    destruct (last_In (filter (fun y => zleb y last) zs) base) as [Hz|Hz]; fold z in Hz; rewrite E in Hz.
    + subst base. destruct (zeqb_spec last last); congruence.
    + apply filter_In in Hz as [Hz _]. apply existsb_zeqb in Hz. congruence.
Qed.

Section Plan.
  Context {Txn : Type}.

  Notation history := (list (entry Txn)).

  (** The entries of [l] up to [z], and behind it. *)
  Definition upto (z : zxid) (l : history) : history := filter (fun x => zleb (zxid_of x) z) l.
  Definition after (z : zxid) (l : history) : history := filter (fun x => zltb z (zxid_of x)) l.

  Lemma after_behind z l : map zxid_of (after z l) = behind z (map zxid_of l).
  Proof.
    unfold after, behind. induction l as [|x l IH]; simpl; [reflexivity|].
    destruct (zltb z (zxid_of x)); simpl; now rewrite IH.
  Qed.

  (** A history on the learner's disk after the first packet, given the leader's whole history. *)
  Definition apply_op (leader : history) (op : sync_op) (l : history) : history :=
    match op with
    | Diff => l
    | Trunc to => upto to l
    | Snap z => upto z leader
    end.

  Lemma upto_all z (l : history) : (forall x, In x l -> zle (zxid_of x) z) -> upto z l = l.
  Proof.
    induction l as [|x l IH]; intros Hall; simpl; [reflexivity|].
    destruct (zleb_spec (zxid_of x) z) as [_|N].
    - f_equal. apply IH. intros y Hy. apply Hall. now right.
    - contradict N. apply Hall. now left.
  Qed.

  Lemma upto_none z (l : history) : (forall x, In x l -> zlt z (zxid_of x)) -> upto z l = [].
  Proof.
    induction l as [|x l IH]; intros Hall; simpl; [reflexivity|].
    destruct (zleb_spec (zxid_of x) z) as [N|_].
    - exfalso. eapply zle_not_zlt; [exact N|]. apply Hall. now left.
    - apply IH. intros y Hy. apply Hall. now right.
  Qed.

  Lemma after_all z (l : history) : (forall x, In x l -> zlt z (zxid_of x)) -> after z l = l.
  Proof.
    induction l as [|x l IH]; intros Hall; simpl; [reflexivity|].
    destruct (zltb_spec z (zxid_of x)) as [_|N].
    - f_equal. apply IH. intros y Hy. apply Hall. now right.
    - contradict N. apply Hall. now left.
  Qed.

  Lemma after_none z (l : history) : (forall x, In x l -> zle (zxid_of x) z) -> after z l = [].
  Proof.
    induction l as [|x l IH]; intros Hall; simpl; [reflexivity|].
    destruct (zltb_spec z (zxid_of x)) as [N|_].
    - exfalso. eapply zle_not_zlt; [|exact N]. apply Hall. now left.
    - apply IH. intros y Hy. apply Hall. now right.
  Qed.

  Lemma sorted_In_lt_end (c d : history) x :
    sorted (c ++ d) -> In x d -> zlt (last_zxid c) (zxid_of x).
  Proof.
    intros Hs Hx. apply In_prefix_snoc in Hx as [u [v Hv]].
    rewrite Hv, !app_assoc in Hs. pose proof (sorted_prefix _ _ (prefix_app _ _) Hs) as Hs'.
    eapply zle_zlt_trans; [|apply (sorted_snoc_inv _ _ Hs')].
    apply sorted_last_le; [|apply prefix_app].
    eapply sorted_prefix; [apply prefix_app|exact Hs'].
  Qed.

  Lemma upto_end (c d : history) : sorted (c ++ d) -> upto (last_zxid c) (c ++ d) = c.
  Proof.
    intros Hs. unfold upto. rewrite filter_app. fold (upto (last_zxid c) c) (upto (last_zxid c) d).
    rewrite upto_all, upto_none, app_nil_r; [reflexivity| |].
    - intros x. now apply sorted_In_lt_end.
    - intros x. apply sorted_In_le. eapply sorted_prefix; [apply prefix_app|exact Hs].
  Qed.

  Lemma upto_prefix z (l : history) : sorted l -> upto z l ⊑ l.
  Proof.
    induction l as [|x l IH] using rev_ind; intros Hs; [apply prefix_refl|].
    unfold upto. rewrite filter_app. fold (upto z l). simpl.
    pose proof (sorted_prefix _ _ (prefix_app _ _) Hs) as Hs'.
    destruct (zleb_spec (zxid_of x) z) as [Hle|_].
    - rewrite upto_all; [apply prefix_refl|]. intros y Hy.
      eapply zle_trans; [|exact Hle]. apply zlt_zle.
      eapply zle_zlt_trans; [|apply (sorted_snoc_inv _ _ Hs)]. now apply sorted_In_le.
    - rewrite app_nil_r. apply prefix_app_r. auto.
  Qed.

  Lemma upto_covers z (c l : history) :
    c ⊑ l -> (forall x, In x c -> zle (zxid_of x) z) -> c ⊑ upto z l.
  Proof.
    intros [d ->] Hall. unfold upto. rewrite filter_app. fold (upto z c).
    rewrite upto_all by exact Hall. apply prefix_app.
  Qed.

  (** What follows the first packet, if the learner is then at a prefix of the leader's history that is not
      below the leader's snapshot. *)
  Lemma after_end (snap es c : history) :
    sorted (snap ++ es) -> c ⊑ snap ++ es -> zle (last_zxid snap) (last_zxid c) ->
    c ++ after (last_zxid c) es = snap ++ es.
  Proof.
    intros Hs Hc Hle.
    assert (Hsc : snap ⊑ c).
    { eapply sorted_le_prefix; [exact Hs|apply prefix_app|exact Hc|exact Hle]. }
    destruct Hsc as [u ->]. destruct Hc as [v Hv].
    rewrite Hv in Hs. rewrite <- app_assoc in Hv. apply app_inv_head in Hv. subst es.
    unfold after. rewrite filter_app. fold (after (last_zxid (snap ++ u)) u).
    fold (after (last_zxid (snap ++ u)) v).
    rewrite after_none, after_all; [now rewrite <- app_assoc| |].
    - intros x. now apply sorted_In_lt_end.
    - intros x Hx. apply sorted_In_le; [|apply in_or_app; now right].
      eapply sorted_prefix; [apply prefix_app|exact Hs].
  Qed.

  Section Safe.
    (** The leader's history: what its snapshot holds, then its log. *)
    Context (snap es : history) (Hsorted : sorted (snap ++ es)).
    (** What it has delivered: at least the snapshot. *)
    Context (dl : history) (Hsnap_dl : snap ⊑ dl) (Hdl : dl ⊑ snap ++ es).
    (** The learner's history. *)
    Context (l : history) (Hl : sorted l).
    (** Log matching between the two. *)
    Context (Hmatch : forall c1 x1 c2 x2,
      c1 ++ [x1] ⊑ snap ++ es -> c2 ++ [x2] ⊑ l -> zxid_of x1 = zxid_of x2 -> c1 = c2 /\ x1 = x2).
    (** The one thing that log matching does not give: the leader's largest entry that is not above the
        learner's last is in the learner's history. Needed for TRUNC only; reachable states have it
        (PlanSafety.v). *)
    Context (Hcut : forall c x, c ++ [x] ⊑ snap ++ es -> c ++ [x] = upto (last_zxid l) (snap ++ es) -> In x l).

    Let leader := snap ++ es.
    Let the_plan := plan (last_zxid snap) (last_zxid dl) (map zxid_of es) (last_zxid l).
    Let op := fst the_plan.
    Let first := apply_op leader op l.
    Let start : zxid := match op with Diff => last_zxid l | Trunc to => to | Snap z => z end.
    (** The proposals that follow, as entries; their zxids are what [plan] says. *)
    Let follow := after start es.

    Lemma follow_is_planned : map zxid_of follow = snd the_plan.
    Proof.
      unfold follow, start, op, the_plan. rewrite after_behind. unfold plan.
      destruct (zltb _ _); [reflexivity|]. destruct (_ || _); reflexivity.
    Qed.

    Lemma Hcommon_upto c : c ⊑ l -> c ⊑ leader -> c ⊑ upto (last_zxid l) leader.
    Proof.
      intros H1 H2. apply upto_covers; [exact H2|]. intros x Hx.
      apply sorted_In_le; [exact Hl|]. eapply prefix_In; eassumption.
    Qed.

    Lemma last_of_upto :
      zle (last_zxid snap) (last_zxid l) ->
      List.last (filter (fun z => zleb z (last_zxid l)) (map zxid_of es)) (last_zxid snap)
      = last_zxid (upto (last_zxid l) leader).
    Proof.
      intros Hle. unfold leader, upto. rewrite filter_app.
      fold (upto (last_zxid l) snap) (upto (last_zxid l) es).
      rewrite upto_all.
      2:{ intros x Hx. eapply zle_trans; [|exact Hle]. apply sorted_In_le; [|exact Hx].
          eapply sorted_prefix; [apply prefix_app|exact Hsorted]. }
      replace (filter (fun z => zleb z (last_zxid l)) (map zxid_of es))
        with (map zxid_of (upto (last_zxid l) es)).
      2:{ clear. unfold upto. induction es as [|x m IH]; simpl; [reflexivity|].
          destruct (zleb (zxid_of x) (last_zxid l)); simpl; now rewrite IH. }
      destruct (upto (last_zxid l) es) as [|x u] using rev_ind.
      - now rewrite app_nil_r.
      - rewrite app_assoc, last_zxid_snoc, map_app. simpl. apply last_last.
    Qed.

    (** The learner is at a prefix of the leader's history right after the first packet, has lost nothing
        that it shares with the leader, and the proposals bring it to the leader's history. *)
    Theorem plan_first : first ⊑ leader /\ keeps l leader first /\ first ++ follow = leader.
    Proof.
      unfold first, follow, start, op, the_plan, plan.
      destruct (zltb_spec (last_zxid l) (last_zxid snap)) as [Hlt|Hge]; simpl.
      - (* SNAP *)
        destruct Hdl as [d Hd]. fold leader in Hd.
        assert (Hs : sorted (dl ++ d)) by now rewrite <- Hd.
        assert (Hle : zle (last_zxid snap) (last_zxid dl)).
        { apply sorted_last_le; [|exact Hsnap_dl]. eapply sorted_prefix; [apply prefix_app|exact Hs]. }
        assert (Eu : upto (last_zxid dl) leader = dl) by (rewrite Hd; now apply upto_end).
        rewrite Eu. split; [exact Hdl|]. split.
        + intros c H1 H2.
          eapply sorted_le_prefix; [exact Hsorted|exact H2|exact Hdl|].
          eapply zle_trans; [apply (sorted_last_le c l Hl H1)|].
          eapply zle_trans; [apply zlt_zle, Hlt|exact Hle].
        + now apply after_end.
      - assert (Hle : zle (last_zxid snap) (last_zxid l)).
        { destruct (zle_zlt_dec (last_zxid snap) (last_zxid l)); [assumption|contradiction]. }
        destruct (zeqb (last_zxid l) (last_zxid snap) || existsb (zeqb (last_zxid l)) (map zxid_of es))
          eqn:Hfound; simpl.
        + (* DIFF: the learner's history is a prefix of the leader's *)
          assert (Hp : l ⊑ leader).
          { apply orb_true_iff in Hfound as [E|E].
            - destruct (zeqb_spec (last_zxid l) (last_zxid snap)) as [E'|]; [clear E|discriminate].
              destruct l as [|y l0 _] using rev_ind; [apply prefix_nil|].
              rewrite last_zxid_snoc in E'.
              destruct snap as [|x sn _] using rev_ind.
              + exfalso. apply (zlt_irrefl zero). change zero with (last_zxid (@nil (entry Txn))) at 2.
                rewrite <- E'. eapply sorted_nonzero; [exact Hl|]. apply in_or_app. right. now left.
              + rewrite last_zxid_snoc in E'.
                destruct (Hmatch sn x l0 y) as [-> ->]; auto using prefix_refl, prefix_app.
                apply prefix_app.
            - apply existsb_zeqb in E. apply in_map_iff in E as (x & Ex & Hx).
              assert (Hin : In x leader) by (apply in_or_app; now right).
              apply In_prefix_snoc in Hin as [c Hc].
              destruct l as [|y l0 _] using rev_ind; [apply prefix_nil|].
              rewrite last_zxid_snoc in Ex.
              destruct (Hmatch c x l0 y Hc (prefix_refl _) Ex) as [-> ->]. exact Hc. }
          split; [exact Hp|]. split; [intros c H1 _; exact H1|]. now apply after_end.
        + (* TRUNC *)
          rewrite last_of_upto by exact Hle. set (k := upto (last_zxid l) leader).
          assert (Hk : k ⊑ leader) by now apply upto_prefix.
          assert (Hkl : k ⊑ l).
          { destruct k as [|x k0 _] eqn:Ek using rev_ind; [apply prefix_nil|].
            pose proof (Hcut k0 x Hk (eq_sym Ek)) as Hx.
            apply In_prefix_snoc in Hx as [c Hc].
            destruct (Hmatch k0 x c x Hk Hc eq_refl) as [-> _]. exact Hc. }
          assert (Hup : upto (last_zxid k) l = k).
          { destruct Hkl as [d Hd]. rewrite Hd in *. now apply upto_end. }
          rewrite Hup. split; [exact Hk|]. split.
          * intros c H1 H2. now apply Hcommon_upto.
          * apply after_end; auto. apply sorted_last_le.
            -- eapply sorted_prefix; [exact Hk|exact Hsorted].
            -- apply upto_covers; [apply prefix_app|]. intros x Hx.
               eapply zle_trans; [|exact Hle]. apply sorted_In_le; [|exact Hx].
               eapply sorted_prefix; [apply prefix_app|exact Hsorted].
    Qed.

    (** Every history that a crash may leave on the way. *)
    Theorem plan_every_stage i :
      first ++ firstn i follow ⊑ leader /\ keeps l leader (first ++ firstn i follow).
    Proof.
      destruct plan_first as (Hp & Hk & He). split.
      - rewrite <- He. apply prefix_app_both, firstn_prefix.
      - intros c H1 H2. apply prefix_app_r. now apply Hk.
    Qed.

    (** The learner obeys: the place where TRUNC cuts is behind its own snapshot, or is that snapshot, if
        what that snapshot holds is a prefix of the leader's history. *)
    Theorem plan_obeyed snap' es' to :
      l = snap' ++ es' -> snap' ⊑ leader -> op = Trunc to ->
      obeys_trunc (last_zxid snap') (map zxid_of es') to = true.
    Proof.
      intros El Hs' Hop. destruct plan_first as (Hp & Hk & _).
      assert (Hcov : snap' ⊑ first).
      { apply Hk; [rewrite El; apply prefix_app|exact Hs']. }
      unfold first in Hcov, Hp. rewrite Hop in Hcov, Hp. simpl in Hcov, Hp.
      unfold op, the_plan, plan in Hop.
      destruct (zltb_spec (last_zxid l) (last_zxid snap)) as [|Hge]; [discriminate|].
      destruct (zeqb _ _ || existsb _ _); [discriminate|]. simpl in Hop.
      assert (Hle : zle (last_zxid snap) (last_zxid l)).
      { destruct (zle_zlt_dec (last_zxid snap) (last_zxid l)); [assumption|contradiction]. }
      rewrite last_of_upto in Hop by exact Hle. injection Hop as Eto.
      unfold obeys_trunc. apply orb_true_iff.
      assert (Hto : to = last_zxid (upto to l)).
      { set (k := upto (last_zxid l) leader) in *.
        assert (Hkp : k ⊑ leader) by now apply upto_prefix.
        destruct k as [|x k0 _] eqn:Ek using rev_ind.
        - rewrite last_zxid_nil in Eto. rewrite <- Eto. rewrite upto_none; [reflexivity|].
          intros x Hx. now apply sorted_nonzero with (l := l).
        - pose proof (Hcut k0 x Hkp (eq_sym Ek)) as Hx.
          apply In_prefix_snoc in Hx as [c [d Hd]].
          destruct (Hmatch k0 x c x Hkp) as [-> _]; [now exists d|reflexivity|].
          rewrite <- Eto. rewrite Hd in Hl |- *. now rewrite upto_end. }
      destruct Hcov as [u Hu].
      destruct u as [|x u _] using rev_ind.
      - left. rewrite app_nil_r in Hu. rewrite Hto, Hu.
        destruct (zeqb_spec (last_zxid snap') (last_zxid snap')); congruence.
      - right. apply existsb_zeqb. rewrite Hto, Hu, app_assoc, last_zxid_snoc.
        apply in_map.
        pose proof (upto_prefix to l Hl) as Hpl. rewrite Hu, El in Hpl.
        destruct Hpl as [v Hv]. rewrite <- app_assoc in Hv. apply app_inv_head in Hv.
        rewrite Hv. apply in_or_app. left. apply in_or_app. right. now left.
    Qed.
  End Safe.
End Plan.
