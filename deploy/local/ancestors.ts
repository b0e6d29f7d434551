// Notices that whoever started us is gone: `npm start` is npm, perhaps a shell, our bootstrap and then this
// process, and a kill of any of the first three reaches nobody else.

import { readFileSync } from 'node:fs'

const LOOK_EVERY_MS = 200
/** npm, a shell, the bootstrap: more than these are not ours. */
const MOST_LEVELS = 4

/** A process, told apart from a later one with the same id by its start time. */
type Ancestor = { readonly pid: number; readonly startedAt: string; readonly parent: number; readonly title: string }

/** Calls back once when the bootstrap, or npm above it, is gone. Returns how to stop looking. */
export function watchAncestors(onGone: (title: string) => void): () => void {
  const watched = ancestors()
  const timer = setInterval(() => {
    const gone = watched.find(({ pid, startedAt }) => inspect(pid)?.startedAt !== startedAt)
    if (gone === undefined) return
    clearInterval(timer)
    onGone(gone.title)
  }, LOOK_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** The processes that must live for us to go on: nobody where this program was started directly. */
function ancestors(): readonly Ancestor[] {
  if (process.env.TWINSCOPE_STARTED_BY !== String(process.ppid)) return []
  const bootstrap = inspect(process.ppid)
  if (bootstrap === undefined) return []
  if (process.env.npm_lifecycle_event === undefined) return [bootstrap]
  const chain = [bootstrap]
  for (let level = 1, next = inspect(bootstrap.parent); level < MOST_LEVELS && next !== undefined; level += 1) {
    chain.push(next)
    if (/^npm\b|npm-cli\.js/.test(next.title)) return chain
    next = inspect(next.parent)
  }
  return [bootstrap] // npm is called something else here
}

function inspect(pid: number): Ancestor | undefined {
  try {
    // pid (name) state ppid … starttime is the 22nd; the name may itself hold spaces and brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z' || state === 'X') return undefined
    const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return { pid, parent: Number(parent), startedAt: rest[17] ?? '', title }
  } catch {
    return undefined
  }
}
