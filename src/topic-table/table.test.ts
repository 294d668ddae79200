import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
import { silentLogger } from '../logger.ts'
import { openTopicTable, type TableRecord } from './table.ts'

test('a topic that was just made, and that a broker does not know yet, is waited for', async () => {
  const unknown = new ClientError('UNKNOWN_TOPIC_OR_PARTITION', 'topic not found: t')
  let asked = 0
  const client = {
    async topics() {
      throw unknown
    },
    async createTopic() {},
    async offsets() {
      if (++asked <= 4) throw unknown
      return new Map([[0, 0n]])
    },
    openReader: () => ({
      poll: () => new Promise(() => {}),
      async close() {},
    }),
  } as unknown as Client
  const { timers } = realSystem()
  const system = { timers: { ...timers, after: (_: number, act: () => void) => timers.after(0, act) } }
  const table = await openTopicTable({ client, topic: 't', logger: silentLogger, system, apply() {} })
  assert.ok(asked > 4)
  await table.close()
})

/** Topics of one partition, which may be deleted. */
class FakeCluster {
  readonly topics = new Map<string, { id: string; records: { key: Buffer; value: Buffer | null }[] }>()
  #made = 0

  make(name: string): void {
    this.topics.set(name, { id: `id ${++this.#made}`, records: [] })
  }

  client(): Client {
    const require = (name: string) => {
      const found = this.topics.get(name)
      if (found === undefined) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${name}`)
      return found
    }
    return {
      topics: async ([name]: string[]) => [{ id: require(name!).id, partitions: [{ partition: 0 }] }],
      configs: async () => [{ name: 'cleanup.policy', value: 'compact' }],
      alterConfigs: async () => {},
      createTopic: async ({ name }: { name: string }) => {
        if (this.topics.has(name)) throw new ClientError('TOPIC_ALREADY_EXISTS', name)
        this.make(name)
      },
      offsets: async (name: string, _: unknown, which: string) =>
        new Map([[0, which === 'earliest' ? 0n : BigInt(require(name).records.length)]]),
      send: async (name: string, sent: { key: Buffer; value: Buffer | null }[]) => {
        const { records } = require(name)
        records.push(...sent)
        return [{ partition: 0, offset: BigInt(records.length - sent.length) }]
      },
      openReader: () => ({
        poll: async ({ positions: [at] }: { positions: { topic: string; offset: bigint }[] }) => {
          await new Promise(setImmediate)
          const { records } = require(at!.topic)
          const from = Number(at!.offset)
          const found = records.slice(from).map((each, index) => ({ ...each, partition: 0, offset: BigInt(from + index), timestampMs: 0n }))
          const next = from > records.length ? [] : [{ partition: 0, offset: BigInt(records.length) }]
          return { records: found, next, outOfRange: from > records.length ? [at] : [] }
        },
        async close() {},
      }),
    } as unknown as Client
  }
}

const { timers } = realSystem()
const quick = { timers: { ...timers, after: (_: number, act: () => void) => timers.after(5, act) } }

async function follow(cluster: FakeCluster) {
  const known = new Map<string, string>()
  const news: string[] = []
  const apply = ({ key, value, isAgain }: TableRecord) => {
    if (value === null) known.delete(String(key))
    else known.set(String(key), String(value))
    if (!isAgain) news.push(`${key}=${value}`)
  }
  const table = await openTopicTable({ client: cluster.client(), topic: 't', logger: silentLogger, system: quick, apply })
  return { table, known, news }
}

async function until(isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 5_000; !isSo(); await new Promise(resolve => setTimeout(resolve, 5)))
    if (performance.now() > endMs) throw new Error('it has not come about')
}

test('a topic that somebody deletes is made again with what is known, once, and that is no news', async () => {
  const cluster = new FakeCluster()
  const [one, other] = [await follow(cluster), await follow(cluster)]
  for (const [key, value] of [
    ['a', '1'],
    ['b', '1'],
    ['a', '2'],
    ['c', '1'],
  ] as const)
    await one.table.write(Buffer.from(key), Buffer.from(value))
  await one.table.write(Buffer.from('c'), null)
  await other.table.catchUp()
  cluster.topics.delete('t')
  await until(() => cluster.topics.get('t')?.records.length === 2)
  assert.deepEqual(
    cluster.topics.get('t')!.records.map(({ key, value }) => `${key}=${value}`),
    ['b=1', 'a=2'],
  )
  await until(() => one.table.position === 2n && other.table.position === 2n)
  await other.table.write(Buffer.from('d'), Buffer.from('1'))
  await one.table.catchUp()
  for (const { known, news } of [one, other]) {
    assert.deepEqual(Object.fromEntries(known), { a: '2', b: '1', d: '1' })
    assert.deepEqual(news, ['a=1', 'b=1', 'a=2', 'c=1', 'c=null', 'd=1'])
  }
  const later = await follow(cluster)
  assert.deepEqual(Object.fromEntries(later.known), { a: '2', b: '1', d: '1' })
  for (const { table } of [one, other, later]) await table.close()
})

test('a topic that somebody deletes and makes again is read from its start, and what it lacks is written to it', async () => {
  const cluster = new FakeCluster()
  const { table, known } = await follow(cluster)
  for (const key of ['a', 'b', 'c']) await table.write(Buffer.from(key), Buffer.from('1'))
  cluster.make('t')
  // Nobody has noticed yet: this would count as applied.
  await assert.rejects(table.catchUp(), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  cluster.topics.get('t')!.records.push({ key: Buffer.from('b'), value: Buffer.from('2') })
  await until(() => known.get('b') === '2' && table.position === 3n)
  assert.deepEqual(Object.fromEntries(known), { a: '1', b: '2', c: '1' })
  await table.close()
})

test('of many records that are not understood few are told', async () => {
  const cluster = new FakeCluster()
  cluster.make('t')
  for (let count = 0; count < 1_500; count++) cluster.topics.get('t')!.records.push({ key: Buffer.from('x'), value: Buffer.from('y') })
  const told: unknown[] = []
  const logger = { warn: ({ records }: { records?: number }) => void told.push(records) }
  const apply = () => {
    throw new TypeError('not understood')
  }
  const table = await openTopicTable({ client: cluster.client(), topic: 't', logger: logger as never, system: quick, apply })
  assert.equal(table.position, 1_500n)
  assert.deepEqual(told, [1, 10, 100, 1_000])
  await table.close()
})
