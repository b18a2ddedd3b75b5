(** * Lists: prefixes and longest common prefixes *)

From Coq Require Import List Arith Lia.
Import ListNotations.

Section Prefix.
  Context {A : Type}.

  (** [a ⊑ b]: [a] is a prefix of [b]. *)
  Definition prefix (a b : list A) : Prop := exists c, b = a ++ c.

  (** One of the two is a prefix of the other. *)
  Definition comparable (a b : list A) : Prop := prefix a b \/ prefix b a.

  (** [x] stands somewhere before [y] in [l]. *)
  Definition before (x y : A) (l : list A) : Prop :=
    exists l1 l2 l3, l = l1 ++ x :: l2 ++ y :: l3.

  (** [l] keeps everything that [a] and [b] have in common from the start.
      With decidable equality this is [cp a b ⊑ l], see [keeps_cp] below. *)
  Definition keeps (a b l : list A) : Prop :=
    forall c, prefix c a -> prefix c b -> prefix c l.

  Lemma prefix_refl l : prefix l l.
  Proof. exists []. now rewrite app_nil_r. Qed.

  Lemma prefix_nil l : prefix [] l.
  Proof. now exists l. Qed.

  Lemma prefix_trans a b c : prefix a b -> prefix b c -> prefix a c.
  Proof. intros [x ->] [y ->]. exists (x ++ y). now rewrite app_assoc. Qed.

  Lemma prefix_app a b : prefix a (a ++ b).
  Proof. now exists b. Qed.

  Lemma prefix_app_r a b c : prefix a b -> prefix a (b ++ c).
  Proof. intros [x ->]. exists (x ++ c). now rewrite app_assoc. Qed.

  Lemma prefix_app_inv a b c : prefix (a ++ b) c -> prefix a c.
  Proof. intros [x ->]. exists (b ++ x). now rewrite app_assoc. Qed.

  Lemma prefix_app_both a b c : prefix b c -> prefix (a ++ b) (a ++ c).
  Proof. intros [x ->]. exists x. now rewrite app_assoc. Qed.

  Lemma prefix_of_nil l : prefix l [] -> l = [].
  Proof. intros [x Hx]. symmetry in Hx. now apply app_eq_nil in Hx. Qed.

  Lemma prefix_length a b : prefix a b -> length a <= length b.
  Proof. intros [x ->]. rewrite app_length. lia. Qed.

  Lemma prefix_firstn a b : prefix a b -> a = firstn (length a) b.
  Proof.
    intros [x ->]. rewrite firstn_app, Nat.sub_diag, firstn_all. simpl.
    now rewrite app_nil_r.
  Qed.

  Lemma firstn_prefix n l : prefix (firstn n l) l.
  Proof. exists (skipn n l). symmetry. apply firstn_skipn. Qed.

  Lemma firstn_prefix_le n m l : n <= m -> prefix (firstn n l) (firstn m l).
  Proof.
    intros Hle. replace (firstn n l) with (firstn n (firstn m l)).
    - apply firstn_prefix.
    - rewrite firstn_firstn. now rewrite Nat.min_l.
  Qed.

  Lemma prefix_length_le a b c :
    prefix a c -> prefix b c -> length a <= length b -> prefix a b.
  Proof.
    intros Ha Hb Hle. rewrite (prefix_firstn a c Ha), (prefix_firstn b c Hb).
    now apply firstn_prefix_le.
  Qed.

  Lemma prefix_of_firstn a n l :
    prefix a l -> length a <= n -> prefix a (firstn n l).
  Proof.
    intros Ha Hle. rewrite (prefix_firstn a l Ha). now apply firstn_prefix_le.
  Qed.

  (** Two prefixes of one list are comparable. *)
  Lemma prefix_comparable a b c : prefix a c -> prefix b c -> comparable a b.
  Proof.
    intros Ha Hb. destruct (le_ge_dec (length a) (length b)).
    - left. eauto using prefix_length_le.
    - right. eauto using prefix_length_le.
  Qed.

  Lemma prefix_antisym a b : prefix a b -> prefix b a -> a = b.
  Proof.
    intros Ha Hb. pose proof (prefix_length _ _ Ha). pose proof (prefix_length _ _ Hb).
    rewrite (prefix_firstn a b Ha). rewrite firstn_all2; auto.
  Qed.

  Lemma prefix_In a b x : prefix a b -> In x a -> In x b.
  Proof. intros [c ->] Hx. apply in_or_app. now left. Qed.

  (** What a list begins with does not change when it grows. *)
  Lemma firstn_stable n a b : prefix a b -> n <= length a -> firstn n b = firstn n a.
  Proof.
    intros [c ->] Hle. rewrite firstn_app.
    replace (n - length a) with 0 by lia. simpl. now rewrite app_nil_r.
  Qed.

  Lemma In_prefix_snoc x l : In x l -> exists c, prefix (c ++ [x]) l.
  Proof.
    intros Hx. apply in_split in Hx as (l1 & l2 & ->).
    exists l1, l2. now rewrite <- app_assoc.
  Qed.

  Lemma prefix_snoc_In x c l : prefix (c ++ [x]) l -> In x l.
  Proof.
    intros Hp. eapply prefix_In; [exact Hp|]. apply in_or_app. right. now left.
  Qed.

  (** A prefix of [a ++ b] ends in [a] or covers it. *)
  Lemma prefix_app_cases l a b :
    prefix l (a ++ b) -> prefix l a \/ exists c, l = a ++ c /\ prefix c b.
  Proof.
    intros Hl. destruct (prefix_comparable _ _ _ Hl (prefix_app a b)) as [H|[c ->]].
    - now left.
    - right. exists c. split; [reflexivity|].
      destruct Hl as [d Hd]. rewrite <- app_assoc in Hd. apply app_inv_head in Hd.
      now exists d.
  Qed.

  Lemma prefix_snoc_cases l a x : prefix l (a ++ [x]) -> prefix l a \/ l = a ++ [x].
  Proof.
    intros Hl. destruct (prefix_app_cases _ _ _ Hl) as [H|[[|y c] [-> Hc]]].
    - now left.
    - left. rewrite app_nil_r. apply prefix_refl.
    - right. destruct Hc as [d Hd]. simpl in Hd. injection Hd as -> Hd.
      symmetry in Hd. apply app_eq_nil in Hd as [-> _]. reflexivity.
  Qed.

  Lemma before_prefix x y a b : prefix a b -> before x y a -> before x y b.
  Proof.
    intros [c ->] (l1 & l2 & l3 & ->). exists l1, l2, (l3 ++ c).
    now rewrite <- app_assoc, <- app_comm_cons, <- app_assoc, <- app_comm_cons.
  Qed.

  Lemma before_snoc x y c l : In x c -> prefix (c ++ [y]) l -> before x y l.
  Proof.
    intros Hx Hp. eapply before_prefix; [exact Hp|].
    apply in_split in Hx as (l1 & l2 & ->). exists l1, l2, [].
    now rewrite <- app_assoc, <- app_comm_cons.
  Qed.

  Lemma before_inv x y l :
    before x y l -> exists c, In x c /\ prefix (c ++ [y]) l.
  Proof.
    intros (l1 & l2 & l3 & ->). exists (l1 ++ x :: l2). split.
    - apply in_or_app. right. now left.
    - exists l3. now rewrite <- !app_assoc, <- !app_comm_cons.
  Qed.

  (** The longest common prefix. *)
  Section Cp.
    Context (eq_dec : forall x y : A, {x = y} + {x <> y}).

    Fixpoint cp (a b : list A) : list A :=
      match a, b with
      | x :: a', y :: b' => if eq_dec x y then x :: cp a' b' else []
      | _, _ => []
      end.

    Lemma cp_prefix_l a b : prefix (cp a b) a.
    Proof.
      revert b. induction a as [|x a IH]; intros b; simpl; [apply prefix_nil|].
      destruct b as [|y b]; [apply prefix_nil|]. destruct (eq_dec x y); [|apply prefix_nil].
      destruct (IH b) as [c Hc]. exists c. simpl. now rewrite <- Hc.
    Qed.

    Lemma cp_prefix_r a b : prefix (cp a b) b.
    Proof.
      revert b. induction a as [|x a IH]; intros b; simpl; [apply prefix_nil|].
      destruct b as [|y b]; [apply prefix_nil|].
      destruct (eq_dec x y) as [->|]; [|apply prefix_nil].
      destruct (IH b) as [c Hc]. exists c. simpl. now rewrite <- Hc.
    Qed.

    Lemma cp_greatest c a b : prefix c a -> prefix c b -> prefix c (cp a b).
    Proof.
      intros [u ->] [v ->]. induction c as [|x c IH]; [apply prefix_nil|]. simpl.
      destruct (eq_dec x x) as [_|N]; [|now contradict N].
      destruct IH as [w Hw]. exists w. simpl. now rewrite <- Hw.
    Qed.

    (** [keeps] says no more and no less than "never below the longest common prefix". *)
    Theorem keeps_cp a b l : keeps a b l <-> prefix (cp a b) l.
    Proof.
      split.
      - intros Hk. apply Hk; [apply cp_prefix_l|apply cp_prefix_r].
      - intros Hp c Ha Hb. eapply prefix_trans; [|exact Hp]. now apply cp_greatest.
    Qed.

    Definition prefixb (a b : list A) : bool :=
      if list_eq_dec eq_dec a (firstn (length a) b) then true else false.

    Lemma prefixb_sound a b : prefixb a b = true -> prefix a b.
    Proof.
      unfold prefixb. destruct (list_eq_dec _ _ _) as [E|]; [|discriminate].
      intros _. rewrite E. apply firstn_prefix.
    Qed.

    Lemma prefixb_complete a b : prefix a b -> prefixb a b = true.
    Proof.
      intros Hp. unfold prefixb. destruct (list_eq_dec _ _ _) as [E|N]; [reflexivity|].
      contradict N. now apply prefix_firstn.
    Qed.
  End Cp.
End Prefix.

Notation "a ⊑ b" := (prefix a b) (at level 70, no associativity).
