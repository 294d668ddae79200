/** A client that produces and fetches all the time, in a process of its own, and tells how many milliseconds it had to wait each time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fetchRecords, produce } from '../../test/support/client.ts'
import { buildBatch } from '../world/batches.ts'
import { admin } from './stage.ts'

let waits: number[] = []
const client = await admin(Number(process.argv[2]))
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  process.send!(waits)
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
