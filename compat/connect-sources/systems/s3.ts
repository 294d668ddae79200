/** MinIO: objects of others, among them a large one, and what the S3 sink has written, back into a topic. */

import { gzipSync } from 'node:zlib'
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { unique, until } from '../../support/kit.ts'
import { accessTo } from '../../support/object-access.ts'
import { chosenKind, ObjectServer } from '../../support/object-servers.ts'
import { freePorts } from '../../support/run.ts'
import { type Drive, records, requireOnce, type Stage } from '../stage.ts'
import type { System } from '../suite.ts'

const login = { user: 'millrace', password: 'millrace-secret', bucket: 'events' }
/** In one object; a third of all are in a single one. */
const some = 500

export const s3System: System = {
  name: 's3-source',
  async run(judge, stage) {
    const kind = chosenKind()
    const server = await ObjectServer.start(kind, await freePorts(kind.ports), login)
    const { client, config: base } = accessTo(server, login)
    const crash = async () => {
      await server.kill()
      await server.restart()
    }
    const numberOf = (value: string) => (JSON.parse(value) as { n: number }).n
    try {
      await judge('json-once', async () => {
        const topic = unique('objects')
        const large = Math.floor(records / 3)
        await write(client, 'in/large.json', 0, large)
        await writeMany(client, large, Math.floor((2 * records) / 3))
        const config = { ...base, mode: 'GENERIC', 'topics.dir': 'in', 'topic.regex.list': `${topic}:.*`, 's3.poll.interval.ms': '500' }
        const verdict = await stage.drive({
          connector: 's3-source',
          topic,
          config: { ...config, 'record.batch.max.size': '200' },
          kills: 4,
          numberOf,
          async harm() {
            await crash()
            await writeMany(client, Math.floor((2 * records) / 3), records)
          },
        })
        return requireOnce(verdict)
      })
      for (const format of ['parquet', 'avro', 'json'])
        await judge(`${format}-of-the-sink-once`, () => throughTheSink(stage, base, format, { numberOf, harm: crash }))
    } finally {
      client.destroy()
      await server.remove()
    }
  },
}

/** All records from a topic into objects, and from there into another topic. */
async function throughTheSink(
  stage: Stage,
  base: Readonly<Record<string, string>>,
  format: string,
  drive: Pick<Drive, 'numberOf' | 'harm'>,
): Promise<string> {
  const from = await filled(stage)
  const sink = unique('to-s3')
  const both = { ...base, 'topics.dir': format, 'format.class': format }
  await stage.worker.rest('PUT', `/connectors/${sink}/config`, {
    ...both,
    'connector.class': 's3',
    topics: from,
    'tasks.max': '1',
    'flush.size': '700',
    'rotate.schedule.interval.ms': '1000',
    ...(format === 'json' && { 's3.compression.type': 'zstd' }),
  })
  await committed(stage, sink, from)
  await stage.worker.rest('DELETE', `/connectors/${sink}`)
  const topic = unique(`restored-${format}`)
  const route = { type: 'org.apache.kafka.connect.transforms.RegexRouter', regex: '.*', replacement: topic }
  const verdict = await stage.drive({
    connector: 's3-source',
    topic,
    config: {
      ...both,
      's3.poll.interval.ms': '500',
      'record.batch.max.size': '200',
      transforms: 'route',
      ...Object.fromEntries(Object.entries(route).map(([name, value]) => [`transforms.route.${name}`, value])),
    },
    kills: 3,
    ...drive,
  })
  return requireOnce(verdict)
}

/** A topic with all records. */
async function filled(stage: Stage): Promise<string> {
  const name = unique('to-store')
  await stage.kafka.createTopic({ name, partitions: 3, replicas: 1, configs: new Map() })
  for (let at = 0; at < records; at += 5_000)
    await stage.kafka.send(
      name,
      Array.from({ length: Math.min(5_000, records - at) }, (_, index) => ({
        key: null,
        value: Buffer.from(JSON.stringify({ n: at + index, text: `Grüße ${at + index}` })),
        partition: index % 3,
      })),
    )
  return name
}

async function committed(stage: Stage, sink: string, topic: string): Promise<void> {
  const ends = await stage.kafka.offsets(topic, [0, 1, 2], 'stable')
  await until(
    () => `the sink has written everything; the worker said ${stage.worker.log().slice(-500)}`,
    async () => {
      const offsets = await stage.kafka.groupOffsets(`connect-${sink}`, 'classic').catch(() => [])
      return [...ends].every(([partition, end]) => offsets.some(each => each.partition === partition && each.offset >= end))
    },
    180,
  )
}

async function write(client: S3Client, key: string, from: number, to: number): Promise<void> {
  const lines = Array.from({ length: to - from }, (_, at) => `${JSON.stringify({ n: from + at, text: `Grüße ${from + at}` })}\n`).join('')
  const Body = key.endsWith('.gz') ? gzipSync(lines) : Buffer.from(lines)
  await client.send(new PutObjectCommand({ Bucket: login.bucket, Key: key, Body }))
}

async function writeMany(client: S3Client, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += some) {
    const number = String(Math.floor(at / some)).padStart(6, '0')
    await write(client, `in/${number.slice(0, 5)}/part-${number}.json.gz`, at, Math.min(at + some, to))
  }
}
