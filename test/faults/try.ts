import { run } from './run.ts'
import { makeSchedule } from './schedule.ts'

const seed = Number(process.argv[2] ?? 1)
const scale = Number(process.argv[3] ?? 20)
const r = await run({ schedule: makeSchedule(seed, { scale, lengthMs: 120_000 }), scale })
console.log(r)
process.exit(0)
