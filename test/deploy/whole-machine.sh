#!/usr/bin/env bash
# Runs what is given on a copy of this machine: what it writes to /etc, /opt, /usr/local and /var goes with it, and so do its
# processes. For root, and where namespaces may be made.
set -euo pipefail
if [ "${1-}" != inside ]; then
  exec unshare --mount --pid --fork --kill-child --mount-proc "$0" inside "$@"
fi
shift
mount -t tmpfs none /mnt
for folder in etc opt usr/local var; do
  mkdir -p "/mnt/$folder/upper" "/mnt/$folder/work"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work" "/$folder"
done
exec "$@"
