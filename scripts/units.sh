#!/usr/bin/env bash
# The systemd units: whether they are right, and how much they leave open (at most 3.0 of 10).
set -euo pipefail
cd "$(dirname "$0")/.."

most=3.0
if ! command -v systemd-analyze >/dev/null; then
    echo 'SKIPPED: no systemd-analyze'
    exit 0
fi
for unit in packaging/systemd/*.service; do
    exposure=$(systemd-analyze security --offline=true "$unit" | sed -n 's/.*exposure level.*: \([0-9.]*\).*/\1/p')
    echo "$unit: $exposure"
    awk -v exposure="$exposure" -v most="$most" 'BEGIN { exit !(exposure > 0 && exposure <= most) }'
done
