#!/usr/bin/env bash
# Plants one mistake after the other into a copy of the sources, and has the kill test find it. Takes
# minutes, so it is no part of the gate.
set -euo pipefail
cd "$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone --quiet --shared . "$copy/tree"

# plant NAME FILE SED-EXPRESSION: the broker so changed must not pass.
plant() {
  git -C "$copy/tree" checkout --quiet .
  sed -i "$3" "$copy/tree/$2"
  if git -C "$copy/tree" diff --quiet; then
    echo "$1: $2 is not as it was, nothing was planted" >&2
    exit 1
  fi
  cargo build --quiet --manifest-path "$copy/tree/Cargo.toml" --target-dir target/planted --bin dunlin
  if DUNLIN_KILL_PROGRAM="$PWD/target/planted/debug/dunlin" \
    cargo test --quiet --package dunlin-cli --test kill nothing >"$copy/log" 2>&1; then
    echo "$1: not caught" >&2
    exit 1
  fi
  echo "$1: caught"
  grep --max-count=3 -E '^  [a-z]|violations' "$copy/log"
}

plant "acknowledge before it is written" crates/dunlin-store/src/store.rs \
  's/is_stored.then(Stored::by_storage)/(is_stored || true).then(Stored::by_storage)/'
plant "forget QoS 2 on takeover" crates/dunlin-core/src/broker/lifecycle.rs \
  's/let before = state.connection;/let before = state.connection; if before.is_some() { state.received = Default::default(); }/'
plant "drop wills on restart" crates/dunlin-core/src/recovery/restore.rs \
  's/state.will = will.map(.*/state.will = None;/'
