#!/bin/sh
# Gives a network card to DPDK, or back to the kernel:
#
#   vagrant/bind.sh CARD uio_pci_generic    where there is no IOMMU
#   vagrant/bind.sh CARD vfio-pci           where there is one
#   vagrant/bind.sh CARD kernel             back to the kernel's driver
#
# CARD is a PCI address (0000:00:08.0) or an interface (eth1). An interface by which this machine is reached (a default
# route, an SSH session) is not taken.
set -eu

fail() {
	echo "bind.sh: $1" >&2
	exit 1
}

usage() {
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# The name of the driver that has the card, or `none`.
driver_of() {
	if [ -e "$1/driver" ]; then basename "$(readlink "$1/driver")"; else echo none; fi
}

[ $# = 2 ] || usage
card=$1 wanted=$2
case $wanted in uio_pci_generic | vfio-pci | kernel) ;; *) usage ;; esac
[ "$(id -u)" = 0 ] || fail "needs root: run it with sudo"

if [ -e "/sys/class/net/$card/device" ]; then
	card=$(basename "$(readlink -f "/sys/class/net/$card/device")")
	# A virtio card's interface belongs to a device of the virtio bus, below that of PCI.
	case $card in virtio*) card=$(basename "$(readlink -f "/sys/bus/virtio/devices/$card/..")") ;; esac
fi
folder=/sys/bus/pci/devices/$card
[ -d "$folder" ] || fail "no interface and no PCI device $1"
case $(cat "$folder/class") in 0x02*) ;; *) fail "$card is no network card" ;; esac

# Its interfaces: below it, or for a virtio card below its device on the virtio bus.
for entry in "$folder"/net/* "$folder"/virtio*/net/*; do
	[ -e "$entry" ] || continue
	interface=$(basename "$entry")
	[ -z "$(ip route show default dev "$interface")" ] || fail "$interface has the default route: this machine is reached by it"
	address=${SSH_CONNECTION:-}
	address=${address% *}
	[ -z "$address" ] || ! ip -o address show dev "$interface" | grep -qw -F "${address##* }" ||
		fail "$interface carries this SSH session"
	ip link set "$interface" down
done

module=$(echo "$wanted" | tr - _)
if [ "$wanted" = kernel ]; then
	echo >"$folder/driver_override"
else
	[ -d "/sys/module/$module" ] || modprobe "$wanted" || fail "no module $wanted for kernel $(uname -r)"
	[ "$wanted" = uio_pci_generic ] || [ -e "$folder/iommu_group" ] ||
		fail "$card is in no IOMMU group: boot with intel_iommu=on (amd_iommu=on), or use uio_pci_generic"
	echo "$wanted" >"$folder/driver_override"
fi
before=$(driver_of "$folder")
[ "$before" = none ] || echo "$card" >"$folder/driver/unbind"
echo "$card" >/sys/bus/pci/drivers_probe || true
after=$(driver_of "$folder")
case $wanted in
kernel) [ "$after" != none ] || fail "no driver of the kernel takes $card" ;;
*) [ "$after" = "$wanted" ] || fail "$card is $after's: $wanted did not take it (dmesg says why)" ;;
esac
echo "$card: $before -> $after"
