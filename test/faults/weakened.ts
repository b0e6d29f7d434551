// Loaded into a watcher with `--import`: its gate machine runs without one protection, the one that the file
// FAULTS_WITHOUT_FILE names. The machine takes its checks as an argument; here another argument is given.

import { registerHooks } from 'node:module'

const MACHINE = '#protocol/gate.ts'
const own = new URL('./weakened-gate.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    // Who runs the machine gets ours instead, which gets the real one.
    if (specifier === MACHINE && context.parentURL !== own)
      return { url: own, shortCircuit: true, format: 'module-typescript' }
    return next(specifier, context)
  },
})
