// A message as it arrived: its CloudEvents attributes, its place in the stream, its text.

import type { Msg, MsgHdrs } from 'nats'
import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'

export type Received = {
  readonly subject: string
  readonly stream: string
  readonly sequence: number
  /** 1 at the first delivery. */
  readonly deliveryCount: number
  /** When the stream stored it, RFC 3339 UTC. */
  readonly storedAt: string
  /** CloudEvents attributes; absent where the sender did not give them. */
  readonly id?: string
  readonly type?: string
  readonly source?: string
  readonly traceparent?: string
  readonly headers: Readonly<Record<string, string>>
  /** As text; bytes that are no UTF-8 come as U+FFFD. */
  readonly body: string
  /** Says that the handler still works on it, which starts the redelivery clock again. */
  working(): void
}

/** What the reply subject of a delivered message says: `$JS.ACK.…`, in its old and its new form. */
export type DeliveryPlace = {
  readonly stream: string
  readonly consumer: string
  readonly deliveryCount: number
  readonly streamSequence: number
  readonly consumerSequence: number
  readonly storedAtMs: number
  /** Messages that the consumer has not delivered yet. */
  readonly pending: number
}

export function parseAckSubject(reply: string): DeliveryPlace | undefined {
  const tokens = reply.split('.')
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined
  // From eleven tokens on, the domain and a hash of the account come first.
  const place = tokens.length >= 11 ? tokens.slice(4) : tokens.slice(2)
  const [stream, consumer, deliveryCount, streamSequence, consumerSequence, nanos, pending] = place
  if (stream === undefined || consumer === undefined || nanos === undefined) return undefined
  return {
    stream,
    consumer,
    deliveryCount: Number(deliveryCount),
    streamSequence: Number(streamSequence),
    consumerSequence: Number(consumerSequence),
    storedAtMs: Number(BigInt(nanos) / 1_000_000n),
    pending: Number(pending),
  }
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return decodeURI(text)
  } catch {
    return text
  }
}

function headerRecord(headers: MsgHdrs | undefined): Readonly<Record<string, string>> {
  const record: Record<string, string> = {}
  for (const key of headers?.keys() ?? []) record[key] = headers?.get(key) ?? ''
  return record
}

function attribute(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  const wanted = name.toLowerCase()
  const key = Object.keys(headers).find((known) => known.toLowerCase() === wanted)
  return key === undefined ? undefined : headers[key]
}

export function receivedOf(message: {
  readonly subject: string
  readonly stream: string
  readonly sequence: number
  readonly deliveryCount: number
  readonly storedAt: Date
  readonly headers: MsgHdrs | undefined
  readonly data: Uint8Array
  readonly working?: () => void
}): Received {
  const headers = headerRecord(message.headers)
  const id = decoded(attribute(headers, 'ce-id'))
  const type = decoded(attribute(headers, 'ce-type'))
  const source = decoded(attribute(headers, 'ce-source'))
  const traceparent = attribute(headers, 'traceparent')
  return {
    subject: message.subject,
    stream: message.stream,
    sequence: message.sequence,
    deliveryCount: message.deliveryCount,
    storedAt: message.storedAt.toISOString(),
    headers,
    body: Buffer.from(message.data).toString('utf8'),
    working: message.working ?? (() => {}),
    ...(id === undefined ? {} : { id }),
    ...(type === undefined ? {} : { type }),
    ...(source === undefined ? {} : { source }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

/** A delivered message with its place; `undefined` where it does not come from a stream. */
export function deliveryOf(message: Msg): { received: Received; place: DeliveryPlace } | undefined {
  const place = parseAckSubject(message.reply ?? '')
  if (place === undefined) return undefined
  const received = receivedOf({
    subject: message.subject,
    stream: place.stream,
    sequence: place.streamSequence,
    deliveryCount: place.deliveryCount,
    storedAt: new Date(place.storedAtMs),
    headers: message.headers,
    data: message.data,
    working: () => message.respond('+WPI'),
  })
  return { received, place }
}

const validators = new WeakMap<TSchema, Validator>()

/** Compiled once per schema: compiling costs more than a thousand checks. */
function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema)
  if (known !== undefined) return known
  const compiled = Compile(schema) as unknown as Validator
  validators.set(schema, compiled)
  return compiled
}

export type Decoded<T> =
  | { readonly ok: T; readonly error?: undefined }
  /** What is wrong and where: `/scopes/3: must be string`. */
  | { readonly ok?: undefined; readonly error: string }

/** Checks a value against a schema, naming the first few places where it is wrong. */
export function validate<S extends TSchema>(schema: S, value: unknown): Decoded<Static<S>> {
  const validator = validatorOf(schema)
  if (validator.Check(value)) return { ok: value as Static<S> }
  const problems = validator
    .Errors(value)
    .slice(0, 3)
    .map((problem) => `${problem.instancePath === '' ? '/' : problem.instancePath}: ${problem.message}`)
  return { error: problems.join('; ') || '/: does not match the schema' }
}

/** The body as what its schema says. */
export function decode<S extends TSchema>(schema: S, received: Pick<Received, 'body'>): Decoded<Static<S>> {
  let value: unknown
  try {
    value = JSON.parse(received.body)
  } catch (error) {
    return { error: `/: not JSON (${error instanceof Error ? error.message : error})` }
  }
  return validate(schema, value)
}
