# shellcheck shell=bash
# Sourced by the other scripts: where tools are and where builds go.

# One target directory for everything, so that nothing is built twice.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

# Tools that neither apt nor rustup install.
tools=${WIREWARDEN_TOOLS:-${XDG_DATA_HOME:-$HOME/.local/share}/wirewarden/tools}
export PATH=$HOME/.cargo/bin:$tools/deny/bin:$PATH

# A failed parse must not pay for a backtrace, in tests neither.
unset RUST_BACKTRACE
