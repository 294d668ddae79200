import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../base.ts'
import type { Client } from '../client.ts'
import type { RegistryClient } from '../serde.ts'
import { Catalogues } from './catalogue.ts'

/** Each load of the topics takes so long. */
function stand(loadMs: number) {
  const state = { nowMs: 0, loads: 0 }
  const monotonic = () => state.nowMs
  const catalogues = new Catalogues({ clock: trustingClock(monotonic, monotonic) })
  const topicStates = async () => {
    state.loads++
    state.nowMs += loadMs
    return []
  }
  const client = { topicStates } as unknown as Client
  return { state, catalogues, client, topics: (key: string) => catalogues.of(key, client).topics.get() }
}

test('all who look within seconds share one load, and whoever changes something sees it', async () => {
  const { state, catalogues, client, topics } = stand(10)
  await Promise.all([topics('a'), topics('a'), topics('a')])
  await topics('a')
  assert.equal(state.loads, 1)
  catalogues.of('a', client).topics.forget()
  await topics('a')
  assert.equal(state.loads, 2)
  state.nowMs += 3_001
  await topics('a')
  assert.equal(state.loads, 3)
})

test('another registry is asked anew, and a change of a group also changes what groups have committed', async () => {
  let asked = 0
  const registry = (subject: string) => ({ request: async () => [subject] }) as unknown as RegistryClient
  const manyGroupOffsets = async () => {
    asked++
    return new Map()
  }
  const client = { groups: async () => [], manyGroupOffsets } as unknown as Client
  const monotonic = () => 0
  const catalogue = new Catalogues({ clock: trustingClock(monotonic, monotonic) }).of('a', client)
  assert.deepEqual(await catalogue.subjects.get(registry('first')), ['first'])
  assert.deepEqual(await catalogue.subjects.get(registry('second')), ['second'])
  await catalogue.committed.get()
  catalogue.forget(['topics'])
  await catalogue.committed.get()
  assert.equal(asked, 1)
  catalogue.forget(['groups'])
  await catalogue.committed.get()
  assert.equal(asked, 2)
})

test('what one principal sees is not shown to another', async () => {
  const { state, topics } = stand(0)
  await topics('a')
  await topics('b')
  assert.equal(state.loads, 2)
})

test('with slow loads and many principals a list is kept for longer, but not for ever', async () => {
  const { state, topics } = stand(100)
  const people = Array.from({ length: 50 }, (_, at) => `person ${at}`)
  const all = () => Promise.all(people.map(topics))
  await all()
  assert.equal(state.loads, 50)
  state.nowMs += 30_000
  await all()
  assert.equal(state.loads, 50, 'half a minute is not enough to load it fifty times within a tenth of the time')
  state.nowMs += 30_001
  await all()
  assert.equal(state.loads, 100)
})

test('a principal who has not looked for a minute costs no memory', async () => {
  const { state, topics } = stand(1)
  await topics('a')
  state.nowMs += 60_001
  await topics('b')
  state.nowMs -= 60_001
  await topics('a')
  assert.equal(state.loads, 3)
})
