/** Replays a partition's log into a shard, in slices of time, so that a log of gigabytes never holds the event loop. */
import type { System } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import type { Offset } from '../protocol.ts'
import { decodeBatches } from './runtime-records.ts'
import type { Shard } from './shard.ts'

const readBytes = 1 << 20
/** Other work waits at most this long (plus one batch). */
const sliceMs = 8

/** Replays from `from` to the log's end. Gives up quietly when `wanted` says no. */
export async function loadShard(system: System, log: PartitionLog, shard: Shard, from: Offset, wanted: () => boolean): Promise<void> {
  const { clock, timers } = system
  let next = Math.max(from, log.logStartOffset)
  let began = clock.monotonic()
  while (next < log.logEndOffset && wanted()) {
    const slice = await log.read(next, { maxBytes: readBytes, atLeastOne: true, upTo: 'log-end' })
    try {
      const before = next
      for (const batch of decodeBatches(slice.chunks, next)) {
        batch.replay(shard)
        next = batch.nextOffset
        if (clock.monotonic() - began > sliceMs) {
          await new Promise<void>(resolve => timers.soon(resolve))
          if (!wanted()) return
          began = clock.monotonic()
        }
      }
      // Compaction may have emptied the end of the log: what was read is all there is.
      if (next === before) return
    } finally {
      slice.release()
    }
  }
}
