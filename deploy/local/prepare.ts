// Before anything is started: what is missing on this machine, and whether we get it.

import { say } from './output.ts'
import { ensurePrograms, type InstallResult, type Program } from './programs.ts'

export type Need = {
  readonly nats: boolean
  readonly redis: boolean
  readonly kea: boolean
}

export type Prepared =
  | { readonly kind: 'ready' }
  /** NATS and Redis are there, Kea cannot be had. */
  | { readonly kind: 'without-kea'; readonly reason: string }
  /** `message` says what to do. Exit code 2 where the operator can act, 1 where the installation failed. */
  | { readonly kind: 'impossible'; readonly message: string; readonly exitCode: 1 | 2 }

/** Installs what is missing where we may, and says what to do where we may not. */
export async function prepare(need: Need, ensure: typeof ensurePrograms = ensurePrograms): Promise<Prepared> {
  const infrastructure: Program[] = [
    ...(need.nats ? (['nats-server'] as const) : []),
    ...(need.redis ? (['redis-server'] as const) : []),
  ]
  const kea: Program[] = need.kea ? ['kea-dhcp4', 'kea-ctrl-agent'] : []
  const all = await ensure([...infrastructure, ...kea], { report: say })
  if (all.kind === 'present' || all.kind === 'installed') return { kind: 'ready' }
  if (all.kind === 'not-allowed' || !need.kea) return impossible(all, need)
  // One package that does not exist here keeps apt from installing any of them.
  const rest = await ensure(infrastructure, { report: say })
  if (rest.kind === 'present' || rest.kind === 'installed') return { kind: 'without-kea', reason: all.reason }
  return impossible(rest, need)
}

function impossible(result: Extract<InstallResult, { missing: readonly Program[] }>, need: Need): Prepared {
  const missing = `not installed: ${result.missing.join(', ')}`
  if (result.kind === 'unavailable') {
    return {
      kind: 'impossible',
      exitCode: 1,
      message: `${missing}, and could not be installed: ${result.reason}\nA running NATS (with JetStream) and Redis can be used with NATS_URL and REDIS_URL.`,
    }
  }
  const simulate = need.kea && result.missing.every((program) => program.startsWith('kea'))
  return {
    kind: 'impossible',
    exitCode: 2,
    message: [
      `${missing}. Installing needs root or sudo without a password. Run this once, then start again:`,
      '',
      ...result.commands.map((command) => `  ${command}`),
      '',
      simulate
        ? 'Or start with simulated DHCP servers: npm start -- --simulate'
        : 'Or use a running NATS (with JetStream) and Redis: NATS_URL=nats://… REDIS_URL=redis://… npm start' +
          (need.kea ? ' -- --simulate' : ''),
    ].join('\n'),
  }
}
