/** After an interruption: what has arrived of the round that was on its way. */
import type { BatchWriter, Client, StoredBatch } from '../client.ts'
import { type Chunk, countOf, cutTo, placeOf } from './state.ts'

const pollBytes = 33_554_432
const pollWaitMs = 500
/** They begin again at 0. */
const sequences = 2 ** 31

/** The chunks as they are, settled. First nothing more can arrive, and then what has arrived is counted. */
export async function recover(target: Client, writer: BatchWriter, uncertain: readonly Chunk[]): Promise<Chunk[]> {
  if (uncertain.length === 0) return []
  await writer.fence(uncertain)
  const places = uncertain.map(({ topic, partition }) => ({ topic, partition }))
  const [starts, ends] = await Promise.all([target.manyOffsets(places, 'earliest'), target.manyOffsets(places, 'latest')])
  const reading = new Map<string, { chunk: Chunk; position: bigint; end: bigint; arrived: number }>()
  for (const chunk of uncertain) {
    const start = starts.get(chunk.topic)?.get(chunk.partition) ?? 0n
    const end = ends.get(chunk.topic)?.get(chunk.partition) ?? 0n
    const position = start > chunk.at ? start : chunk.at
    // What was deleted since was there.
    reading.set(placeOf(chunk), { chunk, position, end, arrived: Number(position - chunk.at) })
  }
  const reader = target.openBatchReader()
  try {
    for (;;) {
      const open = [...reading.values()].filter(({ position, end }) => position < end)
      if (open.length === 0) break
      const positions = open.map(({ chunk: { topic, partition }, position: offset }) => ({ topic, partition, offset }))
      const { partitions, failed } = await reader.poll({ positions, maxWaitMs: pollWaitMs, maxBytes: pollBytes })
      if (failed[0] !== undefined) throw failed[0].error
      for (const { topic, partition, batches, next } of partitions) {
        const one = reading.get(placeOf({ topic, partition }))!
        for (const { header } of batches) {
          one.arrived = Math.max(one.arrived, arrivedWith(one.chunk, header))
        }
        one.position = next
      }
    }
  } finally {
    await reader.close()
  }
  return Array.from(reading.values(), ({ chunk, arrived }) => cutTo(chunk, Math.min(arrived, countOf(chunk))))
}

/** By sequence numbers, which stay when compaction removes records. 0: the batch is none of the chunk. */
function arrivedWith({ producerId, epoch, at, sequence }: Chunk, batch: StoredBatch['header']): number {
  const isOwn = batch.producerEpoch === epoch && BigInt(batch.producerId) === BigInt(producerId) && BigInt(batch.baseOffset) >= at
  if (!isOwn) return 0
  return ((batch.baseSequence - sequence + sequences) % sequences) + batch.lastOffset - batch.baseOffset + 1
}
