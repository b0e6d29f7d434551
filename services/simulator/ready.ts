// The line that the simulator prints when it can be used.

export type Ready = {
  readonly msg: 'ready'
  readonly admin: string
  readonly directory: string
  readonly servers: Readonly<Record<string, { readonly control: string; readonly log: string; readonly file: string }>>
}
