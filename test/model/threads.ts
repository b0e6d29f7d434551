// The pieces of the exploration, over as many threads as there are processors to keep busy.

import { Worker } from 'node:worker_threads'
import type { Exploration } from './explore.ts'
import type { Walk } from './walk.ts'

export type Piece =
  | { readonly kind: 'scenario'; readonly scenario: number }
  | { readonly kind: 'walks'; readonly seed: number; readonly count: number }

/** `next`: the index of the next piece, shared by all threads. */
export type ThreadData = { readonly pieces: readonly Piece[]; readonly next: Int32Array }

export type WalkResult = {
  readonly kind: 'walks'
  readonly seed: number
  readonly count: number
  /** fast-check's path to the shortest way that it found. */
  readonly path?: string
  readonly found?: Walk
}
export type PieceResult = ({ readonly kind: 'scenario' } & Exploration) | WalkResult

const THREADS = 2

/** The results in the order in which they came. */
export async function exploreAll(pieces: readonly Piece[]): Promise<readonly PieceResult[]> {
  const next = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const results: PieceResult[] = []
  const threads = Array.from(
    { length: THREADS },
    () =>
      new Promise<void>((resolve, reject) => {
        const data: ThreadData = { pieces, next }
        const thread = new Worker(new URL('./thread.ts', import.meta.url), { workerData: data })
        thread.on('message', (result: PieceResult) => results.push(result))
        thread.on('error', reject)
        thread.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a thread ended with code ${code}`))))
      }),
  )
  await Promise.all(threads)
  return results
}
