#!/bin/sh
# Does everything type-check for FreeBSD? Needs the target's standard library (rustup target add x86_64-unknown-freebsd) and no
# compiler for it: C parts are taken as compiled, since nothing is linked. Not part of ./test: it checks all dependencies anew.
set -eu
cd "$(dirname "$0")/.."
target=x86_64-unknown-freebsd
if ! rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    echo "first: rustup target add $target" >&2
    exit 2
fi
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT

cat >"$tools/cc" <<'CC'
#!/bin/sh
# An empty object where -o says; what is only preprocessed is.
for word; do
    [ "$word" = -E ] && exec cc "$@"
done
while [ $# -gt 0 ]; do
    [ "$1" = -o ] && : >"$2"
    shift
done
CC
cat >"$tools/ar" <<'AR'
#!/bin/sh
for word; do
    case $word in *.a) printf '!<arch>\n' >"$word" ;; esac
done
AR
chmod +x "$tools/cc" "$tools/ar"
CC_x86_64_unknown_freebsd=$tools/cc AR_x86_64_unknown_freebsd=$tools/ar \
    cargo check --locked --package sekisho --target "$target" --target-dir target/freebsd
