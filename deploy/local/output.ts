// What `npm start`, the demo and the test run say on the terminal. Progress goes to stderr,
// so that stdout holds results alone.

/** One line of progress. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Something that nobody may overlook. */
export function sayLoudly(...lines: readonly string[]): void {
  const width = Math.max(...lines.map((line) => line.length))
  const edge = '#'.repeat(width + 4)
  say([edge, ...lines.map((line) => `# ${line.padEnd(width)} #`), edge].join('\n'))
}
