// Who may change something: whoever has the token, where one is set. Reading asks for none.

import { timingSafeEqual } from 'node:crypto'
import { ProblemError } from './problems.ts'

/** Throws where `given`, the header Authorization, does not carry the token. */
export function checkToken(given: string | undefined, token: string | undefined): void {
  if (token === undefined) return
  const [have, want] = [Buffer.from(given ?? ''), Buffer.from(`Bearer ${token}`)]
  if (have.length === want.length && timingSafeEqual(have, want)) return
  throw new ProblemError('unauthorized', 'send the header Authorization: Bearer TOKEN (CLI: set TWINSCOPE_TOKEN)')
}
