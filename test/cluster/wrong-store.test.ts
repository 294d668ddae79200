/** A broker never works in an object store that is another cluster's, nor in another one than the brokers before it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunningBroker } from '../../src/broker.ts'
import { WrongObjectStore } from '../../src/store.ts'
import { SimulatedStores } from './simulated-stores.ts'

/** Ends what started nonetheless. */
const stopped = (starting: Promise<RunningBroker>) => starting.then(running => running.close())
const writes = ({ s3 }: SimulatedStores) => s3.objects.size

test('two clusters do not share a prefix', async () => {
  const stores = new SimulatedStores()
  await stopped(stores.startBroker(stores.process()))
  const other = new SimulatedStores()
  other.s3 = stores.s3
  const before = writes(stores)
  await assert.rejects(stopped(other.startBroker(other.process())), error => {
    assert.ok(error instanceof WrongObjectStore, String(error))
    assert.match(error.message, /belongs to another cluster, [0-9a-f-]{36}; each cluster needs one of its own/)
    return true
  })
  assert.equal(writes(stores), before)
  await stopped(stores.startBroker(stores.process()))
})

test('a broker of a cluster does not begin another prefix', async () => {
  const stores = new SimulatedStores()
  const first = await stores.startBroker(stores.process())
  const before = writes(stores)
  for (const objects of ['s3://bucket/prefox?endpoint=http://s3.test', 's3://bucket/prefix/2?endpoint=http://s3.test'])
    await assert.rejects(stopped(stores.startBroker(stores.process(), { objects })), /is not the one that cluster [0-9a-f-]{36} has used/)
  assert.equal(writes(stores), before)
  await stopped(stores.startBroker(stores.process()))
  await first.close()
})

test('a broker that starts while the object store is away waits for it', async () => {
  const stores = new SimulatedStores()
  let isAway = true
  stores.objectsFate = () => (isAway ? 'internal-error' : 'well')
  const starting = stores.startBroker(stores.process())
  await new Promise(resolve => setTimeout(resolve, 200))
  isAway = false
  await stopped(starting)
})

test('of brokers that begin a cluster with different prefixes at once, only those with one of them go on', async () => {
  const stores = new SimulatedStores()
  const prefixes = ['prefix', 'prefox', 'prefix', 'prefox']
  const starts = await Promise.allSettled(
    prefixes.map(prefix => stores.startBroker(stores.process(), { objects: `s3://bucket/${prefix}?endpoint=http://s3.test` })),
  )
  const running = starts.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  const refused = starts.flatMap(each => (each.status === 'rejected' ? [String(each.reason)] : []))
  for (const each of running) await each.close()
  assert.deepEqual([running.length, refused.length], [2, 2], String(refused))
  for (const reason of refused) assert.match(reason, /begins with its objects at s3:|is not the one that cluster [0-9a-f-]{36} has used/)
  assert.equal([...stores.s3.objects.keys()].filter(name => name.endsWith('/cluster')).length, 1)
})
