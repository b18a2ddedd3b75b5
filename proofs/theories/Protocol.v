(** * Abstract Zab: the state, the nine actions, runs

    Ghost-history style: what was said is a set that only grows, so that loss, duplication, reordering
    and delay of messages need no action of their own. Only durable logs are state. *)

From Coq Require Import List Arith.
From Zab Require Import Lists Entries Quorums.
Import ListNotations.

Section Protocol.
  Context {Node Txn : Type} {ND : EqDec Node} {QS : Quorums Node}.

  Notation history := (list (entry Txn)).

  (** A promise of epoch [r_epoch], made by [r_node] to [r_cand], with the epoch and the durable log that
      the node had at that moment (ACKEPOCH carries [r_a] and the last zxid of [r_log]). *)
  Record promise : Type := Promised {
    r_node : Node;
    r_epoch : nat;
    r_cand : Node;
    r_a : nat;
    r_log : history
  }.

  Record state : Type := State {
    p : Node -> nat;                 (* last epoch promised: acceptedEpoch *)
    a : Node -> nat;                 (* epoch of the last NEWLEADER fully accepted: currentEpoch *)
    log : Node -> history;           (* durable history *)
    lead : nat -> option Node;       (* who was elected for an epoch *)
    I : nat -> history;              (* initial history of an epoch *)
    H : nat -> history;              (* all ever proposed in an epoch, [I e] first *)
    prom : list promise;             (* promises ever made *)
    ack : list (Node * nat * nat);   (* (f, e, n): the first n entries of [H e] were durable at f in epoch e *)
    act : nat -> bool;               (* the leader that was elected for this epoch has not crashed since *)
    D : Node -> list history         (* every sequence ever delivered at a node; never cleared *)
  }.

  Definition upd {B : Type} (m : Node -> B) (n : Node) (v : B) : Node -> B :=
    fun n' => if eq_dec n' n then v else m n'.

  Definition upde {B : Type} (m : nat -> B) (e : nat) (v : B) : nat -> B :=
    fun e' => if Nat.eq_dec e' e then v else m e'.

  Definition init : state := {|
    p := fun _ => 0; a := fun _ => 0; log := fun _ => [];
    lead := fun _ => None; I := fun _ => []; H := fun _ => [];
    prom := []; ack := []; act := fun _ => false; D := fun _ => []
  |}.

  (** The order in which candidates are compared: currentEpoch first, then the last zxid. *)
  Definition rank_le (r1 r2 : promise) : Prop :=
    r_a r1 < r_a r2 \/
    r_a r1 = r_a r2 /\ zle (last_zxid (r_log r1)) (last_zxid (r_log r2)).

  (** [f] has acknowledged at least the first [n] entries of epoch [e]. *)
  Definition acked (s : state) (e n : nat) (f : Node) : Prop :=
    exists m, n <= m /\ In (f, e, m) (ack s).

  (** The first [n] entries of epoch [e] are acknowledged by a quorum. *)
  Definition chosen (s : state) (e n : nat) : Prop :=
    exists Q, quorum Q /\ forall f, Q f -> acked s e n f.

  (** The record [rc] of the candidate is maximal among the promises of a quorum for its epoch. *)
  Definition electable (s : state) (e : nat) (c : Node) (rc : promise) : Prop :=
    In rc (prom s) /\ r_node rc = c /\ r_epoch rc = e /\ r_cand rc = c /\
    exists Q, quorum Q /\ Q c /\
      forall f, Q f -> exists r, In r (prom s) /\ r_node r = f /\ r_epoch r = e /\
                                 r_cand r = c /\ rank_le r rc.

  (** The zxid that the next transaction of epoch [e] gets. *)
  Definition next_zxid (s : state) (e : nat) : zxid := (e, S (length (H s e) - length (I s e))).

  (** Which leaders are left when [f] is gone. *)
  Definition deposed (s : state) (f : Node) : nat -> bool :=
    fun e => match lead s e with
             | Some c => if eq_dec c f then false else act s e
             | None => act s e
             end.

  Inductive action : Type :=
  | Promise (f : Node) (e : nat) (c : Node)
  | Elect (e : nat) (c : Node) (rc : promise)
  | Sync (f : Node) (e : nat) (l : history)
  | SetEpoch (f : Node) (e : nat)
  | Append (f : Node) (e : nat) (l : history)
  | Ack (f : Node) (e n : nat)
  | Propose (e : nat) (x : entry Txn)
  | Deliver (f : Node) (e n : nat)
  | Crash (f : Node).

  Inductive step (s : state) : action -> state -> Prop :=

  (** A node promises a strictly larger epoch to one candidate. *)
  | StepPromise f e c :
      p s f < e ->
      step s (Promise f e c)
        {| p := upd (p s) f e; a := a s; log := log s;
           lead := lead s; I := I s; H := H s;
           prom := Promised f e c (a s f) (log s f) :: prom s;
           ack := ack s; act := act s; D := D s |}

  (** A candidate with a quorum's promises, none of them more recent than its own, becomes the leader;
      its log as promised is the initial history of the epoch. *)
  | StepElect e c rc :
      lead s e = None ->
      electable s e c rc ->
      step s (Elect e c rc)
        {| p := p s; a := a s; log := log s;
           lead := upde (lead s) e (Some c);
           I := upde (I s) e (r_log rc); H := upde (H s) e (r_log rc);
           prom := prom s; ack := ack s; act := upde (act s) e true; D := D s |}

  (** The log of a learner is brought nearer to the leader's, in any number of steps: never below what
      the log and the initial history of the epoch have in common. *)
  | StepSync f e l :
      lead s e <> None ->
      p s f = e -> a s f < e ->
      l ⊑ H s e ->
      keeps (log s f) (I s e) l ->
      step s (Sync f e l)
        {| p := p s; a := a s; log := upd (log s) f l;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := ack s; act := act s; D := D s |}

  (** The learner holds the initial history and accepts the epoch: the ACK of NEWLEADER. *)
  | StepSetEpoch f e :
      lead s e <> None ->
      p s f = e -> a s f < e ->
      I s e ⊑ log s f -> log s f ⊑ H s e ->
      step s (SetEpoch f e)
        {| p := p s; a := upd (a s) f e; log := log s;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := (f, e, length (I s e)) :: ack s; act := act s; D := D s |}

  (** Proposals of the epoch reach the disk. *)
  | StepAppend f e l :
      p s f = e -> a s f = e ->
      log s f ⊑ l -> l ⊑ H s e ->
      step s (Append f e l)
        {| p := p s; a := a s; log := upd (log s) f l;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := ack s; act := act s; D := D s |}

  (** A node acknowledges entries that are on its disk, in the epoch that it has both promised and
      accepted. *)
  | StepAck f e n :
      0 < e ->
      p s f = e -> a s f = e ->
      length (I s e) <= n -> n <= length (log s f) ->
      step s (Ack f e n)
        {| p := p s; a := a s; log := log s;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := (f, e, n) :: ack s; act := act s; D := D s |}

  (** The leader of [e], once established, and once it has delivered the initial history itself,
      broadcasts one more transaction. *)
  | StepPropose e x :
      act s e = true ->
      chosen s e (length (I s e)) ->
      (exists c d, lead s e = Some c /\ In d (D s c) /\ I s e ⊑ d) ->
      zxid_of x = next_zxid s e ->
      step s (Propose e x)
        {| p := p s; a := a s; log := log s;
           lead := lead s; I := I s; H := upde (H s) e (H s e ++ [x]);
           prom := prom s; ack := ack s; act := act s; D := D s |}

  (** Any node delivers any chosen prefix. *)
  | StepDeliver f e n :
      chosen s e n ->
      step s (Deliver f e n)
        {| p := p s; a := a s; log := log s;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := ack s; act := act s;
           D := upd (D s) f (firstn n (H s e) :: D s f) |}

  (** A node crashes, or gives up leading: no epoch that it leads goes on. *)
  | StepCrash f :
      step s (Crash f)
        {| p := p s; a := a s; log := log s;
           lead := lead s; I := I s; H := H s;
           prom := prom s; ack := ack s; act := deposed s f; D := D s |}.

  (** [run tr s]: the actions [tr], the first one first, lead from the initial state to [s]. *)
  Inductive run : list action -> state -> Prop :=
  | RunInit : run [] init
  | RunStep tr s x s' : run tr s -> step s x s' -> run (tr ++ [x]) s'.

  Definition reachable (s : state) : Prop := exists tr, run tr s.

  (** [later s s']: zero or more steps lead from [s] to [s']. *)
  Inductive later (s : state) : state -> Prop :=
  | LaterRefl : later s s
  | LaterStep s1 x s2 : later s s1 -> step s1 x s2 -> later s s2.

  Lemma reachable_ind (P : state -> Prop) :
    P init ->
    (forall s x s', reachable s -> P s -> step s x s' -> P s') ->
    forall s, reachable s -> P s.
  Proof.
    intros Hi Hs s [tr Hr]. induction Hr as [|tr s x s' Hr IH Hst]; [exact Hi|].
    eapply Hs; [exists tr|..]; eassumption.
  Qed.

  Lemma reachable_step s x s' : reachable s -> step s x s' -> reachable s'.
  Proof. intros [tr Hr] Hs. exists (tr ++ [x]). econstructor; eassumption. Qed.

  Lemma reachable_later s s' : reachable s -> later s s' -> reachable s'.
  Proof. intros Hr Hl. induction Hl; [assumption|]. eapply reachable_step; eassumption. Qed.

  Lemma upd_same {B} (m : Node -> B) n v : upd m n v n = v.
  Proof. unfold upd. now destruct (eq_dec n n). Qed.

  Lemma upd_other {B} (m : Node -> B) n v n' : n' <> n -> upd m n v n' = m n'.
  Proof. unfold upd. now destruct (eq_dec n' n). Qed.

  Lemma upde_same {B} (m : nat -> B) e v : upde m e v e = v.
  Proof. unfold upde. now destruct (Nat.eq_dec e e). Qed.

  Lemma upde_other {B} (m : nat -> B) e v e' : e' <> e -> upde m e v e' = m e'.
  Proof. unfold upde. now destruct (Nat.eq_dec e' e). Qed.
End Protocol.

Arguments promise : clear implicits.
Arguments state : clear implicits.
Arguments action : clear implicits.
