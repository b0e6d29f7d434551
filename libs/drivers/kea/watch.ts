// Watches the directory of Kea's configuration file. It sees config-write, editors and copies that are
// renamed into place; it does not see a config-set that nobody made durable.

import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { looksComplete } from './config-file.ts'

/** How long the file must be quiet before we look at it. A write of 2.4 MB makes events for 44 ms. Milliseconds. */
const QUIET_MS = 60

/** A file that stays incomplete is reported all the same after this time. Milliseconds. */
const PATIENCE_MS = 2_000

/** How soon the watch is tried again where the directory is not there. Milliseconds. */
const REOPEN_AFTER_MS = 1_000

export function watchConfigFile(configFile: string, onHint: (hint: string) => void): () => void {
  const directory = path.dirname(configFile)
  const name = path.basename(configFile)
  let watcher: FSWatcher | undefined
  let timer: NodeJS.Timeout | undefined
  let reopening: NodeJS.Timeout | undefined
  let since = 0
  let isStopped = false

  function open(): void {
    if (isStopped) return
    try {
      watcher = watch(directory, { persistent: false }, (_event, changed) => {
        // Where the platform does not say which file, it may have been ours.
        if (changed === null || changed === name) touched()
      })
      watcher.on('error', reopen)
    } catch {
      reopen()
    }
  }

  function reopen(): void {
    watcher?.close()
    watcher = undefined
    clearTimeout(reopening)
    reopening = setTimeout(() => {
      open()
      // What happened in between is unknown.
      if (watcher !== undefined) touched()
    }, REOPEN_AFTER_MS)
    reopening.unref()
  }

  function touched(): void {
    if (timer === undefined) since = performance.now()
    clearTimeout(timer)
    timer = setTimeout(settle, QUIET_MS)
    timer.unref()
  }

  async function settle(): Promise<void> {
    const text = await readFile(configFile, 'utf8').catch(() => '')
    if (isStopped) return
    if (!looksComplete(text) && performance.now() - since < PATIENCE_MS) {
      timer = setTimeout(settle, QUIET_MS)
      timer.unref()
      return
    }
    timer = undefined
    onHint(`${configFile} changed`)
  }

  open()
  return () => {
    isStopped = true
    clearTimeout(timer)
    clearTimeout(reopening)
    watcher?.close()
  }
}
