/**
 * Partitions that leave this log, and come into it, while it is open.
 *
 * `release` puts into the partition's directory all that journal, state log and memory know of it, and its state as `millrace.released`. Then
 * one record in the state log says that the partition is not this log's any more: before it everything is as if nothing had been asked,
 * after it the directory is left alone, by recovery, too. Its owner may now rename it into another log's directory, or back.
 *
 * `adopt` opens such a directory. It writes nothing: the directory with its state is what a partition of this log looks like that has a
 * checkpoint and nothing after it. From the first frame of the journal that names the partition on, recovery opens it by itself; until then,
 * it has to be adopted again after a restart.
 */
import { basename } from 'node:path'
import { DiskError } from '../base.ts'
import type { PartitionSpec, ReleasedPartition } from '../log.ts'
import { KafkaError, type Uuid } from '../protocol.ts'
import type { LogContext } from './context.ts'
import { isFailedSync } from './failed-sync.ts'
import type { Checkpointer } from './journal/checkpoint.ts'
import type { Journal } from './journal/journal.ts'
import { OnceBound } from './journal/stand-in.ts'
import type { StateLog } from './journal/state-log.ts'
import { type PartitionState, partitionKey } from './journal/state-record.ts'
import { keepOffline, openDirectory } from './opening.ts'
import { Partition } from './partition/partition.ts'
import { readTopicId } from './partition/partition-directory.ts'
import { orStorageError, storageError } from './partition/partition-files.ts'
import { stateOf } from './partition/partition-state.ts'
import { readReleased, releasedFile, writeReleased } from './partition/released-state.ts'

export interface MovesOptions {
  context: LogContext
  /** All partitions of the log, by key. */
  partitions: Map<string, Partition>
  journal: Journal
  stateLog: StateLog
  checkpoints: Checkpointer
  /** Resolves when nothing compacts the partition any more. */
  stopCleaning(partition: Partition): Promise<void>
}

export class Moves {
  readonly #options: MovesOptions
  /** Under way, by partition. */
  readonly #running = new Map<string, Promise<unknown>>()
  #closed = false

  constructor(options: MovesOptions) {
    this.#options = options
  }

  async release(topicId: Uuid, number: number): Promise<ReleasedPartition> {
    const key = partitionKey(topicId, number)
    return await this.#inTurn(key, async () => {
      const partition = this.#options.partitions.get(key)
      if (partition === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Partition ${key} is not in this log`)
      await this.#release(partition)
      const { topic, files } = partition
      return { topic, topicId, partition: number, directory: basename(files.directory) }
    })
  }

  async adopt(name: string, spec: PartitionSpec): Promise<Partition> {
    const key = partitionKey(spec.topicId, spec.partition)
    return await this.#inTurn(key, async () => {
      try {
        return await this.#adopt(name, spec)
      } catch (error) {
        this.#stopIfUnsynced(error)
        throw storageError(error)
      }
    })
  }

  /** null: its directory is not here, or was not released. */
  adoptReleased(spec: PartitionSpec): Promise<Partition> | null {
    const { context } = this.#options
    const { files } = context.system
    const name = `${spec.topic}-${spec.partition}`
    const directory = `${context.directory}/${name}`
    const isReleased = orStorageError(() => files.exists(`${directory}/${releasedFile}`) && readTopicId(files, directory) === spec.topicId)
    return isReleased ? this.adopt(name, spec) : null
  }

  /** Looks through the directory. */
  released(): ReleasedPartition[] {
    const { context, partitions } = this.#options
    const { files } = context.system
    const open = new Set([...partitions.values()].map(({ name }) => name))
    const found: ReleasedPartition[] = []
    for (const { name, kind } of files.list(context.directory)) {
      const match = /^(.+)-(\d+)$/.exec(name)
      const directory = `${context.directory}/${name}`
      if (match === null || kind !== 'directory' || open.has(name) || !files.exists(`${directory}/${releasedFile}`)) continue
      const topicId = readTopicId(files, directory)
      if (topicId !== null) found.push({ topic: match[1]!, topicId, partition: Number(match[2]), directory: name })
    }
    return found
  }

  isUnderWay(key: string): boolean {
    return this.#running.has(key)
  }

  /** Resolves when the partition is neither leaving nor coming. */
  async settled(key: string): Promise<void> {
    while (this.#running.has(key)) await this.#running.get(key)!.catch(() => {})
  }

  /** Begins nothing more; resolves when all that was begun has ended. */
  async close(): Promise<void> {
    this.#closed = true
    for (const key of [...this.#running.keys()]) await this.settled(key)
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const begin = async () => {
      if (this.#closed) throw new KafkaError('KAFKA_STORAGE_ERROR', 'The log is closed')
      return await work()
    }
    const running = this.#running.get(key)?.then(begin, begin) ?? begin()
    this.#running.set(key, running)
    try {
      return await running
    } finally {
      if (this.#running.get(key) === running) this.#running.delete(key)
    }
  }

  // ---- out ----

  async #release(partition: Partition): Promise<void> {
    const { context, checkpoints, stopCleaning } = this.#options
    if (partition.offline !== null)
      throw new KafkaError('KAFKA_STORAGE_ERROR', `Partition ${partition.name} cannot be released: ${partition.offline}`)
    partition.leaving = 'soon'
    try {
      await stopCleaning(partition)
      await checkpoints.alone(() => this.#letGo(partition))
    } catch (error) {
      partition.leaving = 'no'
      this.#stopIfUnsynced(error)
      throw storageError(error)
    }
    await partition.files.unread()
    partition.files.drop()
    // By these names there may soon be other files.
    context.segments.handles.forgetIn(partition.files.directory)
  }

  async #letGo(partition: Partition): Promise<void> {
    const { context, stateLog, partitions } = this.#options
    const key = partitionKey(partition.topicId, partition.partition)
    // Most of it while appends still go on.
    await this.#sync(partition)
    const { sequence, drained } = this.#freeze(partition)
    await drained
    await this.#sync(partition)
    await writeReleased(context.system.files, partition.files.directory, stateOf(partition, true))
    partition.files.hasReleased = true
    await stateLog.release(key, sequence)
    partitions.delete(key)
    partition.markGone('released')
  }

  /** All of it is in its files and survives a power cut, but for what is appended meanwhile. */
  async #sync(partition: Partition): Promise<void> {
    partition.settleGroup()
    if (partition.offline !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', partition.offline)
    partition.files.ensureDirectory()
    partition.flush()
    partition.files.noteEpochs(partition.epochs)
    partition.segments.active?.flushIndexes()
    await partition.upkeep.syncWithTransactions()
  }

  /** From now on nothing is appended. `drained`: what was is as durable as it was promised; no frame from `sequence` on names the partition. */
  #freeze(partition: Partition): { sequence: number; drained: Promise<void> } {
    const { context, journal } = this.#options
    partition.leaving = 'now'
    partition.settleGroup()
    partition.boundFile = null
    // A frame of its own, because only what the journal has synced is sure to keep its numbers after a crash.
    const member = new OnceBound(partition)
    context.commit.join(member)
    context.commit.moveLogStart(member, partition.logStartOffset)
    const { durable } = context.commit.group
    const sequence = journal.nextSequence + 1
    context.commit.commit()
    return { sequence, drained: durable }
  }

  // ---- in ----

  async #adopt(name: string, spec: PartitionSpec): Promise<Partition> {
    const { context, partitions, journal } = this.#options
    const key = partitionKey(spec.topicId, spec.partition)
    const home = `${spec.topic}-${spec.partition}`
    const directory = `${context.directory}/${home}`
    if (partitions.has(key)) throw new KafkaError('KAFKA_STORAGE_ERROR', `Partition ${home} is in this log already`)
    if (name !== home) {
      context.deletions.free(directory)
      context.system.files.rename(`${context.directory}/${name}`, directory)
    }
    // The directory was renamed into this one. Before anything is acknowledged in it, a power cut must not be able to undo that.
    await context.syncNames()
    context.segments.handles.forgetIn(directory)
    const state = this.#stateIn(directory, spec)
    const partition = await this.#open(directory, spec, state)
    if (partitions.has(key)) {
      partition.files.drop()
      throw new KafkaError('KAFKA_STORAGE_ERROR', `Partition ${home} was created while it was adopted`)
    }
    partition.claim(spec.config)
    partitions.set(key, partition)
    // So that the next checkpoint notes it.
    journal.current.bound.add(partition)
    return partition
  }

  /** Throws if the directory is not the partition's. */
  #stateIn(directory: string, spec: PartitionSpec): PartitionState | null {
    const { files } = this.#options.context.system
    try {
      const state = readReleased(files, directory)
      const topicId = readTopicId(files, directory)
      if (topicId === spec.topicId && (state === null || state.partition === spec.partition)) return state
      throw new Error(`${directory} is not the directory of partition ${spec.partition} of topic id ${spec.topicId}`)
    } catch (error) {
      throw error instanceof DiskError ? error : new KafkaError('KAFKA_STORAGE_ERROR', (error as Error).message)
    }
  }

  async #open(directory: string, spec: PartitionSpec, state: PartitionState | null): Promise<Partition> {
    const { context } = this.#options
    const { topic, partition: number } = spec
    const known = { state, logStart: -1, view: null, doubtful: false }
    // Since it was released, the machine may have been restarted.
    const trust = { sameRun: false, writesAgain: false }
    const { start, damage, repaired } = await openDirectory(context, trust, { topic, partition: number, directory }, known)
    const partition = new Partition(context, spec, { ...start, suspect: false })
    if (damage !== null) {
      keepOffline(context, partition, damage)
      return partition
    }
    try {
      for (const segment of partition.segments.all) if (segment.baseOffset >= start.checkpointedBase) partition.files.unsynced.add(segment)
      // Of what was found besides, nothing is known to survive a power cut; and for a restart the state has to say it.
      if (state === null || repaired || partition.logEndOffset !== state.endOffset) {
        await partition.upkeep.syncWithTransactions()
        await writeReleased(context.system.files, directory, stateOf(partition, true))
        partition.files.hasReleased = true
      }
    } catch (error) {
      partition.files.drop()
      throw error
    }
    return partition
  }

  #stopIfUnsynced(error: unknown): void {
    if (isFailedSync(error)) this.#options.context.fatal(error)
  }
}

/** The metadata may say that another broker led the partition before. */
export function withEpoch(partition: Partition, leaderEpoch: number): Partition {
  partition.raiseLeaderEpoch(leaderEpoch)
  return partition
}
