#!/bin/sh
# Stands in for systemctl on a copy of this machine: starts and stops what the unit names, as its user; of Caddy it only tells.
set -eu
unit=/etc/systemd/system/rodizio.service
of() { sed -n "s/^$1=//p" "$unit"; }
case "$1 ${2-}" in
'start rodizio')
  # shellcheck disable=SC2046 # the words of the command
  setsid runuser -u "$(of User)" -- env -i PATH=/usr/bin:/bin HOME=/var/lib/rodizio RODIZIO_LOG=json RODIZIO_EMULATORS=off \
    RODIZIO_PORT="$FAKE_PORT" RODIZIO_DATA_DIR=/var/lib/rodizio $(of ExecStart) >/var/log/fake 2>&1 </dev/null &
  ;;
'stop rodizio')
  pkill -u rodizio || true # nothing runs
  while pgrep -u rodizio >/dev/null; do sleep 0.05; done
  ;;
*) echo "systemctl $*" ;;
esac
