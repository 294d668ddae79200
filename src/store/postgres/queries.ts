/** Everything that may be called again after an unknown outcome, in SQL; one call after the other on its connection. */
import { assert } from '../../base.ts'
import type {
  ClusterRow,
  DatabaseTrouble,
  Frame,
  FrameKind,
  MetadataAppend,
  MetadataBatch,
  MetadataSnapshot,
  PartitionKey,
  PartitionRow,
  SegmentRow,
  SessionRow,
  SessionStart,
  StreamHead,
} from '../../store.ts'
import type { FenceResult, Found, Queries } from '../database/backend.ts'
import type { Connection } from './connection.ts'
import { startCluster } from './schema.ts'
import { appendMetadata, fence, namedByFrame, removeFrames } from './transact.ts'
import { troublesOf } from './troubles.ts'

export interface QueriesOptions {
  schema: string
  graceMs: number
  /** Refuses a pooler in transaction mode. */
  checkPooler(): Promise<void>
}

/**
 * Writes to the WAL, so that the answer comes only when the standbys have all that is seen in it. A commit whose connection broke while it waited
 * for them is there all the same, and the statement that finds it would not wait: it has nothing to commit.
 */
const confirmed = `pg_logical_emit_message(true, 'millrace', ''::text) as confirmed`
const sessionOfText = 'select id from session where incarnation = $1'
/** Rows that are looked at for one page of bytes. */
const mostRows = 2_000
const partitionColumns = `topic_id as "topicId", partition, session, from_seq as "fromSeq", flushed_end as "flushedEnd", log_start as "logStart", state`

export class PostgresQueries implements Queries {
  readonly #connection: Connection
  readonly #options: QueriesOptions
  #last: Promise<unknown> = Promise.resolve()

  constructor(connection: Connection, options: QueriesOptions) {
    this.#connection = connection
    this.#options = options
  }

  check = (): Promise<void> => this.#inTurn(() => this.#options.checkPooler())

  troubles = (): Promise<DatabaseTrouble[]> => this.#inTurn(() => troublesOf(this.#connection))

  start = (newId: string): Promise<ClusterRow> =>
    this.#inTurn(async () => {
      await this.#options.checkPooler()
      return startCluster(this.#connection, this.#options.schema, newId)
    })

  claimPlace = async (place: string): Promise<string> => {
    const text = 'update cluster set place = coalesce(place, $1) returning place'
    const [row] = await this.#rows<{ place: string }>(text, [place])
    return row!.place
  }

  raiseIncarnation = (from: number): Promise<void> =>
    this.#inTurn(
      async () => void (await this.#connection.change('update cluster set incarnation = incarnation + 1 where incarnation = $1', [from])),
    )

  beginSession = ({ brokerId, incarnation, info }: SessionStart): Promise<number> =>
    this.#inTurn(async () => {
      await this.#connection.change(
        `with begun as (insert into session(broker_id, incarnation, info) values ($1, $2, $3) on conflict (incarnation) do nothing returning id)
         insert into frame(session, seq, kind, body) select id, 0, 3, '' from begun`,
        [brokerId, incarnation, JSON.stringify(info)],
      )
      const [row] = await this.#connection.query<{ id: number }>(sessionOfText, [incarnation])
      return row!.id
    })

  sessionOf = async (incarnation: string): Promise<number | null> => {
    const [row] = await this.#rows<{ id: number }>(sessionOfText, [incarnation])
    return row?.id ?? null
  }

  frameAt = async (session: number, seq: number): Promise<Found | null> => {
    const [row] = await this.#rows<Found>(
      `select coalesce(kind, 1) as kind, coalesce(octet_length(body), 0) as "bodyBytes", ${confirmed}
       from session left join frame on frame.session = session.id and frame.seq = $2::bigint
       where session.id = $1::bigint and (frame.seq is not null or session.ended_at is not null)`,
      [session, seq],
    )
    return row ?? null
  }

  fence = (session: number, metadata: MetadataAppend | null, by: number, after: number | null): Promise<FenceResult> =>
    this.#inTurn(() => fence(this.#connection, session, metadata, by, after))

  appendMetadata = (append: MetadataAppend, session: number): Promise<boolean> =>
    this.#inTurn(() => appendMetadata(this.#connection, append, session))

  metadataAt = async (offset: number): Promise<MetadataBatch | null> => {
    const text = `select "offset", count, records, session, ${confirmed} from metadata where "offset" = $1`
    const [row] = await this.#rows<MetadataBatch>(text, [offset])
    return row ?? null
  }

  readMetadata = (from: number, mostBytes: number): Promise<MetadataBatch[]> =>
    this.#rows(
      `select "offset", count, records, session from (
         select *, sum(octet_length(records)) over (order by "offset") - octet_length(records) as before
         from metadata where "offset" >= $1::bigint order by "offset" limit ${mostRows}) page
       where before < $2::bigint order by "offset"`,
      [from, mostBytes],
    )

  metadataEnd = async (): Promise<number> => {
    const [row] = await this.#rows<{ end: number }>('select "offset" + count as end from metadata order by "offset" desc limit 1')
    return row?.end ?? 0
  }

  metadataSnapshot = async (): Promise<MetadataSnapshot | null> => {
    const [row] = await this.#rows<MetadataSnapshot>('select "offset", object from metadata_snapshot order by "offset" desc limit 1')
    return row ?? null
  }

  putMetadataSnapshot = ({ offset, object }: MetadataSnapshot, trimBelow: number, session: number): Promise<boolean> =>
    this.#inTurn(() =>
      this.#connection.transaction(async () => {
        // Who ends the session waits.
        const living = await this.#connection.query('select from session where id = $1 and ended_at is null for share', [session])
        if (living.length === 0) return false
        await this.#connection.change('insert into metadata_snapshot("offset", object) values ($1, $2) on conflict do nothing', [
          offset,
          object,
        ])
        await this.#connection.change(
          `with old as (delete from metadata_snapshot where "offset" < (select max("offset") from metadata_snapshot) returning object)
           insert into garbage(object, not_before) select object, clock_timestamp() + $1 * interval '1 millisecond' from old on conflict do nothing`,
          [this.#options.graceMs],
        )
        await this.#connection.change(
          `delete from metadata where "offset" < least($1::bigint, (select max("offset") from metadata_snapshot), (select max("offset") from metadata))`,
          [trimBelow],
        )
        return true
      }),
    )

  sessions = (): Promise<SessionRow[]> =>
    this.#rows(
      `select id as session, broker_id as "brokerId", incarnation, info, ended_at is not null as ended
       from session where swept_at is null order by id`,
    )

  heads = (): Promise<StreamHead[]> =>
    this.#rows(
      `select s.id as session, head.seq, head.kind from session s
       cross join lateral (select seq, kind from frame where session = s.id order by seq desc limit 1) head
       where s.ended_at is null order by s.id`,
    )

  /** A page begins at `from` or is empty, and ends before the first hole. */
  frames = async (session: number, from: number, mostBytes: number): Promise<Frame[]> => {
    for (const each of [session, from, mostBytes]) assert(Number.isSafeInteger(each), `${each} is a whole number`)
    const rows = await this.#inTurn(() =>
      this.#connection.copy(
        `select seq, kind, body, to_json(objects)::text from (
           select *, sum(octet_length(body)) over (order by seq) - octet_length(body) as before, seq - row_number() over (order by seq) as hole
           from frame where session = ${session} and seq >= ${from} order by seq limit ${mostRows}) page
         where before < ${mostBytes} and hole = ${from} - 1 order by seq`,
      ),
    )
    return rows.map(([seq, kind, body, objects]) => ({
      session,
      seq: Number(seq!.readBigInt64BE()),
      kind: kind!.readInt16BE() as FrameKind,
      body: body!,
      objects: JSON.parse(objects!.toString()) as string[],
    }))
  }

  partitionsOf = (session: number): Promise<PartitionRow[]> =>
    this.#rows(`select ${partitionColumns} from partition where session = $1 order by topic_id, partition`, [session])

  partitions = (keys: readonly PartitionKey[]): Promise<PartitionRow[]> =>
    this.#rows(
      `select ${partitionColumns} from partition where (topic_id, partition) in (select * from unnest($1::uuid[], $2::int[])) order by topic_id, partition`,
      [keys.map(key => key.topicId), keys.map(key => key.partition)],
    )

  segments = (keys: readonly PartitionKey[]): Promise<SegmentRow[]> =>
    this.#rows(
      `select topic_id as "topicId", partition, base_offset as "baseOffset", end_offset as "endOffset", object, position, bytes,
         index_bytes as "indexBytes", max_timestamp as "maxTimestamp" from segment
       where (topic_id, partition) in (select * from unnest($1::uuid[], $2::int[])) order by topic_id, partition, base_offset`,
      [keys.map(key => key.topicId), keys.map(key => key.partition)],
    )

  dueGarbage = async (most: number): Promise<string[]> => {
    const rows = await this.#rows<{ object: string }>(
      'select object from garbage where not_before <= clock_timestamp() order by not_before, object limit $1',
      [most],
    )
    return rows.map(row => row.object)
  }

  forgetGarbage = (objects: readonly string[]): Promise<void> =>
    this.#inTurn(async () => void (await this.#connection.change('delete from garbage where object = any($1::text[])', [objects])))

  unreferenced = async (objects: readonly string[]): Promise<string[]> => {
    const rows = await this.#rows<{ object: string }>(
      `select object from unnest($1::text[]) as asked(object) where not exists (select from segment where segment.object = asked.object)
         and not exists (select from garbage where garbage.object = asked.object)
         and not exists (select from metadata_snapshot where metadata_snapshot.object = asked.object)
         and not ${namedByFrame('asked.object')}`,
      [objects],
    )
    return rows.map(row => row.object)
  }

  sweepable = async (endedForMs: number): Promise<number[]> => {
    const rows = await this.#rows<{ id: number }>(
      `select id from session where ended_at < clock_timestamp() - $1 * interval '1 millisecond'
         and (swept_at is null or swept_at < ended_at + $1 * interval '1 millisecond')
         and not exists (select from partition where partition.session = session.id) order by id`,
      [endedForMs],
    )
    return rows.map(row => row.id)
  }

  markSwept = (session: number): Promise<void> =>
    this.#inTurn(() =>
      this.#connection.transaction(async () => {
        const marked = await this.#connection.change(
          `update session set swept_at = clock_timestamp() where id = $1 and ended_at is not null
             and not exists (select from partition where partition.session = session.id)`,
          [session],
        )
        if (marked === 1) await removeFrames(this.#connection, session, this.#options.graceMs)
      }),
    )

  vacuum = (): Promise<void> => this.#inTurn(async () => void (await this.#connection.change('vacuum (skip_locked, truncate false) frame')))

  #rows<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#inTurn(() => this.#connection.query<Row>(text, values))
  }

  /** A transaction of one call must not take in the statements of another. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => {})
    return done
  }
}
