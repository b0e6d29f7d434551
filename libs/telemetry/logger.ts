// One JSON line per event on standard output: a static sentence plus fields.

import { type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

export type LoggerOptions = {
  /** The service that logs: `watcher`, `replicator`, `status`. */
  readonly service: string
  /** `trace` · `debug` · `info` · `warn` · `error` · `fatal` · `silent`. Default `TWINSCOPE_LOG_LEVEL`, else `info`. */
  readonly level?: string
  /** True: short text for people instead of JSON. Default false. */
  readonly pretty?: boolean
}

/** Writes one line of text for people: time, level, sentence and fields. */
const prettyStream = {
  write(line: string): void {
    const { level, time, service, msg, pid: _pid, hostname: _host, ...fields } = JSON.parse(line)
    const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
    process.stdout.write(`${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${service}: ${msg}${rest}\n`)
  },
}

export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level ?? process.env.TWINSCOPE_LOG_LEVEL ?? 'info',
    base: { service: options.service, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return options.pretty === true ? pino(settings, prettyStream) : pino(settings)
}
