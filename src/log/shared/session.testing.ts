/**
 * A session's journal over a simulated PostgreSQL and S3, with partitions that know what they appended, and a reader of the stream that knows
 * nothing: what it finds in rows and objects must be what was appended, each offset once and in order.
 */
import assert from 'node:assert/strict'
import { type CallFate, SimulatedPostgres } from '../../../sim/world/postgres.ts'
import { Process } from '../../../sim/world/process.ts'
import type { SeededRandom } from '../../../sim/world/random.ts'
import { type RequestFate, SimulatedS3 } from '../../../sim/world/s3.ts'
import { simulatedWorld, type World } from '../../../sim/world/world.ts'
import { type System, trustingClock } from '../../base.ts'
import { KafkaError, type Offset, randomUuid, type Uuid } from '../../protocol.ts'
import { type Database, type FrameKind, frameKind, type ObjectStore, openDatabase, openObjectStore } from '../../store.ts'
import { decodeFrame, type Share } from './frame.ts'
import { type EndReason, type JournalMember, SessionJournal } from './journal.ts'
import { type SharedSettings, sharedDefaults } from './settings.ts'

export interface TestCluster {
  world: World
  /** Of the machine that the sessions run on: its monotonic clock stands still while it is suspended. */
  system: System
  /** All of the machine stands still; only its wall clock goes on. */
  suspend(ms: number): void
  server: SimulatedPostgres
  s3: SimulatedS3
  process: Process
  random: SeededRandom
  /** How often something goes wrong. */
  faults: { database: number; objects: number }
  openDatabase(): Database
  objects: ObjectStore
}

export interface TestSession {
  database: Database
  journal: SessionJournal
  session: number
  ended: EndReason[]
  reports: string[]
  /** Seqs as they were handed over, and the most frames that were unsettled at once. */
  handed: number[]
  mostUnsettled: number
  /** Objects that frames referred to before they were there. */
  missing: string[]
}

/** What the journal uses of them. */
export interface Stores {
  commit: Database['commit']
  objects: ObjectStore
}

const callFates: readonly CallFate[] = ['lost-before', 'lost-after', 'late']
const requestFates: readonly RequestFate[] = ['lost-before', 'lost-after', 'late', 'slow-down', 'internal-error', 'broken-off']
const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }

export function testCluster(seed: number, graceMs = 5_000): TestCluster {
  const world = simulatedWorld({ seed })
  const random = world.random.fork()
  const faults = { database: 0, objects: 0 }
  const fateOf = <Fate>(fates: readonly Fate[], rate: () => number) => {
    const own = random.fork()
    return () => (own.chance(rate()) ? own.pick(fates) : 'well')
  }
  const database = fateOf(callFates, () => faults.database)
  const server = new SimulatedPostgres({ ...world.system, random: random.fork(), graceMs, fate: database })
  const s3 = new SimulatedS3({
    ...world.system,
    random: random.fork(),
    bucket: 'bucket',
    fate: fateOf(requestFates, () => faults.objects),
    listingDelayMs: () => 0,
  })
  const process = new Process(world.system.timers)
  let suspendedMs = 0
  const { clock } = world.system
  const system = { ...world.system, timers: process, clock: trustingClock(clock.now, () => clock.monotonic() - suspendedMs) }
  return {
    world,
    system,
    suspend(ms) {
      process.pause(ms)
      suspendedMs += ms
    },
    server,
    s3,
    process,
    random,
    faults,
    openDatabase: () =>
      openDatabase({ system: world.system, connect: server.connect(new Process(world.system.timers)), timeoutMs: 60_000 }),
    objects: openObjectStore({
      system,
      url: 's3://bucket/c?endpoint=https://s3.test',
      environment,
      transport: s3.transport(process),
    }),
  }
}

/** Runs in the cluster's process, which may be paused. `plant`: stores with a bug on purpose. */
export async function testSession(
  cluster: TestCluster,
  change: Partial<SharedSettings> = {},
  plant: (stores: Stores) => Stores = stores => stores,
): Promise<TestSession> {
  const { system, server, process, random } = cluster
  const database = openDatabase({ system, connect: server.connect(process), timeoutMs: 60_000 })
  await database.start('00000000-0000-4000-8000-000000000001')
  const session = await database.beginSession({ brokerId: 1, incarnation: incarnation(random), info: {} })
  const made: Omit<TestSession, 'journal'> = { database, session, ended: [], reports: [], handed: [], mostUnsettled: 0, missing: [] }
  let unsettled = 0
  const stores = plant({ commit: (frame, writes) => database.commit(frame, writes), objects: cluster.objects })
  const spied: Pick<Database, 'commit'> = {
    async commit(frame, writes) {
      const committed = stores.commit(frame, writes)
      made.handed.push(frame.seq)
      made.missing.push(...frame.objects.filter(object => !cluster.s3.objects.has(`c/${object}`)))
      made.mostUnsettled = Math.max(made.mostUnsettled, ++unsettled)
      try {
        return await committed
      } finally {
        unsettled--
      }
    },
  }
  const journal = new SessionJournal({
    system,
    database: spied as Database,
    objects: stores.objects,
    session,
    settings: { ...sharedDefaults, ...change },
    report: what => made.reports.push(what),
    onEnded: reason => made.ended.push(reason),
  })
  return Object.assign(made, { journal })
}

/** A journal whose first heartbeat is committed. */
export async function steadySession(change: Partial<SharedSettings> = {}, seed = 1) {
  const cluster = testCluster(seed)
  const { world, objects } = cluster
  const opened = await world.run(testSession(cluster, change))
  await world.pass(100)
  assert.equal(opened.journal.lastSeq, 1)
  const log: string[] = []
  const partitions = Array.from({ length: 4 }, (_, nth) => new TestPartition(cluster.random, nth, log))
  const stream = () => world.run(readStream(cluster.openDatabase(), objects, opened.session))
  const check = async () => {
    const found = await stream()
    checkStream(found, partitions)
    return found
  }
  const later = <T>(ms: number, work: () => Promise<T>) =>
    new Promise<T>((resolve, reject) => world.system.timers.after(ms, () => work().then(resolve, reject)))
  return {
    ...cluster,
    ...opened,
    opened,
    later,
    partitions: partitions as [TestPartition, TestPartition, TestPartition, TestPartition],
    log,
    stream,
    check,
  }
}

function incarnation(random: SeededRandom): string {
  const bytes = Buffer.alloc(16)
  random.fill(bytes)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** What a partition would be to the journal; its batches are of one offset each, and say which one. */
export class TestPartition implements JournalMember {
  readonly topicId: Uuid
  readonly partition: number
  config: JournalMember['config'] = { durability: null }
  leaderEpoch = 0
  /** Of each offset. */
  readonly epochs: number[] = []
  end: Offset = 0
  highWatermark: Offset = 0
  logStart: Offset = 0
  /** All below was acknowledged. */
  acknowledged: Offset = 0
  refused = 0
  /** What the journal said, in order, with all of the test's partitions. */
  readonly log: string[]
  readonly #sent: { seq: number; end: Offset }[] = []

  constructor(random: SeededRandom, partition: number, log: string[] = []) {
    this.topicId = randomUuid(random)
    this.partition = partition
    this.log = log
  }

  /** Appends a batch of so many bytes. Resolves with whether it was acknowledged. */
  async append(journal: SessionJournal, bytes: number): Promise<boolean> {
    const baseOffset = this.end++
    this.epochs.push(this.leaderEpoch)
    const batch = batchAt(this.partition, baseOffset, bytes)
    const cut = bytes >> 1
    return this.#await(journal, baseOffset, this.end, bytes, [batch.subarray(0, cut), batch.subarray(cut)])
  }

  deleteBefore(journal: SessionJournal, logStart: Offset): Promise<boolean> {
    return this.#await(journal, this.end, this.end, 0, [], logStart)
  }

  async #await(journal: SessionJournal, baseOffset: Offset, endOffset: Offset, length: number, batches: Buffer[], logStart = -1) {
    const { topicId, partition, leaderEpoch } = this
    try {
      await journal.append(this, { topicId, partition, leaderEpoch, baseOffset, endOffset, length, logStart }, batches)
    } catch (error) {
      assert.ok(error instanceof KafkaError && error.name === 'NOT_LEADER_OR_FOLLOWER', String(error))
      this.refused++
      return false
    }
    assert.ok(this.highWatermark >= endOffset, 'acknowledged below the high watermark')
    this.log.push(`acknowledged ${partition}:${endOffset}`)
    this.acknowledged = Math.max(this.acknowledged, endOffset)
    return true
  }

  sent(seq: number, end: Offset): void {
    const last = this.#sent.at(-1)
    assert.ok(last === undefined || (last.seq <= seq && last.end <= end), `sent in order: ${seq} after ${last?.seq}`)
    this.#sent.push({ seq, end })
    this.log.push(`sent ${this.partition}:${end} in ${seq}`)
  }

  committed(end: Offset, logStart: Offset): void {
    assert.ok(end >= this.highWatermark, 'committed in order')
    assert.ok(
      this.#sent.some(each => each.end === end),
      'committed after it was sent',
    )
    this.highWatermark = end
    if (logStart !== -1) this.logStart = logStart
    this.log.push(`committed ${this.partition}:${end}`)
  }

  notify(): void {
    this.log.push(`notified ${this.partition}`)
  }
}

/** Of at least 8 bytes. */
function batchAt(partition: number, offset: Offset, bytes: number): Buffer {
  const batch = Buffer.alloc(bytes, (partition * 31 + offset * 7) & 255)
  batch.writeUInt32BE(offset, 0)
  batch.writeUInt32BE(bytes, 4)
  return batch
}

export interface FoundFrame {
  seq: number
  kind: FrameKind
  shares: { share: Share; bytes: Buffer }[]
  bodyBytes: number
}

/** All that is in the stream, objects included. */
export async function readStream(database: Database, objects: ObjectStore, session: number): Promise<FoundFrame[]> {
  const found: FoundFrame[] = []
  for (;;) {
    const page = await database.frames(session, found.length, 1 << 20)
    if (page.length === 0) return found
    for (const frame of page) {
      assert.equal(frame.seq, found.length)
      const { shares, inline } = decodeFrame(frame)
      const read = shares.map(async share => {
        const bytes = share.object === -1 ? inline(share) : await objects.get(frame.objects[share.object]!, share.position, share.length)
        return { share, bytes }
      })
      found.push({ seq: frame.seq, kind: frame.kind, shares: await Promise.all(read), bodyBytes: frame.body.length })
    }
  }
}

/** The offsets of each partition follow each other, have the bytes that were appended, and reach at least as far as was acknowledged. */
export function checkStream(stream: readonly FoundFrame[], partitions: readonly TestPartition[]): void {
  const fences = stream.filter(frame => frame.kind === frameKind.fence)
  assert.ok(fences.length === 0 || (fences.length === 1 && stream.at(-1) === fences[0]), 'nothing follows a fence')
  for (const each of partitions) {
    let end = 0
    for (const { shares } of stream) {
      for (const { share, bytes } of shares) {
        if (share.topicId !== each.topicId || share.partition !== each.partition) continue
        assert.equal(share.baseOffset, end, `partition ${share.partition} goes on where it was`)
        end = share.endOffset
        for (let offset = share.baseOffset; offset < end; offset++) assert.equal(share.leaderEpoch, each.epochs[offset])
        checkBatches(share, bytes)
      }
    }
    assert.ok(end >= each.acknowledged, `${each.acknowledged} of partition ${each.partition} was acknowledged, the stream has ${end}`)
    assert.ok(end >= each.highWatermark && end <= each.end, `${end} of ${each.end}`)
  }
}

function checkBatches(share: Share, bytes: Buffer): void {
  let at = 0
  for (let offset = share.baseOffset; offset < share.endOffset; offset++) {
    const length = bytes.readUInt32BE(at + 4)
    assert.ok(bytes.subarray(at, at + length).equals(batchAt(share.partition, offset, length)), `the bytes of ${share.partition}:${offset}`)
    at += length
  }
  assert.equal(at, bytes.length, 'all bytes belong to batches')
}
