#!/bin/bash
# make-tree.sh FOLDER RELEASE [PACKAGE,...]: a minimal Debian with these packages as FOLDER/rootfs. Needs root.
set -euo pipefail
: "${CB_MIRROR:?must be the address of a Debian archive}"
conf=$(mktemp)
trap 'rm -f "$conf"' EXIT
printf '%s\n' "${CB_APT_CONF-}" >"$conf"
mmdebstrap --mode=root --variant=minbase --format=directory --aptopt="$conf" --aptopt='APT::Install-Recommends "false"' \
  --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io ${3:+--include="$3"} "$2" "$1/rootfs" "$CB_MIRROR"
