/**
 * Opens the directory of one partition, at the start or when it is adopted: as its checkpoint says, as an operator asks (a repair), or offline
 * if its files differ from what was written.
 */
import { DiskError } from '../base.ts'
import type { Offset } from '../protocol.ts'
import type { LogContext } from './context.ts'
import { rewrite } from './failed-sync.ts'
import type { JournalView } from './journal/journal-recovery.ts'
import type { PartitionState } from './journal/state-record.ts'
import { LeaderEpochs, largestEpoch } from './partition/leader-epochs.ts'
import type { Partition } from './partition/partition.ts'
import { damageFile, repairFile } from './partition/partition-directory.ts'
import { type PartitionStart, recoverPartition } from './partition/partition-recovery.ts'
import { segmentName } from './segments/segment.ts'
import { SegmentList } from './segments/segment-list.ts'

/** A directory of a partition. */
export interface Place {
  topic: string
  partition: number
  directory: string
}

/** What is known of a partition before its files are read. */
export interface Known {
  state: PartitionState | null
  /** From the state log; -1: says nothing. */
  logStart: Offset
  view: JournalView | null
  /** There was a later state, perhaps. */
  doubtful: boolean
}

export interface Opened {
  start: Omit<PartitionStart, 'suspect'>
  /** The files differ from what was written. */
  damage: string | null
  repaired: boolean
}

export interface Trust {
  /** The machine has not been restarted since: everything written is there, synced or not. */
  sameRun: boolean
  /** A sync failed in this run: see failed-sync.ts. */
  writesAgain: boolean
}

/** Throws DiskError when the disk refuses; nothing was decided then. */
export async function openDirectory(context: LogContext, trust: Trust, place: Place, known: Known): Promise<Opened> {
  const { system, segments, chores, settings } = context
  const { topic, partition, directory } = place
  const { state, view, logStart, doubtful } = known
  const { sameRun } = trust
  try {
    if (trust.writesAgain) await writeAgain(context, directory, known)
    if (system.files.exists(`${directory}/${repairFile}`)) return await repair(context, trust, place, known)
    const recovered = await recoverPartition({
      system,
      segments,
      chores,
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
      producers: settings,
      repairTo: null,
    })
    return { ...recovered, repaired: false }
  } catch (error) {
    if (error instanceof DiskError) throw error
    const damage = (error as Error).message
    return { start: startOffline(context, directory, known, damage), damage, repaired: false }
  }
}

/** What is known without its files. */
export function startOffline(context: LogContext, directory: string, { state, logStart, view }: Known, reason: string): Opened['start'] {
  const logEndOffset = Math.max(state?.endOffset ?? 0, view?.durableEnd ?? 0)
  return {
    segments: new SegmentList(context.segments, directory, []),
    hasDirectory: true,
    hasReleased: false,
    logStartOffset: Math.min(Math.max(state?.logStartOffset ?? 0, view?.logStartOffset ?? 0, logStart), logEndOffset),
    logEndOffset,
    leaderEpoch: state?.leaderEpoch ?? 0,
    epochs: new LeaderEpochs(state?.epochs),
    producers: null,
    offline: reason,
    checkpointedBase: 0,
  }
}

/** The journal that knows of the damage will be overwritten, so the partition's directory keeps the reason until an operator removes it. */
export function keepOffline({ chores, system }: LogContext, partition: Partition, reason: string): void {
  partition.goOffline(reason)
  const path = `${partition.files.directory}/${damageFile}`
  void chores.begin(`writing ${path}`, async () => {
    if (partition.deleted) return
    const file = system.files.open(path, 'rw')
    try {
      file.writeSync([Buffer.from(reason)], 0)
    } finally {
      file.close()
    }
  })
}

/** After a failed sync: what no checkpoint vouches for. */
async function writeAgain({ system }: LogContext, directory: string, { state, view, doubtful }: Known): Promise<void> {
  if (state?.synced === true && view === null && !doubtful) return
  const { files } = system
  const base = state?.active?.baseOffset ?? 0
  for (const { name, kind } of files.list(directory)) {
    const segment = /^(\d{20})\.(log|txnindex)$/.exec(name)
    const isWanted = name === 'partition.metadata' || (segment !== null && Number(segment[1]) >= base)
    if (kind !== 'file' || !isWanted) continue
    const isKnown = state?.synced === true && name === `${segmentName(base)}.log`
    await rewrite(files, `${directory}/${name}`, isKnown ? (state.active?.state.size ?? 0) : 0)
  }
}

/** Like a foreign log of which only the start and end are known. */
async function repair(context: LogContext, { sameRun }: Trust, { topic, partition, directory }: Place, known: Known): Promise<Opened> {
  const { system, segments, chores, settings } = context
  const { state, view, logStart } = known
  const { start, damage, lost } = await recoverPartition({
    system,
    segments,
    chores,
    directory,
    name: `${topic}-${partition}`,
    state: null,
    trusted: false,
    doubtful: false,
    sameRun,
    ours: false,
    logStartOffset: Math.max(view?.logStartOffset ?? -1, logStart, state?.logStartOffset ?? -1),
    damage: null,
    durableEnd: 0,
    producers: settings,
    repairTo: Math.max(state?.endOffset ?? 0, view?.durableEnd ?? 0),
  })
  for (const what of lost) context.report(`repair of ${topic}-${partition}: ${what}`, null)
  if (damage !== null) return { start, damage, repaired: false }
  for (const name of [damageFile, repairFile]) await system.files.removeFile(`${directory}/${name}`)
  context.report(`${topic}-${partition} was repaired and continues at offset ${start.logEndOffset}`, null)
  // Clients that had read what is given up find out by the epoch (KIP-320).
  const leaderEpoch = Math.min(Math.max(start.leaderEpoch, state?.leaderEpoch ?? 0) + 1, largestEpoch)
  start.epochs.assign(leaderEpoch, start.logEndOffset)
  return { start: { ...start, leaderEpoch }, damage: null, repaired: true }
}

function damageOf({ system: { files } }: LogContext, directory: string): string | null {
  const path = `${directory}/${damageFile}`
  // Asking first: it is hardly ever there, and a failed open is dear.
  return files.exists(path) ? (files.readFile(path)?.toString() ?? null) : null
}
