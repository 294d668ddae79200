/** The calls of a backend, statement by statement as the SQL of `src/store/postgres` has them, over simulated rows. */
import { assert } from '../../src/base.ts'
import {
  type ClusterRow,
  type FenceResult,
  type Frame,
  frameKind,
  type MetadataAppend,
  type MetadataBatch,
  type PartitionKey,
  type PartitionRow,
  type Queries,
  rowsOfOthers,
  type SegmentKey,
  type SegmentRow,
  type SessionStart,
  type TransactResult,
  type Writes,
} from '../../src/store.ts'
import type { SimulatedPostgres } from './postgres.ts'
import { Refusal, type Transaction } from './rows.ts'

interface Session extends SessionStart {
  id: number
  endedAtMs: number | null
  sweptAtMs: number | null
}

type Call = <T>(work: () => Promise<T>) => Promise<T>

interface Reach {
  server: SimulatedPostgres
  call: Call
  /** In a transaction of its own. */
  read: <T>(work: (transaction: Transaction) => T) => Promise<T>
}

const number = (value: number) => String(value).padStart(16, '0')
const frameKey = (session: number, seq: number) => `frame/${number(session)}/${number(seq)}`
const sessionKey = (id: number) => `session/${number(id)}`
const metadataKey = (offset: number) => `metadata/${number(offset)}`
const partitionKey = ({ topicId, partition }: PartitionKey) => `partition/${topicId}/${number(partition)}`
const segmentPrefix = ({ topicId, partition }: PartitionKey) => `segment/${topicId}/${number(partition)}/`
const segmentKey = (key: SegmentKey) => `${segmentPrefix(key)}${number(key.baseOffset)}`
const garbageKey = (object: string) => `garbage/${object}`

const rowsOf = <T>(transaction: Transaction, prefix: string) => transaction.scan<T>(prefix).map(([, row]) => row)
const framesOf = (transaction: Transaction, session: number) => rowsOf<Frame>(transaction, `frame/${number(session)}/`)
const lastFrameOf = (transaction: Transaction, session: number) => transaction.last<Frame>(`frame/${number(session)}/`)
const partitionsIn = (transaction: Transaction, session: number) =>
  rowsOf<PartitionRow>(transaction, 'partition/').filter(row => row.session === session)

export async function tryToInsertFrame(server: SimulatedPostgres, transaction: Transaction, frame: Frame): Promise<boolean> {
  if (server.planted('flag-fence') && hasEnded(transaction, frame.session)) return false
  const before = transaction.get<Frame>(frameKey(frame.session, frame.seq - 1))
  await server.statement()
  if ((before === undefined || before.kind === frameKind.fence) && !server.planted('no-predecessor-check')) return false
  return transaction.insert(frameKey(frame.session, frame.seq), { ...frame, body: Buffer.from(frame.body) })
}

const hasEnded = (transaction: Transaction, session: number) => (transaction.get<Session>(sessionKey(session))?.endedAtMs ?? null) !== null
const endOf = (batch: MetadataBatch | undefined) => (batch === undefined ? 0 : batch.offset + batch.count)

async function append(server: SimulatedPostgres, transaction: Transaction, batch: MetadataAppend, session: number): Promise<boolean> {
  const end = endOf(transaction.last<MetadataBatch>('metadata/'))
  await server.statement()
  if (end !== batch.offset) return false
  return transaction.insert(metadataKey(batch.offset), { ...batch, records: Buffer.from(batch.records), session })
}

export async function simulatedTransact(server: SimulatedPostgres, frame: Frame, writes: Writes): Promise<TransactResult> {
  const { metadata } = writes
  const result = await server.atomically<TransactResult>(async transaction => {
    if (!(await tryToInsertFrame(server, transaction, frame))) throw new Refusal('frame')
    await server.statement()
    if (metadata !== undefined && !(await append(server, transaction, metadata, frame.session))) {
      if (server.planted('metadata-apart')) transaction.end(true)
      throw new Refusal('metadata')
    }
    for (const { fromSeq, before, ...key } of writes.takeOver ?? []) {
      await transaction.lock(partitionKey(key))
      const row = transaction.get<PartitionRow>(partitionKey(key))
      if (row === undefined) continue
      const isAsRead = row.session === before.session && row.fromSeq === before.fromSeq
      if (!isAsRead && !server.planted('take-over-of-any')) throw rowsOfOthers([key])
      await transaction.put(partitionKey(key), { ...row, session: frame.session, fromSeq })
    }
    for (const row of writes.partitions ?? []) {
      await transaction.lock(partitionKey(row))
      const known = transaction.get<PartitionRow>(partitionKey(row))
      if (known !== undefined && known.session !== row.session && !server.planted('take-over-of-any')) throw rowsOfOthers([row])
      await transaction.put(partitionKey(row), { ...row, state: Buffer.from(row.state) })
    }
    await server.statement()
    const dropped: string[] = []
    for (const key of writes.removeSegments ?? []) await dropSegment(transaction, segmentKey(key), dropped)
    for (const row of writes.addSegments ?? []) {
      const added = await transaction.insert(segmentKey(row), { ...row })
      assert(added, `the segment at ${segmentKey(row)} is new`)
    }
    for (const key of writes.removePartitions ?? []) {
      await transaction.delete(partitionKey(key))
      for (const [at] of transaction.scan(segmentPrefix(key))) await dropSegment(transaction, at, dropped)
    }
    if (writes.trimBelow !== undefined) await trim(server, transaction, frame.session, writes.trimBelow, dropped)
    await server.statement()
    await discard(server, transaction, dropped)
    return 'done'
  })
  if (result === 'done' && metadata !== undefined) server.notify(metadata.offset + metadata.count)
  return result
}

async function dropSegment(transaction: Transaction, key: string, dropped: string[]): Promise<void> {
  const row = transaction.get<SegmentRow>(key)
  if (row === undefined) return
  await transaction.delete(key)
  dropped.push(row.object)
}

async function trim(server: SimulatedPostgres, transaction: Transaction, session: number, below: number, dropped: string[]): Promise<void> {
  const frames = framesOf(transaction, session)
  const begins = server.planted('unguarded-trim') ? [] : partitionsIn(transaction, session).map(row => row.fromSeq)
  const bound = Math.min(below, frames.at(-1)!.seq, ...begins)
  for (const { seq, objects } of frames) {
    if (seq >= bound) continue
    await transaction.delete(frameKey(session, seq))
    dropped.push(...objects)
  }
}

async function discard(server: SimulatedPostgres, transaction: Transaction, objects: readonly string[]): Promise<void> {
  const names = [...new Set(objects)].sort()
  if (!server.planted('no-lock-on-objects')) for (const name of names) await transaction.lock(`object/${name}`)
  await server.statement()
  if (names.length === 0) return
  const named = namedObjects(transaction)
  for (const object of names)
    if (!named.has(object)) await transaction.insert(garbageKey(object), { object, notBeforeMs: server.nowMs + server.graceMs })
}

/** By segments and frames. */
function namedObjects(transaction: Transaction): Set<string> {
  const named = new Set<string>()
  for (const { object } of rowsOf<SegmentRow>(transaction, 'segment/')) named.add(object)
  for (const { objects } of rowsOf<Frame>(transaction, 'frame/')) for (const object of objects) named.add(object)
  return named
}

const fenceOf = (session: number, seq: number): Frame => ({ session, seq, kind: frameKind.fence, body: Buffer.alloc(0), objects: [] })

async function simulatedFence(
  server: SimulatedPostgres,
  session: number,
  metadata: MetadataAppend | null,
  by: number,
  after: number | null,
): Promise<FenceResult> {
  const result = await server.atomically<FenceResult>(async transaction => {
    const last = lastFrameOf(transaction, session)
    await server.statement()
    if (last !== undefined && last.kind !== frameKind.fence) {
      if (after !== null && last.seq !== after) throw new Refusal('raced')
      const fence = fenceOf(session, last.seq + 1)
      const inserted = server.planted('flag-fence') || (await transaction.insert(frameKey(session, fence.seq), fence))
      if (!inserted && lastFrameOf(transaction, session)?.kind !== frameKind.fence) throw new Refusal('raced')
    }
    await server.statement()
    const row = transaction.get<Session>(sessionKey(session))
    if (row !== undefined && row.endedAtMs === null) await transaction.put(sessionKey(session), { ...row, endedAtMs: server.nowMs })
    if (metadata !== null && !(await append(server, transaction, metadata, by))) throw new Refusal('metadata')
    return 'done'
  })
  if (result === 'done' && metadata !== null) server.notify(metadata.offset + metadata.count)
  return result
}

export function simulatedQueries(server: SimulatedPostgres, call: Call): Queries {
  const read: Reach['read'] = work => call(() => server.atomically(async transaction => work(transaction)))
  const reach = { server, call, read }
  return { ...clusterQueries(reach), ...sessionQueries(reach), ...metadataQueries(reach), ...rowQueries(reach), ...sweepQueries(reach) }
}

function clusterQueries({ server, call }: Reach) {
  return {
    claimPlace: (place: string) =>
      call(() =>
        server.atomically(async transaction => {
          await transaction.lock('cluster')
          const row = { place, ...transaction.get<ClusterRow & { place?: string }>('cluster')! }
          await transaction.put('cluster', row)
          return row.place
        }),
      ),
    raiseIncarnation: (from: number) =>
      call(() =>
        server.atomically(async transaction => {
          await transaction.lock('cluster')
          const row = transaction.get<Omit<ClusterRow, 'nowMs'>>('cluster')!
          if (row.incarnation === from) await transaction.put('cluster', { ...row, incarnation: from + 1 })
        }),
      ),
  }
}

function sessionQueries({ server, call, read }: Reach) {
  return {
    check: () => read(() => {}),
    troubles: () => read(() => []),
    start: (newId: string) =>
      call(() =>
        server.atomically(async transaction => {
          await transaction.insert('cluster', { id: newId, incarnation: 1, format: 1 })
          return { ...transaction.get<Omit<ClusterRow, 'nowMs'>>('cluster')!, nowMs: server.nowMs }
        }),
      ),
    beginSession: (start: SessionStart) =>
      call(() =>
        server.atomically(async transaction => {
          await transaction.lock('sequence/session')
          const sessions = rowsOf<Session>(transaction, 'session/')
          const own = sessions.find(row => row.incarnation === start.incarnation)
          if (own !== undefined) return own.id
          const id = (sessions.at(-1)?.id ?? 0) + 1
          await transaction.insert(sessionKey(id), { ...start, id, endedAtMs: null, sweptAtMs: null } satisfies Session)
          await server.statement()
          const frame: Frame = { session: id, seq: 0, kind: frameKind.heartbeat, body: Buffer.alloc(0), objects: [] }
          await transaction.insert(frameKey(id, 0), frame)
          return id
        }),
      ),
    sessionOf: (incarnation: string) =>
      read(transaction => rowsOf<Session>(transaction, 'session/').find(row => row.incarnation === incarnation)?.id ?? null),
    frameAt: (session: number, seq: number) =>
      read(transaction => {
        const frame = transaction.get<Frame>(frameKey(session, seq))
        if (frame !== undefined) return { kind: frame.kind, bodyBytes: frame.body.length }
        const ended = transaction.get<Session>(sessionKey(session))?.endedAtMs ?? null
        return ended === null ? null : { kind: frameKind.fence, bodyBytes: 0 }
      }),
    fence: (session: number, metadata: MetadataAppend | null, by: number, after: number | null) =>
      call(() => simulatedFence(server, session, metadata, by, after)),
    sessions: () =>
      read(transaction =>
        rowsOf<Session>(transaction, 'session/')
          .filter(row => row.sweptAtMs === null)
          .map(({ id, brokerId, incarnation, info, endedAtMs }) => ({
            session: id,
            brokerId,
            incarnation,
            info,
            ended: endedAtMs !== null,
          })),
      ),
    heads: () =>
      read(transaction =>
        rowsOf<Session>(transaction, 'session/')
          .filter(row => row.endedAtMs === null)
          .flatMap(({ id }) => lastFrameOf(transaction, id) ?? [])
          .map(({ session, seq, kind }) => ({ session, seq, kind })),
      ),
    frames: (session: number, from: number, mostBytes: number) =>
      read(transaction => {
        const rows = framesOf(transaction, session).filter(row => row.seq >= from)
        // Where the fence is a flag, it stands behind whatever is there when somebody looks.
        if (server.planted('flag-fence') && hasEnded(transaction, session)) rows.push(fenceOf(session, (rows.at(-1)?.seq ?? from - 1) + 1))
        return pageOf(
          rows.filter((row, index) => row.seq === from + index),
          mostBytes,
          row => row.body.length,
        )
      }),
  }
}

function metadataQueries({ server, call, read }: Reach) {
  const batches = (transaction: Transaction) => rowsOf<MetadataBatch>(transaction, 'metadata/')
  const snapshots = (transaction: Transaction) => rowsOf<{ offset: number; object: string }>(transaction, 'snapshot/')
  return {
    appendMetadata: async (batch: MetadataAppend, session: number) =>
      call(async () => {
        const done = await server.atomically(transaction => append(server, transaction, batch, session))
        if (done) server.notify(batch.offset + batch.count)
        return done
      }),
    metadataAt: (offset: number) => read(transaction => transaction.get<MetadataBatch>(metadataKey(offset)) ?? null),
    readMetadata: (from: number, mostBytes: number) =>
      read(transaction =>
        pageOf(
          batches(transaction).filter(row => row.offset >= from),
          mostBytes,
          row => row.records.length,
        ),
      ),
    metadataEnd: () => read(transaction => endOf(transaction.last<MetadataBatch>('metadata/'))),
    metadataSnapshot: () => read(transaction => snapshots(transaction).at(-1) ?? null),
    putMetadataSnapshot: ({ offset, object }: { offset: number; object: string }, trimBelow: number, session: number) =>
      call(() =>
        server.atomically(async transaction => {
          await transaction.lock(sessionKey(session))
          if (transaction.get<Session>(sessionKey(session))?.endedAtMs !== null) return false
          await transaction.insert(`snapshot/${number(offset)}`, { offset, object })
          const newest = snapshots(transaction).at(-1)!
          for (const old of snapshots(transaction)) {
            if (old.offset === newest.offset) continue
            await transaction.delete(`snapshot/${number(old.offset)}`)
            await transaction.insert(garbageKey(old.object), { object: old.object, notBeforeMs: server.nowMs + server.graceMs })
          }
          await server.statement()
          const below = Math.min(trimBelow, newest.offset, batches(transaction).at(-1)?.offset ?? 0)
          for (const batch of batches(transaction)) if (batch.offset < below) await transaction.delete(metadataKey(batch.offset))
          return true
        }),
      ),
  }
}

function rowQueries({ read }: Reach) {
  return {
    partitionsOf: (session: number) => read(transaction => partitionsIn(transaction, session)),
    partitions: (keys: readonly PartitionKey[]) =>
      read(transaction => [...new Set(keys.map(partitionKey))].sort().flatMap(key => transaction.get<PartitionRow>(key) ?? [])),
    segments: (keys: readonly PartitionKey[]) =>
      read(transaction => [...new Set(keys.map(segmentPrefix))].sort().flatMap(prefix => rowsOf<SegmentRow>(transaction, prefix))),
    vacuum: () => read(() => {}),
  }
}

function sweepQueries({ server, call, read }: Reach) {
  type Garbage = { object: string; notBeforeMs: number }
  return {
    dueGarbage: (most: number) =>
      read(transaction =>
        rowsOf<Garbage>(transaction, 'garbage/')
          .filter(row => row.notBeforeMs <= server.nowMs)
          .sort((a, b) => a.notBeforeMs - b.notBeforeMs || (a.object < b.object ? -1 : 1))
          .slice(0, most)
          .map(row => row.object),
      ),
    forgetGarbage: (objects: readonly string[]) =>
      call(() =>
        server.atomically(async transaction => {
          for (const object of objects) await transaction.delete(garbageKey(object))
        }),
      ),
    unreferenced: (objects: readonly string[]) =>
      read(transaction => {
        const named = namedObjects(transaction)
        for (const prefix of ['garbage/', 'snapshot/'])
          for (const { object } of rowsOf<{ object: string }>(transaction, prefix)) named.add(object)
        return objects.filter(object => !named.has(object))
      }),
    sweepable: (endedForMs: number) =>
      read(transaction =>
        rowsOf<Session>(transaction, 'session/')
          .filter(({ id, endedAtMs, sweptAtMs }) => {
            if (endedAtMs === null || server.nowMs - endedAtMs <= endedForMs) return false
            return (sweptAtMs === null || sweptAtMs < endedAtMs + endedForMs) && partitionsIn(transaction, id).length === 0
          })
          .map(row => row.id),
      ),
    markSwept: (session: number) =>
      call(() =>
        server.atomically(async transaction => {
          const row = transaction.get<Session>(sessionKey(session))
          if (row === undefined || row.endedAtMs === null || partitionsIn(transaction, session).length > 0) return
          await transaction.put(sessionKey(session), { ...row, sweptAtMs: server.nowMs })
          const dropped: string[] = []
          for (const { seq, objects } of framesOf(transaction, session)) {
            await transaction.delete(frameKey(session, seq))
            dropped.push(...objects)
          }
          await discard(server, transaction, dropped)
        }),
      ),
  }
}

/** From the front on, until there are so many bytes; at least one row, if there is any. */
function pageOf<Row>(rows: readonly Row[], mostBytes: number, bytesOf: (row: Row) => number): Row[] {
  const page: Row[] = []
  let bytes = 0
  for (const row of rows) {
    if (bytes >= mostBytes && page.length > 0) break
    page.push(row)
    bytes += bytesOf(row)
  }
  return page
}
