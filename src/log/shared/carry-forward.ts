/**
 * Moves the beginning of a partition in its own stream: a frame has all that is in no piece of it, and from then on its row begins there.
 *
 * So a partition that cannot be flushed does not hold back the frames of all the others, with which the database would grow for as long as the
 * session lasts. As with a move, nothing is appended meanwhile, so that the frame has all there is.
 */
import type { System } from '../../base.ts'
import { KafkaError } from '../../protocol.ts'
import { frameKind } from '../../store.ts'
import type { SessionJournal } from './journal.ts'
import type { FlushedPartition } from './upkeep/ports.ts'

/** Longer than a PUT takes. Where the object store is away, appends under way wait for it without end; those of others must not. */
const drainWithinMs = 5_000

/** Runs while nobody else writes rows of it. Rejects when it fails; all is as before then, unless the session has ended. */
export async function carryForward(
  partition: FlushedPartition,
  journal: Pick<SessionJournal, 'session' | 'write'>,
  system: Pick<System, 'timers'>,
): Promise<void> {
  if (!partition.writable) return
  partition.freeze()
  try {
    await drained([partition], system)
    let begin = 0
    await journal.write(frameKind.carry, [partition.carried(false)], seq => {
      // It was deleted.
      if (partition.gone !== null) return {}
      begin = seq
      return { takeOver: [{ ...partition.key, fromSeq: seq, before: { session: journal.session, fromSeq: partition.fromSeq } }] }
    })
    if (begin > 0) partition.fromSeq = begin
  } finally {
    if (partition.gone === null) partition.thaw()
  }
}

/** All that was appended to them is committed. Rejects when that takes too long, or the session ends. */
export async function drained(partitions: readonly Pick<FlushedPartition, 'drained'>[], { timers }: Pick<System, 'timers'>): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = timers.after(drainWithinMs, () =>
    late.reject(new KafkaError('KAFKA_STORAGE_ERROR', `Appends under way were not committed within ${drainWithinMs} ms`)),
  )
  try {
    await Promise.race([Promise.all(partitions.map(partition => partition.drained())), late.promise])
  } finally {
    timer.cancel()
  }
}
