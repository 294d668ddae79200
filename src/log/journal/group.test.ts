import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../protocol.ts'
import { Group } from './group.ts'
import type { JournalFile, Member } from './member.ts'

const file = { number: 1 } as JournalFile
const nextFile = { number: 2 } as JournalFile

class TestMember implements Member {
  readonly topic = 'orders'
  readonly topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid
  readonly partition = 0
  readonly deleted = false
  boundFile: JournalFile | null = null
  slot = 0
  logEndOffset = 7
  readonly synced: boolean
  readonly told: string[] = []
  onNotify = () => {}

  constructor(synced = false) {
    this.synced = synced
  }
  protect = () => null
  writeOut = () => null
  committed = () => void this.told.push('committed')
  takeBack = () => void this.told.push('takeBack')
  durable = (end: number) => void this.told.push(`durable ${end}`)
  notify = () => {
    this.told.push('notify')
    this.onNotify()
  }
}

const calls = {
  join: (group: Group) => group.join(new TestMember()),
  binds: (group: Group) => group.binds(new TestMember()),
  send: (group: Group) => group.send(),
  commit: (group: Group) => void group.commit(),
  refuse: (group: Group) => group.refuse(new Error('full'), file),
}
type Call = keyof typeof calls

/** The whole machine, once more and naively: what each state allows, and where it leads. */
const moves: Record<string, Partial<Record<Call, string>>> = {
  gathered: { join: 'gathered', binds: 'gathered', send: 'sent' },
  sent: { commit: 'committed', refuse: 'refused' },
  committed: {},
  refused: {},
}

test('every sequence of four calls: what a state does not allow fails and changes nothing', () => {
  const names = Object.keys(calls) as Call[]
  const sequences = names.flatMap(a => names.flatMap(b => names.flatMap(c => names.map(d => [a, b, c, d] as const))))
  for (const sequence of sequences) {
    const group = new Group()
    let expected = 'gathered'
    for (const call of sequence) {
      const next = moves[expected]![call]
      if (next === undefined) assert.throws(() => calls[call](group), /a group that is/, `${sequence}: ${call} when ${expected}`)
      else calls[call](group)
      expected = next ?? expected
      assert.equal(group.state, expected, sequence.join())
    }
  }
})

test('all members have left before waiters are called, which may join the next group', async () => {
  for (const outcome of ['commit', 'refuse'] as const) {
    const group = new Group()
    const members = [new TestMember(), new TestMember()]
    for (const member of members) group.join(member)
    members[0]!.onNotify = () => assert.equal(members[1]!.told.length, 1)
    group.send()
    if (outcome === 'commit') group.commit()
    else group.refuse(new Error('full'), file)
    if (outcome === 'commit') group.tellWritten()
    const left = outcome === 'commit' ? 'committed' : 'takeBack'
    assert.deepEqual(
      members.map(({ told }) => told),
      [
        [left, 'notify'],
        [left, 'notify'],
      ],
    )
  }
})

test('a refused frame leaves no bindings; bindings of other files stay', () => {
  const group = new Group()
  const members = [new TestMember(), new TestMember(), new TestMember()]
  group.join(members[0]!)
  for (const member of members) group.binds(member)
  for (const member of members) member.boundFile = file
  members[2]!.boundFile = nextFile
  group.send()
  group.refuse(new Error('full'), file)
  assert.deepEqual(
    members.map(({ boundFile }) => boundFile),
    [null, null, nextFile],
  )
  assert.deepEqual(
    members.map(({ told }) => told),
    [['takeBack', 'notify'], [], []],
  )
})

test('promises: written and durable immediately if no member needs the disk, durable later otherwise, both rejected after a refusal', async () => {
  const settled = async (promise: Promise<void>) => {
    const pending = new Promise(resolve => setImmediate(resolve, 'pending'))
    const known = promise.then(
      () => 'resolved',
      () => 'rejected',
    )
    return await Promise.race([known, pending])
  }
  for (const synced of [false, true]) {
    const group = new Group()
    const member = new TestMember(synced)
    group.join(member)
    const { written, durable } = group
    group.send()
    const ends = group.commit()
    member.logEndOffset = 9
    assert.equal(await settled(written), 'pending')
    group.tellWritten()
    assert.deepEqual([await settled(written), await settled(durable)], ['resolved', synced ? 'pending' : 'resolved'])
    if (!synced) continue
    group.becameDurable(ends)
    assert.equal(await settled(durable), 'resolved')
    assert.equal(member.told.at(-1), 'durable 7')
  }
  const refused = new Group()
  const { written, durable } = refused
  refused.send()
  refused.refuse(new Error('full'), file)
  assert.deepEqual([await settled(written), await settled(durable)], ['rejected', 'rejected'])
  const lost = new Group()
  lost.join(new TestMember(true))
  const unknown = lost.durable
  lost.send()
  lost.commit()
  lost.tellWritten()
  lost.rejectDurable(new Error('EIO'))
  assert.equal(await settled(unknown), 'rejected')
})
