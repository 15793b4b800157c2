#!/usr/bin/env bash
# token.sh: makes secrets/admin-token, with which the supervisor administers the edges and people the supervisor, unless it is
# there. The folder is for its owner only; the file is for the user of the containers too, who sees nothing else of it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
install -d -m 0700 secrets
if [ ! -s secrets/admin-token ]; then
  (umask 077; od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >secrets/admin-token.part)
  chmod 0444 secrets/admin-token.part
  mv -f secrets/admin-token.part secrets/admin-token
fi
echo "$PWD/secrets/admin-token"
