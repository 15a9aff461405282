#!/usr/bin/env bash
# Runs every fuzz target for some seconds, two at a time: `scripts/fuzz.sh [SECONDS] [TARGET...]`.
#
# Works with a stable toolchain: coverage needs no unstable flag. The address sanitizer does:
# WIREWARDEN_FUZZ_SANITIZER=address turns it on, for targets that reach unsafe code.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

seconds=${1:-60}
shift || true
fuzz=$PWD/dataplane/fuzz
sanitizer=${WIREWARDEN_FUZZ_SANITIZER:-none}
[ "$sanitizer" = none ] || export RUSTC_BOOTSTRAP=1
triple=$(rustc -vV | sed -n 's/^host: //p')
if [ $# -gt 0 ]; then targets=("$@"); else
    mapfile -t targets < <(cargo fuzz list --fuzz-dir "$fuzz")
fi

# Seeds are made, not captured. The first bytes of an input choose how the rest is read; each target says how.
seeds=$fuzz/corpus/seeds
make_seeds() {
    cargo build --quiet --package sample
    rm -rf "$seeds"
    "$CARGO_TARGET_DIR/debug/make-sample" seeds "$seeds/made"
    local target file
    for target in "${targets[@]}"; do
        mkdir -p "$seeds/$target"
        case $target in
            config)
                cp docs/examples/*.toml "$seeds/$target"
                # shellcheck disable=SC2016 # the backquotes are those of the table
                sed -n 's/^| `\([a-z_.]*\)` .*/"\1"/p' docs/configuration.md >"$seeds/$target.dict"
                ;;
            wire)
                for file in "$seeds"/made/frames/*; do
                    { printf '\0\034\0' && cat "$file"; } >"$seeds/$target/${file##*/}"
                done
                ;;
            tls | http | dns | ssh)
                # One piece of up to 2,048 bytes to the server, and the same to the client.
                for file in "$seeds/made/$target"/*; do
                    { printf '\013' && cat "$file"; } >"$seeds/$target/${file##*/}"
                    { printf '\213' && cat "$file"; } >"$seeds/$target/${file##*/}.back"
                done
                ;;
            esp)
                # Packets to be sealed, and the same as what an authentic packet holds; without their Ethernet header.
                for file in "$seeds"/made/frames/*; do
                    { printf '\002\000' && tail -c +15 "$file"; } >"$seeds/$target/${file##*/}"
                    { printf '\001\000' && tail -c +15 "$file" && printf '\000\004'; } >"$seeds/$target/${file##*/}.inner"
                done
                ;;
            replay) cp "$seeds"/made/captures/* "$seeds/$target" ;;
            *)
                # A target may have seeds under its own name.
                if [ -d "$seeds/made/$target" ]; then cp "$seeds/made/$target"/* "$seeds/$target"; fi
                ;;
        esac
    done
}

run() {
    local target=$1 dictionary=()
    mkdir -p "$fuzz/corpus/$target" "$fuzz/artifacts/$target"
    [ -f "$seeds/$target.dict" ] && dictionary=("-dict=$seeds/$target.dict")
    if "$CARGO_TARGET_DIR/$triple/release/$target" "${dictionary[@]}" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$fuzz/artifacts/$target/" "$fuzz/corpus/$target" "$seeds/$target" \
        >"$fuzz/corpus/$target.log" 2>&1; then
        printf 'fuzz %-20s ok, %s inputs\n' "$target" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$fuzz/corpus/$target.log")"
    else
        printf 'fuzz %-20s FAILED\n' "$target"
        tail -n 40 "$fuzz/corpus/$target.log"
        return 1
    fi
}

make_seeds
cargo fuzz build --fuzz-dir "$fuzz" --sanitizer "$sanitizer" 2>&1 | { grep -E '^(error|warning)' -A 12 || true; }
failed=0
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || failed=1; done
    run "$target" &
done
while [ "$(jobs -p | wc -l)" -gt 0 ]; do wait -n || { [ $? = 127 ] && break; failed=1; }; done
exit "$failed"
