import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import type { Client } from '../client.ts'
import { silentLogger } from '../logger.ts'
import { parseDefinition } from './check.ts'
import { TriggerStore } from './store.ts'

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
  const system = realSystem()
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
