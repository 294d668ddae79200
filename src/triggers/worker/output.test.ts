import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { realSystem } from '../../base.ts'
import { type Client, ClientError, type CommittedOffset, type Membership } from '../../client.ts'
import { silentLogger } from '../../logger.ts'
import { parseDefinition } from '../check.ts'
import type { Entry } from './batch.ts'
import type { Lane } from './lane.ts'
import { openOutput, transactionalIdOf } from './output.ts'

test('no two triggers write with the same transactional id, whatever they and their topics are called', () => {
  const ids = [
    transactionalIdOf('a', 'b-c', 0),
    transactionalIdOf('a-b', 'c', 0),
    transactionalIdOf('a', 'b', 10),
    transactionalIdOf('a', 'b-1', 0),
  ]
  assert.equal(new Set(ids).size, ids.length)
})

/** An output of which the test answers the ends of transactions, and the commits outside of them. */
async function exactlyOnce(t: TestContext) {
  const system = realSystem()
  const did: string[] = []
  const held = { end: Promise.withResolvers<void>(), commit: Promise.withResolvers<void>() }
  const writer = {
    send: async () => [],
    sendOffsets: async (_: string, __: unknown, [{ partition, offset }]: [CommittedOffset]) =>
      void did.push(`${partition}: ${offset} in a transaction`),
    commit: () => held.end.promise,
    async close() {},
  }
  const membership = {
    identity: () => ({ generation: 1, memberId: 'm' }),
    commit: async (offsets: readonly CommittedOffset[]) => {
      for (const { partition, offset } of offsets) did.push(`${partition}: ${offset}`)
      await held.commit.promise
    },
  } as unknown as Membership
  const client = { topics: async () => [{}], topicRights: async () => new Map([['out', {}]]), openTransactionalWriter: async () => writer }
  const given = { topics: ['t'], function: { url: 'http://127.0.0.1/' }, output: { topic: 'out', exactlyOnce: true } }
  const definition = await parseDefinition('n', given, system.clock)
  const options = { client: client as unknown as Client, membership, group: 'g', system, logger: silentLogger, onFailure: () => {} }
  const output = openOutput({ name: 'n', version: 1, id: '1', origin: '1', definition }, options)
  t.after(() => output.close())
  await output.begin!(both)
  const entries = [{ record: { ...both[0], offset: 115n } }] as unknown as Entry[]
  return { output, held, did, deliver: () => output.deliver('made', entries, {} as Lane) }
}

const both = [0, 1].map(partition => ({ topic: 't', partition }))
const older = both.map(each => ({ ...each, offset: 100n }))

test('what is done is not committed while a transaction of the partition is open, so that it cannot replace the newer offset', async t => {
  const { output, held, did, deliver } = await exactlyOnce(t)
  held.commit.resolve()
  const delivering = deliver()
  await turn()
  assert.deepEqual(await output.commit!(older), [older[1]])
  assert.deepEqual(did, ['0: 116 in a transaction', '1: 100'])
  held.end.resolve()
  await delivering
  assert.deepEqual(await output.commit!([{ ...both[0]!, offset: 117n }]), [{ ...both[0]!, offset: 117n }])
})

test('after a transaction of which nobody knows how it ended, nothing is committed before the partition begins again', async t => {
  const { output, held, deliver } = await exactlyOnce(t)
  held.commit.resolve()
  held.end.reject(new ClientError('UNREACHABLE', 'no broker answers'))
  await assert.rejects(deliver(), { code: 'UNREACHABLE' })
  assert.deepEqual(await output.commit!(older), [older[1]])
  await output.begin!([both[0]!])
  assert.deepEqual(await output.commit!(older), older)
})

test('a transaction waits for a commit that is under way', async t => {
  const { output, held, did, deliver } = await exactlyOnce(t)
  held.end.resolve()
  const committing = output.commit!(older)
  const delivering = deliver()
  await turn()
  assert.deepEqual(did, ['0: 100', '1: 100'])
  held.commit.resolve()
  await Promise.all([committing, delivering])
  assert.deepEqual(did.slice(2), ['0: 116 in a transaction'])
})
