// Invoke-DhcpServerv4FailoverReplication, as PowerShell would read it: parameter names in any case,
// abbreviated as long as they are unambiguous, lists with commas and spaces, and the dashes that
// come along when an example is copied from a web page.

import { UsageError } from './command.ts'

export const CMDLET = 'Invoke-DhcpServerv4FailoverReplication'

export type CmdletCall = {
  readonly computerName: string
  readonly name?: string
  readonly scopeId?: readonly string[]
  readonly force: boolean
  readonly whatIf: boolean
}

/** PowerShell takes en dash, em dash and horizontal bar for a hyphen before a parameter. */
const DASHES = /^[-\u2013\u2014\u2015]/

const PARAMETERS = [
  { name: 'ComputerName', aliases: ['Cn'], kind: 'value' },
  { name: 'Name', aliases: [], kind: 'values' },
  { name: 'ScopeId', aliases: [], kind: 'values' },
  { name: 'Force', aliases: [], kind: 'switch' },
  { name: 'WhatIf', aliases: ['wi'], kind: 'switch' },
  { name: 'Confirm', aliases: ['cf'], kind: 'switch' },
  { name: 'Verbose', aliases: ['vb'], kind: 'switch' },
  { name: 'Debug', aliases: ['db'], kind: 'switch' },
  { name: 'CimSession', aliases: [], kind: 'values' },
  { name: 'ThrottleLimit', aliases: [], kind: 'value' },
  { name: 'AsJob', aliases: [], kind: 'switch' },
] as const
type Parameter = (typeof PARAMETERS)[number]

const UNSUPPORTED: Partial<Record<Parameter['name'], string>> = {
  CimSession: 'name the server with -ComputerName; Twinscope reaches it by itself',
  ThrottleLimit: 'leave it out',
  AsJob: 'use `twinscope replicate … --no-wait`',
}

export function isCmdlet(text: string): boolean {
  return text.replace(/[\u2013\u2014\u2015]/g, '-').toLowerCase() === CMDLET.toLowerCase()
}

function isParameter(word: string): boolean {
  return DASHES.test(word) && /^.[A-Za-z]/u.test(word)
}

function parameterOf(word: string): Parameter {
  const text = word.slice(1).replace(/:.*$/s, '')
  const wanted = text.toLowerCase()
  const exact = PARAMETERS.find(
    ({ name, aliases }) =>
      name.toLowerCase() === wanted || aliases.some((alias: string) => alias.toLowerCase() === wanted),
  )
  if (exact !== undefined) return exact
  const matches = PARAMETERS.filter(({ name }) => name.toLowerCase().startsWith(wanted))
  const names = (parameters: readonly Parameter[]) => parameters.map(({ name }) => `-${name}`).join(', ')
  if (matches.length > 1) throw new UsageError(`-${text} is ambiguous: ${names(matches)}`)
  const [only] = matches
  if (only === undefined) {
    const own = PARAMETERS.filter(({ name }) => ['ComputerName', 'Name', 'ScopeId', 'Force', 'WhatIf'].includes(name))
    throw new UsageError(`${CMDLET} has no parameter -${text}; it has ${names(own)}`)
  }
  return only
}

/** Words up to the next parameter; a list may be written with spaces around its commas. */
function valuesAt(
  words: readonly string[],
  index: number,
): { readonly values: readonly string[]; readonly next: number } {
  let next = index
  let text = ''
  while (next < words.length) {
    const word = words[next] as string
    if (isParameter(word)) break
    // `a, b` and `a ,b` go on with the list; `a b` does not.
    if (text !== '' && !text.endsWith(',') && !word.startsWith(',')) break
    text += word
    next += 1
  }
  const values = text
    .split(',')
    .map((value) => value.trim().replace(/^(["'\u2018\u2019\u201c\u201d])(.*)\1$/u, '$2'))
    .filter((value) => value !== '')
  return { values, next }
}

function switchValue(word: string, parameter: Parameter): boolean {
  const given = word.includes(':') ? word.slice(word.indexOf(':') + 1).toLowerCase() : '$true'
  if (['$true', 'true', '1'].includes(given)) return true
  if (['$false', 'false', '0'].includes(given)) return false
  throw new UsageError(`-${parameter.name} is a switch: -${parameter.name} or -${parameter.name}:$false`)
}

export function parseCmdlet(words: readonly string[]): CmdletCall {
  const values = new Map<Parameter['name'], readonly string[]>()
  const switches = new Map<Parameter['name'], boolean>()
  let index = 0
  while (index < words.length) {
    const word = words[index] as string
    if (!isParameter(word)) {
      throw new UsageError(`"${word}" belongs to no parameter; write -ComputerName, -Name or -ScopeId before a value`)
    }
    const parameter = parameterOf(word)
    if (values.has(parameter.name) || switches.has(parameter.name)) {
      throw new UsageError(`-${parameter.name} is given twice`)
    }
    const advice = UNSUPPORTED[parameter.name]
    if (advice !== undefined) throw new UsageError(`-${parameter.name} is not supported here; ${advice}`)
    index += 1
    if (parameter.kind === 'switch') {
      switches.set(parameter.name, switchValue(word, parameter))
      continue
    }
    const inline = word.includes(':') ? word.slice(word.indexOf(':') + 1) : ''
    const rest = inline === '' ? words.slice(index) : [inline, ...words.slice(index)]
    const { values: found, next } = valuesAt(rest, 0)
    if (found.length === 0) throw new UsageError(`-${parameter.name} needs a value`)
    values.set(parameter.name, found)
    index += next - (inline === '' ? 0 : 1)
  }
  return callOf(values, switches)
}

function callOf(
  values: ReadonlyMap<Parameter['name'], readonly string[]>,
  switches: ReadonlyMap<Parameter['name'], boolean>,
): CmdletCall {
  const one = (name: Parameter['name']) => {
    const given = values.get(name)
    if (given !== undefined && given.length > 1) throw new UsageError(`-${name} takes one value: ${given.join(', ')}`)
    return given?.[0]
  }
  const computerName = one('ComputerName')
  const name = one('Name')
  const scopeId = values.get('ScopeId')
  if (computerName === undefined) {
    throw new UsageError('-ComputerName is missing: the server whose settings are copied to its partner')
  }
  if (name !== undefined && scopeId !== undefined) {
    throw new UsageError('give -Name or -ScopeId, not both: they are two forms of the command')
  }
  return {
    computerName,
    ...(name === undefined ? {} : { name }),
    ...(scopeId === undefined ? {} : { scopeId: [...new Set(scopeId)] }),
    // -Confirm:$false says that nothing is asked, as -Force does.
    force: (switches.get('Force') ?? false) || switches.get('Confirm') === false,
    whatIf: switches.get('WhatIf') ?? false,
  }
}
