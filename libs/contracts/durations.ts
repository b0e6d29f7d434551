// Lengths of time as the configuration file writes them.

const UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** `1h`, `90m`, `2s`, `250ms`: in the largest unit that leaves nothing over. */
export function durationText(ms: number): string {
  const [unit, size] = UNITS.find(([, unitMs]) => ms > 0 && ms % unitMs === 0) ?? (ms === 0 ? ['s', 1] : ['ms', 1])
  return `${ms / size}${unit}`
}
