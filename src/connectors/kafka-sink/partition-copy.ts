/**
 * One partition of the source on its way to the target, in transactions of its own.
 *
 * Partitions move between the tasks of a sink, so the transactional id belongs to the partition, and not to a task as with sources (KIP-618). Whoever opens
 * it fences every task that has had the partition before, also one that was paused and does not know yet: what that one has open is aborted, and nothing that
 * it sends or commits later counts. So the offsets in the target, which are read then, stay as they are.
 */
import type { Client, TransactionalWriter } from '../../client.ts'
import type { Offsets, OpenedPartition, SinkContext, SinkRecord } from '../../connector.ts'
import { uniqueTopic } from '../topic-names.ts'
import type { Config } from './keys.ts'
import type { TargetOffsets } from './offsets.ts'
import type { Outgoing } from './outgoing.ts'

/** How long the target may be away before the task fails. */
export const patienceMs = 30_000

export interface Target {
  readonly client: Client
  readonly config: Config
  readonly context: SinkContext
  readonly outgoing: Outgoing
  readonly offsets: TargetOffsets
}

/** After an error it must not be used again, except that it is aborted. */
export class PartitionCopy {
  readonly #place: OpenedPartition
  readonly #target: Target
  readonly #writer: TransactionalWriter
  /** Of the next record that the target does not have; null: it knows none. */
  #next: bigint | null = null
  /** null: no transaction is open. */
  #begunMs: number | null = null

  static async open(target: Target, place: OpenedPartition): Promise<PartitionCopy> {
    const { client, config, context } = target
    const writer = await client.openTransactionalWriter({
      transactionalId: `connect-sink-${context.connector}/${uniqueTopic(place)}/${place.partition}`,
      transactionTimeoutMs: config['kafka.transaction.timeout.ms'],
      compression: config['kafka.compression.type'],
      patienceMs,
      isShared: true,
    })
    return new PartitionCopy(target, place, writer)
  }

  private constructor(target: Target, place: OpenedPartition, writer: TransactionalWriter) {
    this.#target = target
    this.#place = place
    this.#writer = writer
  }

  /** As the target has it. */
  goOnAt(offset: bigint): void {
    this.#next = offset
  }

  /** What is committed, when no transaction is open. */
  get reached(): Offsets {
    const { topic, partition } = this.#place
    return this.#next === null ? [] : [{ topic, partition, offset: this.#next }]
  }

  /** In the order of the partition. Leaves out what the target has. */
  async put(records: readonly SinkRecord[]): Promise<void> {
    const fresh = records.filter(({ original }) => original.offset >= (this.#next ?? 0n))
    if (fresh.length === 0) return
    this.#begunMs ??= this.#target.context.system.clock.monotonic()
    await this.#target.outgoing.send(fresh, this.#writer)
    this.#next = fresh.at(-1)!.original.offset + 1n
  }

  /** Before the target gives it up, when nobody asks for a commit. */
  get isOld(): boolean {
    const { config, context } = this.#target
    return this.#begunMs !== null && context.system.clock.monotonic() - this.#begunMs >= config['kafka.transaction.timeout.ms'] / 2
  }

  async commit(): Promise<void> {
    if (this.#begunMs === null) return
    const { offsets } = this.#target
    if (this.#next !== null) await this.#writer.send(offsets.topic, [offsets.record(this.#place, this.#next)])
    await this.#writer.commit()
    this.#begunMs = null
  }

  /** Does not reject: whoever opens the partition next aborts it again, or time does. */
  async abort(): Promise<void> {
    if (this.#begunMs === null) return
    this.#begunMs = null
    const { log } = this.#target.context
    await this.#writer.abort().catch(error => log.warn({ ...this.#place, err: error }, 'a transaction of the target could not be aborted'))
  }
}
