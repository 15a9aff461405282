#!/usr/bin/env bash
# In the two-machine lab: the sender sends as many frames as said (10,000), the appliance receives them by DPDK, and its
# records are compared with those of `wirewarden inspect` for the same frames. `vagrant up` comes first.
set -euo pipefail
cd "$(dirname "$0")"
frames=${1:-10000}
case $frames in '' | *[!0-9]*) echo 'usage: two-machines.sh [FRAMES]' >&2 && exit 2 ;; esac
if ! command -v vagrant >/dev/null; then
    echo 'two-machines.sh: vagrant is not installed; vagrant/qemu.py nic needs none' >&2
    exit 3
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! vagrant ssh-config >"$folder/ssh"; then
    echo 'two-machines.sh: the machines do not run: vagrant up' >&2
    exit 3
fi
# The script comes by standard input, so that nothing of it is expanded here.
on() { ssh -F "$folder/ssh" "$1" 'sudo bash -seu'; }
copy() { scp -q -F "$folder/ssh" "$@"; }

on appliance <<REMOTE
mkdir -p /run/lab
cd /run/lab
rm -f eve.json said
make-sample lab lab.pcap $frames
wirewarden inspect lab.pcap --eve expected.json >/dev/null
/wirewarden/vagrant/bind.sh "\$(cat /etc/wirewarden/lab-card)" uio_pci_generic
systemd-run --quiet --collect --unit=wirewarden-lab --property=StandardError=file:/run/lab/said \
    --property=KillSignal=SIGINT /usr/local/bin/wirewarden-dataplane -c /etc/wirewarden/lab.toml
if ! timeout 60 sh -c 'until grep -q "port card: by DPDK" said; do sleep 0.2; done'; then
    cat said
    exit 1
fi
REMOTE
copy appliance:/run/lab/lab.pcap "$folder/lab.pcap"
copy "$folder/lab.pcap" sender:lab.pcap
ssh -F "$folder/ssh" sender 'sudo tcpreplay --intf1="$(cat /etc/wirewarden/lab-card)" --pps=4000 lab.pcap'
sleep 3
on appliance <<'REMOTE'
systemctl stop wirewarden-lab
chmod a+r /run/lab/*
REMOTE
copy 'appliance:/run/lab/{said,expected.json,eve.json}' "$folder"
./compare.py --frames "$frames" "$folder/said" "$folder/expected.json" "$folder/eve.json"
