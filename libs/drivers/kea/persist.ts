// config-write, and its traps: it empties the file before it writes, reports success with `size: -1`
// on a full disk, by Debian's default may not write the file at all, and writes more into it than it was given.

import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { JsonObject } from '#dhcp/json.ts'
import { DriverError, type PersistResult } from '../driver.ts'
import {
  type FileSighting,
  freeSpaceFor,
  isSameSighting,
  keepOriginal,
  lossesOf,
  makeDurable,
  putBack,
  rememberWritten,
  sightingOf,
  withoutComments,
} from './config-file.ts'
import type { KeaControl } from './control.ts'
import { rewriteInWrittenForm } from './file-form.ts'

/** Milliseconds. */
const WRITE_TIMEOUT_MS = 60_000

/** config-write indents: its text is about 1.6 times what config-get gives. */
const FILE_SIZE_FACTOR = 2

export type FilePolicy = {
  /** Kea's configuration file, where it is within reach. */
  readonly file: string | undefined
  /** Whether Kea may write over comments and includes. */
  readonly acceptRewrite: boolean
}

export type Hold = { readonly code: string; readonly message: string }

/**
 * Why nothing may be written to this server: its file, or what it runs by it, would lose something
 * that cannot be made again. `running` is what config-get gives.
 */
export async function reasonToHold(policy: FilePolicy, running: JsonObject): Promise<Hold | undefined> {
  const { file } = policy
  if (file === undefined) return undefined
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (policy.acceptRewrite) return undefined
    return {
      code: 'config-file-unreadable',
      message: `${file} cannot be read (${(error as Error).message}), so what Kea would write over is unknown; correct config-file, or give this process the right to read it`,
    }
  }
  // Kea 2.2 does not give the block back, so that config-set, which repeats what it gives, would end it.
  if (running.compatibility === undefined && /"compatibility"\s*:\s*\{\s*"/.test(withoutComments(text))) {
    return {
      code: 'compatibility-unreadable',
      message: `${file} has a compatibility block that Kea does not give back, and a write through its control channel would end its effect; remove it, or use Kea 2.6 or later`,
    }
  }
  return policy.acceptRewrite ? undefined : lossOf(file, text)
}

function lossOf(file: string, text: string): Hold | undefined {
  const { comments, includes } = lossesOf(text)
  if (comments + includes === 0) return undefined
  const what = [
    comments > 0 ? `${comments} comment${comments === 1 ? '' : 's'}` : '',
    includes > 0 ? `${includes} include${includes === 1 ? '' : 's'}` : '',
  ].filter((part) => part !== '')
  return {
    code: 'file-has-comments',
    message: `${file} has ${what.join(' and ')}, and Kea's config-write would replace it by one file without them. To let it through, set accept-rewrite: true for this server; the file is kept as ${path.basename(file)}.before-twinscope. Or remove them from the file yourself`,
  }
}

/**
 * Makes what runs now the content of the file. `runningSize` is the length of the running configuration. Bytes.
 * `before`: the file when the configuration was read from which the write started.
 */
export async function writeConfiguration(
  control: KeaControl,
  policy: FilePolicy,
  runningSize: number,
  before?: FileSighting,
): Promise<PersistResult> {
  const { file } = policy
  if (file === undefined) return configWrite(control, undefined)
  let original: Buffer
  let copy: string | undefined
  let isEdited = false
  try {
    isEdited = before !== undefined && !isSameSighting(before, await sightingOf(file))
    original = await readFile(file)
    const loss = policy.acceptRewrite ? undefined : lossOf(file, original.toString('utf8'))
    if (loss !== undefined) return { kind: 'not-persisted', code: 'rejected', message: loss.message }
    const free = await freeSpaceFor(file, original)
    if (free < runningSize * FILE_SIZE_FACTOR) {
      return {
        kind: 'not-persisted',
        code: 'disk-full',
        message: `${file} was not written: ${free} bytes are free for it and up to ${runningSize * FILE_SIZE_FACTOR} are needed. The new configuration runs, but a restart of Kea would bring back the old one; make room`,
      }
    }
    copy = await keepOriginal(file, original)
  } catch (error) {
    return notKept(file, error)
  }
  const result = await configWrite(control, file)
  if (result.kind === 'persisted') {
    await makeDurable(file)
    const obstacle = await rewriteInWrittenForm(control, file)
    // Without the mark the next write only keeps one more copy.
    await rememberWritten(file).catch(() => undefined)
    const overwrote = isEdited ? { overwrote: overwrittenFile(file, copy) } : {}
    if (obstacle === undefined) return { ...result, ...overwrote }
    return {
      kind: 'persisted',
      ...overwrote,
      note: `${file} is as Kea wrote it, with inherited values in every subnet: after a restart of Kea a change of the server's own values by hand does not reach them. Twinscope's own form could not be put there: ${obstacle}`,
    }
  }
  if (result.code !== 'disk-full') return result
  try {
    await putBack(file, original)
    return { ...result, message: `${result.message}. ${file} has its former content again` }
  } catch (error) {
    const where = copy === undefined ? '' : `; its former content is in ${copy}`
    return {
      ...result,
      message: `${result.message}. ${file} is broken and could not be put back (${(error as Error).message})${where}: Kea would not start with it`,
    }
  }
}

function overwrittenFile(file: string, copy: string | undefined): string {
  const kept =
    copy === undefined
      ? 'its content was what Twinscope had written before'
      : `its content from then is kept in ${copy}`
  return `${file} was changed by somebody else between the last look at Kea and the write, so that nobody could see it; ${kept}. An edit that is only there has to be made again on the authoritative side.`
}

function notKept(file: string, error: unknown): PersistResult {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = `${file} was not written, because the copy of it that Twinscope keeps could not be made: ${message}`
  if (code === 'ENOSPC' || code === 'EDQUOT') return { kind: 'not-persisted', code: 'disk-full', message: reason }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return {
      kind: 'not-persisted',
      code: 'read-only',
      message: `${reason}. Let this process write in ${path.dirname(file)}`,
    }
  }
  return { kind: 'not-persisted', code: 'rejected', message: reason }
}

async function configWrite(control: KeaControl, file: string | undefined): Promise<PersistResult> {
  const answer = await control.send('config-write', undefined, { timeoutMs: WRITE_TIMEOUT_MS, write: true })
  const written = String(answer.arguments.filename ?? file ?? 'its configuration file')
  if (answer.result !== 0) {
    // Kea has one result code for every failure; without arguments this is the only one known.
    if (/unable to open file/i.test(answer.text)) {
      const target = file ?? 'the configuration file'
      return {
        kind: 'not-persisted',
        code: 'read-only',
        message: `${control.where} may not write its configuration file: ${answer.text}. The new configuration runs, but a restart would bring back the old one. Give the file to Kea's user: chown _kea ${target}`,
      }
    }
    return { kind: 'not-persisted', code: 'rejected', message: `${control.where} refused config-write: ${answer.text}` }
  }
  if (file !== undefined && path.resolve(written) !== path.resolve(file)) {
    throw new DriverError(
      'protocol',
      `${control.where} wrote ${written}, but its config-file is said to be ${file}; correct config-file in Twinscope's configuration`,
    )
  }
  const size = Number(answer.arguments.size)
  // A failure of the last block to be written shows in the file only: Kea 3.0.4 then reports the whole
  // size, with success.
  const actual = file === undefined ? size : (await stat(file)).size
  if (!(size > 0) || actual < size) {
    return {
      kind: 'not-persisted',
      code: 'disk-full',
      message: `${control.where} could not write ${written} to its end (size ${size}, ${actual} bytes there): the disk is full. The new configuration runs; make room, or a restart of Kea fails`,
    }
  }
  return { kind: 'persisted' }
}
