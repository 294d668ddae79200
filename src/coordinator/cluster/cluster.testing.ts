/** For tests of the cluster metadata: a log in memory that can be reopened, and rules that need no configuration. */
import assert from 'node:assert/strict'
import { Durations } from '../../base.ts'
import type { Log, PartitionLog, PartitionSpec, ReleasedPartition, TopicConfig } from '../../log.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { type MemoryPartitionLog, memoryPartitionLog, type TestSystem } from '../runtime.testing.ts'
import type { Decision } from '../shard.ts'
import { type Deciding, isDeciding } from './deciding.ts'
import type { NewTopic, TopicRules } from './types.ts'

export interface TestPartition extends MemoryPartitionLog {
  readonly topic: string
  readonly topicId: Uuid
  logStartOffset: number
}

interface Stray {
  topic: string
  topicId: Uuid
  partition: number
}

/** What the steps make. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** What is decided. */
export function decided<R>(made: Decision<R> | Deciding<R>): Decision<R> {
  return isDeciding(made) ? atOnce(made) : made
}

/** Lets the machine run until the promise has settled. */
export async function run<T>(system: TestSystem, promise: Promise<T>): Promise<T> {
  let settled = false
  const mark = () => {
    settled = true
  }
  promise.then(mark, mark)
  for (let turn = 0; turn < 1_000 && !settled; turn++) await system.settle()
  assert.ok(settled, 'the promise does not settle')
  return promise
}

/** `disk` outlives the process: give it to the next TestLog to restart. */
export class TestLog implements Log {
  readonly partitions = new Map<string, PartitionLog>()
  readonly journal = { frames: 0, bytes: 0, syncs: new Durations() }
  readonly space = { freeBytes: 1e9, floorBytes: 0, shortage: null }
  readonly pressure = { on: false, whenOff: (callback: () => void) => callback() }
  readonly disk: Map<string, TestPartition>
  readonly deleted: string[] = []
  /** Thrown by `lead` and `create` for this topic. */
  broken: string | null = null

  constructor(disk: Map<string, TestPartition> = new Map()) {
    this.disk = disk
  }

  writeOut(): void {}

  /** Also what was only recovered, as the engine does. */
  get(topicId: Uuid, partition: number): TestPartition | undefined {
    return this.disk.get(`${topicId}:${partition}`)
  }

  lead(spec: PartitionSpec, leaderEpoch: number): PartitionLog | Promise<PartitionLog> {
    const log = this.create(spec)
    log.raiseLeaderEpoch(leaderEpoch)
    return log
  }

  create(spec: PartitionSpec): TestPartition {
    if (spec.topic === this.broken) throw new KafkaError('KAFKA_STORAGE_ERROR', 'no space left')
    const key = `${spec.topicId}:${spec.partition}`
    const log = this.disk.get(key) ?? makePartition(spec)
    log.config = spec.config
    this.disk.set(key, log)
    this.partitions.set(key, log)
    return log
  }

  async delete(topicId: Uuid, partition: number): Promise<void> {
    const key = `${topicId}:${partition}`
    this.partitions.delete(key)
    const log = this.disk.get(key)
    if (log !== undefined && this.disk.delete(key)) this.deleted.push(`${log.topic}-${partition}`)
  }

  release(_topicId: Uuid, _partition: number): Promise<ReleasedPartition> {
    return Promise.reject(new Error('nothing moves here'))
  }

  adopt(_directory: string, _spec: PartitionSpec): Promise<PartitionLog> {
    return Promise.reject(new Error('nothing moves here'))
  }

  released(): ReleasedPartition[] {
    return []
  }

  strays(): Stray[] {
    const unopened = [...this.disk].filter(([key]) => !this.partitions.has(key))
    return unopened.map(([, { topic, topicId, partition }]) => ({ topic, topicId, partition }))
  }

  async close(): Promise<void> {}
}

function makePartition(spec: PartitionSpec): TestPartition {
  const log = memoryPartitionLog(spec.config.maxMessageBytes) as TestPartition
  return Object.assign(log, {
    topic: spec.topic,
    topicId: spec.topicId,
    partition: spec.partition,
    sizeBytes: () => log.batches.reduce((sum, batch) => sum + batch.length, 0),
    deleteBefore: async (offset: number) => {
      log.logStartOffset = offset
    },
    raiseLeaderEpoch() {},
    endOffsetForEpoch: (epoch: number) =>
      epoch >= 0 ? { leaderEpoch: 0, endOffset: log.logEndOffset } : { leaderEpoch: -1, endOffset: -1 },
    producers: () => [],
  })
}

const defaults = {
  maxMessageBytes: 1_048_588,
  segmentBytes: 1 << 30,
  retentionMs: 604_800_000,
  cleanupPolicy: { delete: true, compact: false },
}

export const testRules: TopicRules = {
  numPartitions: () => 3,
  defaultReplicationFactor: () => 1,
  validateTopicConfigs(configs) {
    for (const name of configs.keys())
      if (name !== 'retention.ms') throw new KafkaError('INVALID_CONFIG', `Unknown topic config name: ${name}`)
  },
  effectiveTopicConfig: configs =>
    ({ ...defaults, retentionMs: Number(configs.get('retention.ms') ?? defaults.retentionMs) }) as Partial<TopicConfig> as TopicConfig,
  describeTopicConfigs: configs => [
    { name: 'retention.ms', value: configs.get('retention.ms') ?? '604800000', readOnly: false, configSource: 5, isSensitive: false },
  ],
  internalTopic: () => ({ numPartitions: 2, replicationFactor: 1, configs: new Map([['retention.ms', '-1']]) }),
}

/** A topic with the defaults, but for what is given. */
export function newTopic(name: string, more: Partial<NewTopic> = {}): NewTopic {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [], ...more }
}
