#!/usr/bin/env bash
# Everything that must be right before a change is taken, and all that CI runs. Installs what it needs.
#
#   WIREWARDEN_FUZZ_SECONDS   seconds of each fuzz target (60), 0 for none
#   WIREWARDEN_HUGEPAGES      MiB of hugepages for the tests that need them (512), 0 for none
#   WIREWARDEN_SKIP_SETUP     set: installs nothing
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

# Built once: what makes a second build quicker would take half the disk.
export CARGO_INCREMENTAL=0

logs=$CARGO_TARGET_DIR/test-logs
mkdir -p "$logs"
rm -f "$logs"/*.log
features=--all-features
table=()
failed_steps=0

# step NAME COMMAND...: runs it, keeps its output in a log, shows the end of the log where it failed.
step() {
    local name=$1 started=$SECONDS result=ok
    shift
    printf '%-12s ' "$name"
    if ! "$@" >"$logs/$name.log" 2>&1; then
        result=FAILED
        failed_steps=$((failed_steps + 1))
    fi
    printf '%-7s %4d s\n' "$result" $((SECONDS - started))
    table+=("$(printf '%-12s %-7s %4d s' "$name" "$result" $((SECONDS - started)))")
    if [ "$result" = FAILED ]; then
        printf -- '---- %s: the end of %s\n' "$name" "$logs/$name.log"
        tail -n 100 "$logs/$name.log"
        printf -- '----\n'
    fi
}

skip() {
    printf '%-12s skipped: %s\n' "$1" "$2"
    table+=("$(printf '%-12s skipped (%s)' "$1" "$2")")
}

# GiB that builds, fuzz targets and the tests' own files take together in an empty target directory.
needed=8
disk() {
    local free used
    free=$(df --output=avail -BG "$CARGO_TARGET_DIR" | tail -n 1 | tr -dc 0-9)
    used=$(du -s -BG "$CARGO_TARGET_DIR" | tr -dc '0-9\t' | cut -f 1)
    echo "$CARGO_TARGET_DIR: $used GiB used, $free GiB free"
    [ $((free + used)) -ge "$needed" ] && return
    echo "A cold run takes $needed GiB. Make room there, or set CARGO_TARGET_DIR to a folder of a larger disk."
    return 1
}

setup() { scripts/setup.sh full; }
formatting() { cargo fmt --all --check && cargo fmt --check --manifest-path dataplane/fuzz/Cargo.toml; }
lint() { cargo clippy --locked --workspace --all-targets $features -- -D warnings; }
dependencies() {
    CARGO=$PWD/scripts/deny/cargo-with-old-ids cargo-deny $features check --hide-inclusion-graph bans licenses sources &&
        scripts/deny/self-test.sh
}
tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --workspace $features --no-fail-fast --color never
    else
        cargo test --locked --workspace $features --all-targets --no-fail-fast
    fi
}
doctests() { cargo test --locked --workspace $features --doc --no-fail-fast; }
documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace $features --no-deps; }
ebpf() {
    local source
    mkdir -p "$CARGO_TARGET_DIR/ebpf"
    for source in ebpf/xdp/*.c; do
        clang -target bpf -g -O2 -mcpu=v3 -Wall -Werror "-I/usr/include/$(uname -m)-linux-gnu" \
            -c "$source" -o "$CARGO_TARGET_DIR/ebpf/$(basename "$source" .c).o" || return 1
    done
}

# Passed, failed and skipped tests of both runners, summed over their logs.
count_tests() {
    sed 's/\x1b\[[0-9;]*m//g' "$logs/tests.log" "$logs/doctests.log" 2>/dev/null | awk '
        /^test result:/ { for (i = 1; i <= NF; i++) {
            if ($i ~ /^passed/) passed += $(i - 1)
            if ($i ~ /^failed/) failed += $(i - 1)
            if ($i ~ /^ignored/) skipped += $(i - 1) } }
        /^ *Summary \[/ { for (i = 1; i <= NF; i++) {
            if ($i ~ /^passed/) passed += $(i - 1)
            if ($i ~ /^(failed|timed)/) failed += $(i - 1)
            if ($i ~ /^skipped/) skipped += $(i - 1) } }
        END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
}

# Hugepages, where this machine gives them to us.
hugepages=${WIREWARDEN_HUGEPAGES:-512}
reserved=
release_hugepages() { [ -z "$reserved" ] || scripts/hugepages.sh release >"$logs/hugepages.log" 2>&1; }
trap release_hugepages EXIT
reserve_hugepages() {
    [ "$hugepages" != 0 ] && [ -x scripts/hugepages.sh ] || return 0
    if scripts/hugepages.sh reserve "$hugepages" >"$logs/hugepages.log" 2>&1; then
        reserved=yes
    else
        printf 'hugepages: none, tests that need them skip: %s\n' "$(tail -n 1 "$logs/hugepages.log")"
    fi
}

step disk disk
[ -n "${WIREWARDEN_SKIP_SETUP:-}" ] || step setup setup
step format formatting
step lint lint
step deny dependencies
reserve_hugepages
step units scripts/units.sh
step tests tests
step doctests doctests
release_hugepages
reserved=
step docs documentation
if compgen -G 'ebpf/xdp/*.c' >/dev/null; then step ebpf ebpf; else skip ebpf "no program"; fi
if [ "${WIREWARDEN_FUZZ_SECONDS:-60}" != 0 ]; then
    step fuzz scripts/fuzz.sh "${WIREWARDEN_FUZZ_SECONDS:-60}"
    grep '^fuzz ' "$logs/fuzz.log"
else
    skip fuzz "WIREWARDEN_FUZZ_SECONDS=0"
fi

printf '\n'
printf '%s\n' "${table[@]}"
printf 'total %d s, %d step(s) failed\n' "$SECONDS" "$failed_steps"
# Tests that say why they did nothing, for example for the lack of reference captures.
grep -hE '^ *(skipped|skip):' "$logs/tests.log" | sort | uniq -c | sort -rn | head -n 20
count_tests
[ "$failed_steps" = 0 ]
