// The script that installs packages as root. One script, so that what it changes for the time of the
// installation is put back by its own trap, whatever happens to the process that started it.

/**
 * `sh -s -- PACKAGE…`, as root on Debian or Ubuntu.
 *
 * - A package that is installed is not touched: not upgraded, removed, enabled, disabled or restarted.
 * - While it runs, `policy-rc.d` forbids every start, stop and restart by maintainer scripts, so that no
 *   daemon of the new packages comes up even for a moment. An existing policy-rc.d is moved aside and put
 *   back. Ours forbids nothing once the script has gone, so that a killed installation does no harm; the next
 *   one recognises it by its mark and removes it.
 * - `NEEDRESTART_SUSPEND`: Ubuntu's needrestart would otherwise restart other services of the machine.
 * - Afterwards the units and init scripts of the packages that are new are disabled. They were never
 *   enabled by the administrator, and an upgrade of the package keeps them so.
 */
export const installScript = `
set -eu
policy=/usr/sbin/policy-rc.d
aside=/usr/sbin/policy-rc.d.before-twinscope
mark='written by twinscope while it installs packages'
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

restore() {
  if [ -f "$policy" ] && grep -qs "$mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$aside" ] || [ -L "$aside" ]; then mv -f "$aside" "$policy"; fi
}
installed() { dpkg-query -W -f '\${db:Status-Abbrev}\${binary:Package}\\n' | sed -n 's/^ii *//p' | sort; }

# The units and init scripts of the packages that were not there before.
quieten() {
  installed >"$after"
  for package in $(comm -13 "$before" "$after"); do
    files=$(dpkg-query -L "$package")
    for unit in $(printf '%s\\n' "$files" | sed -n 's#^\\(/usr\\)\\{0,1\\}/lib/systemd/system/\\([^/@]*\\.\\(service\\|socket\\|timer\\|path\\)\\)$#\\2#p'); do
      command -v systemctl >/dev/null || continue
      systemctl --no-ask-password disable "$unit" >/dev/null 2>&1 || true
      if [ -d /run/systemd/system ]; then systemctl --no-ask-password stop "$unit" >/dev/null 2>&1 || true; fi
    done
    for script in $(printf '%s\\n' "$files" | sed -n 's#^/etc/init.d/\\([^/]*\\)$#\\1#p'); do
      update-rc.d "$script" disable >/dev/null 2>&1 || true
    done
  done
}
finish() {
  code=$?
  trap - EXIT
  if [ -s "$before" ]; then quieten; fi
  rm -f "$before" "$after"
  restore
  exit $code
}

before=$(mktemp)
after=$(mktemp)
trap finish EXIT
trap 'exit 143' INT TERM HUP
restore
if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$aside"; fi
cat >"$policy" <<END
#!/bin/sh
# $mark
[ -d /proc/$$ ] && exit 101
[ -x $aside ] && exec $aside "\\$@"
exit 0
END
chmod 755 "$policy"
installed >"$before"

# Package lists that cannot be refreshed may still be good enough.
apt-get -o DPkg::Lock::Timeout=120 -qq update </dev/null || true
apt-get -o DPkg::Lock::Timeout=120 -y -qq --no-install-recommends --no-upgrade --no-remove install "$@" </dev/null
`
