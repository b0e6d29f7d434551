// Contents on their way in: staged under a ticket, in memory until the commit journals them.

export type StagedContent = { readonly scope: string; readonly fingerprint: string; readonly text: string }

export type Staged = {
  put(relationship: string, ticket: string, contents: readonly StagedContent[]): void
  /** The scope that a staged fingerprint is the content of. */
  scopeOf(relationship: string, fingerprint: string): string | undefined
  text(fingerprint: string): string | undefined
  /** A new ticket: what was staged under the old one is gone. */
  clear(relationship: string): void
}

export function createStaged(): Staged {
  const relationships = new Map<string, { readonly ticket: string; readonly contents: Map<string, StagedContent> }>()
  return {
    put(relationship, ticket, contents) {
      let entry = relationships.get(relationship)
      if (entry?.ticket !== ticket) {
        entry = { ticket, contents: new Map() }
        relationships.set(relationship, entry)
      }
      for (const content of contents) entry.contents.set(content.fingerprint, content)
    },
    scopeOf: (relationship, fingerprint) => relationships.get(relationship)?.contents.get(fingerprint)?.scope,
    text(fingerprint) {
      for (const { contents } of relationships.values()) {
        const content = contents.get(fingerprint)
        if (content !== undefined) return content.text
      }
      return undefined
    },
    clear(relationship) {
      relationships.delete(relationship)
    },
  }
}
