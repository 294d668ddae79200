/**
 * Maintenance of a partition besides appends and reads: retention removes segments, compaction replaces them, checkpoints store its state.
 *
 * Hides the order in which these may change files, so that replaying the journal never restores or overwrites anything, and when a
 * partition whose files cannot be written goes offline.
 */
import { DiskError, pause } from '../../base.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import { allSynced, isFailedSync } from '../failed-sync.ts'
import type { PartitionState } from '../journal/state-record.ts'
import type { Segment } from '../segments/segment.ts'
import type { Partition } from './partition.ts'
import { storageError } from './partition-files.ts'

/** After so many checkpoints whose writing the disk refused a partition goes offline. */
const mostRefusals = 5
/** What failed for want of descriptors is tried again after this long. */
const retryMs = 1000
/** Segments whose files are renamed in one turn of the event loop. */
const removedAtOnce = 50

export class PartitionUpkeep {
  /** Base offset of the active segment in the latest record of the state log. */
  #checkpointedBase: Offset
  readonly #partition: Partition
  /** Segments are being taken away. */
  #removing = false
  /** What a power cut could take is being synced. */
  #protection: Promise<void> | null = null
  /** Checkpoints in a row for which the disk refused its files. */
  #refusals = 0

  constructor(partition: Partition, checkpointedBase: Offset) {
    this.#partition = partition
    this.#checkpointedBase = checkpointedBase
  }

  /** Once it is durable that the log begins behind them: or redoing the journal would bring pieces of them back. */
  removeSegments(count: number): void {
    const partition = this.#partition
    const { segments, context } = partition
    if (this.#removing || partition.closed) return
    if (count >= segments.length) partition.roll(context.system.clock.now())
    const from = segments.all[count]?.baseOffset ?? partition.logStartOffset
    this.#removing = true
    partition
      .moveLogStart(from)
      .then(() => this.#removeBelow(from))
      // The next round of retention finds them again.
      .catch(error => context.report(`${partition.name}: cannot remove segments below offset ${from}`, error))
      .finally(() => {
        this.#removing = false
      })
  }

  /** In slices, as there may be thousands. */
  async #removeBelow(offset: Offset): Promise<void> {
    const { segments, files, context } = this.#partition
    for (;;) {
      const gone = segments.all.findIndex(segment => segment.baseOffset >= offset)
      if (this.#partition.closed || gone <= 0) return
      files.removeOldest(Math.min(gone, removedAtOnce), this.#partition.config.fileDeleteDelayMs)
      await new Promise<void>(resolve => context.system.timers.soon(resolve))
    }
  }

  /** Only after a checkpoint with an active segment behind them, so that recovery neither replays into cleaned files nor misses removed ones. */
  async replaceSegments(old: readonly Segment[], cleaned: Segment): Promise<void> {
    const partition = this.#partition
    const { context, name } = partition
    const end = partition.segments.endOf(old.at(-1)!, partition.logEndOffset)
    if (this.#checkpointedBase < end) await context.checkpoint()
    if (partition.closed) return
    // The disk refused its files at the checkpoint.
    if (this.#checkpointedBase < end)
      throw new KafkaError(
        'KAFKA_STORAGE_ERROR',
        `The last checkpoint of ${name} continues at offset ${this.#checkpointedBase}, not at ${end}`,
      )
    try {
      await partition.files.replace(old, cleaned, end, partition.config.fileDeleteDelayMs)
    } catch (error) {
      if (error instanceof DiskError && error.isFailedSync) context.fatal(error)
      throw error
    }
  }

  /** As `Member.protect`. */
  protect(): Promise<void> | null {
    const partition = this.#partition
    if (!partition.exposed || partition.deleted) return this.#protection
    partition.exposed = false
    this.#protection = this.#syncOrGiveUp()
      .catch(error => {
        partition.exposed = true
        throw isFailedSync(error) ? error : storageError(error)
      })
      .finally(() => {
        this.#protection = null
      })
    return this.#protection
  }

  /** As in `DirectMember`. */
  async syncDirect(segment: Segment): Promise<void> {
    try {
      await this.#orGiveUp(() => segment.datasync())
    } catch (error) {
      // So that later groups with a part of it learn of it, too.
      this.#partition.exposed = true
      throw isFailedSync(error) ? error : storageError(error)
    }
  }

  /** What is in the files survives a power cut when this resolves. */
  async #syncOrGiveUp(): Promise<void> {
    const { offline } = this.#partition
    if (offline !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', offline)
    await this.#orGiveUp(() => this.syncAll())
  }

  /**
   * If the disk does not even open the files, no sync has failed: it is tried again while descriptors or memory are short; otherwise the
   * partition goes offline, and this rejects.
   */
  async #orGiveUp(sync: () => Promise<void>): Promise<void> {
    const { context } = this.#partition
    for (let attempt = 1; ; attempt++)
      try {
        if (!this.#partition.deleted) await sync()
        return
      } catch (error) {
        if (!(error instanceof DiskError) || error.isFailedSync) throw error
        // Its files went while they were used.
        if (this.#partition.deleted) return
        if (!error.isShortage || attempt === mostRefusals) {
          this.giveUp(error)
          throw error
        }
        await pause(context.system, retryMs)
      }
  }

  /** What is in the files survives a power cut when this resolves. Segments before the one that the last checkpoint goes on with do already. */
  async syncAll(): Promise<void> {
    const { files, context } = this.#partition
    await allSynced([...this.#unsure.map(segment => segment.datasync()), files.syncNames(true), context.syncNames()])
  }

  /** The same with the transaction indexes, while no checkpoint runs, which syncs these. */
  async syncWithTransactions(): Promise<void> {
    for (const segment of this.#unsure) await segment.transactions.datasync()
    await this.syncAll()
  }

  get #unsure(): Segment[] {
    return this.#partition.segments.all.filter(segment => segment.baseOffset >= this.#checkpointedBase)
  }

  /** The state log has it. */
  checkpointed({ active }: PartitionState): void {
    this.#checkpointedBase = active?.baseOffset ?? 0
    this.#refusals = 0
    this.#partition.files.forgetReleased()
  }

  /**
   * The disk refused its files at a checkpoint; the journal keeps what it has of it. It may have been for once. If not, an operator has to look
   * after it.
   */
  refused(error: DiskError): void {
    const { context, name, closed } = this.#partition
    if (closed) return
    this.#refusals++
    if (this.#refusals === 1) context.report(`${name}: cannot write its files; retrying`, error)
    if (this.#refusals >= mostRefusals) this.giveUp(error)
  }

  giveUp(error: DiskError): void {
    this.#partition.goOffline(error.message)
  }
}
