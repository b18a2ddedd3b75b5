(* Runs the proved trace checker on text traces: one command a line, `#` begins a comment.

     check_trace FILE...        (no file: standard input)

   A trace begins with its ensemble: `ensemble 1 2 3` (a majority of these), or one line
   `group NODE:WEIGHT ...` for each group. The commands are those of Checker.v:

     promise F E C      elect E C        sync F E K       setepoch F E     append F E K
     ack F E N          propose E V      deliver F E N    crash F
     expect F P A K     last F E C       (assertions about F: epochs and length of its log; its last zxid)

   What is trusted here: this file (reading), OCaml, and Coq's extraction. What a line may do is decided by
   `exec` alone, which is proved sound. *)

open Zab_proved

exception Bad of string

let bad fmt = Printf.ksprintf (fun s -> raise (Bad s)) fmt

let number s =
  match int_of_string_opt s with
  | Some n when n >= 0 -> n
  | _ -> bad "not a number: %s" s

let member s =
  match String.split_on_char ':' s with
  | [ n; w ] -> (number n, number w)
  | _ -> bad "not NODE:WEIGHT: %s" s

let command words =
  match words with
  | name :: rest -> (
      match (name, List.map number rest) with
      | "promise", [ f; e; c ] -> CPromise (f, e, c)
      | "elect", [ e; c ] -> CElect (e, c)
      | "sync", [ f; e; k ] -> CSync (f, e, k)
      | "setepoch", [ f; e ] -> CSetEpoch (f, e)
      | "append", [ f; e; k ] -> CAppend (f, e, k)
      | "ack", [ f; e; n ] -> CAck (f, e, n)
      | "propose", [ e; v ] -> CPropose (e, v)
      | "deliver", [ f; e; n ] -> CDeliver (f, e, n)
      | "crash", [ f ] -> CCrash f
      | "expect", [ f; p; a; k ] -> CExpect (f, p, a, k)
      | "last", [ f; e; c ] -> CExpectLast (f, e, c)
      | _ -> bad "no such command, or not so many numbers: %s" (String.concat " " words))
  | [] -> bad "empty"

let words line =
  let line = match String.index_opt line '#' with Some i -> String.sub line 0 i | None -> line in
  List.filter (fun w -> w <> "") (String.split_on_char ' ' (String.map (fun c -> if c = '\t' || c = '\r' then ' ' else c) line))

(* One line: the ensemble, the state and the number of commands after it. The ensemble cannot change once a
   command ran. *)
let one (ensemble, state, count) = function
  | [] -> (ensemble, state, count)
  | "ensemble" :: ns when count = 0 && ensemble = [] ->
      ([ List.map (fun n -> (number n, 1)) ns ], state, count)
  | "group" :: ms when count = 0 -> (ensemble @ [ List.map member ms ], state, count)
  | ("ensemble" | "group") :: _ -> bad "the ensemble is fixed already"
  | ws -> (
      let cmd = command ws in
      if ensemble = [] then bad "no ensemble";
      match exec ensemble state cmd with
      | Some state' -> (ensemble, state', count + 1)
      | None -> bad "not allowed: %s" (String.concat " " ws))

let read ic =
  let rec go line_no acc =
    match input_line ic with
    | exception End_of_file -> acc
    | line ->
        let acc' = try one acc (words line) with Bad s -> bad "line %d: %s" line_no s in
        go (line_no + 1) acc'
  in
  let ensemble, _, count = go 1 ([], xinit, 0) in
  if ensemble = [] then bad "no ensemble" else count

let check name ic =
  match read ic with
  | count ->
      Printf.printf "%s: accepted, %d commands\n" name count;
      true
  | exception Bad s ->
      Printf.printf "%s: refused, %s\n" name s;
      false

let () =
  let results =
    match List.tl (Array.to_list Sys.argv) with
    | [] -> [ check "standard input" stdin ]
    | files ->
        List.map
          (fun file ->
            let ic = open_in file in
            let ok = check file ic in
            close_in ic;
            ok)
          files
  in
  exit (if List.for_all Fun.id results then 0 else 1)
