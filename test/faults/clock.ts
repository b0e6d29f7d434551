// Loaded into a service with `--import`: its wall clock runs beside the real one by as many milliseconds as a file says.
// Timers and the monotonic clock are not touched, as when somebody sets the clock of a host.

import { readFileSync } from 'node:fs'

const file = process.env.FAULTS_CLOCK_FILE
const RealDate = Date
let offsetMs = 0

class ShiftedDate extends RealDate {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(RealDate.now() + offsetMs)
    else super(...given)
  }
  static override now(): number {
    return RealDate.now() + offsetMs
  }
}

if (file !== undefined) {
  const look = () => {
    offsetMs = Number(readFileSync(file, 'utf8'))
  }
  look()
  setInterval(look, 20).unref()
  globalThis.Date = ShiftedDate as DateConstructor
}
