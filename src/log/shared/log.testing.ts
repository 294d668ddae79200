/** A broker's part of the shared home in a simulated world: a process with its connections, which can be killed. */
import { Process } from '../../../sim/world/process.ts'
import type { LogSettings } from '../../log.ts'
import { type Database, type ObjectStore, openDatabase, openObjectStore } from '../../store.ts'
import { settings } from '../log.testing.ts'
import type { SharedLog } from './log.ts'
import { openSharedLog } from './open.ts'
import type { TestCluster } from './session.testing.ts'
import { type SharedSettings, sharedDefaults } from './settings.ts'

export interface TestBroker {
  readonly log: SharedLog
  readonly session: number
  readonly database: Database
  readonly objects: ObjectStore
  readonly process: Process
  /** Why sessions ended. */
  readonly ended: string[]
  readonly reports: string[]
}

const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
const clusterId = '00000000-0000-4000-8000-000000000001'
let incarnations = 0

/** It has begun a session. */
export async function testBroker(
  { world, server, s3 }: TestCluster,
  brokerId: number,
  change: { settings?: Partial<LogSettings>; shared?: Partial<SharedSettings> } = {},
): Promise<TestBroker> {
  const process = new Process(world.system.timers)
  const system = { ...world.system, timers: process }
  const database = openDatabase({ system, connect: server.connect(process), timeoutMs: 60_000 })
  const objects = openObjectStore({ system, url: 's3://bucket/c?endpoint=https://s3.test', environment, transport: s3.transport(process) })
  await database.start(clusterId)
  const incarnation = `00000000-0000-4000-8000-${String(++incarnations).padStart(12, '0')}`
  const session = await database.beginSession({ brokerId, incarnation, info: {} })
  const [ended, reports]: [string[], string[]] = [[], []]
  const log = await openSharedLog({
    system,
    database,
    objects,
    settings: { ...settings, ...change.settings },
    shared: { ...sharedDefaults, ...change.shared },
    report: (what, error) => void reports.push(error instanceof Error ? `${what}: ${error.message}` : what),
    onEnded: reason => void ended.push(reason),
    onThisMachine: false,
  })
  log.begin(session)
  return { log, session, database, objects, process, ended, reports }
}
