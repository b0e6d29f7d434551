// Codes of the API in words. Whatever is not listed is shown as it is.

/** What a waiting job waits for. */
const WAITS = {
  'quiet-period': 'waiting for the quiet period',
  'soak-delay': 'waiting until the change has been stable for the soak delay',
  paused: 'waiting because replication is paused',
  'outside-window': 'waiting for the maintenance window',
  covering: 'waiting for its turn: the partner is being written',
  'partner-not-normal': 'waiting for a normal failover state',
  'source-not-steady': 'waiting until the source is steady',
  unreachable: 'waiting for a server that cannot be reached',
  uncertain: 'waiting until an unanswered write was looked at',
  'settings-differ': 'waiting until watchers and replicators have the same configuration',
  'lock-held': 'another replicator works on it',
  children: 'waiting for its relationships',
}

/** Why a scope waits for a person. */
const HOLDS = {
  'first-contact': 'first contact',
  conflict: 'both sides changed',
  'foreign-edit': 'edited on the partner',
  deleted: 'deleted on the authoritative side',
  regressed: 'earlier configuration after a restart',
  dirty: 'interrupted write',
  unreplicable: 'cannot be copied faithfully',
  restored: 'restored',
  rejected: 'rejected',
}

const ACTS = {
  adopt: 'adopt',
  restore: 'restore',
  reject: 'reject',
  'move-authority': 'authority',
}

/** Only what happened: the commands that a message names are the buttons of this page. */
export function withoutCommands(text) {
  return text?.replace(/\. To [^`]*`twinscope [^`]*`(?:; to [^`]*`twinscope [^`]*`)*/g, '')
}

function plain(code) {
  return code.replaceAll('-', ' ')
}

export function waitText(reason) {
  return reason === undefined ? 'waiting for a replicator' : (WAITS[reason] ?? `waiting: ${plain(reason)}`)
}

export function holdText(code) {
  return HOLDS[code] ?? plain(code)
}

/** `undefined`: an ordinary replication. */
export function actText(act) {
  return act === undefined || act === 'replicate' ? undefined : (ACTS[act] ?? plain(act))
}
