#!/bin/sh
# Stands in for systemctl below a folder: it really starts and stops what the unit there names, and nothing else.
# FAKE_DIE=VERB:before|after kills the script that called it at that moment, as a power cut would.
set -eu
verb=$1
unit="$FAKE_ROOT/etc/systemd/system/rodizio.service"
pid_file="$FAKE_ROOT/pid"
die() { if [ "${FAKE_DIE-}" = "$verb:$1" ]; then kill -9 "$PPID"; exit 0; fi; }
runs() { [ -e "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }
start() {
  runs && return 0
  mkdir -p "$FAKE_ROOT/var/lib/rodizio"
  # shellcheck disable=SC2046 # the words of the command
  setsid env -i PATH="$PATH" HOME="$FAKE_ROOT" RODIZIO_LOG=json RODIZIO_EMULATORS=off \
    RODIZIO_PORT="$FAKE_PORT" \
    RODIZIO_DATA_DIR="$FAKE_ROOT/var/lib/rodizio" \
    "$FAKE_ROOT"$(sed -n 's/^ExecStart=//p' "$unit") >>"$FAKE_ROOT/log" 2>&1 </dev/null &
  echo $! >"$pid_file"
}
stop() {
  runs || return 0
  kill "$(cat "$pid_file")"
  while runs; do sleep 0.05; done
}
die before
case "$verb" in
start) start ;;
stop) stop ;;
restart) stop && start ;;
esac
die after
