(* The headline theorems, and what each of them assumes: see the target `assumptions` of the Makefile. *)

From Zab Require Lists Quorums Invariants Structure Key Broadcast Corollaries AtomicBroadcast Truncation Plan PlanSafety Checker.

Print Assumptions Lists.keeps_cp.
Print Assumptions Quorums.majority_quorums.
Print Assumptions Quorums.majority_spec.
Print Assumptions Quorums.weighted_quorums.
Print Assumptions Quorums.grouped_quorums.
Print Assumptions Invariants.Inv_reachable.
Print Assumptions Structure.one_candidate.
Print Assumptions Structure.elect_guard_is_local.
Print Assumptions Structure.H_sorted.
Print Assumptions Structure.H_rooted.
Print Assumptions Structure.log_matching.
Print Assumptions Structure.same_last_same_history.
Print Assumptions Key.Key.
Print Assumptions Key.chosen_comparable.
Print Assumptions Key.later_history_shape.
Print Assumptions Broadcast.entry_fixes_the_past.
Print Assumptions Corollaries.prefix_consistency.
Print Assumptions Corollaries.integrity.
Print Assumptions Corollaries.delivered_once.
Print Assumptions Corollaries.total_order.
Print Assumptions Corollaries.agreement.
Print Assumptions Corollaries.local_primary_order.
Print Assumptions Corollaries.global_primary_order.
Print Assumptions Corollaries.primary_integrity.
Print Assumptions Corollaries.one_leader_per_epoch.
Print Assumptions Corollaries.chosen_stays_on_disk.
Print Assumptions Corollaries.delivered_survives.
Print Assumptions AtomicBroadcast.refinement_step.
Print Assumptions AtomicBroadcast.refinement.
Print Assumptions AtomicBroadcast.agreed_only_grows.
Print Assumptions AtomicBroadcast.got_prefix.
Print Assumptions Truncation.Key_truncating.
Print Assumptions Truncation.prefix_consistency_truncating.
Print Assumptions Plan.plan_by_floor.
Print Assumptions PlanSafety.trunc_target_is_in_log.
Print Assumptions PlanSafety.stage_allowed.
Print Assumptions PlanSafety.stage_next.
Print Assumptions PlanSafety.plan_ends_at_leader.
Print Assumptions PlanSafety.trunc_is_obeyed.
Print Assumptions PlanSafety.stage_keeps_chosen.
Print Assumptions Checker.accepts_sound.
Print Assumptions Checker.accepted_prefix_consistency.
Print Assumptions Checker.exec_complete.
