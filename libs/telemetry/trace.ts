// Trace context as it travels in message headers (W3C Trace Context), so that one trace
// id leads from the notice of a change to the write at the partner.

import { randomBytes } from 'node:crypto'
import { context, type Span, SpanStatusCode, trace } from '@opentelemetry/api'

export type TraceContext = {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  readonly sampled: boolean
}

export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text ?? '')
  if (match === null) return undefined
  const [, version, traceId, spanId, flags, more] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?,
  ]
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function formatTraceparent(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`
}

/** The start of a new trace. */
export function newTraceparent(): string {
  return formatTraceparent({
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    sampled: true,
  })
}

/** A new span of the same trace; a new trace where the text is none. */
export function childTraceparent(parent: string | undefined): string {
  const from = parseTraceparent(parent)
  if (from === undefined) return newTraceparent()
  return formatTraceparent({ ...from, spanId: randomBytes(8).toString('hex') })
}

/**
 * Runs `fn` in a span below `traceparent` and hands it the traceparent to pass on. Without a
 * collector no span is recorded, yet the trace id goes on.
 */
export async function withSpan<T>(
  name: string,
  traceparent: string | undefined,
  fn: (traceparent: string, span: Span) => Promise<T>,
): Promise<T> {
  const given = traceparent === undefined ? undefined : parseTraceparent(traceparent)
  const from = given ?? (parseTraceparent(newTraceparent()) as TraceContext)
  const parent = trace.setSpanContext(context.active(), {
    traceId: from.traceId,
    spanId: from.spanId,
    traceFlags: from.sampled ? 1 : 0,
    isRemote: true,
  })
  const span = trace.getTracer('twinscope').startSpan(name, {}, parent)
  const own = span.isRecording()
    ? formatTraceparent({ ...span.spanContext(), sampled: (span.spanContext().traceFlags & 1) === 1 })
    : childTraceparent(formatTraceparent(from))
  try {
    return await context.with(trace.setSpan(parent, span), () => fn(own, span))
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
    throw error
  } finally {
    span.end()
  }
}
