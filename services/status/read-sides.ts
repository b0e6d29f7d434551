// Reading both sides of a relationship through their gates, for plans that are shown. Nothing is prepared or changed.

import type { ManifestPage } from '#contracts/gate.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import { PlanInputChanged } from '#plan/plan.ts'
import { ProblemError } from './problems.ts'

export type PlanGates = Pick<GateClient, 'readManifest' | 'readContents' | 'request'>
export type Contents = ReadonlyMap<string, ScopeContent | undefined>

/** Somebody may edit between comparing and reading; then both are done again. */
const MAX_TRIES = 3
export const READ_TIMEOUT_MS = 10_000

export function gateErrorText(server: string, error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof GateError)) return { code: 'internal', message: `${server}: ${String(error)}` }
  if (error.code === 'no-responders') return { code: 'unreachable', message: `the watcher of ${server} does not run` }
  if (error.code === 'timed-out') {
    return { code: 'unreachable', message: `the watcher of ${server} did not answer in time` }
  }
  return { code: error.code, message: `${server}: ${error.message}` }
}

/** A side that cannot be read now; `code` is the gate's. */
export class SideUnreadable extends Error {
  readonly code: string
  constructor(server: string, cause: unknown) {
    const { code, message } = gateErrorText(server, cause)
    super(message, { cause })
    this.code = code
  }
}

/** Runs a request to a gate; what goes wrong names the server. */
export async function atSide<T>(server: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof SideUnreadable ? error : new SideUnreadable(server, error)
  }
}

export async function readManifest(
  gates: PlanGates,
  server: string,
  relationship: string,
  fresh: boolean,
): Promise<ManifestPage> {
  return await atSide(
    server,
    async () => (await gates.readManifest(server, relationship, fresh, { timeoutMs: READ_TIMEOUT_MS })).page,
  )
}

/** As the last full read had them, which is the one that the manifest was made of. */
export async function readContents(
  gates: PlanGates,
  server: string,
  relationship: string,
  scopes: readonly string[],
  of: 'live' | 'base' = 'live',
): Promise<Contents> {
  const options = { timeoutMs: READ_TIMEOUT_MS }
  const keys = scopes as readonly ScopeKey[]
  return await atSide(server, () => gates.readContents(server, relationship, keys, of, false, options))
}

/** Compares and reads again while somebody edits in between; a {@link PlanInputChanged} that stays is thrown. */
export async function withoutEdits<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PlanInputChanged) || tries === MAX_TRIES) throw error
    }
  }
}

/** For a route whose answer is the reading itself: a side that cannot be read is its problem. */
export async function readOrRefuse<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await withoutEdits(work)
  } catch (error) {
    if (error instanceof SideUnreadable) throw new ProblemError('server-unreachable', error.message)
    if (error instanceof PlanInputChanged) {
      throw new ProblemError('server-unreachable', `${error.message}, again and again; try again`)
    }
    throw error
  }
}
