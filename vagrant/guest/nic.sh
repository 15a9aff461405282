#!/bin/sh
# Gives a card to DPDK, runs the data plane on it until the host has sent everything, and leaves what it said.
set -eu
"$BIND" "$CARD" "$DRIVER"
"$PROGRAMS/wirewarden" doctor -c appliance.toml >doctor.said 2>&1 || true
"$PROGRAMS/wirewarden-dataplane" -c appliance.toml 2>dataplane &
plane=$!
until grep -q 'port card: by DPDK' dataplane; do
	kill -0 $plane || { wait $plane || exit $?; }
	sleep 0.2
done
touch ready
until [ -e stop ]; do sleep 0.2; done
kill -INT $plane
wait $plane
