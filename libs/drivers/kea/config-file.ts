// Kea's configuration file, where it is within reach: what config-write would destroy in it, and the
// copy of it that is kept.

import { createHash } from 'node:crypto'
import { constants, copyFile, open, readFile, rename, stat, statfs, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** What config-write does not give back: comments, and includes by their name. */
export type Losses = { readonly comments: number; readonly includes: number }

/** Scans Kea's dialect: JSON with `//`, `#` and `/* *\/` comments and `<?include "file"?>`. */
export function lossesOf(text: string): Losses {
  const tokens = text.matchAll(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|<\?include[\s\S]*?\?>/g)
  let comments = 0
  let includes = 0
  for (const [token] of tokens) {
    if (token.startsWith('<?')) includes += 1
    else if (!token.startsWith('"')) comments += 1
  }
  return { comments, includes }
}

export function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\//g, (token) =>
    token.startsWith('"') ? token : '',
  )
}

/** Whether the text looks like a whole configuration, and not like one that is just being written. */
export function looksComplete(text: string): boolean {
  const bare = withoutComments(text).replace(/"(?:[^"\\]|\\.)*"/g, '""')
  const count = (character: string) => bare.split(character).length - 1
  return /^\s*[{<]/.test(bare) && /[}>]\s*$/.test(bare) && count('{') === count('}') && count('[') === count(']')
}

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The file as it was seen; `undefined` members: it was not there, or not readable. */
export type FileSighting = { readonly modifiedMs?: number; readonly size?: number; readonly inode?: number }

export async function sightingOf(file: string): Promise<FileSighting> {
  try {
    const { mtimeMs, size, ino } = await stat(file)
    return { modifiedMs: mtimeMs, size, inode: ino }
  } catch {
    return {}
  }
}

export function isSameSighting(a: FileSighting, b: FileSighting): boolean {
  return a.modifiedMs === b.modifiedMs && a.size === b.size && a.inode === b.inode
}

/** Free space where the file is, with what it takes up itself: config-write starts with an empty file. Bytes. */
export async function freeSpaceFor(file: string, current: Buffer): Promise<number> {
  const { bavail, bsize } = await statfs(path.dirname(file))
  return bavail * bsize + current.length
}

/** Remembers what our last config-write made of the file, so that a later edit by hand is recognised. */
const writtenMark = (file: string) => path.join(path.dirname(file), `.${path.basename(file)}.twinscope-written`)

export async function rememberWritten(file: string): Promise<void> {
  const mark = writtenMark(file)
  await writeFile(`${mark}.new`, `${hashOf(await readFile(file))}\n`)
  await rename(`${mark}.new`, mark)
}

/**
 * Keeps the file as it is before Kea writes over it: the first time as `FILE.before-twinscope`, and
 * again with the time in the name whenever it is not what our last config-write left.
 * Returns the copy's name, `undefined` where none was needed.
 */
export async function keepOriginal(file: string, content: Buffer): Promise<string | undefined> {
  const written = await readFile(writtenMark(file), 'utf8').catch(() => '')
  if (written.trim() === hashOf(content)) return undefined
  const first = `${file}.before-twinscope`
  const later = `${first}-${new Date().toISOString().replace(/[:.]/g, '-')}`
  for (const copy of [first, later]) {
    try {
      await copyFile(file, copy, constants.COPYFILE_EXCL)
      return copy
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const kept = await readFile(copy).catch(() => undefined)
      if (kept?.equals(content)) return undefined
    }
  }
  return undefined
}

/** Puts content into the file in place, so that its owner and mode stay, and makes it durable. */
export async function putBack(file: string, content: Buffer): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.truncate(0)
    await handle.write(content, 0, content.length, 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Kea writes without fsync. */
export async function makeDurable(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
