/**
 * What the cluster metadata needs of the log behind it. A broker has one of two: the log itself (`own-metadata.ts`), or the way to a
 * broker that has it (`followed-metadata.ts`).
 */
import type { Offset } from '../../protocol.ts'
import type { Step } from './deciding.ts'
import type { AppendMetadata, MetadataLog } from './metadata-log.ts'

export interface MetadataHome {
  /** Settles when the first load has ended. */
  readonly loaded: Promise<void>
  /** Of what was replayed, the records before this offset are durable. */
  readonly durableOffset: Offset
  /** The log for other brokers; null if another broker keeps it. */
  readonly shared: MetadataLog | null
  /**
   * Settles when the records are durable and the shard has replayed them. The step may run again on a newer state if others were faster;
   * only the last decision counts. `append`: puts the records of each decision into the log; only where the log is followed.
   */
  write<R>(step: Step<R>, append?: AppendMetadata): Promise<R>
  /** Of a start: waits while the log cannot be reached, as loading does. */
  writeFirst<R>(step: Step<R>): Promise<R>
  /** Settles when all has been replayed that was in the log when it was called. */
  catchUp(anew?: boolean): Promise<void>
  /** To be called when the durable changes have been published. */
  published(): Promise<void>
  close(): void
}
