// What a person with a script does to a Kea server: config-get, another subnet in it, config-set, and config-write
// where the change is to last. Nothing keeps two such scripts, or a script and Twinscope, from crossing each other.

import type { Json, JsonObject } from '#dhcp/json.ts'
import type { Relationship } from './checker/evidence.ts'
import { type Edit, partnerIn, type Server } from './fleet.ts'

export type KeaEditorOptions = {
  readonly relationships: readonly Relationship[]
  readonly send: (server: Server, who: string, command: string, args?: JsonObject) => Promise<JsonObject>
  /** A subnet as it is made where there is none. */
  readonly newSubnet: (scope: string) => Readonly<Record<string, unknown>> | undefined
}

export type KeaEditor = { edit(edit: Edit): Promise<string> }

const DOMAIN_NAME = 'domain-name'

export function keyOf(subnet: Readonly<Record<string, unknown>>): string {
  return String(subnet.subnet)
}

export function keaEditor({ relationships, send, newSubnet }: KeaEditorOptions): KeaEditor {
  /** One person edits: the next edit of a server begins when the one before has ended. */
  const last = new Map<Server, Promise<unknown>>()

  async function configurationOf(server: Server, who: string): Promise<JsonObject> {
    return (await send(server, who, 'config-get')).Dhcp4 as JsonObject
  }

  async function edit(wanted: Edit): Promise<string> {
    const { server, scope, how, name, persist } = wanted
    const who = `operator ${name}`
    const subnetsIn = (dhcp4: JsonObject) => dhcp4.subnet4 as readonly JsonObject[]
    const theirs = how === 'agree' ? await configurationOf(partnerIn(relationships, wanted), who) : undefined
    const dhcp4 = await configurationOf(server, who)
    const present = subnetsIn(dhcp4).find((one) => keyOf(one) === scope)
    const made = present ?? (newSubnet(scope) as JsonObject | undefined)
    if (made === undefined) throw new Error(`${scope} is not known`)
    const subnet =
      how === 'delete'
        ? undefined
        : theirs === undefined
          ? named(made, name)
          : subnetsIn(theirs).find((one) => keyOf(one) === scope)
    if (present === undefined && subnet === undefined) return 'it is not there'
    const others = subnetsIn(dhcp4).filter((one) => one !== present)
    const subnet4 = subnet === undefined ? others : [...others, subnet]
    await send(server, who, 'config-set', { Dhcp4: { ...dhcp4, subnet4 } as JsonObject })
    const done = subnet === undefined ? 'deleted' : theirs !== undefined ? 'made as the other side has it' : 'changed'
    if (!persist) return done
    try {
      await send(server, who, 'config-write')
      return done
    } catch (error) {
      return `${done}, but it does not last: ${error}`
    }
  }

  return {
    edit(wanted) {
      const done = (last.get(wanted.server) ?? Promise.resolve()).then(() => edit(wanted))
      last.set(
        wanted.server,
        done.catch(() => undefined),
      )
      return done
    },
  }
}

/** A content that no other edit gives. */
function named(subnet: JsonObject, name: string): JsonObject {
  const options = (subnet['option-data'] as readonly JsonObject[]).filter((one) => one.name !== DOMAIN_NAME)
  return { ...subnet, 'option-data': [...options, { name: DOMAIN_NAME, data: `${name}.example.org` }] as Json }
}
