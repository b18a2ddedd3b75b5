(** * Entries: zxids, their order, sorted histories *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists.
Import ListNotations.

(** A zxid is an epoch and a counter. [(e, 0)] is not a transaction; [(0, 0)] is "no transaction yet". *)
Definition zxid : Type := nat * nat.
Definition zero : zxid := (0, 0).

Definition zlt (x y : zxid) : Prop := fst x < fst y \/ fst x = fst y /\ snd x < snd y.
Definition zle (x y : zxid) : Prop := fst x < fst y \/ fst x = fst y /\ snd x <= snd y.

Ltac zlia :=
  intros; unfold zlt, zle, zero in *; simpl in *; repeat match goal with z : zxid |- _ => destruct z end;
  simpl in *;
  repeat match goal with H : (_, _) = (_, _) |- _ => injection H; clear H; intros end;
  try (apply injective_projections; simpl); lia.

Lemma zle_refl x : zle x x. Proof. zlia. Qed.
Lemma zlt_irrefl x : ~ zlt x x. Proof. zlia. Qed.
Lemma zle_trans x y z : zle x y -> zle y z -> zle x z. Proof. zlia. Qed.
Lemma zlt_trans x y z : zlt x y -> zlt y z -> zlt x z. Proof. zlia. Qed.
Lemma zlt_zle x y : zlt x y -> zle x y. Proof. zlia. Qed.
Lemma zlt_zle_trans x y z : zlt x y -> zle y z -> zlt x z. Proof. zlia. Qed.
Lemma zle_zlt_trans x y z : zle x y -> zlt y z -> zlt x z. Proof. zlia. Qed.
Lemma zle_not_zlt x y : zle x y -> ~ zlt y x. Proof. zlia. Qed.
Lemma zle_zlt_dec x y : {zle x y} + {zlt y x}.
Proof.
  destruct (lt_eq_lt_dec (fst x) (fst y)) as [[H|H]|H].
  - left. zlia.
  - destruct (le_lt_dec (snd x) (snd y)); [left|right]; zlia.
  - right. zlia.
Defined.
Lemma zle_antisym x y : zle x y -> zle y x -> x = y. Proof. zlia. Qed.

Definition zeq_dec (x y : zxid) : {x = y} + {x <> y}.
Proof. decide equality; apply Nat.eq_dec. Defined.

Section Entries.
  Context {Txn : Type}.

  (** One transaction of a history: who numbered it (its epoch), its place in that epoch, what it says. *)
  Record entry : Type := Entry { epoch_of : nat; counter_of : nat; payload_of : Txn }.

  Definition zxid_of (x : entry) : zxid := (epoch_of x, counter_of x).

  (** The end of a history; [zero] for the empty one. *)
  Definition last_zxid (l : list entry) : zxid := last (map zxid_of l) zero.

  (** Each entry is larger than the end of what stands before it. *)
  Definition sorted (l : list entry) : Prop :=
    forall a x b, l = a ++ x :: b -> zlt (last_zxid a) (zxid_of x).

  Lemma last_zxid_nil : last_zxid [] = zero.
  Proof. reflexivity. Qed.

  Lemma last_zxid_snoc l x : last_zxid (l ++ [x]) = zxid_of x.
  Proof. unfold last_zxid. rewrite map_app. simpl. apply last_last. Qed.

  Lemma last_zxid_app l x r : last_zxid (l ++ x :: r) = last_zxid (x :: r).
  Proof.
    unfold last_zxid. rewrite map_app. simpl.
    induction (map zxid_of l) as [|y m IH]; [reflexivity|].
    simpl. destruct (m ++ zxid_of x :: map zxid_of r) eqn:E; [now destruct m|].
    exact IH.
  Qed.

  Lemma sorted_nil : sorted [].
  Proof. intros a x b H. now destruct a. Qed.

  Lemma sorted_prefix a l : a ⊑ l -> sorted l -> sorted a.
  Proof.
    intros [c ->] Hs u x v ->. apply (Hs u x (v ++ c)).
    now rewrite <- app_assoc, <- app_comm_cons.
  Qed.

  Lemma sorted_snoc l x : sorted l -> zlt (last_zxid l) (zxid_of x) -> sorted (l ++ [x]).
  Proof.
    intros Hs Hx a y b E.
    destruct b as [|z b] using rev_ind.
    - apply app_inj_tail in E as [-> ->]. exact Hx.
    - clear IHb. rewrite app_comm_cons, app_assoc in E. apply app_inj_tail in E as [E _].
      exact (Hs _ _ _ E).
  Qed.

  Lemma sorted_snoc_inv l x : sorted (l ++ [x]) -> zlt (last_zxid l) (zxid_of x).
  Proof. intros Hs. now apply (Hs l x []). Qed.

  Lemma sorted_last_le c l : sorted l -> c ⊑ l -> zle (last_zxid c) (last_zxid l).
  Proof.
    intros Hs [d ->]. induction d as [|x d IH] using rev_ind.
    - rewrite app_nil_r. apply zle_refl.
    - rewrite app_assoc in *. pose proof (sorted_snoc_inv _ _ Hs) as Hx.
      rewrite last_zxid_snoc. eapply zle_trans; [|apply zlt_zle, Hx].
      apply IH. eapply sorted_prefix; [apply prefix_app|exact Hs].
  Qed.

  Lemma sorted_In_le x l : sorted l -> In x l -> zle (zxid_of x) (last_zxid l).
  Proof.
    intros Hs Hx. apply In_prefix_snoc in Hx as [c Hc].
    rewrite <- (last_zxid_snoc c x). now apply sorted_last_le.
  Qed.

  Lemma sorted_last_lt c x d : sorted (c ++ x :: d) -> zlt (last_zxid c) (last_zxid (c ++ x :: d)).
  Proof.
    intros Hs. eapply zlt_zle_trans; [apply (Hs c x d eq_refl)|].
    apply sorted_In_le; [exact Hs|]. apply in_or_app. right. now left.
  Qed.

  (** Of two prefixes of a sorted history, the one that ends lower is the shorter. *)
  Lemma sorted_le_prefix c d l :
    sorted l -> c ⊑ l -> d ⊑ l -> zle (last_zxid c) (last_zxid d) -> c ⊑ d.
  Proof.
    intros Hs Hc Hd Hle. destruct (prefix_comparable _ _ _ Hc Hd) as [H|[r ->]]; [exact H|].
    destruct r as [|x r]; [rewrite app_nil_r; apply prefix_refl|].
    exfalso. eapply zle_not_zlt; [exact Hle|]. apply sorted_last_lt.
    eapply sorted_prefix; eassumption.
  Qed.

  Lemma sorted_eq_prefix c d l :
    sorted l -> c ⊑ l -> d ⊑ l -> last_zxid c = last_zxid d -> c = d.
  Proof.
    intros Hs Hc Hd E. apply prefix_antisym; eapply sorted_le_prefix; eauto;
      rewrite E; apply zle_refl.
  Qed.

  (** Equal zxids in one sorted history are the same place. *)
  Lemma sorted_same_place c x d y l :
    sorted l -> (c ++ [x]) ⊑ l -> (d ++ [y]) ⊑ l -> zxid_of x = zxid_of y -> c = d /\ x = y.
  Proof.
    intros Hs Hc Hd E. assert (H : c ++ [x] = d ++ [y]).
    { eapply sorted_eq_prefix; eauto. now rewrite !last_zxid_snoc. }
    now apply app_inj_tail in H.
  Qed.

  Lemma sorted_before_lt x y l : sorted l -> before x y l -> zlt (zxid_of x) (zxid_of y).
  Proof.
    intros Hs Hb. apply before_inv in Hb as (c & Hx & Hp).
    pose proof (sorted_prefix _ _ Hp Hs) as Hs'.
    eapply zle_zlt_trans; [|apply (sorted_snoc_inv _ _ Hs')].
    apply sorted_In_le; [|exact Hx]. eapply sorted_prefix; [apply prefix_app|exact Hs'].
  Qed.

  Lemma sorted_lt_before x y l :
    sorted l -> In x l -> In y l -> zlt (zxid_of x) (zxid_of y) -> before x y l.
  Proof.
    intros Hs Hx Hy Hlt. apply In_prefix_snoc in Hx as [c Hc].
    apply In_prefix_snoc in Hy as [d Hd].
    assert (H : c ++ [x] ⊑ d ++ [y]).
    { eapply sorted_le_prefix; eauto. rewrite !last_zxid_snoc. now apply zlt_zle. }
    apply prefix_snoc_cases in H as [H|H].
    - eapply before_snoc; [|exact Hd]. eapply prefix_In; [exact H|].
      apply in_or_app. right. now left.
    - apply app_inj_tail in H as [_ ->]. exfalso. eapply zlt_irrefl, Hlt.
  Qed.

  Lemma sorted_last_nonzero l : sorted l -> l <> [] -> zlt zero (last_zxid l).
  Proof.
    intros Hs Hl. destruct l as [|x l]; [contradiction|].
    apply (sorted_last_lt [] x l Hs).
  Qed.

  Lemma sorted_nonzero x l : sorted l -> In x l -> zlt zero (zxid_of x).
  Proof.
    intros Hs Hx. apply In_prefix_snoc in Hx as [c Hc].
    rewrite <- (last_zxid_snoc c x). apply sorted_last_nonzero.
    - eapply sorted_prefix; eassumption.
    - intros E. now apply app_eq_nil in E as [_ E].
  Qed.

  Lemma sorted_last_zero l : sorted l -> last_zxid l = zero -> l = [].
  Proof.
    intros Hs E. destruct l as [|x l]; [reflexivity|].
    exfalso. apply (zlt_irrefl zero). rewrite <- E at 2.
    apply sorted_last_nonzero; [exact Hs|discriminate].
  Qed.

  (** An entry of a sorted history that is not above the end of a prefix stands in that prefix. *)
  Lemma sorted_In_prefix x c l :
    sorted l -> c ⊑ l -> In x l -> zle (zxid_of x) (last_zxid c) -> In x c.
  Proof.
    intros Hs Hc Hx Hle. apply In_prefix_snoc in Hx as [d Hd].
    eapply prefix_snoc_In. eapply (sorted_le_prefix (d ++ [x]) c l); eauto.
    now rewrite last_zxid_snoc.
  Qed.
End Entries.

Arguments entry : clear implicits.
