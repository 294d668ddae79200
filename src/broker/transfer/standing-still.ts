/**
 * Whether a cluster stands still: an import or an export needs one in which no broker runs.
 *
 * A broker that died has not ended its session, and nobody may have done it for it. So a session counts as that of a broker that runs only if
 * its stream grows, which that of a living one does each half second.
 */
import { pause, type System } from '../../base.ts'
import { sharedDefaults } from '../../log.ts'
import { type Database, type SessionRow, StreamGrown } from '../../store.ts'

/** It cannot be done, and nothing was changed by this attempt but what it says. */
export class TransferRefused extends Error {
  readonly code = 'ERR_TRANSFER'

  constructor(why: string) {
    super(why)
    this.name = 'TransferRefused'
  }
}

/** The newest frame of each session that has not ended. */
export type Heads = ReadonlyMap<number, number>

/** What the session of an import says of itself. */
export const importInfo = { import: true }
/** No broker has it. */
export const noBroker = -1

const lookMs = 250
/** Who was paused meanwhile does not know what happened. */
const mostGapMs = 1_500
/** In so many looks. The last commits of a broker that has just died may arrive late. */
const growthsOfTheLiving = 3

/** Rejects with TransferRefused while something is written to the cluster, and with NoCluster where there is none. */
export async function standingStill(system: System, database: Database): Promise<Heads> {
  const { clock, timers } = system
  const silentMs = sharedDefaults.leaseMs + sharedDefaults.marginMs
  const growths = new Map<number, number>()
  let heads = await headsOf(database)
  let [sinceMs, lookedMs] = [clock.monotonic(), clock.monotonic()]
  while (heads.size > 0) {
    await pause({ timers }, lookMs)
    const askedMs = clock.monotonic()
    const now = await headsOf(database)
    const grown = [...now.keys()].filter(session => heads.get(session) !== now.get(session))
    const hasPaused = clock.monotonic() - lookedMs > mostGapMs
    heads = now
    lookedMs = clock.monotonic()
    if (grown.length > 0 || hasPaused) sinceMs = lookedMs
    else if (askedMs - sinceMs >= silentMs) break
    for (const session of grown) growths.set(session, (growths.get(session) ?? 0) + 1)
    const running = [...growths].flatMap(([session, count]) => (count >= growthsOfTheLiving ? session : []))
    if (running.length > 0) throw await runningError(database, running)
  }
  return heads
}

export async function headsOf(database: Database): Promise<Heads> {
  return new Map((await database.heads()).map(({ session, seq }) => [session, seq]))
}

/** Of two imports that have begun at the same time, only the first goes on. */
export async function requireFirstImport(database: Database, session: number): Promise<void> {
  const isEarlier = (row: SessionRow) => row.session < session && !row.ended && isImport(row)
  if ((await database.sessions()).some(isEarlier)) throw importRunning()
}

/** The sessions of imports, ended or not. */
export async function importsOf(database: Database): Promise<Set<number>> {
  return new Set((await database.sessions()).filter(isImport).map(({ session }) => session))
}

function isImport({ info }: SessionRow): boolean {
  return info['import'] === true
}

function importRunning(): TransferRefused {
  return new TransferRefused('an import into this cluster is running')
}

async function runningError(database: Database, sessions: readonly number[]): Promise<TransferRefused> {
  const running = (await database.sessions()).filter(({ session }) => sessions.includes(session))
  if (running.some(isImport)) return importRunning()
  const brokers = running.map(({ brokerId }) => brokerId).join(', ')
  return new TransferRefused(`brokers of this cluster are running (${brokers}): stop all of them first`)
}

/** Sessions of imports that were killed. A process that is only paused can write nothing any more. */
export async function endImports(database: Database, heads: Heads): Promise<void> {
  for (const session of await importsOf(database)) {
    const seq = heads.get(session)
    if (seq === undefined) continue
    try {
      await database.fence(session, session, undefined, seq)
    } catch (error) {
      if (!(error instanceof StreamGrown)) throw error
      throw importRunning()
    }
  }
}
