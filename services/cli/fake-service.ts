// A status service and a terminal of which a test decides every answer. What was asked for is on record.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type {
  PlannedScopeView,
  RelationshipDetail,
  RelationshipPlan,
  ReplicationDetail,
} from '#contracts/status-api.ts'
import type { ExitCode } from './exit-codes.ts'
import { main } from './main.ts'
import type { Terminal } from './terminal.ts'

export type Call = {
  readonly method: string
  readonly path: string
  readonly body: Record<string, unknown>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}
export type Reply = { readonly status?: number; readonly body?: unknown; readonly etag?: string }
/**
 * `GET /v1/pauses` → its answer. A query counts where there is an answer with it. A string body is sent as an event
 * stream.
 */
export type Answers = Readonly<Record<string, (call: Call) => Reply>>

/** What a command said. */
export type Spoken = {
  readonly exit: ExitCode
  readonly out: string
  readonly err: string
  readonly questions: readonly string[]
}
export type Ran = Spoken & {
  /** What was asked of the service, without reads. */
  readonly writes: readonly Call[]
  readonly calls: readonly Call[]
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

function send(response: ServerResponse, { status = 200, body, etag }: Reply): void {
  const isProblem = status >= 400 && typeof body === 'object' && body !== null && 'title' in body
  const type =
    typeof body === 'string' ? 'text/event-stream' : isProblem ? 'application/problem+json' : 'application/json'
  response.writeHead(status, { 'content-type': type, ...(etag === undefined ? {} : { etag }) })
  response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
}

/** Runs one command against the service at `url`; `says` are the answers to its questions, `undefined`: no terminal. */
export async function runCommand(
  args: readonly string[],
  url: string,
  says: readonly (boolean | undefined)[] = [],
): Promise<Spoken> {
  const out: string[] = []
  const err: string[] = []
  const questions: string[] = []
  const terminal: Terminal = {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    progress: () => {},
    confirm: async (question) => {
      questions.push(question)
      if (questions.length > says.length) throw new Error(`a question too many: ${question}`)
      return says[questions.length - 1]
    },
    columns: 120,
  }
  const exit = await main(args, terminal, { TWINSCOPE_URL: url })
  return { exit, out: out.join('\n'), err: err.join('\n'), questions }
}

/** The same against a service that answers as the test says. */
export async function twinscope(
  args: readonly string[],
  answers: Answers,
  says: readonly (boolean | undefined)[] = [],
): Promise<Ran> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const call: Call = { method: request.method ?? '', path: request.url ?? '', body, headers: request.headers }
      calls.push(call)
      const [path = ''] = call.path.split('?')
      const answer = answers[`${call.method} ${call.path}`] ?? answers[`${call.method} ${path}`]
      const none = () => ({ status: 404, body: aProblem(404, `no ${call.method} ${call.path}`) })
      send(response, (answer ?? none)(call))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const spoken = await runCommand(args, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, says)
    const isWrite = ({ method, path }: Call) => method !== 'GET' && !path.endsWith('/plans') && !path.endsWith('/plan')
    return { ...spoken, calls, writes: calls.filter(isWrite) }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

export function aProblem(status: number, detail: string, code = 'not-found') {
  return { type: `urn:twinscope:problem:${code}`, code, title: 'Not this', status, detail }
}

/** The events of a job that ends at once. */
export function ends(replication: ReplicationDetail): string {
  return `event: replication\ndata: ${JSON.stringify(replication)}\n\n`
}

export function aReplication(more: Partial<ReplicationDetail> = {}): ReplicationDetail {
  return {
    job: 'J1',
    level: 'scope',
    automatic: false,
    relationship: 'dhcp1-dhcp2',
    source: 'dhcp1.example.net',
    target: 'dhcp2.example.net',
    act: 'replicate',
    status: 'replicated',
    cause: { kind: 'request' },
    scopeIds: [],
    scopeCount: 0,
    createdAt: '2026-11-24T10:00:00.000Z',
    updatedAt: '2026-11-24T10:00:01.000Z',
    finishedAt: '2026-11-24T10:00:01.000Z',
    scopes: [],
    stages: [],
    children: [],
    ...more,
  }
}

export function aRow(scope: string, status: ReplicationDetail['scopes'][number]['status'], code = 'changed') {
  const before = `v1:${'0'.repeat(64)}`
  return { scope, status, code, message: `it is ${status}`, before }
}

export function aPlannedScope(scope: string, more: Partial<PlannedScopeView> = {}): PlannedScopeView {
  return {
    scope,
    scopeId: scope.slice(0, scope.indexOf('/')),
    code: 'changed',
    action: 'update',
    counts: { added: 0, updated: 1, deleted: 0 },
    changes: ['~ option 3 (routers): 10.0.10.1 → 10.0.10.254'],
    obstacles: [],
    ...more,
  }
}

/** What an approval releases. */
export function aHold(code = 'foreign-edit', message = 'it was edited on the partner', approvable = true) {
  return { code, message, approvable }
}

export const DIGEST = { a: 'a'.repeat(64), b: 'b'.repeat(64), c: 'c'.repeat(64) }

export function aPlan(scopes: readonly PlannedScopeView[], more: Partial<RelationshipPlan> = {}): RelationshipPlan {
  return {
    relationship: 'dhcp1-dhcp2',
    source: 'dhcp1.example.net',
    target: 'dhcp2.example.net',
    sync: scopes.length === 0 ? 'in-sync' : 'out-of-sync',
    ...(scopes.length === 0 ? {} : { digest: DIGEST.a }),
    scopes: [...scopes],
    shown: [],
    inSyncCount: 10,
    notes: [],
    ...more,
  }
}

export function aRelationship(more: Partial<RelationshipDetail> = {}): RelationshipDetail {
  const partner = (server: string, role: 'authoritative' | 'partner') => ({
    server,
    role,
    reachable: true,
    failoverState: 'normal',
  })
  return {
    name: 'dhcp1-dhcp2',
    configured: true,
    mode: 'automatic',
    sync: 'in-sync',
    authority: { side: 'dhcp1.example.net', epoch: 3, from: 'record' },
    partners: [partner('dhcp1.example.net', 'authoritative'), partner('dhcp2.example.net', 'partner')],
    counts: { inSync: 10, outOfSync: 0, conflict: 0, total: 10, agreed: 10 },
    pending: [],
    pauses: [],
    window: { state: 'always' },
    differences: [],
    checkedAt: '2026-11-24T10:00:00.000Z',
    scopes: [],
    ...more,
  }
}
