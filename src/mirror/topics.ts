/** The topics of a copy: which there are, and how those of the target become like those of the source. */
import { severalAtOnce } from '../base.ts'
import { type Client, ClientError, type ConfigEntry, type PartitionName, type TopicInfo } from '../client.ts'
import { type Left, type MirrorOptions, stateTopic } from './types.ts'

const configsAtOnce = 100
const changesAtOnce = 16
/** About replicas that the target does not have, or of other products. */
const notCopied = /\.replication\.throttled\.replicas$|^confluent\./
const timestampType = 'message.timestamp.type'
const mostBytesKey = 'max.message.bytes'
const policyKey = 'cleanup.policy'
/** Of configs. */
const refusals: ReadonlySet<string> = new Set(['INVALID_CONFIG', 'POLICY_VIOLATION'])

export interface MirroredTopic {
  readonly name: string
  readonly partitions: number
  readonly ids: readonly [source: string, target: string]
  readonly mostBytes: number
}

export interface SourceTopic {
  readonly info: TopicInfo
  /** Those that were set. */
  readonly own: ReadonlyMap<string, string>
  readonly effective: ReadonlyMap<string, string>
}

interface Defaults {
  /** Of a topic without configs of its own, by every key that the target knows. */
  readonly values: ReadonlyMap<string, string>
  readonly brokers: number
}

export interface TopicChanges {
  readonly created: string[]
  readonly changed: { topic: string; change: string }[]
  readonly failed: { name: string; reason: string }[]
}

export async function sourceTopics({ source, isWanted }: Pick<MirrorOptions, 'source' | 'isWanted'>, left: Left): Promise<SourceTopic[]> {
  const all = await source.topics('all')
  const wanted = all.filter(({ name, isInternal }) => {
    if (isWanted !== null) return isWanted(name) && !isInternal && name !== stateTopic
    if (isInternal || name.startsWith('__')) left.add('topics of Kafka and Millrace themselves', name)
    return !isInternal && !name.startsWith('__')
  })
  const configs = await configsOf(
    source,
    wanted.map(each => each.name),
  )
  return wanted.map(info => ({ info, ...configs.get(info.name)! }))
}

async function configsOf(client: Client, names: readonly string[]): Promise<Map<string, Pick<SourceTopic, 'own' | 'effective'>>> {
  const found = new Map<string, Pick<SourceTopic, 'own' | 'effective'>>()
  for (let at = 0; at < names.length; at += configsAtOnce) {
    const some = await client.topicConfigs(names.slice(at, at + configsAtOnce), { brief: true })
    for (const [name, entries] of some)
      found.set(name, { own: values(entries.filter(each => each.source === 'DYNAMIC_TOPIC_CONFIG')), effective: values(entries) })
  }
  return found
}

function values(entries: readonly ConfigEntry[]): Map<string, string> {
  return new Map(entries.filter(each => each.value !== null).map(each => [each.name, each.value!]))
}

export interface PrepareOptions extends Pick<MirrorOptions, 'target' | 'dryRun' | 'merge' | 'onProgress'> {
  /** Configs that stay as they are in the target. Default: none. */
  readonly isForeign?: (config: string) => boolean
  /** Of topics that are made. Default: as many as in the source. */
  readonly replicas?: number
}

/** Makes the topics of the target, or in a dry run says what would be done. Returns those that can be copied. */
export async function prepareTopics(
  topics: readonly SourceTopic[],
  options: PrepareOptions,
  isKnown: (name: string, ids: readonly [string, string]) => boolean,
  left: Left,
): Promise<TopicChanges & { ready: MirroredTopic[] }> {
  const { target, dryRun, merge, onProgress } = options
  const changes: TopicChanges = { created: [], changed: [], failed: [] }
  const ready: MirroredTopic[] = []
  const there = new Map((await target.topics('all')).map(info => [info.name, info]))
  const existing = topics.flatMap(({ info }) => there.get(info.name) ?? [])
  const configs = await configsOf(
    target,
    existing.map(each => each.name),
  )
  // Where records of both may be together nobody asks.
  const filled = merge ? new Set<string>() : await withRecords(target, existing)
  const maker = new TopicMaker(options, await defaultsOf(target), changes, left)
  let done = 0
  await severalAtOnce(topics, changesAtOnce, async topic => {
    const { name, id, partitions } = topic.info
    onProgress({ step: 'topics', done: done++, total: topics.length, records: 0, bytes: 0 })
    const known = there.get(name) ?? null
    if (known !== null && filled.has(name) && !isKnown(name, [id, known.id])) {
      const reason = 'the topic in the target has records that are not from this source: empty or delete it, or pass --merge'
      changes.failed.push({ name, reason })
      return
    }
    try {
      const mostBytes = await maker.make(topic, known, configs.get(name)?.effective ?? null)
      const targetId = known?.id ?? (dryRun ? '' : (await target.topics([name]))[0]!.id)
      ready.push({ name, partitions: partitions.length, ids: [id, targetId], mostBytes })
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      changes.failed.push({ name, reason: `${error.code}: ${error.message}` })
    }
  })
  return { ...changes, ready }
}

async function withRecords(target: Client, topics: readonly TopicInfo[]): Promise<Set<string>> {
  const places = topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })))
  const [starts, ends] = await Promise.all([target.manyOffsets(places, 'earliest'), target.manyOffsets(places, 'latest')])
  const isFilled = ({ topic, partition }: PartitionName) =>
    (ends.get(topic)?.get(partition) ?? 0n) > (starts.get(topic)?.get(partition) ?? 0n)
  return new Set(places.filter(isFilled).map(each => each.topic))
}

/** What a topic without configs has in the target, and which keys there are: those of any topic say it, by the values behind their own. */
async function defaultsOf(target: Client): Promise<Defaults> {
  const { brokers } = await target.cluster()
  const [any] = (await target.topicNames()).filter(name => name === stateTopic || !name.startsWith('__'))
  if (any === undefined) return { values: new Map(), brokers: brokers.length }
  const entries = await target.configs({ type: 'TOPIC', name: any })
  const plain = entries.map(({ name, value, source, synonyms }) => {
    const own = source === 'DYNAMIC_TOPIC_CONFIG'
    return [name, (own ? synonyms.find(each => each.source !== source)?.value : value) ?? ''] as const
  })
  return { values: new Map(plain), brokers: brokers.length }
}

/** Makes one topic of the target like that of the source. */
class TopicMaker {
  readonly #target: Client
  readonly #defaults: Defaults
  readonly #dryRun: boolean
  readonly #isForeign: (config: string) => boolean
  readonly #replicas: number | undefined
  readonly #changes: TopicChanges
  readonly #left: Left

  constructor({ target, dryRun, isForeign, replicas }: PrepareOptions, defaults: Defaults, changes: TopicChanges, left: Left) {
    this.#target = target
    this.#defaults = defaults
    this.#dryRun = dryRun
    this.#isForeign = isForeign ?? (() => false)
    this.#replicas = replicas
    this.#changes = changes
    this.#left = left
  }

  /** `known`: as it is in the target, with `current` configs. Returns its max.message.bytes. */
  async make(topic: SourceTopic, known: TopicInfo | null, current: ReadonlyMap<string, string> | null): Promise<number> {
    const before = current ?? this.#defaults.values
    const differing = this.#differing(topic, before)
    const taken = await (known === null ? this.#create(topic, differing) : this.#align(topic.info, known, before, differing))
    return Number(taken.get(mostBytesKey) ?? before.get(mostBytesKey))
  }

  /** What was set in the source, and what its brokers' settings mean for its topics where the target would lose or refuse records. */
  #differing(topic: SourceTopic, before: ReadonlyMap<string, string>): Map<string, string> {
    const { effective } = topic
    const wanted = new Map([[timestampType, 'CreateTime'], ...this.#own(topic)])
    const policy = effective.get(policyKey)
    if (policy !== undefined) wanted.set(policyKey, policy)
    const mostBytes = effective.get(mostBytesKey)
    if (mostBytes !== undefined && Number(mostBytes) > Number(before.get(mostBytesKey) ?? 0)) wanted.set(mostBytesKey, mostBytes)
    return new Map([...wanted].filter(([key, value]) => before.get(key) !== value && !this.#isForeign(key)))
  }

  /** What was set in the source, as far as the target can have it. */
  #own({ info, own, effective }: SourceTopic): Map<string, string> {
    const { values: known, brokers } = this.#defaults
    const desired = new Map<string, string>()
    const replicas = Math.min(this.#replicasOf(info), brokers)
    for (const [key, value] of own) {
      if (key === timestampType || notCopied.test(key) || this.#isForeign(key)) continue
      if (known.size > 0 && !known.has(key)) this.#left.add(`config ${key}, which the target does not know`, info.name)
      else if (key === 'min.insync.replicas' && Number(value) > replicas)
        this.#left.add(`config ${key}=${value}: the target has ${replicas} of its replicas`, info.name)
      else desired.set(key, value)
    }
    if (effective.get(timestampType) === 'LogAppendTime' && !this.#isForeign(timestampType))
      this.#left.add(
        `config ${timestampType}=LogAppendTime, so that records keep their times: set it in the target after the last run`,
        info.name,
      )
    return desired
  }

  #replicasOf({ partitions }: TopicInfo): number {
    return this.#replicas ?? partitions[0]?.replicas.length ?? 1
  }

  /** Returns the configs that the target has taken. */
  async #create({ info, own }: SourceTopic, differing: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    const { name, partitions } = info
    const wanted = this.#replicasOf(info)
    const replicas = Math.min(wanted, this.#defaults.brokers)
    if (replicas < wanted) this.#left.add(`replicas beyond ${replicas}: so many brokers the target has`, name)
    // Also what the target has as a default now, because that may change.
    const configs = new Map([...this.#own({ info, own, effective: own }), ...differing])
    const spec = { name, partitions: partitions.length, replicas, configs }
    if (!this.#dryRun) {
      try {
        await this.#target.createTopic(spec)
      } catch (error) {
        if (!(error instanceof ClientError) || error.code !== 'INVALID_CONFIG') throw error
        await this.#dropRefused(spec)
        await this.#target.createTopic(spec)
      }
    }
    this.#changes.created.push(name)
    return configs
  }

  /** Leaves out of `configs` what the target does not accept. */
  async #dropRefused({
    configs,
    ...spec
  }: {
    name: string
    partitions: number
    replicas: number
    configs: Map<string, string>
  }): Promise<void> {
    for (const [key, value] of [...configs]) {
      try {
        await this.#target.createTopic({ ...spec, configs: new Map([[key, value]]), validateOnly: true })
      } catch (error) {
        if (!(error instanceof ClientError) || error.code !== 'INVALID_CONFIG') throw error
        configs.delete(key)
        this.#refused(spec.name, key, value)
      }
    }
  }

  #refused(topic: string, key: string, value: string): void {
    this.#left.add(`config ${key}=${value}, which the target refuses`, topic)
  }

  /** Returns the configs that the target has taken. */
  async #align(
    { name, partitions }: TopicInfo,
    known: TopicInfo,
    before: ReadonlyMap<string, string>,
    differing: ReadonlyMap<string, string>,
  ): Promise<ReadonlyMap<string, string>> {
    const { changed } = this.#changes
    const taken = this.#dryRun ? differing : await this.#alter(name, differing)
    for (const [key, value] of taken) changed.push({ topic: name, change: `${key}=${value} (was ${before.get(key) ?? 'not set'})` })
    if (partitions.length <= known.partitions.length) return taken
    if (!this.#dryRun) await this.#target.setPartitions(name, partitions.length)
    changed.push({ topic: name, change: `${partitions.length} partitions (were ${known.partitions.length})` })
    return taken
  }

  /** Together, or if that is refused one by one. */
  async #alter(name: string, configs: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    if (configs.size === 0) return configs
    try {
      await this.#target.alterConfigs({ type: 'TOPIC', name }, configs)
      return configs
    } catch (error) {
      if (!(error instanceof ClientError) || !refusals.has(error.code)) throw error
      if (configs.size === 1) {
        for (const [key, value] of configs) this.#refused(name, key, value)
        return new Map()
      }
    }
    const taken = new Map<string, string>()
    for (const one of configs) for (const [key, value] of await this.#alter(name, new Map([one]))) taken.set(key, value)
    return taken
  }
}
