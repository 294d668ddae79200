/** A small shop in a cluster, for tests and pictures of the console. */
import type { Client, RecordToSend } from '../../src/client.ts'
import { parseUuid } from '../../src/protocol.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { joinShareGroup, type ShareMember } from './raw.ts'

const text = (value: string) => Buffer.from(value, 'utf8')
const header = (key: string, value: string) => ({ key: text(key), value: text(value) })

export const userSchema = {
  type: 'record',
  name: 'User',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: 'string' },
  ],
}
const newerSchema = { ...userSchema, fields: [...userSchema.fields, { name: 'email', type: ['null', 'string'], default: null }] }

interface SampleOptions {
  readonly client: Client
  /** Of the broker, for what the client does not do. */
  readonly port: number
  readonly registryUrl: string
  /** The time of the newest order. */
  readonly nowMs: number
}

/** Resolves to what ends the consumers. */
export async function fillSample({ client, port, registryUrl, nowMs }: SampleOptions): Promise<() => Promise<void>> {
  const topics = [
    ['orders', 6],
    ['payments', 3],
    ['payments.dlq', 1],
    ['users', 3],
    ['clicks', 12],
  ] as const
  for (const [name, partitions] of topics) await client.createTopic({ name, partitions })
  await client.send(
    'orders',
    Array.from({ length: 500 }, (_, n) => order(n, nowMs - (500 - n) * 700)),
  )
  await client.send(
    'payments.dlq',
    Array.from({ length: 5 }, (_, n) => deadLetter(n)),
  )
  const first = await register(registryUrl, 'users-value', userSchema)
  await register(registryUrl, 'users-value', newerSchema)
  await client.send('users', [
    ...Array.from({ length: 20 }, (_, n) => ({ key: text(`user-${n}`), value: encodedUser(first, n) })),
    { key: text('nobody'), value: Buffer.from([0, 0, 0, 9, 9, 1, 2, 3]) },
    { key: text('packed'), value: Buffer.from([0x82, 0xa1, 0x61, 1, 0xa1, 0x62, 0xc3]) },
    { key: text('gone'), value: null },
  ])
  await client.setGroupOffsets('billing', [
    { topic: 'orders', partition: 0, offset: 20n },
    { topic: 'orders', partition: 1, offset: 30n },
    { topic: 'payments', partition: 0, offset: 0n },
  ])
  const indexer = await client.subscribe({ group: 'search-indexer', topics: ['users'], otherwise: 'earliest' })
  await indexer[Symbol.asyncIterator]().next()
  const worker = await shareJobs(client, port)
  return async () => {
    worker.close()
    await indexer.close()
  }
}

/** A share group in the middle of its work: of 40 jobs it has 40, and has done two, not the first. */
async function shareJobs(client: Client, port: number): Promise<ShareMember> {
  const dead = 'dlq.workers'
  await client.createTopic({ name: 'jobs', partitions: 1 })
  await client.createTopic({ name: dead, partitions: 1, configs: new Map([['errors.deadletterqueue.group.enable', 'true']]) })
  const limits = new Map([
    ['share.auto.offset.reset', 'earliest'],
    ['errors.deadletterqueue.topic.name', dead],
  ])
  await client.alterConfigs({ type: 'GROUP', name: 'workers' }, limits)
  await client.send(
    'jobs',
    Array.from({ length: 40 }, (_, n) => ({ key: null, value: text(`{"job": ${n}}`) })),
  )
  const [info] = await client.topics(['jobs'])
  const member = await joinShareGroup(port, 'workers', { id: parseUuid(info!.id)!, name: 'jobs' })
  await eventually(async () => (await member.take()) > 0, 1_000)
  for (const done of [3, 7]) await member.accept(done)
  return member
}

const states = ['new', 'paid', 'sent']

function order(n: number, timestampMs: number): RecordToSend {
  const rest = { total: ((n * 7) % 900) / 10, items: [{ sku: `A-${n}`, count: n % 4 }], status: states[n % 3] }
  // An id that a double cannot hold.
  const value = `{"id":${9_007_199_254_740_993n + BigInt(n)},${JSON.stringify(rest).slice(1)}`
  return { key: text(`u-${n % 97}`), timestampMs: BigInt(timestampMs), value: text(value), headers: [header('trace', `t-${n}`)] }
}

function deadLetter(n: number): RecordToSend {
  const headers = [
    header('__connect.errors.topic', 'payments'),
    header('__connect.errors.partition', '1'),
    header('__connect.errors.exception.message', 'amount is no number'),
  ]
  return { key: text(`p-${n}`), value: text(`{"amount": "${n}x"}`), headers }
}

async function register(registryUrl: string, subject: string, schema: object): Promise<number> {
  const response = await fetch(`${registryUrl}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  })
  return ((await response.json()) as { id: number }).id
}

/** As Confluent's serializer writes it. */
function encodedUser(schemaId: number, n: number): Buffer {
  const name = text(`name ${n}`)
  return Buffer.concat([Buffer.from([0, 0, 0, 0, schemaId, n * 2, name.length * 2]), name])
}
