/** A client that produces and fetches all the time, in a process of its own, and tells how long it had to wait. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fetchRecords, produce } from '../../test/support/client.ts'
import { buildBatch } from '../world/batches.ts'
import { admin } from './stage.ts'

export interface Waits {
  count: number
  p50Ms: number
  p99Ms: number
  longestMs: number
}

let waits: number[] = []
const client = await admin(Number(process.argv[2]))
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  const sorted = waits.sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  process.send!({ count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) } satisfies Waits)
  waits = []
})
process.send!('ready')
for (;;) {
  const began = performance.now()
  const { errorCode, baseOffset } = await produce(client, 'victim', buildBatch({ values: ['v'], timestampMs: Date.now() }))
  if (errorCode !== 0) throw new Error(`the victim's record was refused: ${errorCode}`)
  await fetchRecords(client, 'victim', baseOffset)
  waits.push(performance.now() - began)
  await sleep(2)
}
