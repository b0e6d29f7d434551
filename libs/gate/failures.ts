// What a failure of the driver means to whoever asked the gate.

import type { GateErrorCode } from '#contracts/gate.ts'
import { DriverError } from '#drivers/driver.ts'
import type { WriteAnswer } from '#protocol/gate-types.ts'

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of a failed read, probe or claim. */
export function gateCodeOf(error: unknown): GateErrorCode {
  if (!(error instanceof DriverError)) return 'internal'
  switch (error.code) {
    case 'unreachable':
    case 'timed-out':
      return 'unreachable'
    case 'access-denied':
      return 'access-denied'
    case 'protocol':
    case 'rejected':
    case 'not-serving':
      return 'server-error'
    default:
      return error.code satisfies never
  }
}

/** Whether a failed `apply` left the server as it was. In doubt it is unknown, and the server is read. */
export function writeFailure(error: unknown): WriteAnswer {
  const message = messageOf(error)
  if (!(error instanceof DriverError)) return { kind: 'unknown', message }
  switch (error.code) {
    case 'unreachable':
    case 'access-denied':
    case 'rejected':
      return { kind: 'not-sent', code: gateCodeOf(error), message }
    case 'timed-out':
    case 'protocol':
    case 'not-serving':
      return { kind: 'unknown', message }
    default:
      return error.code satisfies never
  }
}
