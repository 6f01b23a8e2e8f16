#!/bin/sh
# The Debian that the image stands on: Python 3.11, what its libraries need, authorities, time zones. No shell, no
# package manager's scripts, nothing else. Debian's Python is built with profile feedback, which a gateway feels.
#   sh compose/rootfs.sh DIR       as root, with mmdebstrap
# With SOURCE_DATE_EPOCH, and a mirror that stands still, the same bytes each time.
set -eu
directory=$1
mmdebstrap --quiet --variant=extract \
  --include=base-files,python3.11-minimal,libpython3.11-stdlib,libsqlite3-0,libstdc++6,ca-certificates,netbase,tzdata \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  bookworm "$directory"
# What maintainer scripts would have done.
cat "$directory"/usr/share/ca-certificates/mozilla/*.crt > "$directory/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0::/:/nonexistent\npasserelle:x:1001:1001::/nonexistent:/nonexistent\n' > "$directory/etc/passwd"
printf 'root:x:0:\npasserelle:x:1001:\n' > "$directory/etc/group"
rm -rf "$directory"/var/cache/* "$directory"/var/lib/apt "$directory"/var/lib/dpkg/info "$directory"/usr/bin/dpkg* \
  "$directory"/usr/bin/debconf* "$directory"/usr/bin/openssl "$directory"/usr/bin/mawk "$directory"/usr/bin/update-alternatives
install -d -m 1777 "$directory/tmp"
install -d -o 1001 -g 1001 -m 0700 "$directory/data" "$directory/apim/config" "$directory/apim/telemetry" \
  "$directory/run/passerelle" "$directory/run/gateway-token" "$directory/run/gateway-tls"
