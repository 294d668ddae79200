/** Gives partitions away in one transaction with the metadata that says who leads them next. */
import type { AppendMetadata, DatabaseMetadataLog } from '../../coordinator.ts'
import { KafkaError } from '../../protocol.ts'
import type { MetadataAppend } from '../../store.ts'

/**
 * `change` decides the records, and appends them by what it is given: as part of the frame with which the partitions leave. If other brokers change
 * the metadata first, it decides again, while the partitions stay frozen. True: they left. Rejects as `change` and `SharedLog.releaseWith` do.
 */
export async function releaseWith<Key>(
  log: { releaseWith(keys: readonly Key[], metadata: () => Promise<MetadataAppend | null>, freezing: () => void): Promise<boolean> },
  keys: readonly Key[],
  metadataLog: DatabaseMetadataLog,
  change: (append: AppendMetadata) => Promise<void>,
  freezing: () => void = () => {},
): Promise<boolean> {
  let asked = Promise.withResolvers<MetadataAppend | null>()
  let told: PromiseWithResolvers<boolean> | null = null
  let changing: Promise<void> | null = null
  let isOver = false
  const append = metadataLog.by(batch => {
    if (isOver) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', 'The partitions were not given away')
    told = Promise.withResolvers()
    asked.resolve(batch)
    return told.promise
  })
  const metadata = (): Promise<MetadataAppend | null> => {
    if (isOver) return Promise.resolve(null)
    asked = Promise.withResolvers()
    // Others were faster: it decides again, and appends again.
    if (changing !== null) told?.resolve(false)
    else {
      changing = change(append)
      const decided = () => {
        isOver = true
        asked.resolve(null)
      }
      changing.then(decided, decided)
    }
    return asked.promise
  }
  let moved = false
  try {
    moved = await log.releaseWith(keys, metadata, freezing)
    isOver = true
    settle(told, promise => promise.resolve(moved))
  } catch (error) {
    isOver = true
    const refusal = error instanceof KafkaError ? error : new KafkaError('UNKNOWN_SERVER_ERROR', (error as Error).message)
    settle(told, promise => promise.reject(refusal))
    await changing
    throw error
  }
  await changing
  return moved
}

/** The assignments within callbacks are not seen by the compiler. */
function settle(told: PromiseWithResolvers<boolean> | null, by: (promise: PromiseWithResolvers<boolean>) => void): void {
  if (told !== null) by(told)
}
