(** * Quorums: any two share a node. That is all the proof uses. *)

From Coq Require Import List Arith Lia.
Import ListNotations.

Class EqDec (A : Type) : Type := eq_dec : forall x y : A, {x = y} + {x <> y}.

(** Which sets of nodes decide. The only assumption is that two of them meet. *)
Class Quorums (Node : Type) : Type := {
  quorum : (Node -> Prop) -> Prop;
  quorum_meet : forall P Q, quorum P -> quorum Q -> exists n, P n /\ Q n
}.

Lemma quorum_inhabited {Node} `{Quorums Node} (Q : Node -> Prop) :
  quorum Q -> exists n, Q n.
Proof. intros HQ. destruct (quorum_meet Q Q HQ HQ) as (n & Hn & _). now exists n. Qed.

(** ** Instances *)

Section Instances.
  Context {Node : Type} {ND : EqDec Node}.

  Definition weight_of (w : Node -> nat) (l : list Node) : nat := list_sum (map w l).

  (** More than half of the weight of the members. *)
  Definition heavy (members : list Node) (w : Node -> nat) (P : Node -> Prop) : Prop :=
    exists s, NoDup s /\ incl s members /\ (forall n, In n s -> P n) /\
              weight_of w members < 2 * weight_of w s.

  Lemma weight_app w l1 l2 : weight_of w (l1 ++ l2) = weight_of w l1 + weight_of w l2.
  Proof. unfold weight_of. now rewrite map_app, list_sum_app. Qed.

  Lemma weight_incl w s : forall l, NoDup s -> incl s l -> weight_of w s <= weight_of w l.
  Proof.
    induction s as [|x s IH]; intros l Hnd Hin; [unfold weight_of; simpl; lia|].
    inversion Hnd as [|? ? Hx Hnd']; subst.
    destruct (in_split x l (Hin x (or_introl eq_refl))) as (l1 & l2 & ->).
    assert (Hs : weight_of w s <= weight_of w (l1 ++ l2)).
    { apply IH; [exact Hnd'|]. intros y Hy.
      assert (Hyl : In y (l1 ++ x :: l2)) by (apply Hin; now right).
      apply in_or_app. apply in_app_or in Hyl as [?|[->|?]]; [now left|contradiction|now right]. }
    rewrite weight_app in Hs. rewrite weight_app.
    unfold weight_of in *. simpl. lia.
  Qed.

  Lemma common_or_disjoint (l1 l2 : list Node) :
    (exists n, In n l1 /\ In n l2) \/ (forall n, In n l1 -> ~ In n l2).
  Proof.
    induction l1 as [|x l1 IH]; [right; now intros n []|].
    destruct (in_dec ND x l2) as [H|H].
    - left. exists x. split; [now left|exact H].
    - destruct IH as [(n & H1 & H2)|IH].
      + left. exists n. split; [now right|exact H2].
      + right. intros n [<-|Hn]; auto.
  Qed.

  Lemma NoDup_disjoint_app (l1 l2 : list Node) :
    NoDup l1 -> NoDup l2 -> (forall n, In n l1 -> ~ In n l2) -> NoDup (l1 ++ l2).
  Proof.
    induction l1 as [|x l1 IH]; intros H1 H2 Hd; [exact H2|].
    inversion H1; subst. simpl. constructor.
    - intros Hx. apply in_app_or in Hx as [Hx|Hx]; [contradiction|].
      apply (Hd x); [now left|exact Hx].
    - apply IH; auto. intros n Hn. apply Hd. now right.
  Qed.

  Lemma heavy_meet members w P Q :
    heavy members w P -> heavy members w Q -> exists n, P n /\ Q n.
  Proof.
    intros (s & Ns & Is & Ps & Ws) (t & Nt & It & Qt & Wt).
    destruct (common_or_disjoint s t) as [(n & H1 & H2)|Hd].
    - exists n. auto.
    - exfalso.
      assert (H : weight_of w (s ++ t) <= weight_of w members).
      { apply weight_incl; [now apply NoDup_disjoint_app|]. now apply incl_app. }
      rewrite weight_app in H. lia.
  Qed.

  (** Weighted majorities of one list of members. *)
  Definition weighted_quorums (members : list Node) (w : Node -> nat) : Quorums Node :=
    {| quorum := heavy members w; quorum_meet := heavy_meet members w |}.

  (** Majorities: every member weighs the same. *)
  Definition majority_quorums (members : list Node) : Quorums Node :=
    weighted_quorums members (fun _ => 1).

  Lemma weight_one (l : list Node) : weight_of (fun _ => 1) l = length l.
  Proof. unfold weight_of. induction l; simpl; [reflexivity|]. now rewrite IHl. Qed.

  (** What [majority_quorums] means, without weights. *)
  Theorem majority_spec members P :
    @quorum _ (majority_quorums members) P <->
    exists s, NoDup s /\ incl s members /\ (forall n, In n s -> P n) /\
              length members < 2 * length s.
  Proof.
    unfold majority_quorums. simpl. unfold heavy.
    split; intros (s & H1 & H2 & H3 & H4); exists s; repeat split; auto;
      rewrite !weight_one in *; exact H4.
  Qed.
End Instances.

(** ZooKeeper's hierarchical quorums: a majority of the groups, and in each of these more than half of
    the group's weight. A group of weight zero must be left out of [groups], as ZooKeeper does. *)
Section Groups.
  Context {Node Group : Type} {ND : EqDec Node} {GD : EqDec Group}.

  Definition grouped (groups : list Group) (members : Group -> list Node) (w : Node -> nat)
      (P : Node -> Prop) : Prop :=
    heavy groups (fun _ => 1) (fun g => heavy (members g) w P).

  Lemma grouped_meet groups members w P Q :
    grouped groups members w P -> grouped groups members w Q -> exists n, P n /\ Q n.
  Proof.
    intros HP HQ.
    destruct (heavy_meet groups (fun _ => 1) _ _ HP HQ) as (g & HgP & HgQ).
    exact (heavy_meet _ _ _ _ HgP HgQ).
  Qed.

  Definition grouped_quorums groups members w : Quorums Node :=
    {| quorum := grouped groups members w; quorum_meet := grouped_meet groups members w |}.
End Groups.
