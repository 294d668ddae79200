/**
 * `millrace cluster status`: the brokers of a cluster, who leads how much, and what is wrong, as database and object store show it. It asks no
 * broker, so it also works when none answers.
 *
 * The lease of a broker is observed: its stream in the database has to grow. Exit code 1 if anything is wrong.
 */
import { pause, realSystem } from '../base.ts'
import type { MetadataView } from '../coordinator.ts'
import { sharedDefaults, topicIdOf, uuidOf } from '../log.ts'
import type { Uuid } from '../protocol.ts'
import { type Database, type DatabaseTrouble, ObjectError, type SessionRow, wrongOwner } from '../store.ts'
import { type ClusterFlags, checkObjects, clusterMetadata, newClusterId, type Stores, toldDatabase, withStores } from './cluster.ts'
import { CommandFailed, plural, show, table } from './output.ts'

const lookEveryMs = 100
const patience = { objectsMs: 3_000, databaseMs: 0 }

interface BrokerStatus {
  readonly id: number
  /** null: it does not run. */
  readonly session: number | null
  readonly rack: string | null
  /** Partitions that it leads in the metadata. */
  readonly leaders: number
  readonly proven: boolean
  readonly lease_margin_ms: number | null
}

interface Move {
  readonly topic: string
  readonly partition: number
  /** null: from a broker that has ended. */
  readonly from: number | null
  readonly to: number
}

interface Status {
  readonly cluster: string | null
  readonly incarnation: number | null
  readonly postgresql: string
  readonly objects: string
  readonly brokers: readonly BrokerStatus[]
  readonly moves: readonly Move[]
  readonly degraded: readonly string[]
  /** What brokers can go on with, for a while. */
  readonly warnings: readonly string[]
}

export async function clusterStatus(flags: ClusterFlags): Promise<void> {
  const status = await withStores(flags, statusOf, patience)
  await show(flags.json, status, () => textOf(status))
  if (status.degraded.length > 0) process.exitCode = 1
}

async function statusOf({ database, objects }: Stores): Promise<Status> {
  const degraded: string[] = []
  /** `ok`, or what is wrong. */
  const state = async (work: () => Promise<unknown>): Promise<string> => {
    try {
      await work()
      return 'ok'
    } catch (error) {
      if (!(error instanceof CommandFailed || error instanceof ObjectError)) throw error
      degraded.push(error.message)
      return error.message
    }
  }
  const objectsState = await state(() => checkObjects(objects))
  const postgresql = await state(() => toldDatabase(() => database.check()))
  let seen = nothing
  let troubles: readonly DatabaseTrouble[] = []
  if (postgresql === 'ok')
    await state(() =>
      toldDatabase(async () => {
        // First, because it tells why nothing else may be read.
        troubles = await database.troubles()
        degraded.push(...troubles.filter(({ isOutage }) => isOutage).map(({ what }) => what))
        seen = await look({ database, objects })
      }),
    )
  const { cluster, incarnation, brokers, moves, problems } = seen
  const warnings = troubles.filter(({ isOutage }) => !isOutage).map(({ what }) => what)
  return { cluster, incarnation, postgresql, objects: objectsState, brokers, moves, degraded: [...degraded, ...problems], warnings }
}

/** What the database knows. */
export interface Seen extends Pick<Status, 'cluster' | 'incarnation' | 'brokers' | 'moves'> {
  /** How far the clock of this machine is ahead of the database's. */
  readonly clockAheadMs: number
  readonly problems: readonly string[]
}

const nothing: Seen = { cluster: null, incarnation: null, clockAheadMs: 0, brokers: [], moves: [], problems: [] }

/** Throws NoCluster. */
export async function look(stores: Stores): Promise<Seen> {
  const { database } = stores
  // Before `start`, which would make a cluster where there is none.
  const margins = await watchLeases(database)
  const { clock, random } = realSystem()
  const row = await database.start(newClusterId(random))
  const clockAheadMs = clock.now() - row.nowMs
  const metadata = await clusterMetadata(stores)
  const all = await database.sessions()
  // That of an import is no broker's.
  const sessions = all.filter(({ ended, brokerId }) => !ended && brokerId >= 0)
  const live = new Map(sessions.map(each => [each.brokerId, each]))
  const brokers = brokersOf(metadata, live, margins)
  const { moves, leaderless } = await movesOf(database, metadata, live)
  const problems = brokers.filter(({ session }) => session === null).map(({ id }) => `broker ${id} does not run`)
  for (const { id, session, proven } of brokers)
    if (session !== null && !proven) problems.push(`broker ${id} has not proven its lease for ${sharedDefaults.leaseMs} ms`)
  if (brokers.length === 0) problems.push('no broker runs')
  const wrong = all.length === 0 ? null : await wrongOwner(stores.objects, row.id, null).catch(notToldHere)
  if (wrong !== null) problems.push(wrong.message)
  if (leaderless > 0) problems.push(`${plural(leaderless, 'partition')} without a leader that runs`)
  return { cluster: uuidOf(row.id), incarnation: row.incarnation, clockAheadMs, brokers, moves, problems }
}

/** That the object store does not answer is found when it is checked. */
function notToldHere(error: unknown): null {
  if (!(error instanceof ObjectError)) throw error
  return null
}

/** For how long each session can still promise that it is the only owner of its partitions; null: its stream does not grow. */
async function watchLeases(database: Database): Promise<ReadonlyMap<number, number | null>> {
  const { clock, timers } = realSystem()
  const { leaseMs } = sharedDefaults
  const first = new Map((await database.heads()).map(({ session, seq }) => [session, seq]))
  const seen = new Map(first)
  const grewAtMs = new Map<number, number>()
  const deadlineMs = clock.monotonic() + leaseMs
  while (grewAtMs.size < first.size && clock.monotonic() < deadlineMs) {
    await pause({ timers }, lookEveryMs)
    const askedMs = clock.monotonic()
    for (const { session, seq } of await database.heads()) {
      if (seq > (seen.get(session) ?? seq)) grewAtMs.set(session, askedMs)
      seen.set(session, seq)
    }
  }
  const nowMs = clock.monotonic()
  return new Map(
    Array.from(first.keys(), session => {
      const at = grewAtMs.get(session)
      return [session, at === undefined ? null : Math.round(leaseMs - (nowMs - at))]
    }),
  )
}

function brokersOf(
  { brokers, topics }: MetadataView,
  live: ReadonlyMap<number, SessionRow>,
  margins: ReadonlyMap<number, number | null>,
): BrokerStatus[] {
  const led = new Map<number, number>()
  for (const { partitions } of topics) for (const { leader } of partitions) led.set(leader, (led.get(leader) ?? 0) + 1)
  const ids = new Set([...brokers.map(({ id }) => id), ...live.keys()])
  return [...ids]
    .sort((a, b) => a - b)
    .map(id => {
      const session = live.get(id)?.session ?? null
      const margin = session === null ? null : (margins.get(session) ?? null)
      const rack = brokers.find(each => each.id === id)?.rack ?? null
      return { id, session, rack, leaders: led.get(id) ?? 0, proven: margin !== null && margin > 0, lease_margin_ms: margin }
    })
}

/** A partition is on its way as long as the database has it in another session than that of its leader. */
async function movesOf(database: Database, { topics }: MetadataView, live: ReadonlyMap<number, SessionRow>) {
  const owners = new Map<string, number>()
  for (const { session, brokerId } of live.values())
    for (const { topicId, partition } of await database.partitionsOf(session)) owners.set(`${topicId}:${partition}`, brokerId)
  const moves: Move[] = []
  let leaderless = 0
  for (const { name: topic, id, partitions } of topics) {
    const topicId = topicIdOf(id as Uuid)
    partitions.forEach(({ leader }, partition) => {
      if (!live.has(leader)) leaderless++
      const from = owners.get(`${topicId}:${partition}`) ?? null
      if (live.has(leader) && from !== leader) moves.push({ topic, partition, from, to: leader })
    })
  }
  return { moves, leaderless }
}

function textOf({ cluster, incarnation, postgresql, objects, brokers, moves, degraded, warnings }: Status): string {
  return [
    cluster === null ? '' : `cluster ${cluster}, incarnation ${incarnation}\n`,
    `PostgreSQL: ${postgresql}\nobject store: ${objects}\n`,
    brokers.length === 0
      ? ''
      : table(
          ['BROKER', 'SESSION', 'RACK', 'LEADERS', 'PROVEN', 'LEASE MARGIN'],
          brokers.map(each => {
            const margin = each.lease_margin_ms === null ? null : `${each.lease_margin_ms} ms`
            return [each.id, each.session, each.rack, each.leaders, each.proven ? 'yes' : 'no', margin]
          }),
        ),
    ...moves.map(({ topic, partition, from, to }) => `moving: ${topic}:${partition} from ${from ?? 'a broker that has ended'} to ${to}\n`),
    ...warnings.map(warning => `warning: ${warning}\n`),
    degraded.length === 0 ? (warnings.length === 0 ? 'all is well\n' : '') : degraded.map(problem => `degraded: ${problem}\n`).join(''),
  ].join('')
}
