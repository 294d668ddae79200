import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client, GroupInfo, GroupMember } from '../../client.ts'
import { GroupHistory } from './groups.ts'

const member = (id: string, partitions: readonly number[] = [], instanceId: string | null = null): GroupMember => ({
  ...{ id, instanceId, clientId: id.split('-')[0]!, host: '/10.0.0.1', tasks: [] },
  partitions: partitions.map(partition => ({ topic: 'orders', partition })),
})

interface Seen {
  state: string
  epoch: number | null
  members: GroupMember[]
  /** Of its only partition. */
  read: bigint
  end: bigint
}

/** What a cluster with one group answers; null: the group is not there. */
function clusterOf(now: () => Seen | null): Client {
  const offset = ({ read }: Seen) => ({ topic: 'orders', partition: 0, offset: read, lag: null, metadata: '' })
  const parts: Partial<Client> = {
    groups: async () => (now() === null ? [] : [{ group: 'readers', state: now()!.state, protocolType: 'consumer', type: 'consumer' }]),
    group: async (group, type) => ({ ...now()!, group, type: type!, protocolType: 'consumer', protocol: 'uniform' }) satisfies GroupInfo,
    manyGroupOffsets: async groups => new Map(groups.map(({ group }) => [group, [offset(now()!)]])),
    manyOffsets: async () => new Map([['orders', new Map([[0, now()?.end ?? 0n]])]]),
  }
  return parts as Client
}

const still = { read: 0n, end: 0n }
const told = (history: GroupHistory) => history.of('readers')!.changes.map(each => each.text)

test('the history of a group says who came and went, what moved, and why else', async () => {
  let seen: Seen | null = { ...still, state: 'Empty', epoch: 1, members: [] }
  const [history, client] = [new GroupHistory(360), clusterOf(() => seen)]
  const look = async (next: Partial<Seen>) => {
    seen = { ...seen!, ...next }
    await history.look(client, 0)
  }
  await look({})
  await look({})
  await look({ state: 'Stable', epoch: 2, members: [member('a-1', [0, 1])] })
  await look({ epoch: 3, members: [member('a-1', [0]), member('b-1', [1])] })
  await look({ state: 'Reconciling', epoch: 4, members: [member('a-1', [1]), member('b-1', [0])] })
  await look({ state: 'Stable', epoch: 5, members: [member('a-1', [0, 1])] })
  await look({})
  assert.deepEqual(told(history), [
    'a (10.0.0.1) joined; now stable',
    'b (10.0.0.1) joined; 1 partition moved to another member; epoch 2 to 3',
    'no member came or went: the subscriptions, the topics or the assignor changed; 2 partitions moved to another member; epoch 3 to 4; now reconciling',
    'b (10.0.0.1) left; 1 partition moved to another member; epoch 4 to 5; now stable',
  ])
})

test('a group that was there before the first look has no history, and one that comes later has', async () => {
  const stable = { ...still, state: 'Stable', epoch: 7, members: [member('a-1', [0])] }
  const before = new GroupHistory(360)
  await before.look(
    clusterOf(() => stable),
    0,
  )
  assert.deepEqual(told(before), [])
  let seen: Seen | null = null
  const later = new GroupHistory(360)
  const client = clusterOf(() => seen)
  await later.look(client, 0)
  seen = stable
  await later.look(client, 10_000)
  assert.deepEqual(told(later), ['a (10.0.0.1) joined; now stable'])
})

test('a static member that comes back under another id is no change', async () => {
  let members = [member('a-1', [0], 'one')]
  const history = new GroupHistory(360)
  const client = clusterOf(() => ({ ...still, state: 'Stable', epoch: null, members }))
  await history.look(client, 0)
  members = [member('a-2', [0], 'one')]
  await history.look(client, 10_000)
  assert.deepEqual(told(history), [])
})

test('how long a group is behind follows from when its partitions ended where it is now', async () => {
  const seen: Seen = { state: 'Empty', epoch: null, members: [], read: 0n, end: 0n }
  const history = new GroupHistory(360)
  const client = clusterOf(() => seen)
  assert.equal(history.behindMs('readers'), null)
  for (let at = 0; at <= 6; at++) {
    seen.end = BigInt(100 + at * 100)
    await history.look(client, at * 10_000)
  }
  assert.equal(history.behindMs('readers'), null, 'it has read less than there was at the first look')
  seen.read = 350n
  await history.look(client, 70_000)
  assert.equal(history.behindMs('readers'), 45_000, 'the end was 350 in the middle between the third and the fourth look')
  seen.read = seen.end
  await history.look(client, 80_000)
  assert.equal(history.behindMs('readers'), 0)
})

test('of a group that has committed nothing the lag is not known', async () => {
  const history = new GroupHistory(360)
  const seen = { state: 'Stable', epoch: 1, members: [], read: 0n, end: 6n }
  const client = clusterOf(() => seen)
  await history.look({ ...client, manyGroupOffsets: async () => new Map([['readers', []]]) } as unknown as Client, 0)
  assert.equal(history.of('readers')!.lag.last, null)
  assert.equal(history.behindMs('readers'), null)
  await history.look(client, 10_000)
  assert.equal(history.of('readers')!.lag.last, 6)
})
