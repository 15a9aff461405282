"""Machines under qemu, and what is tried in them."""
