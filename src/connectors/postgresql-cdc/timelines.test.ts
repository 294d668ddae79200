import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SourceTask, struct } from '../../connector.ts'
import { openSource, TestContext } from '../../connector-testing.ts'
import { lsnText } from './lsn.ts'
import { offsetOf, type Position, positionOf, start } from './position.ts'
import { FakeServer } from './server.testing.ts'
import { postgresqlCdc } from './source.ts'

/** Where the timeline 2 has gone on from 1. */
const fork = 1_000n
const partition = JSON.stringify(struct([['server', 'shop']]))

interface Server {
  timeline?: number
  isStandby?: boolean
  /** null: there is none. */
  slot?: bigint | null
}

/** A task that was at `position`, and the server that it finds. */
async function open(
  found: Server,
  position: Position,
  work: (task: SourceTask, server: FakeServer, stored: () => Position | null) => Promise<void>,
  mode = 'initial',
): Promise<void> {
  const server = await FakeServer.start(sql => {
    if (sql === 'IDENTIFY_SYSTEM') return [{ timeline: String(found.timeline ?? 2) }]
    if (sql === 'TIMELINE_HISTORY 2') return [{ filename: '2.history', content: `1\t${lsnText(fork)}\tno recovery target specified\n` }]
    if (sql.startsWith('TIMELINE_HISTORY')) return [{ filename: '3.history', content: `2\t0/FFFF\tbefore\n` }]
    if (sql.startsWith('CREATE_REPLICATION_SLOT')) return [{ consistent_point: lsnText(5_000n), snapshot_name: 's' }]
    if (sql.includes('server_version_num')) return [{ version: '150000', level: 'logical', standby: found.isStandby === true ? '1' : '0' }]
    if (sql.includes('pg_publication')) return [{ all: 't' }]
    if (!sql.includes('from pg_replication_slots s where') || found.slot === null) return []
    return [{ plugin: 'pgoutput', database: 'lab', confirmed: lsnText(found.slot ?? 100n), status: 'reserved', here: 'lab' }]
  })
  const context = new TestContext()
  context.offsets.set(partition, offsetOf(position, null, null))
  const config = {
    ...{ 'database.hostname': '127.0.0.1', 'database.port': String(server.port), 'database.sslmode': 'disable', 'snapshot.mode': mode },
    ...{ 'database.user': 'me', 'database.dbname': 'lab', 'topic.prefix': 'shop', 'poll.interval.ms': '10' },
  }
  try {
    const { task } = await openSource(postgresqlCdc, config, context)
    try {
      await work(task, server, () => positionOf(context.offsets.get(partition)!))
    } finally {
      await task.close()
    }
  } finally {
    server.close()
  }
}

const at = (commit: bigint, timeline: number | null = 1): Position => ({ ...start, commit, timeline })
const begunAt = ({ commands }: FakeServer) => /LOGICAL (\S+)/.exec(commands[0]!)![1]

test('a server of the same timeline, and a position of which none is known, go on as before', async () => {
  for (const timeline of [2, null])
    await open({}, at(2_000n, timeline), async (_, server, stored) => {
      assert.equal(begunAt(server), lsnText(2_000n))
      assert.equal(stored()!.timeline, 2)
    })
})

test('after a failover a position goes on that is older than it', () =>
  open({}, at(900n), async (_, server, stored) => {
    assert.equal(begunAt(server), lsnText(900n))
    assert.deepEqual([stored()!.commit, stored()!.timeline], [900n, 2])
  }))

test('what was read and is not on the new server does not hide what the new server writes in its place', () =>
  open({}, { ...at(1_200n), within: { transaction: 1_300n, lsn: 1_250n, messages: 1, records: 0 } }, async (_, server, stored) => {
    assert.equal(begunAt(server), lsnText(fork))
    assert.deepEqual([stored()!.commit, stored()!.within, stored()!.timeline], [fork, null, 2])
  }))

test('a slot that was made after the failover does not have the changes before', async () => {
  const found = { slot: 1_500n }
  await assert.rejects(
    open(found, at(900n), async () => {}),
    /timeline 1 with 2 at 0\/3E8, as after a failover, and its slot was made behind that, at 0\/5DC: the changes since 0\/384 are gone.*snapshot\.mode=when_needed/,
  )
  await open(
    found,
    at(900n),
    async (task, server) => {
      while (server.commands.length === 0) await task.poll()
      assert.equal(begunAt(server), lsnText(5_000n))
    },
    'when_needed',
  )
})

test('another server is told', () =>
  assert.rejects(
    open({ timeline: 3 }, at(900n), async () => {}),
    /its timeline 3 does not go on from 1.*changes since 0\/384 are gone/,
  ))

test('a standby that is not promoted yet is waited for', async () => {
  const found: Server = { isStandby: true, slot: null }
  await open(found, at(900n), async (task, server) => {
    await assert.rejects(async () => task.poll(), /is a standby without the slot debezium; it is waited for/)
    Object.assign(found, { isStandby: false, slot: 100n })
    assert.deepEqual(await task.poll(), [])
    assert.equal(begunAt(server), lsnText(900n))
  })
})
