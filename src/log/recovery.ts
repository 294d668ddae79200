/** Recovery of the whole log: state log, then journal, then every partition's directory, into partitions that can be appended to. */
import type { TopicConfig } from '../log.ts'
import { type Offset, parseUuid, type Uuid } from '../protocol.ts'
import type { LogContext } from './context.ts'
import { type JournalView, type NamedPartition, type RecoveredJournal, recoverJournal } from './journal/journal-recovery.ts'
import type { StateLog } from './journal/state-log.ts'
import { type PartitionState, partitionKey } from './journal/state-record.ts'
import { decodePartitionMetadata } from './kafka-files.ts'
import { Partition } from './partition/partition.ts'
import { condemnedName, hasSegments, isCondemned, writePartitionMetadata } from './partition/partition-directory.ts'
import { type PartitionStart, recoverPartition } from './partition/partition-recovery.ts'
import { segmentName } from './segments/segment.ts'
import { parseTopicValues, topicConfigOf } from './topic-config.ts'

export interface RecoveredLog {
  partitions: Partition[]
  /** Those that differ from their checkpoint, or have none. */
  changed: Partition[]
  /**
   * By their directories: with segments, and nothing that tells of which topic id. A power cut leaves such a directory when nothing in it was
   * synced; it belongs to the topic of that name, as in Kafka.
   */
  unnamed: Map<string, PartitionStart>
  journal: RecoveredJournal
}

/** Until the topic's own is known; nothing is removed from a partition that no topic claims. */
const builtInConfig: TopicConfig = topicConfigOf(parseTopicValues(new Map()), new Map())

/** Partitions that are opened at the same time: their files are read by a few threads. */
const parallel = 4

const damageFile = 'millrace.offline'

interface Found {
  topic: string
  topicId: Uuid
  partition: number
  directory: string
}

export async function recoverLog(context: LogContext, stateLog: StateLog, bootId: string): Promise<RecoveredLog> {
  const { files } = context.system
  const loaded = stateLog.load()
  for (const problem of loaded.problems) context.report(problem, null)
  let found = new Map<string, Found>()
  let withoutId: Omit<Found, 'topicId'>[] = []
  const isChecked = (view: JournalView, endOffset: Offset) => endOffset <= (loaded.partitions.get(keyOf(view))?.endOffset ?? 0)
  let condemned: ReadonlySet<string> = new Set()
  const redo = (view: JournalView, segmentBase: Offset, position: number, bytes: Buffer[]) => {
    const directory = view.deleted ? null : directoryOf(context, found, view, condemned)
    if (directory === null) return
    const path = `${directory}/${segmentName(segmentBase)}.log`
    const { handles } = context.segments
    const file = files.exists(path) ? handles.get(path) : handles.create(path)
    file.writeSync(bytes, position)
  }
  const journal = await recoverJournal({
    files,
    directory: `${context.directory}/journal`,
    trimmedSequence: loaded.trimmedSequence,
    isChecked,
    indexed: (named, deleted) => {
      const directories = findDirectories(context, [...loaded.partitions.values(), ...named], deleted)
      found = directories.found
      withoutId = directories.withoutId
      condemned = deleted
    },
    redo,
  })
  const views = new Map(journal.views.map(view => [keyOf(view), view]))
  for (const { deleted, topicId, partition } of journal.views) if (deleted) await removeDeleted(context, found, topicId, partition)
  const sameRun = bootId !== '' && loaded.bootId === bootId
  // A power cut took these with their directories: those who had read them must not be told that nothing had ever been there.
  for (const view of journal.views)
    if (!sameRun && !view.deleted && loaded.partitions.get(keyOf(view))?.synced !== true) directoryOf(context, found, view, condemned)
  const partitions: Partition[] = []
  const changed: Partition[] = []
  const waiting = [...found.values()]
  const open = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const key = keyOf(next)
      const view = views.get(key) ?? null
      const state = stateLog.read(key)
      const doubtful = loaded.isDoubtful(key)
      const logStart = loaded.logStarts.get(key) ?? -1
      const partition = await openPartition(context, next, { state, logStart, view, sameRun, doubtful })
      partitions.push(partition)
      if (view !== null || doubtful || partition.logEndOffset !== state?.endOffset) changed.push(partition)
    }
  }
  await Promise.all(Array.from({ length: parallel }, open))
  const named = new Set([...found.values()].map(({ directory }) => directory))
  const unnamed = new Map<string, PartitionStart>()
  for (const one of withoutId)
    if (!named.has(one.directory)) unnamed.set(one.directory, { ...(await recoverStart(context, one, nothingKnown)), suspect: !sameRun })
  return { partitions, changed, unnamed, journal }
}

/** What state log and journal know of a partition. */
interface Known {
  state: PartitionState | null
  /** From the state log; -1: says nothing. */
  logStart: Offset
  view: JournalView | null
  /** The machine has run on since the last checkpoint. */
  sameRun: boolean
  /** There was a later state, perhaps. */
  doubtful: boolean
}

const nothingKnown: Known = { state: null, logStart: -1, view: null, sameRun: false, doubtful: false }

async function openPartition(context: LogContext, found: Found, known: Known): Promise<Partition> {
  const { topic, topicId, partition } = found
  const { state, view, sameRun, doubtful } = known
  const start = await recoverStart(context, found, known)
  const changed = view !== null || doubtful || (state !== null && !state.synced)
  const opened = new Partition(context, { topic, topicId, partition, config: builtInConfig }, { ...start, suspect: changed && !sameRun })
  for (const reason of [opened.offline, view?.damage ?? null]) if (reason !== null) keepOffline(context, opened, reason)
  // What the journal just wrote again, and what an earlier process left to the page cache, is in no checkpoint before it is synced.
  if (changed || state === null)
    for (const segment of opened.segments.all)
      if (segment.baseOffset >= (state?.active?.baseOffset ?? 0)) opened.files.unsynced.add(segment)
  return opened
}

function recoverStart(
  context: LogContext,
  { topic, partition, directory }: Omit<Found, 'topicId'>,
  { state, logStart, view, sameRun, doubtful }: Known,
): ReturnType<typeof recoverPartition> {
  return recoverPartition({
    system: context.system,
    segments: context.segments,
    chores: context.chores,
    directory,
    name: `${topic}-${partition}`,
    state,
    trusted: state !== null && (state.synced || sameRun) && !doubtful,
    doubtful,
    sameRun,
    ours: state !== null || view !== null,
    logStartOffset: Math.max(view?.logStartOffset ?? -1, logStart),
    damage: damageOf(context, directory),
    durableEnd: view?.durableEnd ?? 0,
    producers: context.settings,
  })
}

function keyOf(of: { topicId: Uuid; partition: number }): string {
  return partitionKey(of.topicId, of.partition)
}

/**
 * Directories named `<topic>-<partition>`, and whose they are. `known`: partitions of checkpoints and the journal. What a deletion left is
 * removed.
 */
function findDirectories(
  context: LogContext,
  known: readonly NamedPartition[],
  deleted: ReadonlySet<string>,
): { found: Map<string, Found>; withoutId: Omit<Found, 'topicId'>[] } {
  const { files } = context.system
  const ids = new Map<string, Set<Uuid>>()
  for (const one of known) {
    if (deleted.has(keyOf(one))) continue
    const name = `${one.topic}-${one.partition}`
    const all = ids.get(name)
    if (all === undefined) ids.set(name, new Set([one.topicId]))
    else all.add(one.topicId)
  }
  const found = new Map<string, Found>()
  const withoutId: Omit<Found, 'topicId'>[] = []
  for (const { name, kind } of files.list(context.directory)) {
    if (kind !== 'directory') continue
    const directory = `${context.directory}/${name}`
    // It is tried again at the next start.
    if (isCondemned(name)) files.removeDirectory(directory).catch(() => {})
    const match = /^(.+)-(\d+)$/.exec(name)
    if (match === null) continue
    const partition = Number(match[2])
    const isDeleted = (topicId: Uuid) => deleted.has(partitionKey(topicId, partition))
    const topicId = topicIdOf(context, directory, ids.get(name) ?? new Set(), isDeleted)
    const place = { topic: match[1]!, partition, directory }
    if (topicId !== null) found.set(partitionKey(topicId, partition), { ...place, topicId })
    else if (hasSegments(files, directory)) withoutId.push(place)
  }
  return { found, withoutId }
}

/** By `partition.metadata`; where that is damaged, or names a topic that nothing else knows, by what else is known of the name. */
function topicIdOf(context: LogContext, directory: string, known: ReadonlySet<Uuid>, isDeleted: (topicId: Uuid) => boolean): Uuid | null {
  const { files } = context.system
  const metadata = files.readFile(`${directory}/partition.metadata`)
  const stored = metadata === null ? null : readTopicId(metadata)
  // A power cut may have undone the renaming of a deleted one.
  if (stored !== null && (known.size === 0 || known.has(stored) || isDeleted(stored))) return stored
  // A topic just made in place of a deleted one has nothing in it yet.
  if (known.size !== 1 || !hasSegments(files, directory)) return stored
  const topicId = [...known][0]!
  context.report(`${directory}/partition.metadata is damaged and is written again`, null)
  writePartitionMetadata(files, directory, topicId)
  return topicId
}

function readTopicId(metadata: Buffer): Uuid | null {
  try {
    return parseUuid(decodePartitionMetadata(metadata.toString('latin1')))
  } catch {
    // Torn while it was made: nothing was acknowledged in it that the journal does not have.
    return null
  }
}

function damageOf({ system }: LogContext, directory: string): string | null {
  const path = `${directory}/${damageFile}`
  // Asking first: it is hardly ever there, and a failed open is dear.
  return system.files.exists(path) ? (system.files.readFile(path)?.toString() ?? null) : null
}

/** The journal that knows of the damage will be overwritten, so the partition's directory keeps the reason until an operator removes it. */
function keepOffline(context: LogContext, partition: Partition, reason: string): void {
  partition.goOffline(reason)
  const file = context.system.files.open(`${partition.files.directory}/${damageFile}`, 'rw')
  try {
    file.writeSync([Buffer.from(reason)], 0)
  } finally {
    file.close()
  }
}

/**
 * Where the partition lies; made again when a power cut took its name. null: another topic of that name has its place. One of the
 * `condemned` has not: its deletion was in the journal before anything of its successor.
 */
function directoryOf(context: LogContext, found: Map<string, Found>, view: JournalView, condemned: ReadonlySet<string>): string | null {
  const present = found.get(keyOf(view))
  if (present !== undefined) return present.directory
  const { files } = context.system
  const { topic, topicId, partition } = view
  const directory = `${context.directory}/${topic}-${partition}`
  for (const other of found.values()) {
    if (other.directory !== directory) continue
    if (!condemned.has(keyOf(other))) return null
    found.delete(keyOf(other))
    const remains = `${context.directory}/${condemnedName(topic, partition, other.topicId)}`
    files.rename(directory, remains)
    files.removeDirectory(remains).catch(() => {})
  }
  files.makeDirectory(directory)
  writePartitionMetadata(files, directory, topicId)
  found.set(keyOf(view), { topic, topicId, partition, directory })
  return directory
}

async function removeDeleted(context: LogContext, found: Map<string, Found>, topicId: Uuid, partition: number): Promise<void> {
  const present = found.get(partitionKey(topicId, partition))
  if (present === undefined) return
  found.delete(partitionKey(topicId, partition))
  await context.system.files.removeDirectory(present.directory)
}
