#!/bin/sh
# Reserves 2 MiB hugepages for DPDK, and takes back exactly what it did.
#
#   scripts/hugepages.sh reserve [MiB]   have at least so many MiB free (default 1024), spread over the NUMA nodes
#   scripts/hugepages.sh status          what is reserved, free and mounted
#   scripts/hugepages.sh release         put back the number of pages and the mount that were there before `reserve`
#
# What was there before is kept in /run/wirewarden/hugepages until `release`; nothing outlasts a reboot.
set -eu

state=/run/wirewarden/hugepages
mount_point=/dev/hugepages
pool=hugepages-2048kB

fail() {
	echo "hugepages.sh: $1" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" -eq 0 ] || fail "$1 needs root: run it with sudo"
}

# One line for each NUMA node: its name and the folder of its pool. A kernel without NUMA has one pool.
nodes() {
	found=no
	for folder in /sys/devices/system/node/node[0-9]*/hugepages/"$pool"; do
		[ -d "$folder" ] || continue
		found=yes
		node=${folder#/sys/devices/system/node/}
		echo "${node%%/*} $folder"
	done
	if [ $found = no ]; then
		[ -d /sys/kernel/mm/hugepages/$pool ] || fail "this kernel has no 2 MiB hugepages (CONFIG_HUGETLBFS)"
		echo "machine /sys/kernel/mm/hugepages/$pool"
	fi
}

is_mounted() {
	awk -v at="$mount_point" '$2 == at && $3 == "hugetlbfs" { found = 1 } END { exit !found }' /proc/mounts
}

# Sets one node's number of pages, and checks that the kernel found them.
set_pages() {
	node=$1 folder=$2 pages=$3
	echo "$pages" >"$folder/nr_hugepages" || fail "$node: the kernel refused $pages pages"
	got=$(cat "$folder/nr_hugepages")
	[ "$got" -ge "$pages" ]
}

restore_pages() {
	while read -r kind node folder pages; do
		[ "$kind" = pages ] || continue
		now=$(cat "$folder/nr_hugepages")
		if [ "$now" -ne "$pages" ]; then
			set_pages "$node" "$folder" "$pages" || fail "$node: only $(cat "$folder/nr_hugepages") of $pages pages"
			left=$(cat "$folder/nr_hugepages")
			if [ "$left" -gt "$pages" ]; then
				echo "$node: $left pages stay until the programs that use them end"
			else
				echo "$node: $now -> $pages pages"
			fi
		fi
	done <"$state"
}

reserve() {
	need_root reserve
	mib=$1
	case $mib in '' | *[!0-9]*) fail "reserve takes a number of MiB, not '$mib'" ;; esac
	available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	[ "$mib" -le "$available" ] || fail "$mib MiB are more than the $available MiB that this machine has to spare"
	list=$(nodes)
	count=$(echo "$list" | wc -l)
	wanted=$(((mib + 2 * count - 1) / (2 * count)))
	remember "$list"
	short=no
	# Not in a pipe, so that `short` is set in this shell.
	while read -r node folder; do
		now=$(cat "$folder/nr_hugepages")
		free=$(cat "$folder/free_hugepages")
		if [ "$free" -ge "$wanted" ]; then
			echo "$node: $free of $now pages are free already"
			continue
		fi
		target=$((now + wanted - free))
		if set_pages "$node" "$folder" "$target"; then
			echo "$node: $now -> $target pages of 2 MiB"
		else
			short="$node could have $(cat "$folder/nr_hugepages") of $target pages"
			echo "$now" >"$folder/nr_hugepages"
		fi
	done <<-LIST
		$list
	LIST
	if [ "$short" != no ]; then
		fail "memory is too fragmented or too small: $short; reserve early after boot, or ask for less"
	fi
	if ! is_mounted; then
		mkdir -p "$mount_point"
		mount -t hugetlbfs -o pagesize=2M nodev "$mount_point" || fail "cannot mount hugetlbfs at $mount_point"
		echo "mounted $mount_point" >>"$state"
		echo "mounted hugetlbfs at $mount_point"
	fi
}

# Writes down what is there; a second `reserve` keeps what the first one wrote.
remember() {
	[ ! -e "$state" ] || return 0
	mkdir -p "$(dirname "$state")"
	echo "$1" | while read -r node folder; do
		echo "pages $node $folder $(cat "$folder/nr_hugepages")"
	done >"$state.new"
	mv "$state.new" "$state"
}

status() {
	nodes | while read -r node folder; do
		echo "$node: $(cat "$folder/nr_hugepages") pages of 2 MiB, $(cat "$folder/free_hugepages") free"
	done
	if is_mounted; then echo "hugetlbfs is mounted at $mount_point"; else echo "hugetlbfs is not mounted at $mount_point"; fi
	if [ -e "$state" ]; then echo "'release' would put back:" && cat "$state"; fi
}

release() {
	need_root release
	if [ ! -e "$state" ]; then
		echo "nothing to release: 'reserve' was not run, or was taken back"
		return 0
	fi
	if grep -q "^mounted $mount_point\$" "$state" && is_mounted; then
		umount "$mount_point" || fail "$mount_point is in use: end the programs that use it, then release again"
		sed -i "\|^mounted |d" "$state"
		echo "unmounted $mount_point"
	fi
	restore_pages
	rm -f "$state"
}

case ${1:-} in
reserve) reserve "${2:-1024}" ;;
status) status ;;
release) release ;;
*)
	sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
