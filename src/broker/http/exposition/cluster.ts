/** Metrics of a broker of a cluster: its lease, its commits, and what it asks of database and object store, which is what these cost. */
import type { ObjectRequest, RequestCounts } from '../../../store.ts'
import type { ClusterParts } from '../../dispatch/context.ts'
import { type Page, writeHistogram } from './text.ts'

const kinds: readonly ObjectRequest[] = ['put', 'get', 'list', 'delete']

export function writeCluster(page: Page, { database, objects, log, member, collector }: ClusterParts): void {
  const { session } = log
  page.single('millrace_cluster_session', 'gauge', 'Id of the session of this broker; 0 while it has none.', member.session ?? 0)
  page.single('millrace_cluster_lease_proven', 'gauge', 'Whether this broker may answer what promises recency.', session?.proven() ? 1 : 0)
  page.single(
    'millrace_cluster_lease_margin_seconds',
    'gauge',
    'For how long the lease of this broker is proven; 0 or less: it is not.',
    (session?.marginMs ?? 0) / 1000,
  )
  page.single(
    'millrace_cluster_first_in_rank',
    'gauge',
    'Whether this broker has the duties that one broker does for all.',
    member.isFirst ? 1 : 0,
  )
  page.single(
    'millrace_cluster_unsettled_bytes',
    'gauge',
    'Bytes on their way to the database or the object store.',
    session?.unsettledBytes ?? 0,
  )
  let unflushed = 0
  for (const partition of log.partitions.values()) unflushed += partition.unflushedBytes
  page.single(
    'millrace_cluster_unflushed_bytes',
    'gauge',
    'Bytes of this broker that are in no segment yet (journal.max.bytes).',
    unflushed,
  )
  page.single(
    'millrace_cluster_stuck_partitions',
    'gauge',
    'Partitions of this broker that cannot be flushed, though others can.',
    log.upkeep?.stuck ?? 0,
  )
  const counter = (name: string, help: string, value: number) => page.single(`millrace_cluster_${name}_total`, 'counter', help, value)
  counter('sessions', 'Sessions that this broker has begun.', member.counts.sessions)
  counter('fenced', 'Sessions of other brokers that this one has ended.', member.counts.fenced)
  counter('partitions_taken_over', 'Partitions that this broker began to lead.', log.counts.takenOver)
  page.family(
    'millrace_cluster_take_over_duration_seconds',
    'histogram',
    'Seconds that a take-over of partitions took; many come together.',
  )
  writeHistogram(page, log.counts.takeOvers, null)
  counter('partitions_moved', 'Partitions that this broker gave to another one.', log.counts.moved)
  page.family('millrace_cluster_move_duration_seconds', 'histogram', 'Seconds that appends waited for a move.')
  writeHistogram(page, log.counts.moves, null)
  writeCounters(page, journalFamilies, session?.counts)
  writeCounters(page, upkeepFamilies, log.upkeep)
  counter('deleted_objects', 'Objects that were deleted because nothing needed them any more.', collector.counts.deletedObjects)
  counter('swept_objects', 'Objects that were deleted because a broker had died before anything named them.', collector.counts.sweptObjects)
  writeDatabase(page, database)
  writeObjects(page, objects)
}

type Families<Key> = readonly (readonly [key: Key, name: string, help: string])[]
type Journal = Pick<NonNullable<ClusterParts['log']['session']>['counts'], 'heartbeats' | 'objects' | 'objectBytes' | 'overBudget'>
type Upkeep = NonNullable<ClusterParts['log']['upkeep']>

const journalFamilies: Families<keyof Journal> = [
  ['heartbeats', 'heartbeats', 'Frames of an idle session, which only renew its lease. A new session begins at 0.'],
  ['objects', 'journal_objects', 'Objects that large appends were written into, before their frames were committed.'],
  ['objectBytes', 'journal_object_bytes', 'Bytes of these objects.'],
  ['overBudget', 'over_budget_appends', 'Appends that went into objects because cluster.inline.bytes.per.second was used up.'],
]

const upkeepFamilies: Families<keyof Upkeep> = [
  ['flushes', 'flushes', 'Transactions that gave flushed pieces their rows. A new session begins at 0, as for all of its work.'],
  ['pieces', 'flushed_pieces', 'Pieces of partitions that were flushed.'],
  ['flushedBytes', 'flushed_bytes', 'Bytes of these pieces.'],
  ['trims', 'trims', 'How often rows of the journal were deleted.'],
  ['carriedForward', 'carried_forward', 'How often a partition that cannot be flushed was carried forward in the journal.'],
  ['removedPieces', 'removed_pieces', 'Pieces that retention has removed.'],
  ['cleanedPieces', 'cleaned_pieces', 'Pieces that compaction has replaced.'],
  ['mergedPieces', 'merged_pieces', 'Pieces that were merged into larger ones.'],
]

/** `counts`: none while there is no session. */
function writeCounters<Key extends string>(page: Page, families: Families<Key>, counts: Readonly<Record<Key, number>> | undefined | null) {
  for (const [key, name, help] of families) page.single(`millrace_cluster_${name}_total`, 'counter', help, counts?.[key] ?? 0)
}

function writeDatabase(page: Page, { counts }: ClusterParts['database']): void {
  const counter = (name: string, help: string, value: number) => page.single(`millrace_database_${name}_total`, 'counter', help, value)
  counter('commits', 'Frames committed to the database.', counts.commits)
  counter('commit_bytes', 'Bytes of these frames.', counts.commitBytes)
  counter('commits_resent', 'Commits sent again, because the answer to the first attempt did not come.', counts.resent)
  counter('reconnects', 'Connections to the database that were opened again.', counts.reconnects)
  counter('queries', 'Other requests to the database.', counts.queries)
  counter('failures', 'Requests to the database that failed.', counts.failures)
  page.family('millrace_database_commit_duration_seconds', 'histogram', 'Seconds from handing over a frame until its outcome was known.')
  writeHistogram(page, counts.commitDurations, null)
}

type Value = readonly [name: string, help: string, of: (counts: RequestCounts) => number]

const objectValues: readonly Value[] = [
  ['requests', 'Requests to the object store, as it bills them.', counts => counts.requests],
  ['failures', 'Of these: failed.', counts => counts.failures],
  ['throttled', 'Of these: refused because there were too many.', counts => counts.throttled],
  ['bytes', 'Bytes written to or read from the object store.', counts => counts.bytes],
]

function writeObjects(page: Page, { counts }: ClusterParts['objects']): void {
  for (const [name, help, of] of objectValues) {
    page.family(`millrace_objects_${name}_total`, 'counter', help)
    for (const request of kinds) page.sample(of(counts[request]), { request })
  }
  page.family('millrace_objects_request_duration_seconds', 'histogram', 'Seconds that a request to the object store took.')
  for (const request of kinds) writeHistogram(page, counts[request].durations, { request })
}
