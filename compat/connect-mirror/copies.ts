/** What is written into one cluster, and what has come of it in the other. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, ClientError } from '../../src/client.ts'
import type { Properties, RunningBroker } from '../support/brokers.ts'
import { until } from '../support/kit.ts'

export const partitions = 6
export const batches = Number(process.env['COMPAT_MIRROR_BATCHES'] ?? 200)
export const inBatch = 1_000

export interface Pair {
  readonly from: RunningBroker
  readonly to: RunningBroker
  readonly source: Client
  readonly target: Client
}

/** Of all three connectors. */
export function clusters({ from, to }: Pair): Properties {
  return {
    'source.cluster.alias': 'a',
    'source.cluster.bootstrap.servers': from.bootstrap,
    'target.cluster.alias': 'b',
    'target.cluster.bootstrap.servers': to.bootstrap,
    // Java's do not look how many brokers there are, and their converters are those of the worker.
    'replication.factor': '1',
    'offset-syncs.topic.replication.factor': '1',
    'checkpoints.topic.replication.factor': '1',
    'heartbeats.topic.replication.factor': '1',
    'sync.topic.acls.enabled': 'false',
    'refresh.topics.interval.seconds': '2',
    'key.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
    'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
    'header.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
  }
}

/** Tries again while the broker is away: then some may be in the source twice. */
export async function write(client: Client, topic: string, partitions: number, first: number, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, at) => ({
    ...{ partition: (first + at) % partitions, key: at % 5 === 0 ? null : Buffer.from(`k${at}`) },
    timestampMs: BigInt(Date.now()),
    value: at % 7 === 0 ? null : Buffer.from(`${first + at} `.repeat(20)),
    headers: at % 3 === 0 ? [] : [{ key: Buffer.from('h'), value: at % 2 === 0 ? null : Buffer.from([at % 256, 255]) }],
  }))
  for (;;)
    try {
      await client.send(topic, records, { compression: 'lz4' })
      return
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      await sleep(200)
    }
}

export async function transaction({ source }: Pair, topic: string, isCommitted: boolean): Promise<void> {
  const writer = await source.openTransactionalWriter({
    transactionalId: 'compat-mirror',
    transactionTimeoutMs: 30_000,
    patienceMs: 30_000,
  })
  try {
    await writer.send(
      topic,
      Array.from({ length: partitions }, (_, partition) => ({ partition, key: null, value: Buffer.from(`transaction ${isCommitted}`) })),
    )
    await (isCommitted ? writer.commit() : writer.abort())
  } finally {
    await writer.close()
  }
}

const countIn = (text: string) => Number(/: (\d+) records/.exec(text)![1])

/** Waits until the copy has as many records as the source, which must be the same ones in the same order. */
export async function requireSame({ source, target }: Pair, topic: string, copy: string): Promise<void> {
  const wanted = await contents(source, topic)
  await until(
    () => 'all records have come',
    async () => {
      if (!(await target.topicNames()).includes(copy)) return false
      const found = await contents(target, copy)
      return found.every((each, at) => countIn(each) >= countIn(wanted[at]!))
    },
    120,
  )
  assert.deepEqual(await contents(target, copy), wanted)
}

/** Of each partition: how many committed records, and what they are, in their order. */
export async function contents(client: Client, topic: string): Promise<string[]> {
  const numbers = (await client.topics([topic]))[0]!.partitions.map(each => each.partition)
  const [start, until] = await Promise.all([client.offsets(topic, numbers, 'earliest'), client.offsets(topic, numbers, 'latest')])
  const hashes = numbers.map(() => ({ count: 0, hash: createHash('sha256') }))
  for await (const records of client.read({ topic, from: start, until, committedOnly: true }))
    for (const { partition, key, value, timestampMs, headers } of records) {
      const one = hashes[partition]!
      one.count++
      const shown = [key, value, ...headers.flatMap(each => [each.key, each.value])].map(each => each?.toString('hex') ?? '-')
      one.hash.update(`${timestampMs} ${shown.join(' ')}\n`)
    }
  return hashes.map(({ count, hash }, partition) => `${partition}: ${count} records ${hash.digest('hex').slice(0, 16)}`)
}

/** How many committed records of a partition there are from this offset on. */
export async function countFrom(client: Client, topic: string, partition: number, offset: bigint): Promise<number> {
  const until = await client.offsets(topic, [partition], 'latest')
  let count = 0
  for await (const records of client.read({ topic, from: new Map([[partition, offset]]), until, committedOnly: true }))
    count += records.length
  return count
}
