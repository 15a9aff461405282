#!/bin/sh
# First process after the initramfs: runs the job of this machine, says how it ended, and turns the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/run TMPDIR=/run/tmp LANG=C.UTF-8
cd /run/lab || exit
ip link set lo up

# Modules that are laid ready, in the order of their needs.
load() {
	while read -r module; do
		[ -d "/sys/module/$module" ] || /run/busybox insmod "/run/modules/$module.ko" || echo "LAB: no module $module" >&2
	done </run/modules/late
}

# shellcheck source=/dev/null
. /run/lab/settings
load
if [ "${LAB_SHELL:-}" = 1 ]; then
	setsid -c bash -i </dev/console >/dev/console 2>&1
	status=$?
else
	sh /run/lab/job >/run/lab/said 2>&1
	status=$?
	[ "$status" = 0 ] || { echo '---- kernel' && dmesg | tail -n 20; } >>/run/lab/said
fi
echo "$status" >/run/lab/status
sync
echo "LAB: ended with $status" >/dev/console
echo o >/proc/sysrq-trigger
sleep 60
