/**
 * Moves partitions between the processes of one machine: the log releases a partition, the metadata says who leads it now, and its directory
 * is renamed into that process's directory (`process-directories.ts`), where it is adopted.
 *
 * The record decides. Whatever happens before it, the partition stays here: this process opens the released directory again, now or at its
 * next start. Whatever happens after it, this process brings the directory to the new leader, now or at its next start. While nobody knows
 * whether the record was written, the partition is open nowhere.
 */
import { pause, type Timers } from '../../base.ts'
import type { ClusterMetadata, PartitionKey } from '../../coordinator.ts'
import type { Log } from '../../log.ts'
import { type ErrorName, KafkaError, toKafkaError } from '../../protocol.ts'
import type { Mover } from './mover.ts'

export interface ProcessMoverOptions {
  brokerId: number
  log: Pick<Log, 'release'>
  metadata: Pick<ClusterMetadata, 'changePartitions' | 'leaderOf' | 'letGo' | 'takeBack'>
  timers: Timers
  /** Whether the broker answers now: the metadata does not know of a process that has just died. */
  answers(brokerId: number): Promise<boolean>
  report(what: string, error: unknown): void
}

/** After these, no record was written and none will be. */
const certain: ReadonlySet<string> = new Set<ErrorName>(['BROKER_ID_NOT_REGISTERED', 'NOT_CONTROLLER', 'UNKNOWN_TOPIC_OR_PARTITION'])
const pauseMs = 500

export class ProcessMover implements Mover {
  readonly #options: ProcessMoverOptions

  constructor(options: ProcessMoverOptions) {
    this.#options = options
  }

  async move(partitions: readonly PartitionKey[], to: number): Promise<(KafkaError | null)[]> {
    const { brokerId, metadata, answers } = this.#options
    if (!(await answers(to))) {
      return partitions.map(() => new KafkaError('PREFERRED_LEADER_NOT_AVAILABLE', `Broker ${to} does not answer.`))
    }
    const isHeld = metadata.letGo(partitions)
    const outcomes = await Promise.all(
      partitions.map((key, index) =>
        isHeld[index] ? this.#release(key) : new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${brokerId} does not have the partition.`),
      ),
    )
    const released = partitions.filter((_, index) => outcomes[index] === null)
    if (released.length > 0) {
      const recorded = await this.#record(released, to)
      partitions.forEach((_, index) => {
        if (outcomes[index] === null) outcomes[index] = recorded.shift() ?? null
      })
    }
    const kept = partitions.filter((_, index) => isHeld[index] && outcomes[index] !== null)
    if (kept.length > 0) await this.#takeBack(kept)
    return outcomes
  }

  async #release({ topicId, partition }: PartitionKey): Promise<KafkaError | null> {
    try {
      await this.#options.log.release(topicId, partition)
      return null
    } catch (error) {
      return toKafkaError(error)
    }
  }

  /** Does not resolve before it is known who leads them. */
  async #record(partitions: readonly PartitionKey[], to: number): Promise<(KafkaError | null)[]> {
    const { brokerId, metadata, timers, report } = this.#options
    const changes = partitions.map(key => ({ ...key, from: brokerId, leader: to }))
    for (;;) {
      try {
        const outcomes = await metadata.changePartitions(changes)
        // Where an earlier attempt has succeeded, this broker leads no more.
        return outcomes.map((outcome, index) => {
          const { topicId, partition } = partitions[index]!
          return metadata.leaderOf(topicId, partition) === to ? null : outcome
        })
      } catch (error) {
        const failure = toKafkaError(error)
        if (certain.has(failure.name)) return partitions.map(() => failure)
        report('asking again whether partitions have another leader', error)
      }
      await pause({ timers }, pauseMs)
    }
  }

  async #takeBack(partitions: readonly PartitionKey[]): Promise<void> {
    try {
      await this.#options.metadata.takeBack(partitions)
    } catch (error) {
      this.#options.report('partitions that were to be moved cannot be opened again', error)
    }
  }
}
