#!/usr/bin/env bash
# Builds the two images of envoy/docker-compose.yaml on this machine, where no registry can be reached:
#
#   envoy/build-images.sh            both
#   envoy/build-images.sh fhir-server   only the test FHIR server, which is in no registry
#
# An image holds one program and what it needs: the C library and bash (for the health check), from
# this machine's Debian or Ubuntu packages. Envoy is that of `make tools`, or the one that ENVOY names;
# the FHIR server is that of `make demo-binary`, or the one that FHIR_SERVER names. Run it from anywhere.
#
# Afterwards envoy/.env, which Compose reads by itself, names what was built.
set -eu -o pipefail
cd "$(dirname "$0")/.."

PACKAGES=(bash libc6 libgcc-s1 libtinfo6)
ENVOY=${ENVOY:-.tools/envoy/envoy/_bin/envoy}
FHIR_SERVER=${FHIR_SERVER:-${CARGO_TARGET_DIR:-target}/debug/fhir-server}
# Nobody: the user as whom the containers run as well.
NOBODY=65532:65532

stop() {
    echo "build-images.sh: $*" >&2
    exit 1
}

# The files of the packages, without what nothing here reads.
unpack_base() {
    local root=$1 package
    local packages=.tools/images/packages
    mkdir -p "$packages"
    for package in "${PACKAGES[@]}"; do
        compgen -G "$packages/${package}_*.deb" >/dev/null ||
            (cd "$packages" && apt-get -qq download "$package" 2>&1) | grep -v 'unsandboxed as root' >&2 || true
        compgen -G "$packages/${package}_*.deb" >/dev/null ||
            stop "the package $package could not be downloaded: see the message above; apt-get update may help"
    done
    mkdir -p "$root"/usr/{bin,lib,lib64} "$root"/tmp
    ln -s usr/bin "$root/bin"
    ln -s usr/lib "$root/lib"
    ln -s usr/lib64 "$root/lib64"
    for package in "${PACKAGES[@]}"; do
        # By version, so that of several downloads the newest is taken.
        dpkg-deb --fsys-tarfile "$(printf '%s\n' "$packages/${package}"_*.deb | sort -V | tail -n 1)" |
            tar -x --keep-directory-symlink -C "$root" --exclude=./etc --exclude='./usr/share/locale' \
                --exclude='./usr/share/man' --exclude='./usr/share/info' --exclude='./usr/lib/*/gconv'
    done
}

# image NAME PROGRAM PATH: PROGRAM of this machine, at PATH in an image of this name.
image() {
    local name=$1 program=$2 path=$3 root
    root=$(mktemp -d)
    unpack_base "$root"
    mkdir -p "$root$(dirname "$path")"
    cp "$program" "$root$path"
    chmod 0755 "$root" "$root$path"
    tar -C "$root" --numeric-owner --owner=0 --group=0 -c . |
        docker import --change "ENTRYPOINT [\"$path\"]" --change "USER $NOBODY" \
            --change "ENV PATH=/usr/local/bin:/usr/bin:/bin" - "$name" >/dev/null
    rm -rf "$root"
    echo "built $name, $(docker image inspect --format '{{.Size}}' "$name") bytes"
}

case ${1:-both} in
both | fhir-server) ;;
*) stop "found $1, expected nothing or fhir-server" ;;
esac
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null ||
        stop "$tool is missing: images are built from Debian or Ubuntu packages, on Debian or Ubuntu"
done
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    stop "no Docker engine answers here: $(docker version 2>&1 >/dev/null | tail -n 1)"
test -x "$FHIR_SERVER" || stop "no FHIR server at $FHIR_SERVER: run make demo-binary, or set FHIR_SERVER"

lines=()
if test "${1:-both}" = both; then
    test -x "$ENVOY" || stop "no Envoy at $ENVOY: run make tools, or set ENVOY"
    image fhir-guard-envoy:local "$ENVOY" /usr/local/bin/envoy
    lines+=("ENVOY_IMAGE=fhir-guard-envoy:local")
fi
image fhir-guard-fhir-server:local "$FHIR_SERVER" /usr/local/bin/fhir-server
lines+=("FHIR_SERVER_IMAGE=fhir-guard-fhir-server:local")
# What else stands there is the user's.
own=$(grep -vE '^(# Written by|ENVOY_IMAGE=|FHIR_SERVER_IMAGE=)' envoy/.env 2>/dev/null || true)
printf '%s\n' "# Written by envoy/build-images.sh. Delete these lines to go back to the image of the registry." "${lines[@]}" ${own:+"$own"} >envoy/.env
echo "envoy/.env names them: Compose takes them from now on"
