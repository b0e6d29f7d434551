// RFC 9457 problem details: every error of the API has a stable `type`.

import { PROBLEM_TYPE_PREFIX, PROBLEMS, type Problem, type ProblemCode } from '#contracts/problems.ts'
import { type Asked, plainErrors } from './plain-errors.ts'

type ProblemExtras = {
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
  readonly near?: readonly string[]
}

/** Ends a request with a problem. `detail` says what is wrong here, and what to do. */
export class ProblemError extends Error {
  readonly code: ProblemCode
  readonly extras: ProblemExtras
  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail)
    this.name = 'ProblemError'
    this.code = code
    this.extras = extras
  }
}

export function problemOf(error: ProblemError, instance: string): Problem {
  const { status, title } = PROBLEMS[error.code]
  return {
    type: `${PROBLEM_TYPE_PREFIX}${error.code}`,
    code: error.code,
    title,
    status,
    detail: error.message,
    instance,
    ...(error.extras.errors === undefined ? {} : { errors: [...error.extras.errors] }),
    ...(error.extras.near === undefined || error.extras.near.length === 0 ? {} : { near: [...error.extras.near] }),
  }
}

/** What Fastify, the validation or our own code threw, as a problem. `asked`: what the request had, and what it should. */
export function asProblem(error: unknown, asked: Asked): ProblemError {
  if (error instanceof ProblemError) return error
  const { validation, validationContext, statusCode, code, message } = error as {
    readonly validation?: unknown
    readonly validationContext?: string
    readonly statusCode?: number
    readonly code?: string
    readonly message?: string
  }
  if (validation !== undefined) {
    const errors = plainErrors(validationContext ?? 'body', asked)
    const detail = errors.map(({ path, message: text }) => `${path}: ${text}`).join('; ')
    return new ProblemError('invalid-request', detail || (message ?? 'it has not the form that is expected'), {
      errors,
    })
  }
  if (statusCode === 413) return new ProblemError('payload-too-large', message ?? 'the request is too large')
  if (statusCode === 415) {
    return new ProblemError('unsupported-media-type', 'send the request as content-type: application/json')
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ProblemError('invalid-request', message ?? code ?? 'the request is not understood')
  }
  return new ProblemError('internal', 'an unexpected error, see the log of the status service; nothing was changed')
}
