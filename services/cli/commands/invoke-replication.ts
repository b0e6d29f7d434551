// The cmdlet's own spelling of `replicate`.

import { CMDLET, parseCmdlet } from '#cli/cmdlet.ts'
import { type Command, scopesOf } from '#cli/command.ts'
import { replicate } from './replicate.ts'

const HELP = `twinscope ${CMDLET} -ComputerName SERVER [-Name NAME | -ScopeId ID,ID] [-Force] [-WhatIf]

The same as \`twinscope replicate\`, written as the cmdlet of Windows Server is.

  -ComputerName NAME   the server whose settings are copied to its partner
  -Name NAME           one failover relationship
  -ScopeId ID,ID       some scopes
  -Force               do not ask; what is held stays held: no hold and no limit is released
  -WhatIf              show the plan, change nothing

Parameter names may be abbreviated and written in any case. Where: TWINSCOPE_URL, TWINSCOPE_TOKEN.

Examples
  twinscope ${CMDLET} -ComputerName dhcp1.example.net
  twinscope ${CMDLET} -ComputerName dhcp1 -Name dhcp1-dhcp2 -Force
  twinscope ${CMDLET} -ComputerName dhcp1 -ScopeId 10.0.10.0,10.0.20.0 -WhatIf

Exit codes: 0 done or in sync, 1 error or the answer was no, 2 usage or no terminal to ask on, 3 -WhatIf with
differences, 4 held, or refused because observed, paused or outside its window, 5 not authoritative`

export const invokeReplicationCommand: Command = {
  name: CMDLET,
  summary: "the cmdlet's own spelling of replicate",
  options: {},
  help: HELP,
  async run(args, context) {
    const call = parseCmdlet(args)
    const scopes = scopesOf(call.scopeId)
    const options = {
      server: call.computerName,
      ...(call.name === undefined ? {} : { relationship: call.name }),
      ...(scopes === undefined ? {} : { scopes }),
      takeAuthority: false,
      whatIf: call.whatIf,
      force: call.force,
      wait: true,
      json: false,
    }
    return await replicate(options, context.api(undefined), context)
  },
}
