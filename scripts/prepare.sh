# Sourced by ./demo and ./test: makes sure that the named Debian packages are there.
# need PACKAGE...: installs what is missing when root, else says what to install and stops.
need() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "This machine has no apt-get; please install the equivalents of:$missing" >&2
        # Another system's names differ: go on and let the build say what it lacks.
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "Please install these packages first:  sudo apt-get install$missing" >&2
        exit 2
    fi
    echo "Installing:$missing" >&2
    apt-get update -qq >&2
    # No daemon is to start because a test wants its client: policy-rc.d is left alone, services stay disabled.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >&2
}

command -v cargo >/dev/null 2>&1 || {
    echo "A Rust toolchain (1.95 or newer) is needed: https://rustup.rs" >&2
    exit 2
}
