/**
 * The home of a broker of a cluster: a database and an object store, which all brokers share. Nothing is kept on this machine. Only such brokers
 * load this file.
 *
 * Hides the order in which such a broker begins (session, log, metadata, registration) and ends, and that it waits for a database that is away:
 * it says why in its readiness, and goes on when the database is back.
 */
import { InvalidConfig, memoryFileSystem, pause, processesHere, type System, stayAlive, type WatchedClock, watchClock } from '../../base.ts'
import type { ClusterMetadata } from '../../coordinator.ts'
import { openCollector, openSharedLog, type SharedSettings, sharedDefaults } from '../../log.ts'
import { KafkaError, type RecordConverter, randomUuid } from '../../protocol.ts'
import {
  type Database,
  DatabaseUnavailable,
  ObjectError,
  type ObjectStore,
  openDatabase,
  openObjectStore,
  parseObjectsUrl,
  postgres,
  WrongObjectStore,
  wrongOwner,
} from '../../store.ts'
import { joinCluster, type Member } from '../cluster.ts'
import { isEveryAddress, logSettings, sharedHomeSettings } from '../config.ts'
import type { Broker, ClusterParts } from '../dispatch/context.ts'
import type { Mover } from '../moves/mover.ts'
import { SharedMover } from '../moves/shared-mover.ts'
import { Seldom } from '../seldom.ts'
import type { Home, Opened } from './home.ts'
import { openMetadata } from './open-metadata.ts'
import type { Closers, StartOptions } from './options.ts'

/** Between two attempts to reach the database at the start. */
const pauseMs = 1_000
/** Time synchronization keeps them much closer. */
const clocksMayDifferMs = 5_000
/** Who begins a cluster has its place in the object store after two requests. */
const beginsWithinMs = 10_000
/** A broker that stops has 30 s altogether. */
const drainMs = 10_000
const lookMs = 250

/** Reaches nobody yet. Throws InvalidConfig. */
export async function openSharedHome(options: StartOptions, opened: Closers): Promise<Home> {
  const { system, logger } = options
  // There is no directory for the history of the clock. A jump is noticed while the broker runs; at the start it is compared with the database's.
  const clock = await watchClock({
    system: { ...system, files: memoryFileSystem() },
    path: '/clock.json',
    onJump: jumpMs => logger.warn({ jumpMs }, 'the clock jumped, or the broker was stopped for long; this time does not count for expiry'),
    onFailure: error => logger.warn({ err: error }, 'cannot keep the history of the clock'),
  })
  opened.push(() => clock.close())
  const home = new SharedHome(options, opened, clock)
  opened.push(() => home.close())
  return home
}

const none = { what: '', atMs: Number.NEGATIVE_INFINITY }

class SharedHome implements Home {
  readonly system: System
  readonly location: string
  readonly #options: StartOptions
  readonly #opened: Closers
  readonly #database: Database
  readonly #objects: ObjectStore
  readonly #seldom: Seldom
  readonly #clock: WatchedClock
  readonly #shared: SharedSettings
  #cluster: ClusterParts | null = null
  #metadata: ClusterMetadata | null = null
  #leaving: Promise<void> | null = null
  /** What went wrong last, while the broker has not begun to serve. */
  #trouble = 'the database has not answered yet'
  /** That of the database, and when. */
  #databaseTrouble = none
  #serves = false
  /** A broker that waits for its database may have nothing else. Simulated ones are not closed. */
  readonly #awake: Disposable | null

  constructor(options: StartOptions, opened: Closers, clock: WatchedClock) {
    this.#clock = clock
    this.system = { ...options.system, clock }
    this.#options = { ...options, system: this.system }
    this.#opened = opened
    this.#seldom = new Seldom(clock)
    const { config, stores, environment = process.env } = options
    this.#shared = { ...sharedDefaults, ...sharedHomeSettings(config), ...stores?.settings }
    const { system } = this
    const report = (what: string, error: unknown) => this.#report(what, error)
    const url = config.get('objects')!
    const connect =
      stores?.connect ??
      usable('cluster', () =>
        postgres({
          system,
          url: config.get('cluster')!,
          environment,
          graceMs: config.get('objects.grace.ms'),
          warn: what => options.logger.warn({}, what),
        }),
      )
    const transport = stores === undefined ? {} : { transport: stores.transport }
    const recovered = (service: string, ms: number) => this.#recovered(service, ms)
    this.#objects = usable('objects', () => openObjectStore({ system, url, environment, report, recovered, ...transport }))
    this.#database = openDatabase({ system, connect, report, recovered })
    const { bucket, prefix } = parseObjectsUrl(url, environment)
    this.location = `s3://${bucket}/${prefix}`
    this.#awake = stores === undefined ? stayAlive() : null
  }

  async open(converter: RecordConverter): Promise<Opened> {
    const { config, onThisMachine = true } = this.#options
    const { system } = this
    const [database, objects] = [this.#database, this.#objects]
    const report = (what: string, error: unknown) => this.#report(what, error)
    const shared = this.#shared
    // On a busy machine loading takes seconds. Once there is a session, others would take this broker for dead.
    if (this.#options.openLink === undefined) await import('../../channel.ts')
    const member = await this.#joinCluster(report)
    this.#compareClocks(member.cluster.nowMs)
    if (!config.hasNodeId) config.takeNodeId(member.brokerId)
    const log = await openSharedLog({
      system,
      database,
      objects,
      settings: logSettings(config),
      shared,
      onThisMachine,
      findRecord: search => converter.find(search),
      report,
      info: (what, details) => this.#options.logger.info(details, what),
      onEnded: reason => member.sessionEnded(reason),
    })
    this.#opened.push(() => log.close())
    const place = { directory: '', metadataLog: member.metadataLog, session: () => member.session }
    const metadata = await openMetadata(this.#options, log, place)
    this.#opened.push(() => metadata.close())
    this.#opened.push(() => this.#end(member))
    const collector = await openCollector({
      system,
      database,
      objects,
      shared,
      journal: () => log.session,
      topics: async () => {
        const ids = await metadata.topicIds()
        return topicId => ids.has(topicId)
      },
      report,
    })
    member.onDuty('gc', shared.collectMs, async () => {
      // Two clusters may have begun in one place at the same moment. Then one of them deletes nothing.
      const wrong = await wrongOwner(objects, member.cluster.id, null)
      if (wrong !== null) throw wrong
      await collector.run(() => member.isFirst)
    })
    this.#cluster = { database, objects, log, member, collector }
    this.#metadata = metadata
    const identity = { clusterId: member.clusterId, nodeId: member.brokerId, directoryId: randomUuid(system.random) }
    return { identity, log, metadata, cluster: this.#cluster }
  }

  #compareClocks(databaseMs: number): void {
    const aheadMs = this.#clock.now() - databaseMs
    if (Math.abs(aheadMs) > clocksMayDifferMs)
      this.#options.logger.warn(
        { aheadMs },
        "the clocks of this machine and of the database differ: one of them is wrong; correct it, because timestamps and expiry depend on this machine's",
      )
    this.#clock.compare(databaseMs)
  }

  async #joinCluster(report: (what: string, error: unknown) => void): Promise<Member> {
    const { config, logger, stores } = this.#options
    const { clock } = this.system
    let beginsSinceMs = Number.POSITIVE_INFINITY
    for (;;) {
      try {
        return await joinCluster({
          system: this.system,
          database: this.#database,
          objects: this.#objects,
          brokerId: config.hasNodeId ? config.get('node.id') : null,
          address: this.#address(),
          // Where the stores are simulated, so are the processes.
          processes: stores === undefined ? processesHere : undefined,
          report,
          info: (what, details) => logger.info(details, what),
        })
      } catch (error) {
        if (error instanceof DatabaseUnavailable) report('waiting for the database', error)
        else if (error instanceof ObjectError) report('waiting for the object store', error)
        else if (error instanceof WrongObjectStore && error.isBeginning && clock.monotonic() - beginsSinceMs < beginsWithinMs) {
          beginsSinceMs = Math.min(beginsSinceMs, clock.monotonic())
          report('waiting for the broker that begins the cluster', error)
        } else throw error
        await pause(this.system, pauseMs)
      }
    }
  }

  /** By which a broker without `node.id` is known again: null if other brokers may have the same. */
  #address(): string | null {
    const { config } = this.#options
    const { host, port } = config.advertised(config.interBroker.name)
    return port === 0 || isEveryAddress(host) ? null : `${host}:${port}`
  }

  async join({ metadata, self, config }: Broker): Promise<void> {
    const { member, log } = this.#cluster!
    const endpoints = () => new Map(config.listeners.map(({ name }) => [name, self.advertised(name)]))
    await member.start({ log, metadata, rack: self.rack, endpoints })
  }

  async listening({ config }: Broker): Promise<void> {
    this.#serves = true
    this.#awake?.[Symbol.dispose]()
    if (config.listeners.some(({ port }) => port === 0)) await this.#cluster!.member.registerAgain()
  }

  notReady(): string | null {
    if (!this.#serves) return this.#trouble
    const { member, log } = this.#cluster!
    if (member.isOut) return 'this broker was unregistered; it joins the cluster again when it is restarted'
    if (member.session === null || log.session === null) return `this broker has no session in the cluster: ${this.#trouble}`
    const { marginMs } = log.session
    return marginMs > 0 ? null : `the lease of this broker is not proven, because the database does not answer: ${this.#silence(marginMs)}`
  }

  /** What went wrong before the last commit was confirmed is over. */
  #silence(marginMs: number): string {
    const silentMs = this.#shared.leaseMs - marginMs
    const { what, atMs } = this.#databaseTrouble
    return atMs > this.system.clock.monotonic() - silentMs ? what : `no commit was confirmed for ${(silentMs / 1000).toFixed(1)} s`
  }

  mover(): Mover {
    const { log, member } = this.#cluster!
    return new SharedMover({ brokerId: member.brokerId, log, metadata: this.#metadata!, metadataLog: member.metadataLog })
  }

  async leave({ moves }: Broker, signal: AbortSignal): Promise<void> {
    const patience = this.#patience(signal)
    await moves.drain(patience.signal)
    patience.end()
    // What is still led is given away with the end of the session.
    await this.#end(this.#cluster!.member)
  }

  /** Aborts with the given signal, after some time, and when the database is away: without it nothing can be given away. */
  #patience(signal: AbortSignal): { signal: AbortSignal; end(): void } {
    const { log } = this.#cluster!
    const { clock, timers } = this.system
    const deadlineMs = clock.monotonic() + drainMs
    const over = new AbortController()
    const look = () => {
      if (signal.aborted || log.session?.proven() !== true || clock.monotonic() > deadlineMs) over.abort()
      if (!over.signal.aborted) timers.after(lookMs, look)
    }
    look()
    return { signal: over.signal, end: () => over.abort() }
  }

  /** The session ends; once. */
  #end(member: Member): Promise<void> {
    this.#leaving ??= member.close()
    return this.#leaving
  }

  async close(): Promise<void> {
    this.#awake?.[Symbol.dispose]()
    this.#objects.close()
    await this.#database.close()
  }

  #recovered(service: string, ms: number): void {
    this.#seldom.forget()
    this.#databaseTrouble = none
    this.#options.logger.info({ ms }, `${service} answers again`)
  }

  /** What is tried again is said seldom: it may go on for hours. */
  #report(what: string, error: unknown): void {
    const { logger } = this.#options
    const reason = error instanceof Error ? error.message : null
    this.#trouble = reason === null ? what : `${what}: ${reason}`
    if (error instanceof DatabaseUnavailable) this.#databaseTrouble = { what: this.#trouble, atMs: this.system.clock.monotonic() }
    if (!passing.some(kind => error instanceof kind)) logger.warn({ err: error }, what)
    else if (this.#seldom.allows(what)) logger.warn({ reason }, what)
  }
}

/** Told by their message alone. */
const passing = [DatabaseUnavailable, ObjectError, KafkaError, WrongObjectStore] as const

function usable<T>(key: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    const { message } = error as Error
    throw new InvalidConfig(key, null, message, message)
  }
}
