// Suggestions for a name that nobody knows: those that were probably meant.

import { distance } from 'fastest-levenshtein'

const MOST = 3

/** Known names near `name`, the nearest first, at most three: few typing errors, or one begins with the other. */
export function nearest(name: string, known: readonly string[]): readonly string[] {
  const wanted = name.toLowerCase()
  const near = known
    .map((candidate) => {
      const text = candidate.toLowerCase()
      const short = text.split('.')[0] ?? text
      const typing = Math.min(distance(wanted, text), distance(wanted, short))
      const related = wanted !== '' && (text.startsWith(wanted) || wanted.startsWith(text))
      return { candidate, away: related ? 0 : typing }
    })
    .filter(({ away }) => away <= Math.max(2, Math.floor(wanted.length / 3)))
  return near
    .toSorted((a, b) => a.away - b.away || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, MOST)
    .map(({ candidate }) => candidate)
}

/** ` Did you mean a or b?`, or the known names where none is near. Empty where nothing is known. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near.length > 0) return ` Did you mean ${near.join(' or ')}?`
  if (known.length === 0) return ''
  const shown = known.slice(0, 10)
  return ` Known: ${shown.join(', ')}${known.length > shown.length ? ' …' : ''}.`
}
