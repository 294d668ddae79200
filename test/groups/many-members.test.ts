/**
 * What a broker has to bear: 1,000 groups of 5 at once, and one group of 500, over real connections. How long it
 * takes is the business of this machine; how many requests, generations and records it takes is the broker's, and is bounded.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { apis, errorCode } from '../../src/protocol.ts'
import { connect, findCoordinator, type RawClient } from '../support/client.ts'

/** Members that come while a generation begins make another one; a group that needs more than this does not settle. */
const mostGenerations = 6
const hangsAfterMs = 120_000
const batch = 250
const heartbeatMs = 500

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

/** A group as its members see it: settled when all of them sit in one generation. */
interface Group {
  readonly id: string
  readonly size: number
  generationId: number
  seated: number
  /** Requests of all its members. */
  joins: number
  syncs: number
}

/** Joins and syncs until the group is settled. The leader gives each member its own id as assignment. */
async function take(client: RawClient, group: Group): Promise<void> {
  const common = { groupId: group.id, groupInstanceId: null }
  const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }]
  for (let memberId = ''; ; ) {
    group.joins++
    const join = await client.request(apis.joinGroup, 9, {
      ...common,
      memberId,
      protocolType: 'consumer',
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
    group.syncs++
    const sync = await client.request(apis.syncGroup, 5, {
      ...common,
      memberId,
      generationId,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments,
    })
    if (sync.errorCode === errorCode('REBALANCE_IN_PROGRESS')) continue
    assert.equal(sync.errorCode, 0)
    assert.equal(sync.assignment.toString(), memberId)
    if (generationId > group.generationId) Object.assign(group, { generationId, seated: 0 })
    if (generationId === group.generationId) group.seated++
    if (await staysUntilSettled(client, group, memberId, generationId)) return
  }
}

/** False when the group moves on without this generation. */
async function staysUntilSettled(client: RawClient, group: Group, memberId: string, generationId: number): Promise<boolean> {
  while (group.generationId === generationId) {
    if (group.seated === group.size) return true
    await sleep(heartbeatMs)
    const beat = await client.request(apis.heartbeat, 4, { groupId: group.id, generationId, memberId, groupInstanceId: null })
    if (beat.errorCode !== 0) return false
  }
  return false
}

/** Resolves when every member of every group has its seat, all of a group in one generation. */
async function settle(count: number, size: number, prefix: string): Promise<Group[]> {
  const all = await clients(count * size)
  const none = { generationId: 0, seated: 0, joins: 0, syncs: 0 }
  const groups = Array.from({ length: count }, (_, index): Group => ({ id: `${prefix}${index}`, size, ...none }))
  await Promise.all(all.map((client, index) => take(client, groups[index % count]!)))
  for (const client of all) client.close()
  return groups
}

/** Of `__consumer_offsets`, all partitions together. */
async function recordsWritten(): Promise<number> {
  const client = await connect(broker.port)
  const partitions = Array.from({ length: 50 }, (_, partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 }))
  const topics = [{ name: '__consumer_offsets', partitions }]
  const answer = await client.request(apis.listOffsets, 6, { replicaId: -1, isolationLevel: 0, topics })
  client.close()
  return answer.topics[0]!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0)
}

for (const [count, size] of [
  [1_000, 5],
  [1, 500],
] as const) {
  test(`${count} group(s) of ${size} members`, { timeout: hangsAfterMs }, async t => {
    const before = await recordsWritten()
    const groups = await settle(count, size, `of-${size}-`)
    for (const { id, generationId, joins, syncs } of groups) {
      assert.ok(generationId <= mostGenerations, `${id} needed ${generationId} generations`)
      // Once to get an id, and once for each generation.
      assert.ok(joins <= size * (generationId + 1), `${id}: ${joins} joins in ${generationId} generations`)
      assert.ok(syncs <= size * generationId, `${id}: ${syncs} syncs in ${generationId} generations`)
    }
    const generations = groups.reduce((sum, { generationId }) => sum + generationId, 0)
    const written = (await recordsWritten()) - before
    t.diagnostic(`${generations} generations, ${written} records`)
    assert.ok(written <= generations + count, 'one record for each generation, and one when the members are gone')
  })
}
