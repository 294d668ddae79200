import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../sim/world/random.ts'
import { buildBatch, findRecord } from '../../protocol.ts'
import { offsetOfMaxTimestamp } from './lookups.ts'
import type { Chunk } from './memory.ts'
import type { SharedPartition } from './partition.ts'

/** A partition of which nothing is flushed. `looked` counts how often somebody wanted the bytes of a chunk. */
function unflushed(timestamps: readonly (readonly number[])[], from: number, to: number) {
  const counts = { looked: 0 }
  const chunks: Chunk[] = []
  for (let at = 0, offset = 0; at < timestamps.length; at++) {
    const of = timestamps[at]!
    const baseOffset = offset
    const batches = of.map(timestamp => buildBatch({ baseOffset: offset++, timestamp, records: [{ key: null, value: null }] }))
    const bytes = Buffer.concat(batches)
    chunks.push({
      ...{ start: 0, length: bytes.length, baseOffset, endOffset: offset, maxTimestamp: Math.max(...of), seq: 1 },
      ...{ knownOffset: baseOffset, knownAt: 0 },
      get bytes() {
        counts.looked++
        return bytes
      },
    })
  }
  const partition = {
    ...{ context: { pieces: null, findRecord }, segments: [], flushedEnd: 0, logStartOffset: from, highWatermark: to, gone: null },
    memory: { unflushed: () => chunks },
  }
  return { partition: partition as unknown as SharedPartition, counts }
}

test('the newest record of what is in memory is the first of those with the largest timestamp that can be read', async () => {
  const random = seededRandom(7)
  for (let round = 0; round < 300; round++) {
    const timestamps = Array.from({ length: 1 + random.below(6) }, () => Array.from({ length: 1 + random.below(4) }, () => random.below(9)))
    const all = timestamps.flat()
    const from = random.below(all.length)
    const to = from + random.below(all.length - from + 1)
    const readable = all.slice(from, to)
    const found = await offsetOfMaxTimestamp(unflushed(timestamps, from, to).partition)
    const expected = readable.length === 0 ? undefined : from + readable.indexOf(Math.max(...readable))
    assert.equal(found?.offset, expected, `${timestamps.join(' | ')} from ${from} to ${to}`)
  }
})

test('a look-up of the newest record does not go through all batches in memory', async () => {
  const ascending = Array.from({ length: 1_000 }, (_, chunk) => [3 * chunk, 3 * chunk + 1, 3 * chunk + 2])
  const { partition, counts } = unflushed(ascending, 1, 2_999)
  assert.equal((await offsetOfMaxTimestamp(partition))?.offset, 2_998)
  assert.ok(counts.looked < 20, `looked into chunks ${counts.looked} times`)
})
