(** * Extraction: the trace checker and the plan as OCaml functions

    [nat] becomes OCaml's 63-bit [int]; nothing here computes larger numbers than it is given, but for lengths
    and successors. *)

From Coq Require Import List Extraction ExtrOcamlBasic ExtrOcamlNatInt.
From Zab Require Import Entries Plan Checker.

Extraction "build/zab_proved.ml" exec xinit is_some plan obeys_trunc.
