/**
 * The topics as clients see them: durable, with those partitions of the log open that this broker leads.
 *
 * Hides the opening, closing and dropping of partitions (in time slices, so that thousands of new partitions never block the event loop), and
 * what happens on disk errors: the topic, or its new partitions, stay invisible, and opening them is retried. Data is deleted
 * only for a topic that a record removed, never because the metadata does not know the topic.
 */
import { type System, type Timer, Turns } from '../../base.ts'
import type { Log, PartitionLog, ReleasedPartition, TopicConfig } from '../../log.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { clusterMetadataTopic, internalTopics } from './internal-topics.ts'
import type { PartitionRecord } from './metadata-records.ts'
import type { Arrival, ClusterListener, PartitionKey, Topic, TopicPartition } from './types.ts'

/** A disk that refuses does so for a while; in a cluster, other brokers' clients wait for this one. */
const retryMs = { ofDisk: 5_000, ofSession: 500 }
/** Between two looks for partitions that come from other brokers; doubles up to the second number. */
const arrivalMs = { first: 5, last: 250 }
/** Shared by all topics that miss none. */
const none: readonly PartitionRecord[] = []

export interface Reporter {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export interface OpenTopicsOptions {
  system: System
  log: Log
  brokerId: number
  config(topicName: string): TopicConfig
  reporter: Reporter
  /** Runs a step after all that change topics before it: the methods that change topics must not overlap. */
  enqueue(step: () => Promise<void>): Promise<void>
  /** See {@link ClusterOptions}. */
  session?: (() => number | null) | undefined
  directories?: PartitionDirectories | undefined
}

/** How the directories of partitions get from one broker to another, where those of all brokers lie on one volume. */
export interface PartitionDirectories {
  /** Whether it still lies with another broker, which will bring it. */
  isAway(partition: Omit<ReleasedPartition, 'directory'>): boolean
  /**
   * This broker's log has released the partition: if another broker leads it, its directory goes there. Does not throw; what is not possible now
   * is tried again, as long as that is so. `leader`: undefined if the topic is gone.
   */
  bring(partition: ReleasedPartition, leader: () => number | undefined): void
}

/** What it says is in the record, which the shard's image keeps anyway: there may be many thousands. */
class OpenPartition implements TopicPartition {
  record: PartitionRecord
  log: PartitionLog | null
  /** What the record says by then counts. */
  arrival: Arrival | null = null
  /** Its log is being given away, and not opened again before it is known who leads it. */
  isLeaving = false

  constructor(record: PartitionRecord, log: PartitionLog | null) {
    this.record = record
    this.log = log
  }

  get index(): number {
    return this.record.partitionId
  }

  get leader(): number {
    return this.record.leader
  }

  /** A log that may have lost its end raised its epoch by itself. */
  get leaderEpoch(): number {
    return this.log?.leaderEpoch ?? this.record.leaderEpoch
  }

  get replicas(): readonly number[] {
    return this.record.replicas
  }

  get isr(): readonly number[] {
    return this.record.isr
  }

  get adding(): readonly number[] {
    return this.record.addingReplicas
  }

  get removing(): readonly number[] {
    return this.record.removingReplicas
  }
}

interface OpenTopic extends Topic {
  partitions: readonly OpenPartition[]
  /** Those that follow `partitions` and are not open yet; none but while a disk refuses. */
  missing: readonly PartitionRecord[]
  visible: boolean
}

export class OpenTopics {
  readonly byName = new Map<string, Topic>()
  readonly byId = new Map<Uuid, Topic>()
  readonly listeners = new Set<ClusterListener>()
  partitionCount = 0
  readonly #options: OpenTopicsOptions
  readonly #turns: Turns
  /** Those not visible yet too. */
  readonly #all = new Map<Uuid, OpenTopic>()
  #sorted: readonly Topic[] | null = null
  /** Whether this broker leads what the metadata says: in a cluster, only while its registration is that of its session. */
  #mayLead: boolean
  /** Grows when a session ends: what was begun in it opens nothing any more. */
  #term = 0
  readonly #opening = new Set<Promise<void>>()
  #retry: Timer | null = null
  /** Led by this broker; their directories have not come yet. */
  readonly #away = new Map<OpenPartition, OpenTopic>()
  #arrivals: Timer | null = null
  #closed = false

  constructor(options: OpenTopicsOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#mayLead = options.session === undefined
  }

  sorted(): readonly Topic[] {
    this.#sorted ??= [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return this.#sorted
  }

  ids(): Uuid[] {
    return [...this.#all.keys()]
  }

  /**
   * Takes these partitions over as they are described, and opens what is missing for the topic to have them. `records` is a run of partitions
   * without holes. Partitions are never taken away.
   */
  async ensure(id: Uuid, name: string, records: readonly PartitionRecord[]): Promise<void> {
    let topic = this.#all.get(id)
    if (topic === undefined) {
      if (name === clusterMetadataTopic) {
        // Versions up to 0.1 let clients create it beside the real one.
        this.#options.reporter.warn({ topic: name, topicId: id }, 'ignoring a topic whose name is reserved for the broker')
        return
      }
      topic = { name, id, internal: internalTopics.has(name), partitions: [], missing: none, visible: false }
      this.#all.set(id, topic)
    }
    const known = topic.partitions.length + topic.missing.length
    for (const record of records) if (record.partitionId < known) await this.change(record)
    topic.missing = topic.missing.concat(records.filter(({ partitionId }) => partitionId >= known))
    await this.#complete(topic)
  }

  /** A partition that is known already has another leader, or other replicas. */
  async change(record: PartitionRecord): Promise<void> {
    const topic = this.#all.get(record.topicId)
    if (topic === undefined) return
    const partition = topic.partitions[record.partitionId]
    if (partition === undefined) {
      topic.missing = topic.missing.with(record.partitionId - topic.partitions.length, record)
      return
    }
    if (this.#turns.over) await this.#turns.next()
    partition.record = record
    if (this.#leads(record)) this.#lead(topic, partition)
    else if (partition.isLeaving || partition.log !== null) {
      partition.isLeaving = false
      if (partition.log !== null) this.#close(topic, partition)
      await this.#release(topic, partition)
    }
  }

  /** See {@link ClusterMetadata.letGo}. */
  letGo({ topicId, partition: index }: PartitionKey): boolean {
    const topic = this.#all.get(topicId)
    const partition = topic?.partitions[index]
    if (topic === undefined || partition === undefined || partition.log === null) return false
    partition.isLeaving = true
    this.#close(topic, partition)
    return true
  }

  /** See {@link ClusterMetadata.takeBack}. */
  takeBack({ topicId, partition: index }: PartitionKey): void {
    const topic = this.#all.get(topicId)
    const partition = topic?.partitions[index]
    if (topic === undefined || partition === undefined || !partition.isLeaving) return
    partition.isLeaving = false
    if (this.#leads(partition.record)) this.#lead(topic, partition)
  }

  /** The log has them, but another broker leads them: a move was interrupted. They go there if there is a way. */
  async bring(strays: readonly Omit<ReleasedPartition, 'directory'>[]): Promise<void> {
    const { directories, log, reporter } = this.#options
    for (const stray of strays) {
      if (directories === undefined) {
        reporter.info(stray, 'ignoring a partition directory, because another broker leads the partition')
        continue
      }
      try {
        await log.release(stray.topicId, stray.partition)
      } catch (error) {
        reporter.warn({ ...stray, err: error }, 'cannot give a partition to the broker that leads it')
      }
    }
    if (directories !== undefined) for (const released of log.released()) this.#bring(released)
  }

  #bring(released: ReleasedPartition): void {
    const { topicId, partition } = released
    this.#options.directories?.bring(released, () => this.#all.get(topicId)?.partitions[partition]?.leader)
  }

  /** Resolves when everything is open that this broker was made the leader of until now, or could not be opened. */
  async settled(): Promise<void> {
    await Promise.all(this.#opening)
  }

  /** This broker has registered with that epoch. If it is that of its session, it leads from now on what the metadata gives to it. */
  async registered(epoch: number): Promise<void> {
    if (this.#mayLead || this.#options.session?.() !== epoch) return
    this.#mayLead = true
    await this.#openLed()
  }

  /** Until this broker has registered again, it leads nothing, whatever the metadata says. Resolves when nobody finds its logs any more. */
  sessionEnded(): Promise<void> {
    this.#mayLead = false
    this.#term++
    return this.#options.enqueue(() => this.#closeLed())
  }

  async #closeLed(): Promise<void> {
    for (const topic of this.#all.values()) {
      for (const partition of topic.partitions) {
        if (this.#turns.over) await this.#turns.next()
        partition.arrival = null
        partition.isLeaving = false
        if (partition.log !== null) this.#close(topic, partition)
      }
    }
  }

  /** Whether everything that the metadata defines for the topic is open. */
  isComplete(id: Uuid): boolean {
    const topic = this.#all.get(id)
    return topic?.visible === true && topic.missing.length === 0
  }

  /** A record removed the topic: its data goes. */
  async delete(id: Uuid): Promise<void> {
    const topic = this.#take(id)
    if (topic === undefined) return
    for (const { index, log, record } of topic.partitions) {
      if (log === null && !this.#leads(record)) continue
      if (this.#turns.over) await this.#turns.next()
      await this.#options.log.delete(id, index)
    }
    if (topic.visible) for (const listener of this.listeners) listener.topicDeleted?.(topic)
  }

  /** The metadata does not know the topic (any more), and no record says why: clients do not see it, its data stays. */
  forget(id: Uuid): void {
    const topic = this.#take(id)
    if (topic === undefined) return
    this.#options.reporter.warn({ topic: topic.name, topicId: id }, 'ignoring the data of a topic that is not in the metadata')
    if (topic.visible) for (const listener of this.listeners) listener.topicDeleted?.(topic)
  }

  /** Those whose log raised its leader epoch by itself, because it may have lost its end. */
  raised(): { topicId: Uuid; partition: number }[] {
    const raised: { topicId: Uuid; partition: number }[] = []
    for (const { id, partitions } of this.#all.values()) {
      for (const { index, log, record } of partitions)
        if (log !== null && log.leaderEpoch > record.leaderEpoch) raised.push({ topicId: id, partition: index })
    }
    return raised
  }

  reconfigure(topic: Topic): void {
    const config = this.#options.config(topic.name)
    for (const { log } of topic.partitions) if (log !== null) log.config = config
  }

  /** All topics. Must not overlap with what changes topics. */
  async reconfigureAll(): Promise<void> {
    for (const topic of this.sorted()) {
      if (this.#turns.over) await this.#turns.next()
      this.reconfigure(topic)
    }
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#arrivals?.cancel()
  }

  #leads({ leader }: PartitionRecord): boolean {
    return this.#mayLead && leader === this.#options.brokerId
  }

  #take(id: Uuid): OpenTopic | undefined {
    const topic = this.#all.get(id)
    if (topic === undefined || !this.#all.delete(id)) return undefined
    if (topic.visible) {
      this.byName.delete(topic.name)
      this.byId.delete(id)
      this.partitionCount -= topic.partitions.length
      this.#sorted = null
    }
    return topic
  }

  async #complete(topic: OpenTopic): Promise<void> {
    const { missing } = topic
    if (missing.length === 0 && topic.visible) return
    const from = topic.partitions.length
    const opened: OpenPartition[] = []
    try {
      const config = this.#options.config(topic.name)
      for (const record of missing) {
        if (this.#turns.over) await this.#turns.next()
        const partition = new OpenPartition(record, null)
        if (this.#leads(record) && !this.#isAway(topic, partition)) partition.log = this.#begin(topic, partition, config)
        opened.push(partition)
      }
    } catch (error) {
      this.#failed(topic, error)
    }
    // A new topic stays invisible as a whole; new partitions of an old one can be used as far as they go.
    if (opened.length < missing.length && !topic.visible) return
    topic.missing = opened.length === missing.length ? none : missing.slice(opened.length)
    // Not by push, which would leave room for more in each of thousands of topics.
    topic.partitions = topic.partitions.concat(opened)
    this.#show(topic, from)
  }

  /** One line each time that it is tried. */
  #failed({ name }: OpenTopic, error: unknown): void {
    if (this.#retry === null) this.#options.reporter.warn({ topic: name, err: error }, 'cannot open a partition; retrying')
    this.#retryLater()
  }

  /** This broker leads the partition of a known topic. */
  #lead(topic: OpenTopic, partition: OpenPartition): void {
    if (partition.arrival !== null || partition.isLeaving) return
    if (partition.log !== null) {
      partition.log.raiseLeaderEpoch(partition.record.leaderEpoch)
      return
    }
    try {
      if (this.#isAway(topic, partition)) return
      const log = this.#begin(topic, partition, this.#options.config(topic.name))
      if (log !== null) this.#open(topic, partition, log)
    } catch (error) {
      this.#failed(topic, error)
    }
  }

  /** Then its log is opened as soon as it is here. */
  #isAway(topic: OpenTopic, partition: OpenPartition): boolean {
    const { directories, log } = this.#options
    const { topicId, partitionId, leaderEpoch } = partition.record
    // What never had another leader was never moved.
    if (directories === undefined || leaderEpoch === 0 || log.get(topicId, partitionId) !== undefined) return false
    if (!directories.isAway({ topic: topic.name, topicId, partition: partitionId })) return false
    this.#away.set(partition, topic)
    if (this.#arrivals === null) this.#expect(arrivalMs.first)
    return true
  }

  #expect(pauseMs: number): void {
    if (this.#closed) return
    const { system, enqueue } = this.#options
    this.#arrivals = system.timers.after(pauseMs, () => void enqueue(async () => this.#lookForArrivals(pauseMs)))
  }

  #lookForArrivals(pauseMs: number): void {
    const away = [...this.#away]
    this.#away.clear()
    for (const [partition, topic] of away)
      if (partition.log === null && this.#all.get(topic.id) === topic && this.#leads(partition.record)) this.#lead(topic, partition)
    this.#arrivals = null
    if (this.#away.size > 0) this.#expect(Math.min(pauseMs * 2, arrivalMs.last))
  }

  /** null: it takes a while. Nothing waits for that one, because in a cluster many come at once. */
  #begin(topic: OpenTopic, partition: OpenPartition, config: TopicConfig): PartitionLog | null {
    const { topicId, partitionId, leaderEpoch } = partition.record
    const log = this.#options.log.lead({ topic: topic.name, topicId, partition: partitionId, config }, leaderEpoch)
    if (!(log instanceof Promise)) return log
    const opening: Promise<void> = this.#opened(topic, partition, log)
      .catch(error => this.#failed(topic, error))
      .finally(() => this.#opening.delete(opening))
    this.#opening.add(opening)
    partition.arrival = { sinceMs: this.#options.system.clock.monotonic(), over: opening }
    return null
  }

  async #opened(topic: OpenTopic, partition: OpenPartition, opening: Promise<PartitionLog>): Promise<void> {
    const term = this.#term
    const { record } = partition
    let log: PartitionLog
    try {
      log = await opening
    } finally {
      if (term === this.#term) partition.arrival = null
    }
    if (term !== this.#term) return
    if (this.#all.get(topic.id) !== topic || !this.#leads(partition.record)) return await this.#release(topic, partition)
    if (partition.record !== record) log.raiseLeaderEpoch(partition.record.leaderEpoch)
    // As it is by now.
    log.config = this.#options.config(topic.name)
    this.#open(topic, partition, log)
  }

  #open(topic: OpenTopic, partition: OpenPartition, log: PartitionLog): void {
    partition.log = log
    // Otherwise it is announced with its topic, or with others that are added.
    if (!topic.visible || topic.partitions[partition.index] !== partition) return
    for (const listener of this.listeners) listener.partitionOpened?.(topic, partition.index)
  }

  /** From now on nobody finds the log here, and those who use it let go. */
  #close(topic: OpenTopic, partition: OpenPartition): void {
    partition.log = null
    if (topic.visible) for (const listener of this.listeners) listener.partitionClosed?.(topic, partition.index)
  }

  /** Another broker leads it, or its topic was deleted while it was opened. */
  async #release(topic: OpenTopic, partition: OpenPartition): Promise<void> {
    const { log } = this.#options
    try {
      if (this.#all.get(topic.id) !== topic) await log.delete(topic.id, partition.index)
      else {
        // Whoever moves a partition has begun to release it before the record is written; then this waits for the end of that.
        await log.release(topic.id, partition.index).catch(unlessGone)
        this.#bring(inItsDirectory(topic, partition.record))
      }
    } catch (error) {
      this.#options.reporter.warn({ topic: topic.name, partition: partition.index, err: error }, 'cannot close a partition')
    }
  }

  #show(topic: OpenTopic, from: number): void {
    const isNew = !topic.visible
    if (!isNew && from === topic.partitions.length) return
    this.partitionCount += topic.partitions.length - from
    if (isNew) {
      topic.visible = true
      this.byName.set(topic.name, topic)
      this.byId.set(topic.id, topic)
      this.#sorted = null
    }
    for (const listener of this.listeners) {
      if (isNew) listener.topicCreated?.(topic)
      else listener.partitionsAdded?.(topic, from)
    }
  }

  #retryLater(): void {
    if (this.#retry !== null || this.#closed) return
    const { system, session, enqueue } = this.#options
    this.#retry = system.timers.after(session === undefined ? retryMs.ofDisk : retryMs.ofSession, () => {
      this.#retry = null
      void enqueue(() => this.#openLed())
    })
  }

  /** All that this broker leads and that is not open. */
  async #openLed(): Promise<void> {
    for (const topic of this.#all.values()) {
      if (topic.missing.length > 0) await this.#complete(topic)
      for (const partition of topic.partitions) {
        if (partition.log !== null || !this.#leads(partition.record)) continue
        if (this.#turns.over) await this.#turns.next()
        this.#lead(topic, partition)
      }
    }
  }
}

function unlessGone(error: unknown): void {
  if (!(error instanceof KafkaError) || error.name !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
}

function inItsDirectory({ name }: OpenTopic, { topicId, partitionId: partition }: PartitionRecord): ReleasedPartition {
  return { topic: name, topicId, partition, directory: `${name}-${partition}` }
}
