import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause, realSystem } from '../base.ts'
import type { Client, ReceivedRecord } from '../client.ts'
import { silentLogger } from '../logger.ts'
import { parseDefinition } from './check.ts'
import type { Definition } from './definition.ts'
import { ChangedMeanwhile, TriggerStore } from './store.ts'

/** Whose topic holds these records. */
function holding(rows: readonly (readonly [key: unknown, value: unknown])[]): Client {
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
  const records = rows.map(([key, value], at) => ({
    ...{ partition: 0, offset: BigInt(at), timestampMs: 0n },
    key: bytes(key),
    value: bytes(value),
  }))
  let isRead = false
  return {
    topics: async () => [{ id: 'x', partitions: [{ partition: 0 }] }],
    configs: async () => [],
    offsets: async (_topic: string, _partitions: unknown, which: string) => new Map([[0, which === 'earliest' ? 0n : BigInt(rows.length)]]),
    openReader: () => ({
      poll: async () => {
        if (isRead) await new Promise(() => {})
        isRead = true
        return { records, next: [{ partition: 0, offset: BigInt(rows.length) }], outOfRange: [] }
      },
      async close() {},
    }),
  } as unknown as Client
}

test('records that are no versions of triggers hide none and break nothing', async () => {
  const definition = await parseDefinition('good', { topics: ['t'], function: { url: 'http://127.0.0.1/' } }, system.clock)
  const made = {
    v: 1,
    name: 'good',
    version: 1,
    definition,
    by: 'User:me',
    at: '2026-11-30T00:00:00Z',
    restores: null,
    id: 'i',
    origin: 'i',
  }
  const bad = { name: 'bad', version: 1 }
  const keys = [5, null, [], {}, { name: 'good', version: 'x' }, { name: 'good', version: 1.5 }, { name: 7, version: 1 }]
  const definitions = [{}, { topics: ['t'], function: {} }, 5, []]
  const client = holding([
    [{ name: 'good', version: 1 }, made],
    ...keys.map(key => [key, made] as const),
    ...definitions.map(wrong => [bad, { ...made, name: 'bad', definition: wrong }] as const),
    [bad, { ...made, v: 2 }],
    [bad, 'x'],
  ])
  const changed: string[] = []
  const store = new TriggerStore(system)
  await store.open(client, silentLogger, name => void changed.push(name))
  assert.deepEqual([store.names(), changed], [['good'], ['good']])
  assert.deepEqual(store.newest('good')!.definition, definition)
  await store.close()
})

const system = realSystem()

/** A topic that several processes share. */
class Shared {
  #records: ReceivedRecord[] = []
  /** Of the next one that is written: how long it is under way. */
  slow: Promise<void> | null = null

  async open(): Promise<TriggerStore> {
    const store = new TriggerStore(system)
    await store.open(this.#client(), silentLogger, () => {})
    return store
  }

  /** Only the last record of each key is left. */
  compact(): void {
    const last = new Map(this.#records.map(record => [String(record.key), record.offset]))
    this.#records = this.#records.filter(({ key, offset }) => last.get(String(key)) === offset)
  }

  get #end(): bigint {
    return (this.#records.at(-1)?.offset ?? -1n) + 1n
  }

  #client(): Client {
    return {
      topics: async () => [{ id: 'x', partitions: [{ partition: 0 }] }],
      configs: async () => [],
      offsets: async (_topic: string, _partitions: unknown, which: string) => new Map([[0, which === 'earliest' ? 0n : this.#end]]),
      send: async (_topic: string, [{ key, value }]: [{ key: Buffer; value: Buffer | null }]) => {
        const { slow } = this
        this.slow = null
        await slow
        const offset = this.#end
        this.#records.push({ topic: 't', partition: 0, offset, timestampMs: 0n, key, value, headers: [] })
        return [{ partition: 0, offset }]
      },
      openReader: () => ({
        poll: async ({ positions: [position] }: { positions: { offset: bigint }[] }) => {
          await pause(system, 1)
          const records = this.#records.filter(({ offset }) => offset >= position!.offset)
          return { records, next: [{ partition: 0, offset: this.#end }], outOfRange: [] }
        },
        async close() {},
      }),
    } as unknown as Client
  }
}

const defined = (description: string, more: object = {}): Promise<Definition> =>
  parseDefinition('n', { description, topics: ['t'], function: { url: 'http://127.0.0.1/' }, ...more }, system.clock)

const told = (store: TriggerStore) =>
  store.versions('n').map(each => [each.version, each.definition?.description, each.definition?.enabled])

test('a trigger that is paused and resumed stays the same version, so that it pushes none out', async () => {
  const shared = new Shared()
  const store = await shared.open()
  const [code, better] = [await defined('code'), await defined('better')]
  await store.put('n', code, 'User:me')
  const made = await store.put('n', better, 'User:me')
  const ids = new Set([made.id])
  for (let n = 0; n < 25; n++) {
    const { version, id, origin, by, definition } = await store.put('n', { ...better, enabled: n % 2 !== 0 }, 'User:other')
    assert.deepEqual([version, origin, by, definition!.enabled], [2, made.origin, 'User:me', n % 2 !== 0])
    ids.add(id)
  }
  assert.equal(ids.size, 26, 'each is another state to run')
  shared.compact()
  const later = await shared.open()
  for (const each of [store, later])
    assert.deepEqual(told(each), [
      [2, 'better', false],
      [1, 'code', true],
    ])
  // Not by how it is written down, and what is brought back is always a version.
  const { description, ...rest } = better
  assert.equal((await store.put('n', { ...rest, description }, 'User:me')).version, 2)
  assert.equal((await store.put('n', better, 'User:me', 2)).version, 3)
  await Promise.all([store.close(), later.close()])
})

for (const [name, first, other, left] of [
  ['two new versions', () => defined('a'), () => defined('b'), [2, 'a', true]],
  ['one is paused and gets a new version', () => defined('code', { enabled: false }), () => defined('b'), [1, 'code', false]],
  ['one gets a new version and is paused', () => defined('a'), () => defined('code', { enabled: false }), [2, 'a', true]],
] as const)
  test(`of two changes of two processes at the same time, one is made and the other one refused: ${name}`, async () => {
    const shared = new Shared()
    const [one, two] = [await shared.open(), await shared.open()]
    await one.put('n', await defined('code'), 'User:one')
    while (two.get('n') === null) await pause(system, 1)
    let goOn = () => {}
    // The second one is made after the same version, and arrives when the first one has been told that its change is made.
    shared.slow = new Promise(resolve => {
      goOn = resolve
    })
    const refused = two.put('n', await other(), 'User:two').then(
      () => 'made',
      error => error,
    )
    await pause(system, 5)
    await one.put('n', await first(), 'User:one')
    goOn()
    assert.ok((await refused) instanceof ChangedMeanwhile, String(await refused))
    shared.compact()
    const later = await shared.open()
    for (const each of [one, two, later]) assert.deepEqual(told(each)[0], left)
    // And what comes next is taken by all.
    assert.equal((await two.put('n', await defined('next'), 'User:two')).version, left[0] + 1)
    while (one.get('n')!.definition.description !== 'next') await pause(system, 1)
    await Promise.all([one.close(), two.close(), later.close()])
  })

test('a change of a trigger that is deleted at the same time does not bring it back', async () => {
  const shared = new Shared()
  const [one, two] = [await shared.open(), await shared.open()]
  await one.put('n', await defined('code'), 'User:one')
  while (two.get('n') === null) await pause(system, 1)
  let goOn = () => {}
  shared.slow = new Promise(resolve => {
    goOn = resolve
  })
  const refused = assert.rejects(two.put('n', await defined('b'), 'User:two'), ChangedMeanwhile)
  await pause(system, 5)
  await one.delete('n', 'User:one')
  goOn()
  await refused
  shared.compact()
  const later = await shared.open()
  for (const each of [one, two, later]) assert.deepEqual(each.names(), [])
  await Promise.all([one.close(), two.close(), later.close()])
})
