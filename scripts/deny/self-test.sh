#!/usr/bin/env bash
# Proves that .deny.toml holds up the drawing in it: adds one forbidden dependency after the other to a copy of the
# workspace, and each must be refused; adds allowed ones, and each must pass.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar --exclude=./target --exclude=./.git --exclude=./dataplane/fuzz/corpus --exclude=./dataplane/fuzz/target -cf - . | tar -xf - -C "$copy"
cd "$copy"

# Every member can be named, so that a mistake is refused by .deny.toml and not for the lack of a name.
for crate in cli exchange export runner api; do
    grep -q "^$crate = " Cargo.toml && continue
    folder=$(dirname "$(grep -l "^name = \"$crate\"" dataplane/*/Cargo.toml control/*/Cargo.toml)")
    sed -i "s#^\[workspace.dependencies\]#&\n$crate = { path = \"$folder\" }#" Cargo.toml
done

failed=0
# verdict FOLDER DEPENDENCY EXPECTED: what `cargo deny` says when the crate in FOLDER depends on DEPENDENCY.
verdict() {
    cp "$1/Cargo.toml" saved.toml
    if ! grep -q "^$2\b" "$1/Cargo.toml"; then
        sed -i "s/^\[dependencies\]/&\n$2.workspace = true/" "$1/Cargo.toml"
    fi
    if CARGO=$PWD/scripts/deny/cargo-with-old-ids cargo-deny --log-level error check bans >deny.log 2>&1; then
        said=allowed
    elif grep -q "^error\[banned\]" deny.log; then
        said=refused
    else
        said="failed: $(head -n 3 deny.log)"
    fi
    mv saved.toml "$1/Cargo.toml"
    if [ "$said" != "$3" ]; then
        echo "$1 on $2: $said, should be $3" >&2
        failed=1
    fi
}

verdict dataplane/engine packet-io refused
verdict dataplane/engine dpdk-sys refused
verdict dataplane/engine api refused
verdict dataplane/packet-io export refused
verdict dataplane/packet-io engine refused
verdict dataplane/wire mem-sys refused
verdict dataplane/tunnel engine refused
verdict dataplane/engine tunnel refused
verdict dataplane/packet-io ipsec-mb-sys refused
verdict dataplane/export packet-io refused
verdict dataplane/export api refused
verdict dataplane/runner dpdk-sys refused
verdict control/api wire refused
verdict control/cli dpdk-sys refused
verdict dataplane/runner exchange refused
verdict control/api oqs refused
verdict dataplane/runner packet-io allowed
verdict dataplane/runner engine allowed
verdict dataplane/runner tunnel allowed
verdict dataplane/export engine allowed
verdict control/cli api allowed
verdict control/cli exchange allowed
[ "$failed" = 0 ] && echo "dependency rules: 16 forbidden ones refused, 6 allowed ones passed"
exit "$failed"
