/** The transactions of an owner: a frame, and with it what changes in the other tables. */
import type { Frame, MetadataAppend, MovedRow, PartitionKey, PartitionRow, SegmentKey, SegmentRow, Writes } from '../../store.ts'
import { type FenceResult, rowsOfOthers, type TransactResult } from '../database/backend.ts'
import { type Connection, RolledBack } from './connection.ts'

/** NOTIFY only for metadata, because it serialises the commits that use it. The payload is the end of the log. */
export const metadataChannel = 'millrace_metadata'

/** Without the types, `$2 - 1` would make an int4 of the seq. */
const insertFrameText = `insert into frame(session, seq, kind, body, objects)
  select $1::bigint, $2::bigint, $3::smallint, $4::bytea, $5::text[]
  where exists (select from frame where session = $1::bigint and seq = $2::bigint - 1 and kind <> 1) on conflict do nothing`

const appendText = `with appended as (
    insert into metadata("offset", count, records, session) select $1::bigint, $2::int, $3::bytea, $4::bigint
    where $1::bigint = coalesce((select "offset" + count from metadata order by "offset" desc limit 1), 0)
    on conflict do nothing returning "offset" + count as end)
  select pg_notify('${metadataChannel}', current_schema || ' ' || appended.end) from appended`

/** False: no row was inserted. */
export async function insertFrame(connection: Connection, { session, seq, kind, body, objects }: Frame): Promise<boolean> {
  return (await connection.change(insertFrameText, [session, seq, kind, body, objects], 'frame')) === 1
}

/** False: the log does not end there. */
export async function appendMetadata(connection: Connection, append: MetadataAppend, session: number): Promise<boolean> {
  return (await connection.change(appendText, [append.offset, append.count, append.records, session], 'metadata')) === 1
}

/**
 * The frame first in every transaction, then metadata, so that no two of them wait for each other. What makes up a move is sent at once, because clients
 * wait for it: if something of it is refused, all is rolled back.
 */
export function transact(connection: Connection, frame: Frame, writes: Writes, graceMs: number): Promise<TransactResult> {
  const { metadata, takeOver = [] } = writes
  return connection.transaction<TransactResult>(async () => {
    const [inserted, appended, moved] = await together([
      insertFrame(connection, frame),
      metadata === undefined ? true : appendMetadata(connection, metadata, frame.session),
      takeOver.length === 0 ? 0 : movePartitions(connection, takeOver, frame.session),
    ])
    if (!inserted) throw new RolledBack('frame')
    if (!appended) throw new RolledBack('metadata')
    if (moved < takeOver.length) await checkOthers(connection, takeOver, frame.session)
    if (writes.partitions?.length) await putPartitions(connection, writes.partitions)
    const dropped = writes.removeSegments?.length ? await removeSegments(connection, writes.removeSegments) : []
    if (writes.addSegments?.length) await addSegments(connection, writes.addSegments)
    if (writes.removePartitions?.length) dropped.push(...(await removePartitions(connection, writes.removePartitions)))
    if (writes.trimBelow !== undefined) dropped.push(...(await trim(connection, frame.session, writes.trimBelow)))
    await discard(connection, dropped, graceMs)
    return 'done'
  })
}

/** Inserts the next row of the stream, with which it ends. Whoever comes second finds it ended. */
export function fence(
  connection: Connection,
  session: number,
  metadata: MetadataAppend | null,
  by: number,
  after: number | null,
): Promise<FenceResult> {
  return connection.transaction<FenceResult>(async () => {
    const inserted = await connection.change(
      `insert into frame(session, seq, kind, body) select session, seq + 1, 1, ''
       from (select session, seq, kind from frame where session = $1 order by seq desc limit 1) last
       where kind <> 1 and seq = coalesce($2::bigint, seq) on conflict do nothing`,
      [session, after],
    )
    if (inserted === 0) {
      const [last] = await connection.query<{ kind: number }>('select kind from frame where session = $1 order by seq desc limit 1', [
        session,
      ])
      // No frame at all: it ended long ago, and was swept.
      if (last !== undefined && last.kind !== 1) throw new RolledBack('raced')
    }
    await connection.change('update session set ended_at = clock_timestamp() where id = $1 and ended_at is null', [session])
    if (metadata !== null && !(await appendMetadata(connection, metadata, by))) throw new RolledBack('metadata')
    return 'done'
  })
}

async function putPartitions(connection: Connection, rows: readonly PartitionRow[]): Promise<void> {
  const written = await connection.change(
    `insert into partition(topic_id, partition, session, from_seq, flushed_end, log_start, state)
     select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])
     on conflict (topic_id, partition) do update set from_seq = excluded.from_seq,
       flushed_end = excluded.flushed_end, log_start = excluded.log_start, state = excluded.state
     where partition.session = excluded.session`,
    [...keysOf(rows), ...columns(rows, ['session', 'fromSeq', 'flushedEnd', 'logStart', 'state'])],
  )
  if (written < rows.length) throw rowsOfOthers(rows)
}

/** All of them have come to their end when this settles; with the error of the first that failed, which made the others fail. */
async function together<T extends readonly unknown[]>(sent: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(sent)
  const results: unknown[] = []
  for (const each of sent) results.push(await each)
  return results as { -readonly [K in keyof T]: Awaited<T[K]> }
}

/** How many were moved. */
function movePartitions(connection: Connection, rows: readonly MovedRow[], session: number): Promise<number> {
  return connection.change(
    `update partition set session = $6, from_seq = taken.from_seq
     from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) as taken(topic_id, partition, from_seq, before_session, before_seq)
     where partition.topic_id = taken.topic_id and partition.partition = taken.partition
       and partition.session = taken.before_session and partition.from_seq = taken.before_seq`,
    [...keysOf(rows), rows.map(row => row.fromSeq), rows.map(row => row.before.session), rows.map(row => row.before.fromSeq), session],
  )
}

/** Rows that are gone are none of anybody's. */
async function checkOthers(connection: Connection, rows: readonly MovedRow[], session: number): Promise<void> {
  const others = await connection.query(
    `select from partition join unnest($1::uuid[], $2::int[], $3::bigint[]) as taken(topic_id, partition, from_seq) using (topic_id, partition)
     where partition.session <> $4::bigint or partition.from_seq <> taken.from_seq limit 1`,
    [...keysOf(rows), rows.map(row => row.fromSeq), session],
  )
  if (others.length > 0) throw rowsOfOthers(rows)
}

async function addSegments(connection: Connection, rows: readonly SegmentRow[]): Promise<void> {
  await connection.change(
    `insert into segment(topic_id, partition, base_offset, end_offset, object, position, bytes, index_bytes, max_timestamp)
     select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::int[], $9::bigint[])`,
    [...keysOf(rows), ...columns(rows, ['baseOffset', 'endOffset', 'object', 'position', 'bytes', 'indexBytes', 'maxTimestamp'])],
  )
}

/** Returns their objects. */
async function removeSegments(connection: Connection, keys: readonly SegmentKey[]): Promise<string[]> {
  const rows = await connection.query<{ object: string }>(
    `delete from segment using unnest($1::uuid[], $2::int[], $3::bigint[]) as old(topic_id, partition, base_offset)
     where segment.topic_id = old.topic_id and segment.partition = old.partition and segment.base_offset = old.base_offset
     returning segment.object`,
    [...keysOf(keys), keys.map(key => key.baseOffset)],
  )
  return rows.map(row => row.object)
}

/** With its segments. Returns their objects. */
async function removePartitions(connection: Connection, keys: readonly PartitionKey[]): Promise<string[]> {
  const old = 'using unnest($1::uuid[], $2::int[]) as old(topic_id, partition)'
  await connection.change(
    `delete from partition ${old} where partition.topic_id = old.topic_id and partition.partition = old.partition`,
    keysOf(keys),
  )
  const rows = await connection.query<{ object: string }>(
    `delete from segment ${old} where segment.topic_id = old.topic_id and segment.partition = old.partition returning segment.object`,
    keysOf(keys),
  )
  return rows.map(row => row.object)
}

/** Of a session that has ended, when no partition begins in it any more. */
export async function removeFrames(connection: Connection, session: number, graceMs: number): Promise<void> {
  const rows = await connection.query<{ objects: string[] }>('delete from frame where session = $1 returning objects', [session])
  await discard(
    connection,
    rows.flatMap(row => row.objects),
    graceMs,
  )
}

/** Returns the objects of the deleted frames. The bound is checked here as well: a frame in which a partition begins never goes. */
async function trim(connection: Connection, session: number, below: number): Promise<string[]> {
  const rows = await connection.query<{ objects: string[] }>(
    `delete from frame where session = $1
       and seq < least($2::bigint, (select min(from_seq) from partition where session = $1), (select max(seq) from frame where session = $1))
     returning objects`,
    [session, below],
  )
  return rows.flatMap(row => row.objects)
}

/**
 * What no row names any more becomes garbage. Two owners that each drop their part of one object take turns, by a lock on its name: or each
 * would still see the row of the other, and neither would collect it.
 */
async function discard(connection: Connection, objects: readonly string[], graceMs: number): Promise<void> {
  if (objects.length === 0) return
  const names = [...new Set(objects)].sort()
  await connection.query('select pg_advisory_xact_lock(hashtextextended(object, 0)) from unnest($1::text[]) as dropped(object)', [names])
  await connection.change(
    `insert into garbage(object, not_before) select object, clock_timestamp() + $2 * interval '1 millisecond' from unnest($1::text[]) as dropped(object)
     where not exists (select from segment where segment.object = dropped.object)
       and not ${namedByFrame('dropped.object')} on conflict do nothing`,
    [names, graceMs],
  )
}

/** In the form that the index on the objects of frames answers. */
export function namedByFrame(object: string): string {
  return `exists (select from frame where frame.objects @> array[${object}] and frame.objects <> '{}')`
}

function keysOf(rows: readonly PartitionKey[]): [string[], number[]] {
  return [rows.map(row => row.topicId), rows.map(row => row.partition)]
}

function columns<Row extends object>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] {
  return names.map(name => rows.map(row => row[name]))
}
