// Write logs as files: one JSON object a line.

import { readFileSync } from 'node:fs'
import type { LogLine } from './checker/evidence.ts'

/** A line that a killed server had not finished is none. */
export function linesOf(file: string): readonly LogLine[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line, index) => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as LogLine]
    } catch (error) {
      if (index === lines.length - 1) return []
      throw error
    }
  })
}
