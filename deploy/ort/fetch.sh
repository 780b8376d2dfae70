#!/bin/sh
# Puts ONNX Runtime at <folder>/lib/libonnxruntime.so.1, out of the npm package onnxruntime-node, after
# checking recorded SHA-256 digests: for this machine's architecture, or for the one that is named.
#
# usage: fetch.sh FOLDER [x64|arm64]
set -eu

version=1.27.0
archive_sha256=c3779c01c59832f8c03e2c392ac3af10bf08579f1822e8b1c63cc451edb302a2
x64_sha256=d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221
arm64_sha256=c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f

die() {
	echo "fetch.sh: $*" >&2
	exit 1
}

{ [ $# -ge 1 ] && [ $# -le 2 ]; } || die "usage: fetch.sh FOLDER [x64|arm64]"
folder=$1
architecture=${2:-$(uname -m)}

[ "$(uname -s)" = Linux ] || die "only Linux builds are fetched; install ONNX Runtime >= 1.24 and set DYNOFA_ONNXRUNTIME to its library"
case $architecture in
x86_64 | x64) platform=x64 library_sha256=$x64_sha256 ;;
aarch64 | arm64) platform=arm64 library_sha256=$arm64_sha256 ;;
*) die "no ONNX Runtime $version is published for $architecture; set DYNOFA_ONNXRUNTIME to a library of your own" ;;
esac

has_digest() { # file, sha256
	[ -f "$1" ] && echo "$2  $1" | sha256sum -c --status
}

library=$folder/lib/libonnxruntime.so.1
if has_digest "$library" "$library_sha256"; then
	exit 0
fi

command -v npm >/dev/null || die "npm is needed to fetch ONNX Runtime $version; or set DYNOFA_ONNXRUNTIME to a library of your own"
mkdir -p "$folder/lib"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

echo "fetching ONNX Runtime $version ($platform) from the npm package onnxruntime-node" >&2
npm pack --silent --pack-destination "$work" "onnxruntime-node@$version" >/dev/null || die "npm pack onnxruntime-node@$version failed"
archive=$work/onnxruntime-node-$version.tgz
has_digest "$archive" "$archive_sha256" || die "the package's SHA-256 is not the recorded one; nothing was installed"
member=package/bin/napi-v6/linux/$platform/libonnxruntime.so.1
tar -xzf "$archive" -C "$work" "$member" || die "the package lacks $member"
has_digest "$work/$member" "$library_sha256" || die "the library's SHA-256 is not the recorded one; nothing was installed"
mv "$work/$member" "$library"
echo "ONNX Runtime $version is at $library" >&2
