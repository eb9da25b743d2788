#!/usr/bin/env bash
# Every test of the project, after installing what they need: Debian's mosquitto clients, and in
# interop/ a Python environment and npm packages. Needs Rust, a C compiler, Python 3 and Node.js.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

command -v cargo >/dev/null || {
  echo "cargo is missing: install Rust 1.95 or later" >&2
  exit 1
}
./interop/setup.sh
DUNLIN_INTEROP=1 cargo test --workspace --quiet "$@"
