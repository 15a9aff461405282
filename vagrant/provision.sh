#!/usr/bin/env bash
# Makes a machine of the two-machine lab what it is: `provision.sh sender` or `provision.sh appliance`, as root. The
# checkout is at /wirewarden, or where WIREWARDEN_CHECKOUT says. Can be run again.
set -euo pipefail

checkout=${WIREWARDEN_CHECKOUT:-/wirewarden}
role=${1:-}
export DEBIAN_FRONTEND=noninteractive

install_packages() {
    apt-get -qq -o DPkg::Lock::Timeout=600 update
    apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=600 install "$@" >/dev/null
}

# The interface that has no default route: the first card is the way to this machine.
second_card() {
    local folder name
    for folder in /sys/class/net/*/device; do
        name=$(basename "$(dirname "$folder")")
        if [ -z "$(ip route show default dev "$name")" ]; then
            echo "$name"
            return
        fi
    done
    echo 'provision.sh: there is no second card' >&2
    return 1
}

provision_sender() {
    install_packages tcpreplay iproute2
    mkdir -p /etc/wirewarden
    second_card >/etc/wirewarden/lab-card
}

provision_appliance() {
    # The image of a box is often a cloud kernel, which has no uio_pci_generic.
    install_packages sudo linux-image-amd64 pciutils
    "$checkout/scripts/setup.sh"
    (
        cd "$checkout"
        # shellcheck source=scripts/environment.sh
        . scripts/environment.sh
        cargo build --release --locked --package cli --package runner --package sample
        install -m 755 "$CARGO_TARGET_DIR"/release/{wirewarden,wirewarden-dataplane,make-sample} /usr/local/bin
    )
    "$checkout/scripts/hugepages.sh" reserve 512
    mkdir -p /etc/wirewarden
    # DPDK may have the card since the last time, when it has no interface; its address is kept.
    if [ ! -e /etc/wirewarden/lab.toml ]; then
        local card address
        card=$(second_card)
        address=$(basename "$(readlink -f "/sys/class/net/$card/device")")
        case $address in virtio*) address=$(basename "$(readlink -f "/sys/bus/virtio/devices/$address/..")") ;; esac
        sed "s/@CARD@/$address/" "$checkout/vagrant/appliance.toml" >/etc/wirewarden/lab.toml
        echo "$address" >/etc/wirewarden/lab-card
    fi
    wirewarden check /etc/wirewarden/lab.toml
    if [ -z "$(find "/lib/modules/$(uname -r)" -name 'uio_pci_generic.ko*')" ]; then
        echo "provision.sh: kernel $(uname -r) has no uio_pci_generic: \`vagrant reload appliance\` boots the one that has it"
    fi
}

case $role in
sender) provision_sender ;;
appliance) provision_appliance ;;
*)
    echo 'usage: provision.sh sender|appliance' >&2
    exit 2
    ;;
esac
