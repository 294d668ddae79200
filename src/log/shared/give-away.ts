/**
 * Gives partitions to another broker: one frame has what is in no piece of them, and in its transaction is the metadata that names the new owner.
 *
 * While that lasts, nothing of them is appended, so that the frame has all there is. Before, what would make it large is flushed: a PUT takes
 * longer than everything else.
 */
import type { Clock } from '../../base.ts'
import { frameKind, type MetadataAppend } from '../../store.ts'
import type { SessionJournal } from './journal.ts'
import type { SharedPartition } from './partition.ts'
import type { Upkeep } from './upkeep/upkeep.ts'

export interface GiveAwayOptions {
  readonly journal: SessionJournal
  readonly upkeep: Upkeep
  /** More than that is flushed first. */
  readonly carryBytes: number
  /** It is not this session's any more; tells those who waited, sooner or later. */
  forget(partition: SharedPartition): void
  readonly clock: Clock
  /** They are gone, after appends waited for so long. */
  moved(frozenMs: number): void
}

/** As `SharedLog.releaseWith`. */
export async function giveAway(
  wanted: readonly SharedPartition[],
  metadata: () => Promise<MetadataAppend | null>,
  options: GiveAwayOptions,
): Promise<boolean> {
  const { clock, journal, upkeep, carryBytes, forget, moved } = options
  let unflushed = 0
  for (const { unflushedBytes } of wanted) unflushed += unflushedBytes
  if (unflushed > carryBytes) await upkeep.flush(wanted.filter(({ unflushedBytes }) => unflushedBytes > 0))
  return await upkeep.alone(async () => {
    // Others may have gone while this one waited.
    const here = wanted.filter(({ gone }) => gone === null)
    // What is offline has nothing to be carried: the next owner looks at the same rows.
    const whole = here.filter(({ damage }) => damage === null)
    const beganMs = clock.monotonic()
    for (const partition of whole) partition.freeze()
    try {
      const given = await give(whole, metadata, journal)
      if (!given) return false
      for (const partition of here) forget(partition)
      moved(clock.monotonic() - beganMs)
      return true
    } finally {
      for (const partition of whole) if (partition.gone === null) partition.thaw()
    }
  })
}

async function give(
  partitions: readonly SharedPartition[],
  metadata: () => Promise<MetadataAppend | null>,
  journal: SessionJournal,
): Promise<boolean> {
  for (const partition of partitions) await partition.drained()
  const shares = partitions.map(partition => partition.carried(true))
  for (;;) {
    const append = await metadata()
    if (append === null) return false
    const outcome = await journal.write(frameKind.carry, shares, seq => ({
      metadata: append,
      takeOver: partitions.filter(({ gone }) => gone === null).map(({ key }) => ({ ...key, fromSeq: seq })),
    }))
    if (outcome === 'committed') return true
  }
}
