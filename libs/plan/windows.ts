// When a relationship may be written: weekly allow windows and freeze windows, in a time zone.

/** Default: no windows at all, so always open. */
export type MaintenanceWindows = {
  /** Writing is allowed only within one of these; none: always. As written in the configuration. */
  readonly allow: readonly string[]
  /** Writing is not allowed within any of these, whatever `allow` says. */
  readonly freeze: readonly string[]
  /** IANA name. Default `UTC`. */
  readonly timeZone: string
}

export type WindowState =
  | { readonly kind: 'open'; readonly closesAtMs?: number }
  /** `opensAtMs` absent: not within the time that is looked ahead. */
  | { readonly kind: 'closed'; readonly reason: string; readonly opensAtMs?: number }

export const ALWAYS: MaintenanceWindows = { allow: [], freeze: [], timeZone: 'UTC' }
