#!/bin/sh
# Unpacks the Kea of a Debian suite with everything it needs into a directory of its own, beside the system's.
#
#   kea-unpack.sh DIRECTORY SUITE      exits 0 when DIRECTORY/usr/sbin/kea-dhcp4 is there; says why otherwise
#
# The packages come by the mirror that this machine's apt already uses.
# Nothing is installed, mounted or run: packages are downloaded with a private list and unpacked,
# and the harness runs the binaries with the dynamic loader that was unpacked with them. Needs no root.
#
#   KEA_DEBIAN_MIRROR   the mirror, for machines whose apt has none of Debian (Ubuntu)
set -eu

target=$1
suite=$2

# The first Debian mirror that serves whole releases (not the security updates).
mirror=${KEA_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' | awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')}
if [ -z "$mirror" ]; then
  echo "kea-unpack.sh: apt of this machine knows no Debian mirror; name one in KEA_DEBIAN_MIRROR" >&2
  exit 1
fi

mkdir -p "$(dirname "$target")"
# Several test files may want it at once; the first unpacks, the others wait for it.
exec 9>"$target.lock"
flock 9
test ! -x "$target/usr/sbin/kea-dhcp4" || exit 0

work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
: >"$work/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"

cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::State::extended_states "$work/extended_states";
Dir::Cache::archives "$work/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
// Snapshots of a mirror are often older than their release file allows.
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
Debug::NoLocking "true";
// Nothing that the machine's own apt does after an update belongs to this private list.
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
apt-get --config-file "$work/apt.conf" -qq update >&2
apt-get --config-file "$work/apt.conf" -qq --yes --download-only install libc6 kea-dhcp4-server kea-ctrl-agent >&2

# dpkg would want to make /usr/lib64 and the like through links; the links come first, as in base-files.
mkdir -p "$work/root/usr/bin" "$work/root/usr/sbin" "$work/root/usr/lib" "$work/root/usr/lib64"
for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/root/$link"; done
for archive in "$work"/archives/*.deb; do dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$work/root" --keep-directory-symlink --no-same-owner; done
test -x "$work/root/usr/sbin/kea-dhcp4"
rm -rf "$target"
mv "$work/root" "$target"
