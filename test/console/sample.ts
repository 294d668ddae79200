/** A small shop in a cluster, for tests and pictures of the console. */
import type { Client, RecordToSend } from '../../src/client.ts'

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

/** `nowMs`: the time of the newest order. */
export async function fillSample(client: Client, registryUrl: string, nowMs: number): Promise<void> {
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
