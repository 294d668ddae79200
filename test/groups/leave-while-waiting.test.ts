/** Whoever waits for the other members of a group can end: the group goes on at once, and does not wait for its session. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ClassicMembership, type Client, ClientError, openClient } from '../../src/client.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'

let broker: Millrace
let first: Client
let second: Client

before(async () => {
  broker = await startBroker({ memory: true })
  first = openClient({ bootstrap: broker.address })
  second = openClient({ bootstrap: broker.address })
})
after(async () => {
  await Promise.all([first.close(), second.close()])
  await broker.close()
})

const protocols = [{ name: 'any', metadata: Buffer.alloc(0) }]
/** Longer than the test may take. */
const timeouts = { sessionTimeoutMs: 300_000, rebalanceTimeoutMs: 300_000 }
const join = (client: Client, group: string, { memberId = '', signal }: { memberId?: string; signal?: AbortSignal } = {}) =>
  client.joinGroup({ group, protocolType: 'test', protocols, memberId, ...timeouts, ...(signal !== undefined && { signal }) })
const assign = ({ members }: ClassicMembership) => new Map(members.map(each => [each.memberId, Buffer.from('work')]))
const left = (error: unknown) => error instanceof ClientError && error.code === 'UNKNOWN_MEMBER_ID'

async function rebalances(client: Client, membership: ClassicMembership): Promise<void> {
  for (;;)
    try {
      await client.heartbeatGroup(membership)
    } catch (error) {
      if (error instanceof ClientError && error.code === 'REBALANCE_IN_PROGRESS') return
      throw error
    }
}

test('a new member that waits for the others to join leaves when it is told to', async () => {
  const ending = new AbortController()
  const begun = await join(first, 'new')
  await first.syncGroup(begun, assign(begun))
  const rejected = assert.rejects(join(second, 'new', { signal: ending.signal }), left)
  await rebalances(first, begun)
  ending.abort()
  await rejected
  assert.equal((await join(first, 'new', begun)).members.length, 1)
})

test('one that was there before, and waits for the others to join again, leaves when it is told to', async () => {
  const ending = new AbortController()
  const begun = await join(first, 'old')
  await first.syncGroup(begun, assign(begun))
  const joining = join(second, 'old')
  await rebalances(first, begun)
  const [leading, following] = await Promise.all([join(first, 'old', begun), joining])
  await Promise.all([first.syncGroup(leading, assign(leading)), second.syncGroup(following, new Map())])
  // The one that assigns has the group divide anew by joining.
  const rejected = assert.rejects(join(first, 'old', { memberId: leading.memberId, signal: ending.signal }), left)
  await rebalances(second, following)
  ending.abort()
  await rejected
  assert.equal((await join(second, 'old', following)).members.length, 1)
})

test('a member that waits for what it is assigned leaves when it is told to, and one that is told before it joins does not join', async () => {
  const group = 'sync'
  const ending = new AbortController()
  const begun = await join(first, group)
  await first.syncGroup(begun, assign(begun))
  const joining = join(second, group)
  await rebalances(first, begun)
  const leading = await join(first, group, begun)
  const following = await joining
  assert.equal(leading.leader, leading.memberId)
  const rejected = assert.rejects(second.syncGroup(following, new Map(), ending.signal), left)
  ending.abort()
  await rejected
  await assert.rejects(join(second, group, { signal: ending.signal }), left)
  const alone = await join(first, group, begun)
  assert.equal(alone.members.length, 1)
})
