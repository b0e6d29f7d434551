// What is heard of replications, for whoever waits for one.

import { get } from './api.js'

const followers = new Map()

/** The live stream told of a replication. */
export function heardReplication(replication) {
  for (const follower of followers.get(replication.job) ?? []) follower(replication)
}

/** The stream began anew: what came meanwhile was missed. */
export function heardSnapshot() {
  for (const job of followers.keys()) lookAt(job)
}

async function lookAt(job) {
  try {
    heardReplication(await get(`/v1/replications/${encodeURIComponent(job)}`))
  } catch (error) {
    for (const follower of followers.get(job) ?? []) follower({ job, problem: error.message })
  }
}

/** Calls back with every state of the job until `stop`; the last one is read in full, with its scopes. */
export function followJob(job, callback) {
  let isOver = false
  const follower = async (replication) => {
    if (isOver) return
    if (replication.finishedAt === undefined || replication.scopes !== undefined) {
      isOver = replication.finishedAt !== undefined
      return callback(replication)
    }
    await lookAt(job)
  }
  followers.set(job, new Set([...(followers.get(job) ?? []), follower]))
  lookAt(job)
  return () => {
    const others = followers.get(job)
    others?.delete(follower)
    if (others?.size === 0) followers.delete(job)
  }
}
