// After config-write: the file by its own content, in the form that carries nothing inherited. Kea writes
// inherited values into every subnet, so that from the next restart on none of them would follow the
// server's own values any more.

import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { contentOf } from '#dhcp/fingerprint.ts'
import { isJsonObject, type JsonObject } from '#dhcp/json.ts'
import { subnetsOf } from './configuration.ts'
import type { KeaControl } from './control.ts'
import { sameJson } from './inherit.ts'
import { formatKeaFile, parseKeaJson } from './kea-json.ts'
import { writtenForm } from './merge.ts'
import { LOCAL_PARAMETERS, scopeOfSubnet } from './scopes.ts'

/**
 * Kea is asked to test files up to this size, about 2,500 subnets: a test stops its service for as long as
 * it takes. A larger one is only compared here; Kea has just taken the same form by config-set. Bytes.
 */
const TESTED_BY_KEA_UP_TO = 4 * 1024 * 1024

/** Milliseconds. */
const TEST_TIMEOUT_MS = 60_000

/**
 * Replaces the file that Kea has just written. Returns why it stays as Kea wrote it, where something is in
 * the way: it is complete and valid then too, and only its subnets are cut off from the server's values.
 */
export async function rewriteInWrittenForm(control: KeaControl, configFile: string): Promise<string | undefined> {
  try {
    // A rename would put a file in the place of a link.
    const file = await realpath(configFile)
    const current = await readFile(file)
    const content = parseKeaJson(current)
    if (!isJsonObject(content) || !isJsonObject(content.Dhcp4)) return 'what Kea wrote has no Dhcp4'
    const dhcp4 = writtenForm(content.Dhcp4)
    if (sameJson(dhcp4, content.Dhcp4)) return undefined
    const bytes = formatKeaFile({ ...content, Dhcp4: dhcp4 })
    const problem = await problemWith(control, content.Dhcp4, bytes)
    return problem ?? (await replace(file, current, bytes))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function problemWith(control: KeaControl, before: JsonObject, bytes: Buffer): Promise<string | undefined> {
  const { Dhcp4: after } = parseKeaJson(bytes) as { readonly Dhcp4: JsonObject }
  const different = firstDifference(before, after)
  if (different !== undefined) return `${different} would not be the same in it`
  if (bytes.length > TESTED_BY_KEA_UP_TO) return undefined
  const { result, text } = await control.send('config-test', { Dhcp4: after }, { timeoutMs: TEST_TIMEOUT_MS })
  return result === 0 ? undefined : `Kea would not take it: ${text}`
}

/** The first subnet that is in effect not the same in both. */
function firstDifference(before: JsonObject, after: JsonObject): string | undefined {
  const [old, fresh] = [subnetsOf(before), subnetsOf(after)]
  const index = old.findIndex((placed, at) => {
    const other = fresh[at]
    return (
      other === undefined ||
      LOCAL_PARAMETERS.some((name) => !sameJson(placed.subnet[name], other.subnet[name])) ||
      contentOf(scopeOfSubnet(placed)).fingerprint !== contentOf(scopeOfSubnet(other)).fingerprint
    )
  })
  return old[index]?.key ?? fresh[old.length]?.key
}

/** Puts `bytes` in the place of `current` at once, with its owner and mode. Returns why not, or throws. */
async function replace(file: string, current: Buffer, bytes: Buffer): Promise<string | undefined> {
  const fresh = path.join(path.dirname(file), `.${path.basename(file)}.twinscope-new`)
  try {
    const { uid, gid, mode } = await stat(file)
    // What an earlier process of ours left when it died.
    await rm(fresh, { force: true })
    const handle = await open(fresh, 'wx', 0o600)
    try {
      await handle.writeFile(bytes)
      const made = await handle.stat()
      if (made.uid !== uid || made.gid !== gid) await handle.chown(uid, gid)
      await handle.chmod(mode & 0o7777)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (!(await readFile(file)).equals(current)) return 'somebody changed the file in the same moment'
    await rename(fresh, file)
  } finally {
    await rm(fresh, { force: true }).catch(() => undefined)
  }
  // Whatever a power cut leaves of the rename, one of two whole files is there.
  await syncDirectory(path.dirname(file)).catch(() => undefined)
  return undefined
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
