/**
 * Combines the metadata shard, its snapshots and the open topics to the interface that the broker uses.
 *
 * Hides the order of steps: the shard decides and replays a change immediately; the change becomes durable with its batch, and then
 * visible. Only records below the metadata log's high watermark are published, in the order of their offsets, before the caller gets its
 * response.
 */
import { type Int64, type System, Turns } from '../../base.ts'
import type { Log, PartitionLog } from '../../log.ts'
import { KafkaError, randomUuid, type Uuid } from '../../protocol.ts'
import { Brokers } from './brokers.ts'
import { byController, inChunks } from './changes.ts'
import { type ClusterQuotas, type QuotaAlteration, QuotaState } from './client-quotas.ts'
import type { Step } from './deciding.ts'
import type { FeatureUpdate } from './feature-updates.ts'
import { bootstrapLevels } from './features.ts'
import { FollowedMetadata } from './followed-metadata.ts'
import { type Change, Configs } from './image.ts'
import { guardedConfig, type InternalTopicName } from './internal-topics.ts'
import { type Growth, imageNow, type LoadedImage } from './loaded-image.ts'
import type { MetadataHome } from './metadata-home.ts'
import type { AppendMetadata, MetadataLog } from './metadata-log.ts'
import { OpenTopics, type PartitionDirectories, type Reporter } from './open-topics.ts'
import { OwnMetadata } from './own-metadata.ts'
import { ProducerIds } from './producer-ids.ts'
import { SecurityMetadata } from './security.ts'
import { ClusterShard } from './shard.ts'
import type {
  Admit,
  BrokerRegistration,
  ClusterLimits,
  ClusterListener,
  ClusterMetadata,
  ConfigChange,
  ConfigResourceType,
  CreatedTopic,
  EndedSession,
  NewPartitions,
  NewRegistration,
  NewTopic,
  PartitionChange,
  PartitionKey,
  Topic,
  TopicConfigEntry,
  TopicRules,
} from './types.ts'

export interface ClusterOptions {
  system: System
  log: Log
  /** The log's directory; snapshots lie in its `__cluster_metadata-0`, as Kafka has them. */
  directory: string
  brokerId: number
  /** Of this broker; null by default. */
  rack?: string | null
  rules: TopicRules
  reporter: Reporter
  limits?: ClusterLimits
  /** A snapshot is taken after this many records. */
  snapshotAfterRecords?: number
  /** Another broker keeps the metadata log; this is the way to it. By default the log is a partition of `log`. */
  metadataLog?: MetadataLog | undefined
  /**
   * Of a broker that can be fenced: the epoch that it registers with, null while it has none. It leads what the metadata says only after the
   * registration of this session: what was written before that may be about its predecessor.
   */
  session?: (() => number | null) | undefined
  /** Brokers give partitions to each other by their directories. */
  directories?: PartitionDirectories | undefined
}

const defaultLimits: ClusterLimits = { topics: 10_000, partitions: 20_000 }
const defaultSnapshotAfterRecords = 50_000

/** Resolves when all that is durable has been replayed and every known partition was opened (or reported). */
export async function openClusterMetadata(options: ClusterOptions): Promise<ClusterMetadata> {
  const cluster = new Cluster(options)
  await cluster.start()
  return cluster
}

class Cluster implements ClusterMetadata {
  readonly #options: ClusterOptions
  readonly #home: MetadataHome
  readonly #topics: OpenTopics
  readonly #turns: Turns
  /** What is durable; the shard's image may be ahead. */
  #configs = new Configs()
  #levels = new Map<string, number>()
  #quotas = new QuotaState()
  #brokers = new Brokers()
  /** Replayed, in the order of offsets, but not published. */
  #pending: { change: Change; offset: number }[] = []
  /** Topics that the log being loaded removed: their data may go even when it was not dropped before the process ended. */
  #removed = new Set<Uuid>()
  #queue: Promise<void> = Promise.resolve()
  readonly #producerIds = new ProducerIds(() => this.#home.write(shard => shard.allocateProducerIds()))
  readonly #ensuring = new Map<InternalTopicName, Promise<Topic>>()
  readonly security: SecurityMetadata
  readonly quotas: ClusterQuotas

  constructor(options: ClusterOptions) {
    this.#options = options
    const { system, log, reporter } = options
    this.#turns = new Turns(system)
    this.security = new SecurityMetadata(step => this.#write(shard => step(shard.image.security)), system.random)
    this.quotas = this.#clientQuotas()
    this.#topics = new OpenTopics({
      system,
      log,
      brokerId: options.brokerId,
      reporter,
      config: name => guardedConfig(name, options.rules.effectiveTopicConfig(this.#configs.of('TOPIC', name))),
      enqueue: step => this.#enqueue(step),
      session: options.session,
      directories: options.directories,
    })
    this.#home = this.#openHome()
  }

  #openHome(): MetadataHome {
    const { system, reporter, metadataLog, snapshotAfterRecords = defaultSnapshotAfterRecords } = this.#options
    const makeShard = () => this.#makeShard()
    const changed = () => void this.#publish()
    if (metadataLog === undefined) return new OwnMetadata({ ...this.#options, snapshotAfterRecords, makeShard, changed })
    const report = (what: string, error: unknown) => reporter.warn({ err: error }, `cluster metadata: ${what}`)
    return new FollowedMetadata({ system, log: metadataLog, makeShard, changed, report })
  }

  get sharedLog(): MetadataLog | null {
    return this.#home.shared
  }

  async start(): Promise<void> {
    await this.#home.loaded
    await this.#home.writeFirst(shard => shard.bootstrap(bootstrapLevels))
    await this.#publish()
    await this.#topics.settled()
    await this.#reportStrays()
  }

  #makeShard(): ClusterShard {
    const { brokerId, rules, limits, system } = this.#options
    this.#pending = []
    this.#removed = new Set()
    const shard: ClusterShard = new ClusterShard({
      brokerId,
      rules,
      limits: limits ?? defaultLimits,
      newTopicId: () => randomUuid(system.random),
      replayed: (change, offset, loading) => {
        if (!loading) this.#pending.push({ change, offset })
        else if (change.kind === 'topic-deleted') this.#removed.add(change.id)
      },
      // What is loaded is taken now: when its turn comes, the image may hold changes that are not durable.
      loaded: () => {
        const image = imageNow(shard.image)
        void this.#enqueue(() => this.#reconcile(image))
      },
    })
    return shard
  }

  /** Makes what is published equal to a shard that was just loaded. */
  async #reconcile(loaded: LoadedImage): Promise<void> {
    this.#configs = loaded.configs
    this.#levels = loaded.levels
    this.security.state = loaded.security
    this.#quotas = loaded.quotas
    this.#brokers = loaded.brokers
    for (const listener of this.#topics.listeners) listener.quotasChanged?.()
    for (const id of this.#topics.ids()) {
      if (loaded.topics.has(id)) continue
      if (this.#removed.has(id)) await this.#topics.delete(id)
      else this.#topics.forget(id)
    }
    for (const [id, { name, partitions }] of loaded.topics) await this.#topics.ensure(id, name, partitions)
    const own = loaded.brokers.byId.get(this.#options.brokerId)
    if (own !== undefined) await this.#topics.registered(own.epoch)
    await this.#topics.reconfigureAll()
  }

  async #reportStrays(): Promise<void> {
    const { brokerId, log, reporter, rules } = this.#options
    const foreign: ReturnType<Log['strays']>[number][] = []
    for (const stray of log.strays()) {
      const leader = this.leaderOf(stray.topicId, stray.partition) ?? brokerId
      if (this.#removed.has(stray.topicId)) {
        log.create({ ...stray, config: rules.effectiveTopicConfig(new Map()) })
        await log.delete(stray.topicId, stray.partition)
        reporter.info(stray, 'finished deleting a partition whose deletion was interrupted when the broker stopped')
      } else if (leader !== brokerId) {
        foreign.push(stray)
      } else {
        reporter.warn(stray, 'ignoring a partition directory that belongs to no topic')
      }
    }
    await this.#topics.bring(foreign)
  }

  // ---- reading

  topic(name: string): Topic | undefined {
    return this.#topics.byName.get(name)
  }

  topicById(id: Uuid): Topic | undefined {
    return this.#topics.byId.get(id)
  }

  topicId(name: string): Uuid | undefined {
    return this.#topics.byName.get(name)?.id
  }

  topicName(id: Uuid): string | undefined {
    return this.#topics.byId.get(id)?.name
  }

  partition(topicId: Uuid, partition: number): PartitionLog | undefined {
    return this.#topics.byId.get(topicId)?.partitions[partition]?.log ?? undefined
  }

  partitionByName(topicName: string, partition: number): PartitionLog | undefined {
    return this.#topics.byName.get(topicName)?.partitions[partition]?.log ?? undefined
  }

  leaderOf(topicId: Uuid, partition: number): number | undefined {
    return this.#topics.byId.get(topicId)?.partitions[partition]?.leader
  }

  brokers(): readonly BrokerRegistration[] {
    const self = this.#unregistered
    return self === null ? this.#brokers.sorted() : [...this.#brokers.sorted(), self].sort((a, b) => a.id - b.id)
  }

  broker(id: number): BrokerRegistration | undefined {
    return id === this.#options.brokerId ? (this.#unregistered ?? this.#brokers.byId.get(id)) : this.#brokers.byId.get(id)
  }

  /** This broker, while it has not registered: always, if it is alone. */
  get #unregistered(): BrokerRegistration | null {
    const { brokerId: id, rack = null } = this.#options
    return this.#brokers.knows(id) ? null : { id, epoch: 0, rack, fenced: false, leaving: false, endpoints: new Map() }
  }

  topics(): readonly Topic[] {
    return this.#topics.sorted()
  }

  get partitionCount(): number {
    return this.#topics.partitionCount
  }

  describeTopicConfigs(configs: ReadonlyMap<string, string>): readonly TopicConfigEntry[] {
    return this.#options.rules.describeTopicConfigs(configs)
  }

  configs(type: ConfigResourceType, name: string): ReadonlyMap<string, string> {
    return this.#configs.of(type, name)
  }

  configResources(type: ConfigResourceType): readonly string[] {
    return this.#configs.names(type)
  }

  finalizedFeatures(): { epoch: number; levels: ReadonlyMap<string, number> } {
    return { epoch: this.#home.durableOffset - 1, levels: this.#levels }
  }

  featureLevel(name: string): number {
    return this.#levels.get(name) ?? 0
  }

  // ---- changing

  async createTopics(topics: readonly NewTopic[], validateOnly: boolean, admit?: Admit): Promise<(CreatedTopic | KafkaError)[]> {
    const outcomes = await inChunks(topics, some => this.#write(shard => shard.createTopics(some, validateOnly, admit)))
    if (validateOnly) return outcomes
    return outcomes.map((outcome, index) => {
      if (outcome instanceof KafkaError || this.#topics.isComplete(outcome.id)) return outcome
      return new KafkaError('KAFKA_STORAGE_ERROR', `Topic '${topics[index]!.name}' is created, but its partitions cannot be opened yet.`)
    })
  }

  deleteTopics(ids: readonly Uuid[], admit?: Admit): Promise<(KafkaError | null)[]> {
    return inChunks(ids, some => this.#write(shard => shard.deleteTopics(some, admit)))
  }

  createPartitions(topics: readonly NewPartitions[], validateOnly: boolean, admit?: Admit): Promise<(KafkaError | null)[]> {
    return inChunks(topics, some => this.#write(shard => shard.createPartitions(some, validateOnly, admit)))
  }

  applyConfigs(changes: readonly ConfigChange[], validateOnly: boolean): Promise<(KafkaError | null)[]> {
    return inChunks(changes, some => this.#write(shard => shard.applyConfigs(some, validateOnly)))
  }

  updateFeatures(updates: readonly FeatureUpdate[], validateOnly: boolean): Promise<void> {
    return this.#write(shard => shard.updateFeatures(updates, validateOnly))
  }

  async registerBroker(broker: NewRegistration): Promise<number> {
    const epoch = await this.#write(shard => shard.registerBroker(broker))
    if (broker.id === this.#options.brokerId) await this.#announceEpochs(broker.id)
    return epoch
  }

  /** So that other brokers tell clients no lower leader epoch than the log here has, which would refuse them. */
  async #announceEpochs(leader: number): Promise<void> {
    for (let raised = this.#topics.raised(); raised.length > 0; raised = this.#topics.raised()) {
      for (const outcome of await this.changePartitions(raised.map(each => ({ ...each, leader })))) if (outcome !== null) throw outcome
    }
  }

  async catchUp(anew = false): Promise<void> {
    if (anew) this.#producerIds.forget()
    await byController(this.#home.catchUp(anew))
    await this.#publish()
  }

  topicIds(): Promise<ReadonlySet<Uuid>> {
    return this.#home.write(shard => ({ records: [], response: new Set(shard.image.topics.byId.keys()) }))
  }

  sessionEnded(): Promise<void> {
    return this.#topics.sessionEnded()
  }

  fenceBroker(id: number, fenced: boolean, epoch?: number): Promise<void> {
    return this.#write(shard => shard.fenceBroker(id, fenced, epoch))
  }

  leaveBroker(id: number): Promise<void> {
    return this.#write(shard => shard.leaveBroker(id))
  }

  unregisterBroker(id: number): Promise<void> {
    return this.#write(shard => shard.unregisterBroker(id))
  }

  changePartitions(changes: readonly PartitionChange[], append?: AppendMetadata): Promise<(KafkaError | null)[]> {
    if (append !== undefined) return this.#write(shard => shard.changePartitions(changes, true), append)
    return inChunks(changes, some => this.#write(shard => shard.changePartitions(some, false)))
  }

  /** Nothing waits until the partitions are open that this broker leads now: more sessions may have ended. */
  async endSession(ended: EndedSession, append: AppendMetadata): Promise<void> {
    await this.#home.write(shard => shard.endSession(ended), append)
    await this.#publish()
  }

  async electLeaders(): Promise<void> {
    while ((await this.#home.write(shard => shard.electLeaders())) > 0) await this.#publish()
  }

  letGo(partitions: readonly PartitionKey[]): boolean[] {
    return partitions.map(key => this.#topics.letGo(key))
  }

  async takeBack(partitions: readonly PartitionKey[]): Promise<void> {
    await this.#enqueue(async () => partitions.forEach(key => void this.#topics.takeBack(key)))
    await this.#topics.settled()
  }

  #clientQuotas(): ClusterQuotas {
    const published = () => this.#quotas.entries
    return {
      get entries() {
        return published()
      },
      alter: (alterations: readonly QuotaAlteration[], validateOnly: boolean) =>
        this.#write(shard => shard.alterQuotas(alterations, validateOnly)),
    }
  }

  async ensureInternalTopic(name: InternalTopicName): Promise<Topic> {
    const topic = this.topic(name)
    if (topic !== undefined) return topic
    let ensuring = this.#ensuring.get(name)
    if (ensuring === undefined) {
      ensuring = this.#createInternalTopic(name).finally(() => this.#ensuring.delete(name))
      this.#ensuring.set(name, ensuring)
    }
    return ensuring
  }

  async #createInternalTopic(name: InternalTopicName): Promise<Topic> {
    const { numPartitions, replicationFactor: wanted } = this.#options.rules.internalTopic(name)
    // Kafka waits for more brokers; groups and transactions cannot.
    const replicationFactor = Math.min(wanted, this.brokers().length)
    const spec: NewTopic = { name, numPartitions, replicationFactor, assignments: [], configs: [] }
    const [outcome] = await this.createTopics([spec], false)
    const topic = this.topic(name)
    if (topic !== undefined) return topic
    throw outcome instanceof KafkaError ? outcome : new KafkaError('COORDINATOR_NOT_AVAILABLE', `${name} is not available yet`)
  }

  newProducerId(): Int64 | Promise<Int64> {
    return this.#producerIds.next()
  }

  subscribe(listener: ClusterListener): { unsubscribe(): void } {
    this.#topics.listeners.add(listener)
    return { unsubscribe: () => void this.#topics.listeners.delete(listener) }
  }

  refreshTopicConfigs(): Promise<void> {
    return this.#enqueue(() => this.#topics.reconfigureAll())
  }

  async close(): Promise<void> {
    this.#home.close()
    this.#topics.close()
    await this.#queue
  }

  // ---- publishing

  async #write<R>(step: Step<R>, append?: AppendMetadata): Promise<R> {
    const response = await byController(this.#home.write(step, append))
    await this.#publish()
    await this.#topics.settled()
    return response
  }

  #publish(): Promise<void> {
    return this.#enqueue(async () => {
      await this.#publishDurable()
      await this.#home.published()
    })
  }

  async #publishDurable(): Promise<void> {
    const durable = this.#home.durableOffset
    const pending = this.#pending
    let end = 0
    while (end < pending.length && pending[end]!.offset < durable) end++
    const changes = pending.splice(0, end).map(entry => entry.change)
    // A topic is opened once, with all the partitions and configs that this run of changes gives it.
    const growing = new Map<Uuid, Growth>()
    const reconfigured = new Set<string>()
    let quotasChanged = false
    const grow = async () => {
      for (const [id, { name, partitions }] of growing) await this.#topics.ensure(id, name, partitions)
      growing.clear()
    }
    for (const change of changes) {
      if (this.#turns.over) await this.#turns.next()
      if (change.kind === 'topic-created') growing.set(change.id, { name: change.name, partitions: [] })
      else if (change.kind === 'partition-added') {
        const { name, record } = change
        const growth = growing.get(record.topicId)
        if (growth === undefined) growing.set(record.topicId, { name, partitions: [record] })
        else growth.partitions.push(record)
      } else if (change.kind === 'partition-changed') {
        await grow()
        await this.#topics.change(change.record)
      } else if (change.kind === 'broker') {
        const { record } = change
        this.#brokers.replay(record)
        if (record.type === 'RegisterBrokerRecord' && record.brokerId === this.#options.brokerId)
          await this.#topics.registered(Number(record.brokerEpoch))
      } else if (change.kind === 'topic-deleted') {
        await grow()
        this.#configs.forget('TOPIC', change.name)
        await this.#topics.delete(change.id)
      } else if (change.kind === 'feature') {
        if (change.level === 0) this.#levels.delete(change.name)
        else this.#levels.set(change.name, change.level)
      } else if (change.kind === 'security') {
        this.security.state.replay(change.record)
      } else if (change.kind === 'quota') {
        this.#quotas.replay(change.record)
        quotasChanged = true
      } else if (change.kind === 'config') {
        this.#configs.set(change.type, change.name, change.key, change.value)
        reconfigured.add(JSON.stringify([change.type, change.name]))
      }
    }
    await grow()
    if (quotasChanged) for (const listener of this.#topics.listeners) listener.quotasChanged?.()
    for (const resource of reconfigured) await this.#reconfigure(...(JSON.parse(resource) as [ConfigResourceType, string]))
  }

  async #reconfigure(type: ConfigResourceType, name: string): Promise<void> {
    if (this.#turns.over) await this.#turns.next()
    for (const listener of this.#topics.listeners) listener.configChanged?.(type, name)
    const topic = type === 'TOPIC' ? this.topic(name) : undefined
    if (topic !== undefined) this.#topics.reconfigure(topic)
    // The broker's values are the defaults of its topics.
    else if (type === 'BROKER') await this.#topics.reconfigureAll()
  }

  /** Steps that publish changes run one at a time. A failed step is a bug: it is reported, and its caller gets the error. */
  #enqueue(step: () => Promise<void>): Promise<void> {
    const run = this.#queue.then(step)
    this.#queue = run.catch(error => this.#options.reporter.warn({ err: error }, 'cluster metadata: publishing failed'))
    return run
  }
}
