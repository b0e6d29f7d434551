// What can go wrong with messaging, and how the client's errors are told apart.

import { ErrorCode, NatsError } from 'nats'

export type MessagingErrorCode =
  /** The caller's signal, or `close`, ended a wait. */
  | 'aborted'
  /** The connection was lost before the answer came: whether it took effect is unknown. */
  | 'disconnected'
  /** Larger than a message may be; nothing was sent. */
  | 'too-large'
  /** NATS understood and would refuse it again: no permission, a full stream, a bad request. `message` has its words. */
  | 'refused'
  /** A stream exists in a form that cannot become ours. `message` has the server's words. */
  | 'provision-failed'

export class MessagingError extends Error {
  readonly code: MessagingErrorCode
  constructor(code: MessagingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'MessagingError'
    this.code = code
  }
}

/** Numbers of JetStream's own error list (`server/errors.json` of nats-server). */
const JETSTREAM = {
  messageNotFound: 10037,
  streamNotFound: 10059,
  streamNameInUse: 10058,
  wrongLastSequence: 10071,
  consumerNotFound: 10014,
  streamStoreFailed: 10077,
} as const

function jetstreamNumber(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined
}

export function isMessageNotFound(error: unknown): boolean {
  return jetstreamNumber(error) === JETSTREAM.messageNotFound
}

export function isWrongLastSequence(error: unknown): boolean {
  return jetstreamNumber(error) === JETSTREAM.wrongLastSequence
}

export function isStreamNameInUse(error: unknown): boolean {
  return jetstreamNumber(error) === JETSTREAM.streamNameInUse
}

/** Nobody listens on the subject: for a publish, that no stream takes it; for a gate, that its watcher is down. */
export function isNoResponders(error: unknown): boolean {
  return error instanceof NatsError && error.code === '503' && error.api_error === undefined
}

/** The stream is gone (NATS lost its data), or JetStream is not up yet. */
export function isStreamMissing(error: unknown): boolean {
  return jetstreamNumber(error) === JETSTREAM.streamNotFound || isNoResponders(error)
}

export function isTimeout(error: unknown): boolean {
  return error instanceof NatsError && error.code === 'TIMEOUT'
}

/** The server understood and said no; asking again would not help. */
export function isRefusal(error: unknown): boolean {
  const status = error instanceof NatsError ? error.api_error?.code : undefined
  return status !== undefined && status >= 400 && status < 500
}

const NEVER_SENT: ReadonlySet<string> = new Set([
  ErrorCode.PermissionsViolation,
  ErrorCode.MaxPayloadExceeded,
  ErrorCode.BadSubject,
  ErrorCode.BadPayload,
  ErrorCode.BadHeader,
])

/** A publish that would be refused every time. What is missing, slow or without a leader may come back. */
export function isPublishRefused(error: unknown): boolean {
  if (!(error instanceof NatsError) || isStreamMissing(error) || isTimeout(error)) return false
  // A full stream is reported like a failing disk, which may recover; only the words differ.
  if (jetstreamNumber(error) === JETSTREAM.streamStoreFailed) return /^maximum .* exceeded/.test(messageOf(error))
  return isRefusal(error) || NEVER_SENT.has(error.code)
}

export function messageOf(error: unknown): string {
  // The client says "503" where JetStream said what is wrong.
  if (error instanceof NatsError && error.api_error !== undefined) return error.api_error.description
  return error instanceof Error ? error.message : String(error)
}
