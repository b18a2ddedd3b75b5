(* Prints a table of the proved synchronisation plan, for a test of the Rust function. One case a line:

     BASE DELIVERED ENTRIES LAST  OP FOLLOW

   A zxid is EPOCH.COUNTER; a list is separated by commas, `-` if it is empty. OP is DIFF, TRUNC:ZXID or
   SNAP:ZXID. The cases are all leader histories over the zxids below (any subset of them, cut anywhere into
   snapshot and log, anything from the snapshot on delivered), with any last zxid of a learner. *)

open Zab_proved

let zxids = [ (1, 1); (1, 2); (1, 3); (2, 1); (2, 2); (3, 1) ]
let lasts = [ (0, 0); (1, 1); (1, 2); (1, 3); (1, 4); (2, 1); (2, 2); (2, 3); (3, 1); (3, 2); (4, 1) ]
let zxid (e, c) = Printf.sprintf "%d.%d" e c
let list = function [] -> "-" | zs -> String.concat "," (List.map zxid zs)

let op = function
  | Diff -> "DIFF"
  | Trunc z -> "TRUNC:" ^ zxid z
  | Snap z -> "SNAP:" ^ zxid z

let rec subsets = function
  | [] -> [ [] ]
  | z :: zs ->
      let rest = subsets zs in
      rest @ List.map (fun s -> z :: s) rest

(* (0,0) or an entry as the base; what is behind it is the log. *)
let rec cuts base history =
  (base, history) :: (match history with [] -> [] | z :: rest -> cuts z rest)

let () =
  List.iter
    (fun history ->
      List.iter
        (fun (base, log) ->
          List.iter
            (fun delivered ->
              List.iter
                (fun last ->
                  let o, follow = plan base delivered log last in
                  Printf.printf "%s %s %s %s  %s %s\n" (zxid base) (zxid delivered) (list log) (zxid last) (op o)
                    (list follow))
                lasts)
            (base :: log))
        (cuts (0, 0) history))
    (subsets zxids)
