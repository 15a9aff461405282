#!/bin/sh
# The tests of the XDP program, then the data plane on a veth pair and the commands that look at it, on this kernel.
failed=0
# The limits of time of the tests are for a machine that is not emulated.
export WIREWARDEN_TIMES_SLOWER=10

# check TEXT COMMAND...: the command succeeds, and its output has the text.
check() {
	text=$1
	shift
	if "$@" >out 2>&1 && grep -q -e "$text" out; then
		echo "LAB: ok $*"
	else
		failed=1
		echo "LAB: FAILED $*: $(cat out)"
	fi
}

for entry in $TESTS; do
	program=${entry%%:*}
	skipped=${entry#*:}
	set --
	for name in $(echo "$skipped" | tr , ' '); do set -- "$@" --skip "$name"; done
	"$program" --test-threads=1 --nocapture --include-ignored "$@" 2>&1 || failed=1
done

# pair INTERFACE OTHER: a veth pair, up and without addresses.
pair() {
	ip link add "$1" type veth peer name "$2"
	for name in "$1" "$2"; do
		echo 1 >/proc/sys/net/ipv6/conf/"$name"/disable_ipv6
		ip link set "$name" up
	done
}

# tap INTERFACE: a data plane on it; $plane is its number, dataplane what it says, eve.json what it writes.
tap() {
	cat >tap.toml <<-CONFIGURATION
		version = 1
		[boot]
		backend = "af_xdp"
		flow_memory = "16MiB"
		[boot.memory]
		hugepages = false
		[boot.xdp]
		watchdog = "30s"
		[[boot.ports]]
		name = "tap"
		device = "$1"
		[[live.output.eve]]
		path = "/run/lab/eve.json"
	CONFIGURATION
	rm -f eve.json
	"$PROGRAMS/wirewarden-dataplane" -c tap.toml 2>dataplane &
	plane=$!
	waited=0
	until grep -q 'port tap: AF_XDP' dataplane; do
		waited=$((waited + 1))
		if ! kill -0 $plane 2>/dev/null || [ $waited -gt 300 ]; then
			echo "LAB: FAILED wirewarden-dataplane: $(cat dataplane)"
			kill -9 $plane
			exit 1
		fi
		sleep 0.2
	done
	cat dataplane
}

# until_taken_off: waits until the data plane says so, half a minute at most.
until_taken_off() {
	waited=0
	until grep -q 'its XDP program was taken off' dataplane || [ $waited -ge 30 ]; do
		waited=$((waited + 1))
		sleep 1
	done
}

pair ta tb
tap ta
"$PROGRAMS/make-sample" mixed /run/sample.pcap
check 'held by wirewarden' "$PROGRAMS/wirewarden" xdp show
check 'Statistics\|Successful packets' tcpreplay -i tb --pps=500 /run/sample.pcap
sleep 2
check 'redirect  *flow' "$PROGRAMS/wirewarden" xdp counters ta
check 'deny .*203.0.113.0/24' "$PROGRAMS/wirewarden" xdp lists ta --deny-source 203.0.113.0/24
check '10000 packets per second' "$PROGRAMS/wirewarden" xdp limits ta --rate 10000
check 'Successful packets' tcpreplay -i tb --pps=500 /run/sample.pcap
sleep 2
check 'drop  *denied_source' "$PROGRAMS/wirewarden" xdp counters ta
check 'no flow is shunted' "$PROGRAMS/wirewarden" xdp shunts ta
check 'detached' "$PROGRAMS/wirewarden" xdp detach ta
until_taken_off
kill -INT $plane 2>/dev/null
wait $plane
cat dataplane
# It says why nothing comes any more.
check 'its XDP program was taken off' cat dataplane
check 'processed .* dropped 0$' cat dataplane
check '"app_proto":"dns"' cat eve.json

# Beside another program, by libxdp's dispatcher.
pair da db
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
check loaded sh -c 'xdp-filter load da && echo loaded'
tap da
check 'in dispatcher .*held by wirewarden' "$PROGRAMS/wirewarden" xdp show
check 'xdpfilt.*' xdp-loader status da
check 'wirewarden' xdp-loader status da
check 'Successful packets' tcpreplay -i db --pps=500 /run/sample.pcap
sleep 2
check 'redirect  *flow' "$PROGRAMS/wirewarden" xdp counters da
if grep 'was taken off' dataplane; then
	echo 'LAB: FAILED it sees itself'
	failed=1
fi
kill -INT $plane
wait $plane
cat dataplane
check 'processed .* dropped 0$' cat dataplane
check '"app_proto":"dns"' cat eve.json
check 'another.s: ' "$PROGRAMS/wirewarden" xdp show
# Taken out by somebody else, it says so.
tap da
check 'detached' "$PROGRAMS/wirewarden" xdp detach da
until_taken_off
check 'its XDP program was taken off' cat dataplane
kill -INT $plane 2>/dev/null
wait $plane
# Without ours the filter is whole, and lets itself be unloaded.
check 'xdpfilt' xdp-loader status da
check unloaded sh -c 'xdp-filter unload da && echo unloaded'
check 'no interface has an XDP program' "$PROGRAMS/wirewarden" xdp show
exit $failed
