/**
 * What every database must do. Each part uses sessions, partitions and objects of its own, so that it can run with others in one database,
 * and while connections break: then calls take longer, and mean the same.
 */
import assert from 'node:assert/strict'
import type { SeededRandom } from '../../sim/world/random.ts'
import type {
  ClusterRow,
  CommitOutcome,
  Database,
  Frame,
  FrameKind,
  PartitionKey,
  PartitionRow,
  SegmentRow,
  Writes,
} from '../../src/store.ts'
import { frameKind } from '../../src/store.ts'

export interface Subject {
  /** As another broker would have it. */
  open(): Database
  pass(ms: number): Promise<void>
  graceMs: number
  random: SeededRandom
}

/** A broker's life, with the counting of seqs. */
export class Writer {
  readonly database: Database
  readonly session: number
  seq = 0
  readonly acknowledged: number[] = []

  private constructor(database: Database, session: number) {
    this.database = database
    this.session = session
  }

  static async begin({ open, random }: Subject): Promise<Writer> {
    const database = open()
    await database.start(uuidOf(random))
    const start = { brokerId: random.below(1_000), incarnation: uuidOf(random), info: { rack: 'a' } }
    const session = await database.beginSession(start)
    assert.equal(await database.beginSession(start), session, 'the same start has the same session')
    return new Writer(database, session)
  }

  frame(body: string | Uint8Array = 'frame', kind: FrameKind = frameKind.data, objects: readonly string[] = []): Frame {
    return { session: this.session, seq: ++this.seq, kind, body: Buffer.from(body), objects }
  }

  async commit(frame: Frame = this.frame(), writes?: Writes): Promise<CommitOutcome> {
    const outcome = await this.database.commit(frame, writes)
    if (outcome === 'committed') this.acknowledged.push(frame.seq)
    return outcome
  }

  async committed(frame: Frame = this.frame(), writes?: Writes): Promise<void> {
    assert.equal(await this.commit(frame, writes), 'committed')
  }
}

export function uuidOf(random: SeededRandom): string {
  const bytes = Buffer.alloc(16)
  random.fill(bytes)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

async function allFrames(database: Database, session: number, from = 0, mostBytes = 64): Promise<Frame[]> {
  const found: Frame[] = []
  for (;;) {
    const page = await database.frames(session, from + found.length, mostBytes)
    if (page.length === 0) return found
    found.push(...page)
  }
}

export const contract: Readonly<Record<string, (subject: Subject) => Promise<void>>> = {
  async 'a cluster is made once'(subject) {
    const databases = [subject.open(), subject.open(), subject.open()]
    const rows = await Promise.all(databases.map(each => each.start(uuidOf(subject.random))))
    const [{ id, format }] = rows as [ClusterRow, ClusterRow, ClusterRow]
    for (const row of rows) assert.deepEqual([row.id, row.format, Number.isSafeInteger(row.nowMs)], [id, format, true])
    assert.equal(format, 1)
    const claims = await Promise.all(databases.map((each, nth) => each.claimPlace(`s3://bucket/${nth}`)))
    assert.deepEqual(new Set([...claims, await databases[0]!.claimPlace('s3://bucket/late')]).size, 1, 'the first one counts')
    await Promise.all(databases.map(each => each.close()))
  },

  async 'frames are committed in order, once each, with their bytes'(subject) {
    const writer = await Writer.begin(subject)
    const sent: Frame[] = []
    for (let index = 0; index < 30; index++)
      sent.push(writer.frame(Buffer.alloc(index * 7, index), frameKind.data, index % 5 === 0 ? [`o/${index}`] : []))
    const settled: number[] = []
    const commit = async (frame: Frame) => {
      const outcome = await writer.commit(frame)
      settled.push(frame.seq)
      return outcome
    }
    const outcomes = await Promise.all(sent.map(frame => commit(frame)))
    assert.deepEqual(new Set(outcomes), new Set(['committed']))
    assert.deepEqual(
      settled,
      sent.map(frame => frame.seq),
    )
    const [first, ...found] = await allFrames(writer.database, writer.session)
    assert.deepEqual([first!.seq, first!.kind, first!.body.length], [0, frameKind.heartbeat, 0])
    assert.deepEqual(
      found.map(frame => ({ ...frame, body: Buffer.from(frame.body).toString('hex') })),
      sent.map(frame => ({ ...frame, body: Buffer.from(frame.body).toString('hex') })),
    )
    assert.deepEqual(
      (await writer.database.heads()).find(head => head.session === writer.session),
      { session: writer.session, seq: 30, kind: frameKind.data },
    )
    await writer.database.close()
  },

  async 'a fence ends a session: nothing is committed after it, and everybody learns it'(subject) {
    const [writer, other] = await Promise.all([Writer.begin(subject), Writer.begin(subject)])
    await writer.committed()
    assert.equal(await other.database.fence(writer.session, other.session), true)
    assert.equal(await other.database.fence(writer.session, other.session), true, 'twice is harmless')
    const outcomes = await Promise.all([writer.commit(), writer.commit(), writer.commit()])
    assert.deepEqual(outcomes, ['fenced', 'fenced', 'fenced'])
    assert.deepEqual(
      (await allFrames(other.database, writer.session)).map(frame => frame.kind),
      [frameKind.heartbeat, frameKind.data, frameKind.fence],
    )
    assert.equal((await other.database.sessions()).find(each => each.session === writer.session)?.ended, true)
    assert.ok((await other.database.heads()).every(head => head.session !== writer.session))
    await Promise.all([writer.database.close(), other.database.close()])
  },

  async 'whoever is fenced while writing keeps what was acknowledged, and no more'(subject) {
    const [writer, ...others] = await Promise.all([Writer.begin(subject), Writer.begin(subject), Writer.begin(subject)])
    let outcome: CommitOutcome = 'committed'
    const writing = async () => {
      while (outcome === 'committed') outcome = await writer.commit()
    }
    const both = [writing(), writing()]
    await subject.pass(20)
    await Promise.all(others.map(other => other.database.fence(writer.session, other.session)))
    // What a reader finds after the fence is final.
    const read = await allFrames(others[0]!.database, writer.session)
    await Promise.all(both)
    const later = await allFrames(others[1]!.database, writer.session)
    assert.equal(outcome, 'fenced')
    assert.deepEqual(
      later.map(frame => [frame.seq, frame.kind]),
      read.map(frame => [frame.seq, frame.kind]),
    )
    assert.equal(read.at(-1)!.kind, frameKind.fence)
    assert.equal(read.filter(frame => frame.kind === frameKind.fence).length, 1)
    const there = new Set(read.filter(frame => frame.kind === frameKind.data).map(frame => frame.seq))
    for (const seq of writer.acknowledged) assert.ok(there.has(seq), `${seq} was acknowledged`)
    await Promise.all([writer, ...others].map(each => each.database.close()))
  },

  async 'metadata: of several who append at one offset one wins, and the log has no holes'(subject) {
    const writers = await Promise.all([Writer.begin(subject), Writer.begin(subject), Writer.begin(subject)])
    const begin = await writers[0]!.database.metadataEnd()
    const won: { offset: number; text: string }[] = []
    await Promise.all(
      writers.map(async ({ database, session }, index) => {
        for (let round = 0; round < 8; round++) {
          for (let done = false; !done; ) {
            const offset = await database.metadataEnd()
            const text = `${session}/${index}/${round}`
            done = await database.appendMetadata({ offset, count: 1 + (round % 3), records: Buffer.from(text) }, session)
            if (done) won.push({ offset, text })
          }
        }
      }),
    )
    let at = begin
    for (const batch of await allMetadata(writers[0]!.database, begin)) {
      assert.equal(batch.offset, at, 'contiguous')
      at += batch.count
    }
    const found = new Map(
      (await allMetadata(writers[1]!.database, begin)).map(batch => [batch.offset, Buffer.from(batch.records).toString()]),
    )
    for (const { offset, text } of won) assert.equal(found.get(offset), text)
    const { database, session } = writers[0]!
    assert.equal(await database.appendMetadata({ offset: at + 5, count: 1, records: Buffer.from('too far') }, session), false)
    assert.equal(await database.appendMetadata({ offset: begin, count: 1, records: Buffer.from('too late') }, session), false)
    await Promise.all(writers.map(each => each.database.close()))
  },

  async 'metadata: listeners learn of what others append'(subject) {
    const [writer, other] = await Promise.all([Writer.begin(subject), Writer.begin(subject)])
    const offset = await writer.database.metadataEnd()
    const ends: number[] = []
    other.database.onMetadata(end => ends.push(end))
    await appendSome(writer, offset)
    for (let waited = 0; waited < 100 && !(ends.at(-1)! > offset); waited++) await subject.pass(100)
    assert.ok(ends.at(-1)! > offset)
    assert.deepEqual(
      ends,
      [...ends].sort((a, b) => a - b),
    )
    await Promise.all([writer.database.close(), other.database.close()])
  },

  async 'a frame with metadata happens whole or not at all, and then its seq is free'(subject) {
    const [writer, other] = await Promise.all([Writer.begin(subject), Writer.begin(subject)])
    let [taken, done] = [0, 0]
    for (let round = 0; round < 6; round++) {
      const offset = await writer.database.metadataEnd()
      if (round % 2 === 0) await appendSome(other, offset)
      const records = Buffer.from(`move ${writer.session} ${round}`)
      const outcome = await writer.commit(writer.frame(`carry ${round}`, frameKind.carry), { metadata: { offset, count: 1, records } })
      assert.notEqual(outcome, 'fenced')
      const batch = (await writer.database.readMetadata(offset, 1)).find(each => each.offset === offset)
      const own = batch !== undefined && Buffer.from(batch.records).equals(records)
      assert.equal(own, outcome === 'committed')
      if (outcome === 'committed') done++
      else {
        taken++
        writer.seq--
      }
    }
    assert.ok(taken >= 3 && done + taken === 6, `${taken} taken`)
    const frames = await allFrames(other.database, writer.session)
    assert.equal(frames.filter(frame => frame.kind === frameKind.carry).length, done)
    await Promise.all([writer.database.close(), other.database.close()])
  },

  async 'a fence at a certain place happens there, or not at all'(subject) {
    const writer = await Writer.begin(subject)
    const other = await Writer.begin(subject)
    await writer.committed()
    await writer.committed()
    await assert.rejects(other.database.fence(writer.session, other.session, undefined, 1), { name: 'StreamGrown' })
    await writer.committed()
    assert.equal(await other.database.fence(writer.session, other.session, undefined, 3), true)
    assert.equal(await other.database.fence(writer.session, other.session, undefined, 3), true, 'twice is harmless')
    assert.equal(await writer.commit(), 'fenced')
    assert.equal((await allFrames(other.database, writer.session)).at(-1)!.seq, 4)
  },

  async 'a fence with metadata happens whole or not at all'(subject) {
    const [writer, other, third] = await Promise.all([Writer.begin(subject), Writer.begin(subject), Writer.begin(subject)])
    const stale = await other.database.metadataEnd()
    await appendSome(third, stale)
    const records = Buffer.from(`gone ${writer.session}`)
    assert.equal(await other.database.fence(writer.session, other.session, { offset: stale, count: 1, records }), false)
    await writer.committed()
    for (;;) {
      const offset = await other.database.metadataEnd()
      if (!(await other.database.fence(writer.session, other.session, { offset, count: 1, records }))) continue
      assert.equal(String(Buffer.from((await third.database.readMetadata(offset, 1))[0]!.records)), String(records))
      break
    }
    assert.equal(await writer.commit(), 'fenced')
    await Promise.all([writer, other, third].map(each => each.database.close()))
  },

  async 'partitions, segments and garbage change with their frame, or not at all'(subject) {
    const writer = await Writer.begin(subject)
    const { database, session } = writer
    const keys: PartitionKey[] = [0, 1].map(partition => ({ topicId: uuidOf(subject.random), partition }))
    const prefix = `o-${session}-${uuidOf(subject.random)}`
    const rowOf = (key: PartitionKey, fromSeq: number, flushedEnd: number) => ({
      ...key,
      session,
      fromSeq,
      flushedEnd,
      logStart: 0,
      state: Buffer.from('state'),
    })
    await writer.committed(writer.frame('open', frameKind.checkpoint), { partitions: keys.map(key => rowOf(key, writer.seq, 0)) })
    await writer.committed(writer.frame('bulk', frameKind.data, [`${prefix}/bulk`]))
    await writer.committed()
    assert.deepEqual(await database.unreferenced([`${prefix}/bulk`, `${prefix}/orphan`]), [`${prefix}/orphan`])
    const pieces = keys.map((key, index): SegmentRow => segmentOf(key, 0, 10, `${prefix}/piece`, index * 100))
    const flushed = writer.frame('flush', frameKind.checkpoint)
    await writer.committed(flushed, {
      partitions: keys.map(key => rowOf(key, flushed.seq, 10)),
      addSegments: pieces,
      trimBelow: flushed.seq,
    })
    // The frames went, and the object of one of them; the newest stays.
    assert.deepEqual(
      (await allFrames(database, session, flushed.seq)).map(frame => frame.seq),
      [flushed.seq],
    )
    assert.deepEqual(await database.frames(session, 0, 1_000), [])
    for (const key of keys) assert.deepEqual(await database.segments([key]), [pieces.find(each => each.topicId === key.topicId)])
    assert.equal((await database.segments(keys)).length, pieces.length)
    const merged = segmentOf(keys[0]!, 0, 10, `${prefix}/merged`, 0)
    await writer.committed(writer.frame(), { removeSegments: [pieces[0]!], addSegments: [merged] })
    await subject.pass(subject.graceMs + 100)
    const mine = async () => (await database.dueGarbage(100_000)).filter(object => object.startsWith(prefix))
    assert.deepEqual(await mine(), [`${prefix}/bulk`], 'the other piece is still named')
    await writer.committed(writer.frame(), { removePartitions: [keys[1]!] })
    await subject.pass(subject.graceMs + 100)
    assert.deepEqual(await mine(), [`${prefix}/bulk`, `${prefix}/piece`])
    assert.deepEqual(await database.partitions(keys), [await onlyPartition(database, keys[0]!)])
    await database.forgetGarbage(await mine())
    assert.deepEqual(await mine(), [])
    await database.close()
  },

  async 'two owners that drop their parts of one object at once leave it to be collected'(subject) {
    const writers = await Promise.all([Writer.begin(subject), Writer.begin(subject)])
    const object = `o-${uuidOf(subject.random)}/shared`
    const rows = writers.map((_, index) => segmentOf({ topicId: uuidOf(subject.random), partition: index }, 0, 5, object, index))
    await writers[0]!.committed(writers[0]!.frame(), { addSegments: rows })
    await Promise.all(writers.map((writer, index) => writer.committed(writer.frame(), { removeSegments: [rows[index]!] })))
    await subject.pass(subject.graceMs + 100)
    assert.ok((await writers[0]!.database.dueGarbage(100_000)).includes(object))
    await writers[0]!.database.forgetGarbage([object])
    await Promise.all(writers.map(each => each.database.close()))
  },

  async 'a frame in which a partition begins is never trimmed'(subject) {
    const writer = await Writer.begin(subject)
    const key = { topicId: uuidOf(subject.random), partition: 0 }
    await writer.committed()
    const row = { ...key, session: writer.session, fromSeq: 2, flushedEnd: 0, logStart: 0, state: Buffer.alloc(0) }
    await writer.committed(writer.frame(), { partitions: [row] })
    for (let index = 0; index < 3; index++) await writer.committed()
    await writer.committed(writer.frame(), { trimBelow: writer.seq + 100 })
    assert.deepEqual(
      (await allFrames(writer.database, writer.session, 2)).map(frame => frame.seq),
      [2, 3, 4, 5, 6],
    )
    await writer.database.close()
  },

  async 'take-over: the stream is read to its fence, the partitions move, then the session can be swept'(subject) {
    const [dead, heir] = await Promise.all([Writer.begin(subject), Writer.begin(subject)])
    const key = { topicId: uuidOf(subject.random), partition: 3 }
    const row = { ...key, session: dead.session, fromSeq: 1, flushedEnd: 7, logStart: 2, state: Buffer.from([1, 2, 255]) }
    await dead.committed(dead.frame(), { partitions: [row] })
    const [own, shared] = [`o-${uuidOf(subject.random)}/own`, `o-${uuidOf(subject.random)}/shared`]
    await dead.committed(dead.frame('unflushed', frameKind.data, [own, shared]))
    await heir.database.fence(dead.session, heir.session)
    assert.deepEqual(comparable(await heir.database.partitionsOf(dead.session)), comparable([row]))
    const read = await allFrames(heir.database, dead.session, row.fromSeq)
    assert.equal(String(Buffer.from(read[1]!.body)), 'unflushed')
    assert.ok(!(await heir.database.sweepable(-60_000)).includes(dead.session), 'a partition still begins there')
    const carry = heir.frame('unflushed', frameKind.carry, [shared])
    await heir.committed(carry, { takeOver: [{ ...key, fromSeq: carry.seq, before: row }] })
    assert.deepEqual(comparable(await heir.database.partitions([key])), comparable([{ ...row, session: heir.session, fromSeq: carry.seq }]))
    await subject.pass(50)
    assert.ok((await heir.database.sweepable(10)).includes(dead.session))
    assert.ok(!(await heir.database.sweepable(3_600_000)).includes(dead.session))
    await heir.database.markSwept(dead.session)
    assert.deepEqual(await heir.database.frames(dead.session, 0, 1_000), [])
    const garbage = async () => (await heir.database.dueGarbage(1_000_000)).filter(each => each === own || each === shared)
    assert.deepEqual(
      [await garbage(), await heir.database.unreferenced([own, shared])],
      [[], []],
      'a reader of its frames may still want them',
    )
    await subject.pass(subject.graceMs + 1_000)
    assert.deepEqual(await garbage(), [own], 'the other one is named by the heir')
    // A zombie still learns the truth.
    assert.equal(await dead.commit(), 'fenced')
    await Promise.all([dead.database.close(), heir.database.close()])
  },

  async 'rows that another session has taken stay with it, and who wanted them has lost track and ends'(subject) {
    const [dead, heir, late, other, third] = await Promise.all(Array.from({ length: 5 }, () => Writer.begin(subject)))
    const key = { topicId: uuidOf(subject.random), partition: 0 }
    const row = { ...key, session: dead!.session, fromSeq: 1, flushedEnd: 0, logStart: 0, state: Buffer.alloc(0) }
    const taking = (writer: Writer) => {
      const carry = writer.frame('carry', frameKind.carry)
      return writer.commit(carry, { takeOver: [{ ...key, fromSeq: carry.seq, before: row }] })
    }
    await dead!.committed(dead!.frame(), { partitions: [row] })
    await heir!.database.fence(dead!.session, heir!.session)
    assert.equal(await taking(heir!), 'committed')
    const refused = /another session's/
    // It read the row before the heir moved it.
    await assert.rejects(taking(late!), refused)
    await assert.rejects(late!.commit(), refused)
    // It believes that the partition is new, or that it leads it.
    await assert.rejects(other!.commit(other!.frame(), { partitions: [{ ...row, session: other!.session }] }), refused)
    assert.deepEqual(comparable(await heir!.database.partitions([key])), comparable([{ ...row, session: heir!.session }]))
    assert.deepEqual((await allFrames(heir!.database, late!.session)).length, 1, 'nothing of it happened')
    await heir!.committed(heir!.frame(), { removePartitions: [key] })
    assert.equal(await taking(third!), 'committed', 'a row that is gone is no harm')
    assert.deepEqual(await heir!.database.partitions([key]), [])
    await Promise.all([dead, heir, late, other, third].map(each => each!.database.close()))
  },

  async 'a metadata snapshot replaces what it holds, but for the newest batch'(subject) {
    const writer = await Writer.begin(subject)
    const { database } = writer
    for (let index = 0; index < 3; index++) await appendSome(writer, await database.metadataEnd())
    const end = await database.metadataEnd()
    const object = `o-${uuidOf(subject.random)}/snapshot`
    assert.equal(await database.putMetadataSnapshot({ offset: end, object }, end, writer.session), true)
    const found = await database.metadataSnapshot()
    assert.ok(found!.offset >= end)
    assert.ok((await database.metadataEnd()) >= end, 'the end is not forgotten')
    assert.equal((await database.unreferenced([object])).length, 0)
    await appendSome(writer, await database.metadataEnd())
    await database.fence(writer.session, writer.session)
    const late = { offset: await database.metadataEnd(), object: `${object}-late` }
    assert.equal(await database.putMetadataSnapshot(late, late.offset, writer.session), false)
    assert.deepEqual(await database.unreferenced([late.object]), [late.object])
    await database.vacuum().catch(error => assert.match(String(error), /Unavailable/))
    await database.close()
  },

  async 'what is closed refuses'(subject) {
    const writer = await Writer.begin(subject)
    const pending = Promise.allSettled([writer.commit(), writer.commit(), writer.commit()])
    await writer.database.close()
    for (const each of await pending) if (each.status === 'rejected') assert.match(String(each.reason), /closed/)
    await assert.rejects(writer.commit(), /closed/)
    await assert.rejects(writer.database.heads(), /closed/)
  },
}

async function appendSome({ database, session }: Writer, from: number): Promise<void> {
  for (let offset = from; ; offset = await database.metadataEnd())
    if (await database.appendMetadata({ offset, count: 2, records: Buffer.from(`some of ${session} at ${offset}`) }, session)) return
}

async function allMetadata(database: Database, from: number) {
  const found: Awaited<ReturnType<Database['readMetadata']>> = []
  for (let at = from; ; ) {
    const page = await database.readMetadata(at, 100)
    if (page.length === 0) return found
    found.push(...page)
    at = page.at(-1)!.offset + page.at(-1)!.count
  }
}

async function onlyPartition(database: Database, key: PartitionKey) {
  const [row] = await database.partitions([key])
  assert.ok(row)
  return row
}

function segmentOf(key: PartitionKey, baseOffset: number, endOffset: number, object: string, position: number): SegmentRow {
  return { ...key, baseOffset, endOffset, object, position, bytes: 100, indexBytes: 12, maxTimestamp: 1_700_000_000_000 }
}

function comparable(rows: readonly PartitionRow[]) {
  return rows.map(row => ({ ...row, state: Buffer.from(row.state).toString('hex') }))
}
