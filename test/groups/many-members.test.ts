/** What a broker has to bear (reliability.md section 5): 1,000 groups of 5 at once, and one group of 500, over real connections. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { apis, errorCode } from '../../src/protocol.ts'
import { connect, findCoordinator, type RawClient } from '../support/client.ts'

const settledWithinMs = 10_000
const batch = 250

let broker: Millrace

before(async () => {
  // The machines of this test are one; a short delay, so that waiting is not what is measured.
  const config = {
    'max.connections.per.ip': '10000',
    'max.connection.creation.rate': '100000',
    'group.initial.rebalance.delay.ms': '1000',
  }
  broker = await startBroker({ memory: true, config })
  const client = await connect(broker.port)
  await findCoordinator(client, 'g')
  client.close()
})
after(() => broker.close())

async function clients(count: number): Promise<RawClient[]> {
  const all: RawClient[] = []
  while (all.length < count) {
    const more = Math.min(batch, count - all.length)
    all.push(...(await Promise.all(Array.from({ length: more }, () => connect(broker.port)))))
  }
  return all
}

interface Seat {
  generationId: number
  memberId: string
  assignment: string
}

/** Joins and syncs as long as the group is on the move. The leader gives each member its own id as assignment. */
async function take(client: RawClient, groupId: string): Promise<Seat> {
  const common = { groupId, groupInstanceId: null, protocolType: 'consumer' }
  const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }]
  for (let memberId = ''; ; ) {
    const join = await client.request(apis.joinGroup, 9, {
      ...common,
      memberId,
      protocols,
      sessionTimeoutMs: 45_000,
      rebalanceTimeoutMs: 60_000,
      reason: null,
    })
    memberId = join.memberId
    if (join.errorCode === errorCode('MEMBER_ID_REQUIRED')) continue
    assert.equal(join.errorCode, 0)
    const { generationId } = join
    const assignments = join.members.map(member => ({ memberId: member.memberId, assignment: Buffer.from(member.memberId) }))
    const sync = await client.request(apis.syncGroup, 5, { ...common, memberId, generationId, protocolName: 'range', assignments })
    if (sync.errorCode === errorCode('REBALANCE_IN_PROGRESS')) continue
    assert.equal(sync.errorCode, 0)
    return { generationId, memberId, assignment: sync.assignment.toString() }
  }
}

/** Resolves with how long it took until every member of every group had its seat, in one generation. */
async function settle(groups: number, members: number, prefix: string): Promise<number> {
  const all = await clients(groups * members)
  const started = performance.now()
  const seats = await Promise.all(all.map((client, index) => take(client, `${prefix}${index % groups}`)))
  const took = performance.now() - started
  for (const { generationId, memberId, assignment } of seats) assert.deepEqual([generationId, assignment], [1, memberId])
  for (const client of all) client.close()
  await sleep(0)
  return took
}

test('1,000 groups of 5 members', async t => {
  const took = await settle(1_000, 5, 'many-')
  t.diagnostic(`settled in ${Math.round(took)} ms`)
  assert.ok(took < settledWithinMs)
})

test('one group of 500 members', async t => {
  const took = await settle(1, 500, 'large-')
  t.diagnostic(`settled in ${Math.round(took)} ms`)
  assert.ok(took < settledWithinMs)
})
