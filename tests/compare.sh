#!/usr/bin/env bash
# Apache ZooKeeper and Vivarium in turn on this machine: three servers on loopback, the same load, and the ratios. Or, with
# --recording, Vivarium without --record and with it: sets only. Both ensembles are then up all the time, and rounds can be short.
#
#   tests/compare.sh [--apache|--vivarium|--recording] [--rounds N=3] [--seconds N=10] [--warmup N=5]
#                    [--connections N=64] [--depth N=16] [--port N=22181]
#
# The two take turns, and who begins does too; each quantity is shown as the median of the rounds with its range: on a machine that does anything
# else, single runs of one binary have differed by a factor of three. Trust a ratio only if the ranges are narrow. From 8 rounds on,
# [low..high] is where the median ratio is with a confidence of 95 %.
# Apache is Debian's package `zookeeper`, with a heap of 1 GiB a server. Both use tickTime 2000, data below the directory that
# TMPDIR names, and loopback ports from --port on. Every run is `vivarium bench` with 100 bytes a node; VIVARIUM names the
# binary. The records are left in compare-results/. Without the package Apache's part is skipped, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

vivarium=${VIVARIUM:-target/release/vivarium}
results=compare-results
seconds=10 warmup=5 connections=64 depth=16 port=22181 rounds=3
ops=(set get)
contestants=(apache vivarium)
while (($#)); do
    case $1 in
        --apache | --vivarium) contestants=("${1#--}") ;;
        --recording) contestants=(unrecorded recorded) ops=(set) ;;
        --seconds | --warmup | --connections | --depth | --port | --rounds)
            [[ ${2-} =~ ^[0-9]+$ ]] || { echo "$1: found \`${2-}\`, allowed: a whole number" >&2; exit 2; }
            declare "${1#--}=$2"
            shift
            ;;
        *) sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
[[ -x $vivarium ]] || { echo "$vivarium: not built (cargo build --release)" >&2; exit 1; }
# What listens there already would be measured instead.
firsts=("$port")
[[ ${contestants[0]} == unrecorded ]] && firsts+=($((port + 10)))
for used in $(for first in "${firsts[@]}"; do seq "$first" $((first + 2)); done); do
    if { : <>"/dev/tcp/127.0.0.1/$used"; } 2>/dev/null; then
        echo "port $used is in use: --port names another" >&2
        exit 1
    fi
done
jar=/usr/share/java/zookeeper.jar
rm -rf "$results"
mkdir -p "$results"
work=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
}
trap 'stop; rm -rf "$work"' EXIT

# mode PORT: what srvr says the server is; nothing while it does not serve
mode() {
    { exec 9<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 0
    printf srvr >&9
    sed -n 's/^Mode: //p' <&9 || true
    exec 9>&-
}

# await PORT: until all three servers serve, for at most a minute; a process in pids that has ended ends the wait
await() {
    local server tries pid
    for ((server = $1; server < $1 + 3; server++)); do
        for ((tries = 0; ; tries++)); do
            [[ -n $(mode "$server") ]] && break
            for pid in "${pids[@]}"; do
                kill -0 "$pid" 2>/dev/null || { echo "a server has ended: $(tail -n 3 "$work"/*.out)" >&2; exit 1; }
            done
            ((tries < 240)) || { echo "the server at port $server does not serve" >&2; exit 1; }
            sleep 0.25
        done
    done
}

# spent PID...: the processor time of these processes until now, in ns
spent() { for pid in "$@"; do cut -d' ' -f1 /proc/"$pid"/task/*/schedstat; done | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }

# measure NAME PORT PID...: the load of one round. (The result knows of the sets behind the warm-up only: their rate is taken for
# that of the warm-up too.)
measure() {
    local name=$1 first=$2 before after
    shift 2
    for op in "${ops[@]}"; do
        before=$(spent "$@")
        "$vivarium" bench "127.0.0.1:$first,127.0.0.1:$((first + 1)),127.0.0.1:$((first + 2))" --op "$op" --seconds "$seconds" \
            --warmup "$warmup" --connections "$connections" --depth "$depth" --json "$results/$name-$op-$round.json"
        after=$(spent "$@")
        [[ $op == get ]] || sed -n 's/^ *"operations_per_second": \([0-9.]*\),\{0,1\}$/\1/p' "$results/$name-$op-$round.json" |
            awk -v ns=$((after - before)) -v seconds=$((seconds + warmup)) '{ printf "%.2f\n", ns / 1000 / ($1 * seconds) }' \
                >"$results/$name-cpu-$round.txt"
    done
    for pid in "$@"; do
        sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"
    done >"$results/$name-rss-$round.txt"
}

apache() {
    if [[ ! -e $jar ]] || ! command -v java >/dev/null; then
        echo "skipped: Apache ZooKeeper is not installed (apt-get install zookeeper)" >&2
        return
    fi
    local sid lines=""
    for sid in 1 2 3; do lines+="server.$sid=127.0.0.1:$((port + 99 + sid)):$((port + 199 + sid))"$'\n'; done
    # Debian's package logs through log4j; without a configuration it says nothing.
    for sid in 1 2 3; do
        rm -rf "$work/apache$sid"
        mkdir -p "$work/apache$sid"
        echo "$sid" >"$work/apache$sid/myid"
        printf '%s\n' tickTime=2000 initLimit=10 syncLimit=5 "dataDir=$work/apache$sid" \
            "clientPort=$((port - 1 + sid))" clientPortAddress=127.0.0.1 maxClientCnxns=0 \
            admin.enableServer=false "$lines" >"$work/apache$sid/zoo.cfg"
        java -Xmx1g -cp "$jar" org.apache.zookeeper.server.quorum.QuorumPeerMain \
            "$work/apache$sid/zoo.cfg" >"$work/apache$sid.out" 2>&1 &
        pids+=($!)
    done
    await "$port"
    measure apache "$port" "${pids[@]}"
    stop
}

declare -A servers

# ensemble NAME PORT ARGUMENT...
ensemble() {
    local name=$1 first=$2
    shift 2
    rm -rf "$work/$name"
    "$vivarium" ensemble --servers 3 --data "$work/$name" --client-port "$first" "$@" >"$work/$name.out" 2>&1 &
    pids+=($!)
    await "$first"
    servers[$name]=$(pgrep -P "${pids[-1]}")
}

# shellcheck disable=SC2086 # one word per process
vivarium() {
    ensemble vivarium "$port"
    measure vivarium "$port" ${servers[vivarium]}
    stop
}

# shellcheck disable=SC2086
unrecorded() { measure unrecorded "$port" ${servers[unrecorded]}; }

# shellcheck disable=SC2086
recorded() { measure recorded $((port + 10)) ${servers[recorded]}; }

if [[ ${contestants[0]} == unrecorded ]]; then
    ensemble unrecorded "$port"
    ensemble recorded $((port + 10)) --record "$work/runs"
fi
for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds, load average $(cut -d' ' -f1 /proc/loadavg)"
    ((round % 2)) && order=("${contestants[@]}") || order=("${contestants[@]:1}" "${contestants[0]}")
    for contestant in "${order[@]}"; do "$contestant"; done
done

# numbers NAME-OP KEY: one a round, in their order
numbers() { cat $(ls -v "$results/$1"-[0-9]*.json 2>/dev/null) /dev/null | sed -n "s/^ *\"$2\": \([0-9.]*\),\{0,1\}$/\1/p"; }
# The largest server of each round.
rss() { for file in $(ls -v "$results/$1"-rss-*.txt 2>/dev/null); do sort -n "$file" | tail -1; done; }
cpus() { cat $(ls -v "$results/$1"-cpu-*.txt 2>/dev/null) /dev/null; }
# The ratio is the median of the rounds' own ratios: what changes on the machine in the meantime is in both.
row() { awk -v what="$1" -v a="$2" -v v="$3" '
    function sorted(all, n,   i, j, x) {
        for (i = 2; i <= n; i++) {
            x = all[i]
            for (j = i - 1; j > 0 && all[j] > x; j--) all[j + 1] = all[j]
            all[j + 1] = x
        }
    }
    function median(all, n) { return n % 2 ? all[(n + 1) / 2] : (all[n / 2] + all[n / 2 + 1]) / 2 }
    function show(text,   n, all, i) {
        n = split(text, all, "\n")
        if (n == 0) return "-"
        for (i = 1; i <= n; i++) all[i] += 0
        sorted(all, n)
        return sprintf(format " (" format ".." format ")", median(all, n), all[1], all[n])
    }
    BEGIN {
        format = what ~ /processor/ ? "%.2f" : "%.0f"
        printf "%-24s %28s %28s", what, show(a), show(v)
        n = split(a, left, "\n")
        if (n > 0 && n == split(v, right, "\n")) {
            for (i = 1; i <= n; i++) ratio[i] = right[i] / left[i]
            sorted(ratio, n)
            printf "   %.3fx (%.2f..%.2f)", median(ratio, n), ratio[1], ratio[n]
            # Of the order statistics, whatever the distribution: ranks about n/2 - 0.98 sqrt(n) from both ends.
            low = int(n / 2 - 0.98 * sqrt(n))
            if (low >= 1) printf " [%.3f..%.3f]", ratio[low], ratio[n + 1 - low]
        }
        print ""
    }'; }
one=${contestants[0]} other=${contestants[1]-}
printf '\n%-24s %28s %28s   %s\n' "median (range)" "$one" "$other" "${other:+$other / $one}"
for op in "${ops[@]}"; do
    row "$op a second" "$(numbers "$one-$op" operations_per_second)" "$(numbers "$other-$op" operations_per_second)"
    for quantile in p50 p99 p999; do
        row "$op $quantile (us)" "$(numbers "$one-$op" $quantile)" "$(numbers "$other-$op" $quantile)"
    done
done
row "processor a set (us)" "$(cpus "$one")" "$(cpus "$other")"
row "largest server (KiB)" "$(rss "$one")" "$(rss "$other")"
