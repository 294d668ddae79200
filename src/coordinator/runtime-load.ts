/** Replays a partition's log into a shard, in slices of time, so that a log of gigabytes never holds the event loop. */
import type { System } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import type { Offset } from '../protocol.ts'
import { batchesOf, replayBatch, type Skipped } from './runtime-records.ts'
import type { Shard } from './shard.ts'

const readBytes = 1 << 20
/** Other work waits at most this long, plus one batch. */
const sliceMs = 8

export interface LoadOptions {
  system: System
  log: PartitionLog
  shard: Shard
  from: Offset
  /** Says whether to go on. */
  wanted(): boolean
  skipped?: Skipped | undefined
}

/** Replays from `from` to the log's end. */
export async function loadShard({ system, log, shard, from, wanted, skipped }: LoadOptions): Promise<void> {
  const { clock, timers } = system
  let next = Math.max(from, log.logStartOffset)
  let began = clock.monotonic()
  while (next < log.logEndOffset && wanted()) {
    const before = next
    const slice = await log.read(next, { maxBytes: readBytes, atLeastOne: true, upTo: 'log-end' })
    try {
      for (const batch of batchesOf(slice.chunks)) {
        replayBatch(batch, next, shard, skipped)
        next = batch.header.lastOffset + 1
        if (clock.monotonic() - began <= sliceMs) continue
        await new Promise<void>(resolve => timers.soon(resolve))
        if (!wanted()) return
        began = clock.monotonic()
      }
    } finally {
      slice.release()
    }
    // Compaction may have emptied the end of the log: what was read is all there is.
    if (next === before) return
  }
}
