/** Replays a partition's log into a shard, in time slices, so that logs of gigabytes never block the event loop. */
import type { Turns } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import type { Offset } from '../protocol.ts'
import { batchesOf, replayBatch, type Skipped } from './runtime-records.ts'
import type { Shard } from './shard.ts'

const readBytes = 1 << 20

export interface LoadOptions {
  turns: Turns
  log: PartitionLog
  shard: Shard
  from: Offset
  /** Whether to continue. */
  wanted(): boolean
  skipped?: Skipped | undefined
}

/** Replays from `from` to the log's end. */
export async function loadShard({ turns, log, shard, from, wanted, skipped }: LoadOptions): Promise<void> {
  let next = Math.max(from, log.logStartOffset)
  while (next < log.logEndOffset && wanted()) {
    const before = next
    const slice = await log.read(next, { maxBytes: readBytes, atLeastOne: true, upTo: 'log-end' })
    try {
      for (const batch of batchesOf(slice.chunks)) {
        if (turns.over) {
          await turns.next()
          if (!wanted()) return
        }
        replayBatch(batch, next, shard, skipped)
        next = batch.header.lastOffset + 1
      }
    } finally {
      slice.release()
    }
    // Compaction may have emptied the end of the log: what was read is all there is.
    if (next === before) return
  }
}
