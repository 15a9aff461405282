#!/usr/bin/env bash
# From a fresh checkout to a first result: installs what is missing, builds, makes a sample capture and inspects it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

cargo build --release --locked --package cli --package runner --package sample
sample=$CARGO_TARGET_DIR/sample.pcap
"$CARGO_TARGET_DIR/release/make-sample" mixed "$sample"
printf '\n$ wirewarden inspect %s\n' "${sample#"$PWD"/}"
"$CARGO_TARGET_DIR/release/wirewarden" inspect "$sample"
