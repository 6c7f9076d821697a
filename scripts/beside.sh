#!/bin/sh
# Unpacks programs that may not be installed beside Postfix into target/tools/beside, for tests and benches.
# scripts/beside.sh PACKAGE...
set -eu
cd "$(dirname "$0")/.."
mkdir -p target/tools/beside target/tools/debs
for package in "$@"; do
    [ -e "target/tools/debs/$package" ] && continue
    (cd target/tools/debs && rm -f "$package"_*.deb && apt-get download -qq "$package")
    dpkg -x target/tools/debs/"$package"_*.deb target/tools/beside
    touch "target/tools/debs/$package"
done
# Whoever is set-group-id is not told by LD_LIBRARY_PATH where the rest is.
find target/tools/beside -type f -perm /6000 -exec chmod ug-s {} +
