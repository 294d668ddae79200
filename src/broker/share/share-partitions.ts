/**
 * The share partitions that this broker serves: created from the state stored by the share coordinator when a member first fetches, and
 * dropped when the topic is deleted, another broker leads the partition, the group's offsets are altered, the state in memory can no longer
 * be trusted, or when there are too many. As in Kafka, only partitions that are assigned to the group exist: otherwise a client that may
 * read a group and a topic could create any number of them, all of which would be stored.
 */
import type { System } from '../../base.ts'
import {
  type ClusterMetadata,
  type DeadLetter,
  type ShareConfig,
  SharePartition,
  type SharePartitionKey,
  type ShareState,
  type ShareStates,
  sharePartitionName,
} from '../../coordinator.ts'
import type { PartitionLog } from '../../log.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { stateOf } from './share-errors.ts'

export interface SharePartitionsOptions {
  system: System
  metadata: ClusterMetadata
  states: ShareStates
  config(groupId: string): ShareConfig
  /** Whether the group was ever assigned the partition. */
  isShared(key: SharePartitionKey): Promise<boolean>
  /** Settles when the letters are durable. */
  bury(letter: DeadLetter): Promise<void>
  report(what: string, error: unknown): void
}

/** The partition was never assigned to the group. Message and error code are Kafka's. */
export class NotShared extends KafkaError {
  constructor() {
    super('UNKNOWN_SERVER_ERROR', 'Read operation on uninitialized share partition not allowed.')
  }
}

interface Entry {
  readonly key: SharePartitionKey
  partition: Promise<SharePartition>
  /** Null until it is there. */
  loaded: SharePartition | null
}

/** Above this number, the longest idle ones are dropped: any group name in a fetch creates one for each partition. */
const mostEntries = 50_000
/** How many are checked to find an idle one. */
const lookedAt = 100

export class SharePartitions {
  readonly #options: SharePartitionsOptions
  /** The most recently used one is last. */
  readonly #entries = new Map<string, Entry>()
  /** Called once, by group, when records become available. */
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(options: SharePartitionsOptions) {
    this.#options = options
  }

  /** Throws KafkaError UNKNOWN_TOPIC_ID and the like, {@link NotShared} too. */
  get(key: SharePartitionKey): Promise<SharePartition> {
    const { metadata } = this.#options
    const log = metadata.partition(key.topicId, key.partition)
    if (log === undefined) {
      if (metadata.topicName(key.topicId) === undefined) throw new KafkaError('UNKNOWN_TOPIC_ID')
      const led = metadata.leaderOf(key.topicId, key.partition)
      throw new KafkaError(led === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'NOT_LEADER_OR_FOLLOWER')
    }
    const name = sharePartitionName(key)
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      if (this.#entries.size >= mostEntries) this.#dropIdle()
      entry = this.#begin(key, name, log)
    } else this.#entries.delete(name)
    this.#entries.set(name, entry)
    return entry.partition.then(partition => {
      partition.config = this.#options.config(key.groupId)
      return partition
    })
  }

  #begin(key: SharePartitionKey, name: string, log: PartitionLog): Entry {
    const partition = this.#load(key, log, () => this.#drop(name, entry))
    const entry: Entry = { key, partition, loaded: null }
    partition.then(
      loaded => {
        entry.loaded = loaded
      },
      () => this.#drop(name, entry),
    )
    return entry
  }

  #dropIdle(): void {
    let looked = 0
    for (const [name, entry] of this.#entries) {
      if (entry.loaded?.isIdle) {
        this.#drop(name, entry)
        return
      }
      if (++looked === lookedAt) return
    }
  }

  /** The member has left: its acquired records become available again. */
  async releaseMember(groupId: string, memberId: string): Promise<void> {
    const releases: Promise<void>[] = []
    for (const { key, partition } of this.#entries.values()) {
      if (key.groupId === groupId) releases.push(partition.then(loaded => loaded.releaseMember(memberId)))
    }
    for (const outcome of await Promise.allSettled(releases)) {
      if (outcome.status === 'rejected')
        this.#options.report(`cannot release the records of member ${memberId}; their locks will expire`, outcome.reason)
    }
  }

  /** The stored state was changed elsewhere. */
  forget(groupId: string): void {
    for (const [name, entry] of this.#entries) if (entry.key.groupId === groupId) this.#drop(name, entry)
  }

  /** That of one partition. Members keep what they hold of others. */
  forgetOne(key: SharePartitionKey): void {
    const name = sharePartitionName(key)
    this.#drop(name, this.#entries.get(name))
  }

  /** `partition`: only this one; another broker leads it now. */
  forgetTopic(topicId: Uuid, partition?: number): void {
    for (const [name, entry] of this.#entries) {
      if (entry.key.topicId === topicId && (partition === undefined || entry.key.partition === partition)) this.#drop(name, entry)
    }
  }

  whenAvailable(groupId: string, callback: () => void): { cancel(): void } {
    let waiting = this.#waiting.get(groupId)
    if (waiting === undefined) this.#waiting.set(groupId, (waiting = new Set()))
    waiting.add(callback)
    return {
      cancel: () => {
        waiting.delete(callback)
        if (waiting.size === 0 && this.#waiting.get(groupId) === waiting) this.#waiting.delete(groupId)
      },
    }
  }

  close(): void {
    for (const [name, entry] of this.#entries) this.#drop(name, entry)
  }

  #drop(name: string, entry: Entry | undefined): void {
    if (entry === undefined || this.#entries.get(name) !== entry) return
    this.#entries.delete(name)
    void entry.partition.then(
      partition => partition.close(),
      () => {},
    )
  }

  async #load(key: SharePartitionKey, log: PartitionLog, drop: () => void): Promise<SharePartition> {
    const { states, system, report } = this.#options
    const config = this.#options.config(key.groupId)
    if (!(await stateOf(this.#options.isShared(key)))) throw new NotShared()
    const stored = await stateOf(states.read(key, log.leaderEpoch))
    let state: ShareState = stored ?? { stateEpoch: 0, leaderEpoch: 0, startOffset: -1, deliveryCompleteCount: 0, stateBatches: [] }
    if (state.startOffset === -1) {
      // Stored at once: "latest" must mean the same after a restart.
      const startOffset = await firstOffset(log, config.autoOffsetReset, system.clock.now())
      await stateOf(states.initialize(key, state.stateEpoch, startOffset))
      // The leader before this one may have been faster, and now it is refused.
      state = (await stateOf(states.read(key, log.leaderEpoch))) ?? { ...state, startOffset }
    }
    return new SharePartition({
      system,
      log,
      config,
      state,
      store: change => stateOf(states.write(key, change)),
      bury: ({ firstOffset, lastOffset, deliveryCount, cause }) =>
        this.#bury({ groupId: key.groupId, source: log, firstOffset, lastOffset, deliveryCount, cause }),
      available: () => this.#wake(key.groupId),
      lost: error => {
        report(`reloading share partition ${sharePartitionName(key)}`, error)
        drop()
      },
    })
  }

  /** As in Kafka, records whose letters cannot be written are archived all the same, or one bad topic would stop the group. */
  async #bury(letter: DeadLetter): Promise<void> {
    try {
      await this.#options.bury(letter)
    } catch (error) {
      const { groupId, source, firstOffset, lastOffset } = letter
      const what = `offsets ${firstOffset} to ${lastOffset} of ${source.topic}-${source.partition} get no dead letters from group ${groupId}`
      this.#options.report(what, error)
    }
  }

  #wake(groupId: string): void {
    const waiting = this.#waiting.get(groupId)
    if (waiting === undefined) return
    this.#waiting.delete(groupId)
    for (const callback of waiting) callback()
  }
}

const durationPattern = /^by_duration:P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/

/** `share.auto.offset.reset`. */
async function firstOffset(log: PartitionLog, reset: string, nowMs: number): Promise<number> {
  if (reset === 'earliest') return log.logStartOffset
  const duration = durationPattern.exec(reset)
  if (duration === null) return log.highWatermark
  const [days, hours, minutes, seconds] = duration.slice(1).map(text => Number(text ?? 0))
  const agoMs = (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000
  return (await log.offsetForTimestamp(nowMs - agoMs, 'high-watermark'))?.offset ?? log.highWatermark
}
