// Opens the driver that a server of the configuration asks for.

import type { ServerConfig } from '#contracts/configuration.ts'
import type { DhcpDriver } from './driver.ts'
import { openSimulated } from './simulated/driver.ts'

/** Opens a writer; the watcher alone does. Throws where there is no driver for this kind yet. */
export async function openDriver(config: ServerConfig): Promise<DhcpDriver> {
  switch (config.kind) {
    case 'simulated':
      return openSimulated({ name: config.name, control: config.control })
    case 'kea': {
      const { openKea } = await import('./kea/driver.ts')
      return openKea({
        name: config.name,
        control: config.control,
        ...(config['config-file'] === undefined ? {} : { configFile: config['config-file'] }),
        ...(config['accept-rewrite'] === undefined ? {} : { acceptRewrite: config['accept-rewrite'] }),
        ...(config['user-file'] === undefined ? {} : { userFile: config['user-file'] }),
      })
    }
    case 'windows':
      throw new Error(
        `${config.name}: the driver for Windows DHCP servers comes with a later version; take the server out of the configuration or out of TWINSCOPE_SERVERS`,
      )
    default:
      return config satisfies never
  }
}
