// The durable memory of one gate.

export type Journal = {
  close(): void
}

/** Opens or creates the journal of one server; creates the directory. */
export function openJournal(path: string): Journal {
  throw new Error(`the journal ${path} is not built yet`)
}
