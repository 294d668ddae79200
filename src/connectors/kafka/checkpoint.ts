/**
 * Source: the offsets of groups of another Kafka, as offsets of the target, with the keys and records of MirrorMaker 2's MirrorCheckpointConnector. They are
 * written to a topic of checkpoints, and, if that is wanted, committed for groups that have no members in the target.
 *
 * Reads which offset is which from the topic that the mirror-source connector (or Java's) writes.
 */
import { type Client, ClientError, type GroupListing, type GroupOffset } from '../../client.ts'
import { defineSource, type SourceContext, type SourceRecord, type SourceTask, struct } from '../../connector.ts'
import { moveForward } from '../../mirror.ts'
import { requireNone } from '../required.ts'
import { untilDue } from '../waits.ts'
import { begun, ensureCompacted, forWorker, namingOf } from './clusters.ts'
import { type Checkpoint, encodeCheckpoint, ownRecord } from './formats.ts'
import { type CheckpointConfig, checkpointKeys, problemsOf } from './keys.ts'
import { checkpointsTopic, type Filter, filter, type Naming, offsetSyncsTopic, remoteTopic } from './names.ts'
import { Checkpoints, OffsetSyncs } from './told.ts'
import { topicFilter } from './topics.ts'

export const mirrorCheckpoint = defineSource({
  name: 'mirror-checkpoint',
  classes: ['org.apache.kafka.connect.mirror.MirrorCheckpointConnector'],
  version: '1.0.0',
  summary: 'Translates the offsets of groups of another Kafka, whose topics are copied, so that its readers can go on here.',
  example: {
    'source.cluster.alias': 'eu',
    'source.cluster.bootstrap.servers': 'eu.example.org:9092',
    'target.cluster.alias': 'us',
    'target.cluster.bootstrap.servers': '127.0.0.1:9092',
    'sync.group.offsets.enabled': 'true',
  },
  config: checkpointKeys,
  check,
  exactlyOnce: () => true,
  converter: 'bytes',
  tasks: async config => (config.enabled ? [{}] : []),
  async open(config, context) {
    requireNone(check(config))
    return begun(config, (source, target) => new CheckpointTask(config, context, source, target))
  },
})

function check(config: CheckpointConfig): Map<string, string> {
  const problems = problemsOf(config)
  const asked = ['emit.checkpoints.enabled', 'sync.group.offsets.enabled'] as const
  if (asked.every(key => !config[key])) for (const key of asked) problems.set(key, `one of ${asked.join(' and ')} must be true`)
  if (!config['emit.offset-syncs.enabled'])
    problems.set('emit.offset-syncs.enabled', 'must be true: offsets are translated by what is written there')
  return problems
}

class CheckpointTask implements SourceTask {
  readonly #config: CheckpointConfig
  readonly #context: SourceContext
  readonly #source: Client
  readonly #target: Client
  readonly #naming: Naming
  readonly #isTopic: Filter
  readonly #isGroup: Filter
  readonly #syncs: OffsetSyncs
  readonly #checkpoints: Checkpoints
  #emitMs: number
  #commitMs: number
  /** Groups whose offsets in the target stay as they are, and why. */
  #refused: ReadonlyMap<string, string> = new Map()

  constructor(config: CheckpointConfig, context: SourceContext, source: Client, target: Client) {
    this.#config = config
    this.#context = context
    this.#source = source
    this.#target = target
    this.#naming = namingOf(config)
    this.#isTopic = topicFilter(config)
    this.#isGroup = filter(config.groups, config['groups.exclude'])
    const atSource = config['offset-syncs.topic.location'] === 'source'
    const { source: from, target: to } = this.#naming
    this.#syncs = new OffsetSyncs(atSource ? source : target, offsetSyncsTopic(this.#naming, atSource ? to : from))
    this.#checkpoints = new Checkpoints(target, checkpointsTopic(this.#naming))
    this.#emitMs = context.system.clock.monotonic()
    this.#commitMs = this.#emitMs
  }

  async begin(): Promise<void> {
    if (!this.#config['emit.checkpoints.enabled']) return
    await ensureCompacted(this.#target, checkpointsTopic(this.#naming), this.#config['checkpoints.topic.replication.factor'])
    await this.#checkpoints.load()
  }

  async poll(): Promise<readonly SourceRecord[]> {
    const { system, signal } = this.#context
    const { 'emit.checkpoints.enabled': emits, 'sync.group.offsets.enabled': commits } = this.#config
    const dueMs = Math.min(emits ? this.#emitMs : Number.POSITIVE_INFINITY, commits ? this.#commitMs : Number.POSITIVE_INFINITY)
    if (!(await untilDue(system, dueMs, signal))) return []
    const nowMs = system.clock.monotonic()
    try {
      const [isEmitting, isCommitting] = [emits && nowMs >= this.#emitMs, commits && nowMs >= this.#commitMs]
      const translated = await this.#translated()
      if (isCommitting) await this.#commit(translated)
      if (isEmitting) this.#emitMs = nowMs + this.#config['emit.checkpoints.interval.seconds'] * 1_000
      if (isCommitting) this.#commitMs = nowMs + this.#config['sync.group.offsets.interval.seconds'] * 1_000
      return isEmitting ? this.#records(translated) : []
    } catch (error) {
      throw forWorker(error)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#source.close(), this.#target.close()])
  }

  async #translated(): Promise<Map<GroupListing, Checkpoint[]>> {
    await this.#syncs.catchUp()
    // Share groups have no committed offsets of their own kind in MirrorMaker either.
    const groups = (await this.#source.groups()).filter(({ group, type }) => type !== 'share' && type !== 'streams' && this.#isGroup(group))
    const all = await this.#source.manyGroupOffsets(groups)
    const found = new Map<GroupListing, Checkpoint[]>()
    for (const listing of groups) {
      const offsets = all.get(listing.group)
      if (offsets === undefined) continue
      if (offsets instanceof ClientError) {
        this.#context.log.warn({ group: listing.group, err: offsets }, 'the offsets of a group of the source cannot be read')
        continue
      }
      const some = offsets.flatMap(each => this.#checkpoint(listing.group, each) ?? [])
      if (some.length > 0) found.set(listing, some)
    }
    return found
  }

  #checkpoint(group: string, { topic, partition, offset, metadata }: GroupOffset): Checkpoint | null {
    if (!this.#isTopic(topic)) return null
    const downstream = this.#syncs.translation.of({ topic, partition }, offset)
    if (downstream === null) return null
    return { group, topic: remoteTopic(this.#naming, topic), partition, upstream: offset, downstream, metadata: metadata ?? '' }
  }

  #records(translated: ReadonlyMap<GroupListing, readonly Checkpoint[]>): SourceRecord[] {
    const timestampMs = BigInt(this.#context.system.clock.now())
    const topic = checkpointsTopic(this.#naming)
    const fresh = [...translated.values()].flat().filter(each => this.#checkpoints.isNew(each))
    return fresh.map(checkpoint => {
      const sourcePartition = struct([
        ['group', checkpoint.group],
        ['partition', checkpoint.partition],
        ['topic', checkpoint.topic],
      ])
      return ownRecord(topic, timestampMs, encodeCheckpoint(checkpoint), sourcePartition)
    })
  }

  /** What one group refuses does not keep the others back. */
  async #commit(translated: ReadonlyMap<GroupListing, readonly Checkpoint[]>): Promise<void> {
    const refused = new Map<string, string>()
    for (const [listing, checkpoints] of translated) {
      const offsets = checkpoints.map(({ topic, partition, downstream, metadata }) => ({ topic, partition, offset: downstream, metadata }))
      try {
        if (!(await moveForward(this.#target, listing, offsets))) refused.set(listing.group, 'it has members in the target')
      } catch (error) {
        if (!(error instanceof ClientError)) throw error
        refused.set(listing.group, `${error.code}: ${error.message}`)
      }
    }
    for (const [group, reason] of refused)
      if (this.#refused.get(group) !== reason)
        this.#context.log.warn({ group, reason }, 'the offsets of a group in the target stay as they are')
    this.#refused = refused
  }
}
