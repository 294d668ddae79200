/**
 * Source: the topics of another Kafka, with the keys, names and records of MirrorMaker 2's MirrorSourceConnector. Exactly once: the position in a partition is
 * the offset, and with transactions of the worker it is stored with the records.
 *
 * Partitions are shared among tasks. The first task also looks for new topics, and keeps configs and ACLs like those of the source.
 */
import { pause, settledWithin } from '../../base.ts'
import { type Client, ClientError } from '../../client.ts'
import { defineSource, type Offsets, type SourceContext, type SourceRecord, type SourceTask } from '../../connector.ts'
import { dealt } from '../dealt.ts'
import { requireNone } from '../required.ts'
import { begun, ensureCompacted, namingOf, openCluster } from './clusters.ts'
import type { Run } from './formats.ts'
import { problemsOf, type SourceConfig, sourceKeys } from './keys.ts'
import { offsetSyncsTopic, remoteTopic } from './names.ts'
import { Reading, type ReadRecord } from './reading.ts'
import { SyncWriter } from './sync-writer.ts'
import { digest, parsePartition, partitionsOf, TargetTopics, topicFilter } from './topics.ts'
import { extend } from './translation.ts'

export const mirrorSource = defineSource({
  name: 'mirror-source',
  classes: ['org.apache.kafka.connect.mirror.MirrorSourceConnector'],
  version: '1.0.0',
  summary: 'Copies topics of another Kafka, with their configs and who may read them, each record once.',
  example: {
    'source.cluster.alias': 'eu',
    'source.cluster.bootstrap.servers': 'eu.example.org:9092',
    'target.cluster.alias': 'us',
    'target.cluster.bootstrap.servers': '127.0.0.1:9092',
    topics: 'orders,events\\..*',
  },
  config: sourceKeys,
  check: problemsOf,
  exactlyOnce: config => config['consumer.isolation.level'] === 'read_committed',
  converter: 'bytes',
  async tasks(config, most) {
    requireNone(problemsOf(config))
    if (!config.enabled) return []
    await using source = openCluster('source', config)
    await using target = openCluster('target', config)
    await requireTwo(source, target)
    const all = await partitionsOf(source, config)
    const known = digest(all)
    // The one for none looks for the first ones.
    return dealt(all, most).map((assigned, task) => ({
      'task.assigned.partitions': assigned.join(),
      // Who looks for new ones.
      'task.known.partitions': task === 0 ? known : '',
    }))
  },
  async open(config, context) {
    requireNone(problemsOf(config))
    return begun(config, (source, target) => new MirrorTask(config, context, source, target))
  },
})

const lastSyncsMs = 2_000

/** What is copied would be copied again, and so on. */
async function requireTwo(source: Client, target: Client): Promise<void> {
  const [from, to] = await Promise.all([source.cluster(), target.cluster()])
  if (from.id !== null && from.id === to.id) throw new Error(`source and target are the same cluster (${from.id})`)
}

async function ensureSyncs(client: Client, topic: string, config: SourceConfig): Promise<void> {
  try {
    await ensureCompacted(client, topic, config['offset-syncs.topic.replication.factor'])
  } catch (error) {
    if (!(error instanceof ClientError) || !error.code.endsWith('AUTHORIZATION_FAILED')) throw error
    const elsewhere = config['offset-syncs.topic.location'] === 'source' ? ', set offset-syncs.topic.location=target' : ''
    throw new Error(
      `${topic} cannot be made (${error.code}): make it with one partition and cleanup.policy=compact and allow WRITE${elsewhere}, or set emit.offset-syncs.enabled=false`,
      { cause: error },
    )
  }
}

/** What the first task does beside copying, again and again. */
interface Chore {
  readonly what: string
  readonly everyMs: number
  dueMs: number
  work(): Promise<void>
}

class MirrorTask implements SourceTask {
  readonly #config: SourceConfig
  readonly #context: SourceContext
  readonly #source: Client
  readonly #target: Client
  readonly #end = new AbortController()
  #reading: Reading | null = null
  #syncs: SyncWriter | null = null
  #chores: Promise<unknown> = Promise.resolve()

  constructor(config: SourceConfig, context: SourceContext, source: Client, target: Client) {
    this.#config = config
    this.#context = context
    this.#source = source
    this.#target = target
  }

  async begin(): Promise<void> {
    const config = this.#config
    const assigned = config['task.assigned.partitions'].map(parsePartition)
    const topics = new Set(assigned.map(each => each.topic))
    const targets = new TargetTopics(this.#source, this.#target, config, this.#context.log)
    if (topics.size > 0) await targets.prepare(topic => topics.has(topic), config['sync.topic.configs.enabled'])
    const naming = namingOf(config)
    if (config['emit.offset-syncs.enabled']) {
      const atSource = config['offset-syncs.topic.location'] === 'source'
      const client = atSource ? this.#source : this.#target
      const topic = offsetSyncsTopic(naming, atSource ? naming.target : naming.source)
      await ensureSyncs(client, topic, config)
      this.#syncs = new SyncWriter(client, topic, { ...this.#context, signal: this.#end.signal })
    }
    this.#reading = await Reading.open(this.#source, assigned, topic => remoteTopic(naming, topic), config, this.#context)
    if (this.#context.task === 0) this.#chores = this.#doChores(this.#choresWith(targets))
  }

  async poll(): Promise<readonly SourceRecord[]> {
    return this.#reading!.poll()
  }

  /** The records are those that {@link poll} gave. */
  async committed(records: readonly SourceRecord[], placed: readonly (Offsets[number] | null)[]): Promise<void> {
    if (this.#syncs === null) return
    const runs = new Map<ReadRecord['from'], Run[]>()
    for (const [index, record] of records.entries()) {
      const place = placed[index] ?? null
      const { from, upstream, topic, partition } = record as ReadRecord
      // A transform has sent it elsewhere, where it has no place among the others.
      if (place === null || place.topic !== topic || place.partition !== partition) continue
      let some = runs.get(from)
      if (some === undefined) runs.set(from, (some = []))
      extend(some, { upstream, downstream: place.offset, count: 1 })
    }
    for (const [from, some] of runs) this.#syncs.add(from, some)
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#reading?.close()
    // Without the last of them translations are coarser; a cluster that is away is not waited for.
    if (this.#syncs !== null) await settledWithin(this.#context.system.timers, lastSyncsMs, [this.#syncs.close()])
    await Promise.all([this.#source.close(), this.#target.close()])
    await this.#chores
  }

  /** What fails is tried again when it is next due. Does not reject. */
  async #doChores(chores: readonly Chore[]): Promise<void> {
    const { system, log } = this.#context
    const { signal } = this.#end
    while (!signal.aborted && chores.length > 0) {
      const next = chores.reduce((first, each) => (each.dueMs < first.dueMs ? each : first))
      await pause(system, Math.max(next.dueMs - system.clock.monotonic(), 0), signal)
      if (signal.aborted) return
      next.dueMs = system.clock.monotonic() + next.everyMs
      try {
        await next.work()
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, `${next.what} has failed; it is tried again after ${next.everyMs / 1_000} s`)
      }
    }
  }

  #choresWith(targets: TargetTopics): Chore[] {
    const config = this.#config
    const isWanted = topicFilter(config)
    const nowMs = this.#context.system.clock.monotonic()
    const chores: Chore[] = []
    if (config['refresh.topics.enabled'])
      chores.push({
        what: 'looking for new topics',
        everyMs: config['refresh.topics.interval.seconds'] * 1_000,
        // At once: a topic may have been made while the tasks were given out.
        dueMs: nowMs,
        work: async () => {
          const all = await partitionsOf(this.#source, config)
          if (digest(all) !== config['task.known.partitions']) this.#context.reconfigure()
        },
      })
    if (config['sync.topic.configs.enabled']) {
      const everyMs = config['sync.topic.configs.interval.seconds'] * 1_000
      chores.push({ what: 'copying configs', everyMs, dueMs: nowMs + everyMs, work: () => targets.prepare(isWanted, true) })
    }
    if (config['sync.topic.acls.enabled']) {
      const everyMs = config['sync.topic.acls.interval.seconds'] * 1_000
      chores.push({ what: 'copying ACLs', everyMs, dueMs: nowMs, work: () => targets.copyAcls(isWanted) })
    }
    return chores
  }
}
