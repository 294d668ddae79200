/** What is written into one cluster, and what has come of it in the other. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, ClientError } from '../../src/client.ts'
import type { Properties, RunningBroker } from '../support/brokers.ts'

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
