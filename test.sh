#!/usr/bin/env bash
# Every test of the project, after installing what they need: Debian's mosquitto clients, and in
# interop/ a Python environment and npm packages. Needs Rust, a C compiler with make, Python 3 and
# Node.js.
# Arguments go to `cargo test`, such as a word that is in the names of the tests to run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# need TOOL HOW: says what to do where a tool is missing.
need() {
  command -v "$1" >/dev/null || {
    echo "$1 is missing: install $2" >&2
    exit 1
  }
}
need cargo "Rust 1.95 or later"
need cc "a C compiler, such as Debian's build-essential"
need make "make, such as that of Debian's build-essential"
./interop/setup.sh

# Cargo prints one result for each test binary; the last line here is their sum.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
DUNLIN_INTEROP=1 cargo test --workspace --no-fail-fast --quiet "$@" </dev/null | tee "$log" || status=$?
awk '/^test result:/ { passed += $4; failed += $6 }
     END { printf "\n%d passed, %d failed\n", passed, failed }' "$log"
exit "$status"
