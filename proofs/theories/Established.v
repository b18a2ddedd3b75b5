(** * Only established epochs broadcast

    From here on, and in [primary_integrity] before, the guard of [Propose] counts that the initial history must
    be chosen; everything else holds without it. *)

From Coq Require Import List Arith Lia.
From Zab Require Import Lists Entries Quorums Protocol Invariants Structure Key Broadcast.
Import ListNotations.

Section Established.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation state := (state Node Txn).

  (** An epoch that has broadcast anything is established: its initial history is chosen. *)
  Theorem broadcast_established (s : state) e x :
    reachable s -> In x (H s e) -> epoch_of x = e -> chosen s e (length (I s e)).
  Proof.
    intros Hr. revert e x. pattern s. revert Hr. revert s. refine (reachable_ind _ _ _).
    - intros e x [].
    - intros s y s' Hr IH Hst e x Hx Ex.
      pose proof (Inv_reachable s Hr) as Hinv.
      assert (Hcase : chosen s e (length (I s e)) \/ I s' e = H s' e).
      { destruct Hst as [|e0 c rc Hl He| | | | |e0 z Ha Hc Hd Hz| |]; simpl in *; eauto.
        - unfold upde in *. destruct (Nat.eq_dec e e0) as [->|]; eauto.
        - unfold upde in *. destruct (Nat.eq_dec e e0) as [->|]; eauto. }
      destruct Hcase as [Hc|Heq].
      + rewrite (I_stable Hst e (chosen_lead Hinv _ _ Hc)). now apply (chosen_mono Hst).
      + exfalso. pose proof (Inv_step Hinv Hst) as Hinv'. rewrite <- Heq in Hx.
        pose proof (I_epochs Hinv' e x Hx). lia.
  Qed.

  (** *** The lemma behind the synchronisation plan

      If an entry of epoch [g] is in any history, then [I g] was chosen; hence every later history is
      [I g] followed by entries of epoch [g] and later. *)
  Theorem entry_fixes_the_past (s : state) l x e :
    reachable s -> rooted s l -> In x l -> epoch_of x < e -> lead s e <> None ->
    exists t, H s e = I s (epoch_of x) ++ t /\ forall y, In y t -> epoch_of x <= epoch_of y.
  Proof.
    intros Hr Hroot Hx Hlt Hl. apply In_prefix_snoc in Hx as [c Hc].
    destruct (Hroot c x Hc) as [_ Hg].
    apply later_history_shape; [now apply Inv_reachable| |exact Hlt|exact Hl].
    eapply broadcast_established; [exact Hr| |reflexivity]. eapply prefix_snoc_In, Hg.
  Qed.
End Established.
