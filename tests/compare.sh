#!/usr/bin/env bash
# Apache ZooKeeper and Vivarium in turn on this machine: three servers on loopback, the same load, and the ratios.
#
#   tests/compare.sh [--apache|--vivarium] [--seconds N=10] [--warmup N=5] [--connections N=64] [--depth N=16]
#
# Apache is Debian's package `zookeeper`, with a heap of 1 GiB a server. Both use tickTime 2000, and data below the
# directory named by TMPDIR. Every run is `vivarium bench` with 100 bytes a node; VIVARIUM names the binary. The records are
# left in compare-results/, and nothing else is. Without the package Apache's part is skipped, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

vivarium=${VIVARIUM:-target/release/vivarium}
results=compare-results
seconds=10 warmup=5 connections=64 depth=16
which=both
while (($#)); do
    case $1 in
        --apache | --vivarium) which=${1#--} ;;
        --seconds | --warmup | --connections | --depth)
            [[ ${2-} =~ ^[0-9]+$ ]] || { echo "$1: found \`${2-}\`, allowed: a whole number" >&2; exit 2; }
            declare "${1#--}=$2"
            shift
            ;;
        *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
[[ -x $vivarium ]] || { echo "$vivarium: not built (cargo build --release)" >&2; exit 1; }
jar=/usr/share/java/zookeeper.jar
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

# await PORT...: until each of them serves, for at most a minute
await() {
    for port in "$@"; do
        for ((tries = 0; ; tries++)); do
            [[ -n $(mode "$port") ]] && break
            ((tries < 240)) || { echo "the server at port $port does not serve" >&2; exit 1; }
            sleep 0.25
        done
    done
}

# measure NAME CONNECT PID...
measure() {
    local name=$1 connect=$2
    shift 2
    for op in set get; do
        "$vivarium" bench "$connect" --op "$op" --seconds "$seconds" --warmup "$warmup" \
            --connections "$connections" --depth "$depth" --json "$results/$name-$op.json"
    done
    for pid in "$@"; do
        sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"
    done >"$results/$name-rss-kib.txt"
}

apache() {
    if [[ ! -e $jar ]] || ! command -v java >/dev/null; then
        echo "skipped: Apache ZooKeeper is not installed (apt-get install zookeeper)" >&2
        return
    fi
    local sid lines=""
    for sid in 1 2 3; do lines+="server.$sid=127.0.0.1:$((23000 + sid)):$((23100 + sid))"$'\n'; done
    # Debian's package logs through log4j; without a configuration it says nothing.
    for sid in 1 2 3; do
        mkdir -p "$work/apache$sid"
        echo "$sid" >"$work/apache$sid/myid"
        printf '%s\n' tickTime=2000 initLimit=10 syncLimit=5 "dataDir=$work/apache$sid" \
            "clientPort=$((22180 + sid))" clientPortAddress=127.0.0.1 maxClientCnxns=0 \
            admin.enableServer=false "$lines" >"$work/apache$sid/zoo.cfg"
        java -Xmx1g -cp "$jar" org.apache.zookeeper.server.quorum.QuorumPeerMain \
            "$work/apache$sid/zoo.cfg" >"$work/apache$sid/out" 2>&1 &
        pids+=($!)
    done
    await 22181 22182 22183
    measure apache 127.0.0.1:22181,127.0.0.1:22182,127.0.0.1:22183 "${pids[@]}"
    stop
}

vivarium() {
    "$vivarium" ensemble --servers 3 --data "$work/vivarium" --client-port 22191 >"$work/out" &
    pids+=($!)
    await 22191 22192 22193
    local servers
    servers=$(pgrep -P "${pids[0]}")
    # shellcheck disable=SC2086 # one word per process
    measure vivarium 127.0.0.1:22191,127.0.0.1:22192,127.0.0.1:22193 $servers
    stop
}

[[ $which == vivarium ]] || apache
[[ $which == apache ]] || vivarium

# One line per quantity; the ratio only where both were measured, now or in an earlier run.
number() { sed -n "s/^ *\"$2\": \([0-9.]*\),\{0,1\}$/\1/p" "$results/$1.json" 2>/dev/null | head -1; }
rss() { sort -n "$results/$1-rss-kib.txt" 2>/dev/null | tail -1; }
row() { awk -v what="$1" -v a="$2" -v v="$3" 'BEGIN {
    printf "%-26s %12s %12s", what, a == "" ? "-" : a, v == "" ? "-" : v
    if (a > 0 && v != "") printf "   %.2fx", v / a
    print "" }'; }
printf '\n%-26s %12s %12s   Vivarium / Apache\n' "" Apache Vivarium
for op in set get; do
    row "$op a second" "$(number apache-$op operations_per_second)" "$(number vivarium-$op operations_per_second)"
    for quantile in p50 p99 p999; do
        row "$op $quantile (us)" "$(number apache-$op $quantile)" "$(number vivarium-$op $quantile)"
    done
done
row "largest server (KiB)" "$(rss apache)" "$(rss vivarium)"
