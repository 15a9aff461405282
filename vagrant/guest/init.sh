#!/bin/busybox sh
# shellcheck shell=dash
# First process of a lab machine, in its initramfs: mounts the host's root file system read-only and goes on there.
# /run/lab is the folder of this run, the only one that the guest and the host both see written.
PATH=/bin
export PATH
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

fail() {
	echo "LAB: $1" >/dev/console
	poweroff -f
}

while read -r module; do
	insmod "/modules/$module.ko" || fail "the module $module cannot be loaded"
done </modules/early

share=trans=virtio,version=9p2000.L,msize=262144
mount -t 9p -o "ro,cache=loose,$share" root /host || fail "no root file system"
mount -t tmpfs -o mode=755 run /host/run
mkdir -p /host/run/lab /host/run/tmp /host/run/netns /host/run/modules
mount -t 9p -o "rw,cache=none,$share" lab /host/run/lab || fail "no folder of the run"
cp /modules/* /host/run/modules
cp /bin/busybox /host/run/busybox
for place in proc sys dev; do mount --move /$place /host/$place; done
mkdir -p /host/dev/pts /host/dev/shm /host/dev/hugepages
mount -t devpts devpts /host/dev/pts
mount -t tmpfs shm /host/dev/shm
mount -t bpf bpf /host/sys/fs/bpf
exec switch_root -c /dev/console /host /bin/sh /run/lab/start
