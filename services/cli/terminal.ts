// Where the CLI writes and asks. Results go to standard output, everything else to standard error.

import { createInterface } from 'node:readline/promises'

export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Replaces the one line that shows progress; `undefined` removes it. Nothing where standard error is no terminal. */
  progress(text: string | undefined): void
  /** `undefined`: there is nobody to ask. */
  confirm(question: string): Promise<boolean | undefined>
  readonly columns: number
}

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process
  let shown = false
  const clear = () => {
    if (shown) stderr.write('\r\u001b[2K')
    shown = false
  }
  // `twinscope history | head` closes the pipe early, which is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    out(text) {
      clear()
      stdout.write(`${text}\n`)
    },
    err(text) {
      clear()
      stderr.write(`${text}\n`)
    },
    progress(text) {
      if (!stderr.isTTY) return
      clear()
      if (text === undefined) return
      stderr.write(text.slice(0, (stderr.columns ?? 80) - 1))
      shown = true
    },
    async confirm(question) {
      if (!stdin.isTTY || !stderr.isTTY) return undefined
      clear()
      const lines = createInterface({ input: stdin, output: stderr })
      // Ctrl-C and Ctrl-D are a no: the one rejects the question, the other leaves it open for ever.
      const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
      try {
        return /^y(es)?$/i.test((await Promise.race([lines.question(`${question} [y/N] `), closed])).trim())
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'AbortError') throw error
        stderr.write('\n')
        return false
      } finally {
        lines.close()
      }
    },
    columns: stdout.columns ?? 120,
  }
}
