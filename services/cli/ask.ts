// The one question of a command. `--force` leaves it out and releases nothing.

import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export type Asked = { readonly yes: true } | { readonly yes: false; readonly exit: ExitCode }

/**
 * Asks, unless `force`. Without a terminal nothing is assumed: the exit code is 2, and `advice` says how
 * it can be had without one.
 */
export async function ask(
  terminal: Terminal,
  question: string,
  options: { readonly force: boolean; readonly advice: string },
): Promise<Asked> {
  if (options.force) return { yes: true }
  const answer = await terminal.confirm(question)
  if (answer === undefined) {
    terminal.err(`There is no terminal to ask on, so nothing was changed. ${options.advice}`)
    return { yes: false, exit: EXIT.usage }
  }
  if (!answer) {
    terminal.err('Nothing was changed.')
    return { yes: false, exit: EXIT.error }
  }
  return { yes: true }
}
