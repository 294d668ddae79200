/**
 * How a broker begins a session, and which id it has.
 *
 * A broker that was given an id ends the session of whoever has it: the operator says that this one counts. A broker without one takes the id that it
 * had at its address, or the lowest that nobody uses. Of two that take one id at once, at least the one whose session is committed last sees the
 * other.
 */
import type { Processes, System } from '../../base.ts'
import { randomUuid, uuidToBytes } from '../../protocol.ts'
import { type Database, type SessionRow, StreamGrown } from '../../store.ts'

export interface BrokerName {
  /** null: any. */
  brokerId: number | null
  /** Where clients reach it; null: not known. */
  address: string | null
  /** By which processes on one machine know each other; undefined: they do not. */
  processes?: Processes | undefined
}

export interface BegunSession {
  brokerId: number
  session: number
}

const mostAttempts = 100
const mostPauseMs = 200
const lookMs = 250

/** Of a new process. Another one of the same broker may go on: see {@link endPredecessors}. */
export async function beginSession(system: System, database: Database, name: BrokerName): Promise<BegunSession> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const before = await database.sessions()
    const brokerId = name.brokerId ?? freeId(before, name.address)
    const session = await database.beginSession(sessionStart(system, brokerId, name))
    const known = new Set(before.map(row => row.session))
    const rivals = (await goingOn(database, brokerId)).filter(other => other.session !== session && !known.has(other.session))
    if (name.brokerId !== null || rivals.length === 0) return { brokerId, session }
    await database.fence(session, session)
    await sleep(system, system.random.below(mostPauseMs))
  }
  throw new Error(`no broker id could be taken in ${mostAttempts} attempts, because other brokers took the same one at the same moment`)
}

/**
 * Until no earlier session of the broker goes on. If its process is known to have ended, it is fenced at once. If it has died elsewhere, it is fenced as any
 * broker would do it. If it lives, it is fenced at once; then its lease has to pass, in which it may serve what it has, before anything else may be
 * written in its place. `silentMs`: after so long without a frame nobody believes in a session any more, not even its own broker.
 */
export async function endPredecessors(
  system: System,
  database: Database,
  { brokerId, session: own }: BegunSession,
  { silentMs, processes }: { silentMs: number; processes?: Processes | undefined },
): Promise<void> {
  const seen = new Map<number, { seq: number; sinceMs: number }>()
  for (;;) {
    const askedMs = system.clock.monotonic()
    const earlier: number[] = []
    for (const row of await goingOn(database, brokerId)) {
      if (row.session >= own) continue
      const name = processOf(row)
      if (name !== null && processes?.hasEnded(name) === true) await database.fence(row.session, own)
      else earlier.push(row.session)
    }
    if (earlier.length === 0) return
    for (const { session, seq } of await database.heads()) {
      if (!earlier.includes(session)) continue
      const known = seen.get(session)
      if (known === undefined) seen.set(session, { seq, sinceMs: system.clock.monotonic() })
      else if (known.seq !== seq) {
        // Also if it is not known whether it was fenced.
        await database.fence(session, own).finally(() => sleep(system, silentMs))
      } else if (askedMs - known.sinceMs >= silentMs) await fenceAt(database, session, own, seq)
    }
    await sleep(system, lookMs)
  }
}

async function fenceAt(database: Database, session: number, by: number, seq: number): Promise<void> {
  try {
    await database.fence(session, by, undefined, seq)
  } catch (error) {
    // It lives, as the next look shows.
    if (!(error instanceof StreamGrown)) throw error
  }
}

/** Sessions of the broker that have not ended. */
async function goingOn(database: Database, brokerId: number): Promise<SessionRow[]> {
  const rows = await database.sessions()
  return rows.filter(row => !row.ended && row.brokerId === brokerId)
}

function sleep(system: System, ms: number): Promise<void> {
  return new Promise(resolve => void system.timers.after(ms, resolve))
}

/** What the session says of itself. A start that is tried again must be the same. */
export function sessionStart({ random }: System, brokerId: number, { brokerId: given, address, processes }: BrokerName) {
  const process = processes?.own ?? null
  return { brokerId, incarnation: randomId(random), info: { address, given: given !== null, ...(process === null ? {} : { process }) } }
}

/** The name of the process that began it, see {@link Processes}; null: it has told none. */
export function processOf({ info }: Pick<SessionRow, 'info'>): string | null {
  const name = info['process']
  return typeof name === 'string' ? name : null
}

/** In PostgreSQL's form. */
export function randomId(random: System['random']): string {
  const hex = uuidToBytes(randomUuid(random)).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function freeId(rows: readonly SessionRow[], address: string | null): number {
  /** The newest session of each id. */
  const newest = new Map<number, SessionRow>()
  for (const row of rows) if (!row.ended || newest.get(row.brokerId)?.ended !== false) newest.set(row.brokerId, row)
  if (address !== null) {
    for (const [id, { info }] of newest) if (info['address'] === address && info['given'] === false) return id
  }
  for (let id = 1; ; id++) {
    const row = newest.get(id)
    if (row === undefined || (row.ended && row.info['given'] === false)) return id
  }
}
