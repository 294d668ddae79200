/**
 * cluster: this broker as a member of a cluster over a database.
 *
 * Hides sessions: how one begins, how the others see that it ended and give its partitions away, and how this broker goes on with another one when
 * that happened to it, without its clients losing their connections. And the duties that one broker does for all.
 *
 * A session leads only what the metadata says from its registration on. The registration is fenced in the transaction that ends the session, which
 * also names the next leaders. So who reads the registration of a later session has read that as well, and no partition is ever taken over twice.
 */
import { growingMs, type Processes, pause, type System } from '../base.ts'
import { type ClusterMetadata, type DatabaseMetadataLog, openDatabaseMetadataLog } from '../coordinator.ts'
import { sharedDefaults } from '../log.ts'
import { KafkaError, randomUuid, type Uuid, uuidFromBytes } from '../protocol.ts'
import { type ClusterRow, type Database, type ObjectStore, wrongOwner } from '../store.ts'
import { Duty } from './cluster/duty.ts'
import { EndedProcesses } from './cluster/ended-processes.ts'
import { Failover } from './cluster/failover.ts'
import { LeaseWatch } from './cluster/lease-watch.ts'
import { type BegunSession, beginSession, endPredecessors, randomId, sessionStart } from './cluster/sessions.ts'
import { unregister } from './cluster/unregister.ts'

export { releaseWith } from './cluster/release-with.ts'

export interface JoinOptions {
  system: System
  database: Database
  objects: ObjectStore
  /** `node.id`; null: one is taken. */
  brokerId: number | null
  /** Where clients reach this broker, `host:port`; null: not known yet. By it a broker without `node.id` finds its id again. */
  address: string | null
  /** By which brokers on one machine know of each other's end; undefined: they do not. */
  processes?: Processes | undefined
  /** See SharedSettings; by default as there. */
  leaseMs?: number
  marginMs?: number
  info(what: string, details: object): void
  report(what: string, error: unknown): void
}

export interface StartMemberOptions {
  /** The SharedLog. */
  log: { begin(session: number): void; readonly session: { proven(): boolean; liveBrokers: number } | null }
  metadata: ClusterMetadata
  rack: string | null
  /** As advertised; asked each time that this broker registers. */
  endpoints(): ReadonlyMap<string, { host: string; port: number }>
}

/**
 * Checks the database, makes its tables if there are none, and begins a session. Rejects with WrongObjectStore before that if the object store is not
 * the cluster's: it is, from the first session on.
 */
export async function joinCluster(options: JoinOptions): Promise<Member> {
  const { system, database, objects, info, leaseMs = sharedDefaults.leaseMs, marginMs = sharedDefaults.marginMs } = options
  await database.check()
  const cluster = await database.start(randomId(system.random))
  const isNew = (await database.sessions()).length === 0
  const wrong = await wrongOwner(objects, cluster.id, isNew ? database : null)
  if (wrong !== null) throw wrong
  const begun = await beginSession(system, database, options)
  info('a session begins', { broker: begun.brokerId, session: begun.session, cluster: cluster.id, incarnation: cluster.incarnation })
  const metadataLog = await openDatabaseMetadataLog({
    ...options,
    session: begun.session,
    snapshotSession: () => (member.isFirst ? member.session : null),
  })
  const member: Member = new Member({ ...options, metadataLog, silentMs: leaseMs + marginMs }, cluster, begun)
  return member
}

const pauseMs = { first: 50, last: 1_000 }
/** A stop does not wait longer for a database that does not answer. */
const closeMs = 5_000

interface MemberOptions extends JoinOptions {
  metadataLog: DatabaseMetadataLog
  silentMs: number
}

export class Member {
  readonly cluster: ClusterRow
  /** As Kafka's clients see it. */
  readonly clusterId: Uuid
  readonly brokerId: number
  /** For `ClusterOptions.metadataLog`. */
  readonly metadataLog: DatabaseMetadataLog
  /** Sessions of this process, and sessions of others that it has ended. */
  readonly counts = { sessions: 1, fenced: 0 }
  readonly #options: MemberOptions
  /** Of the database, as this broker knows it. */
  #incarnation: number
  /** The first session of this process. */
  readonly #author: number
  /** Grows: a later session with this broker's id is of another process. */
  #lastSession: number
  #session: number | null
  /** The session with which this process registered last. */
  #registered: number | null = null
  #isOut = false
  /** Of the first session: begins at once, because it may take as long as a lease. */
  #endingPredecessors: Promise<void> | null
  #parts: (StartMemberOptions & { watch: LeaseWatch; duty: Duty }) | null = null
  #entering = false
  /** Once. */
  #hasRegistered = false
  #waitingDuties: Parameters<Duty['add']>[] = []
  #closed = false

  constructor(options: MemberOptions, cluster: ClusterRow, { brokerId, session }: BegunSession) {
    this.#options = options
    this.metadataLog = options.metadataLog
    this.cluster = cluster
    this.#incarnation = cluster.incarnation
    this.clusterId = uuidFromBytes(Buffer.from(cluster.id.replaceAll('-', ''), 'hex'))
    this.brokerId = brokerId
    this.#author = session
    this.#lastSession = session
    this.#session = session
    this.#endingPredecessors = this.#endPredecessors(session)
    this.#endingPredecessors.catch(() => {})
  }

  /** Now; null while there is none. For `ClusterOptions.session`: the epoch of this broker's registration. */
  get session(): number | null {
    return this.#session
  }

  /** This broker was unregistered. Its process stays out of the cluster. */
  get isOut(): boolean {
    return this.#isOut
  }

  /** Of the living brokers, by id, as this one sees them. */
  get isFirst(): boolean {
    return this.#parts?.duty.isFirst ?? false
  }

  /**
   * Ends what earlier sessions of this broker go on, registers, and resolves when what it leads is open, or could not be opened. It watches the others from
   * the beginning, so that it ends what is silent as soon as it is registered: after all brokers were lost at once, nobody else may have seen them.
   */
  async start(options: StartMemberOptions): Promise<void> {
    const { system, database, silentMs, info, report } = this.#options
    const { metadata, log } = options
    const failover = new Failover({
      database,
      metadata,
      metadataLog: this.metadataLog,
      brokerId: this.brokerId,
      author: this.#author,
      silentMs,
      silentAt: session => watch.silentAt(session),
      fenced: () => void this.counts.fenced++,
      info,
      report,
    })
    const ended = new EndedProcesses(database, this.#options.processes)
    const heads = async () => {
      const all = await database.heads()
      await ended.learn(all)
      return all.filter(({ session }) => session !== this.#session)
    }
    const watch = new LeaseWatch({
      system,
      silentMs,
      heads,
      hasEnded: session => ended.has(session),
      expected: () => metadata.brokers().flatMap(({ id, epoch, fenced }) => (fenced || id === this.brokerId ? [] : epoch)),
      proven: () => log.session?.proven() === true,
      looked: silent => {
        if (this.#hasRegistered) failover.looked(silent)
      },
    })
    const duty = new Duty({
      system,
      metadata,
      brokerId: this.brokerId,
      hasSession: () => this.#session !== null,
      brokersChanged: () => this.#divideBudget(),
      report,
    })
    for (const task of this.#waitingDuties) duty.add(...task)
    this.#parts = { ...options, watch, duty }
    if (this.#session !== null) log.begin(this.#session)
    if (!this.#closed) watch.start()
    await this.#enter()
    if (this.#closed) return
    this.#hasRegistered = true
    duty.start()
  }

  /** Where clients reach this broker is known, or has changed. */
  async registerAgain(): Promise<void> {
    if (this.#session !== null) await this.#register(this.#session)
  }

  /** For `SharedLogOptions.onEnded`: another session follows, as soon as the database answers. */
  sessionEnded(reason: string): void {
    if (this.#closed || this.#isOut || this.#session === null) return
    this.#options.info('the session ended; beginning another one', { broker: this.brokerId, session: this.#session, reason })
    this.#session = null
    void this.#parts?.metadata.sessionEnded()
    if (this.#parts !== null) void this.#enter()
  }

  /** Takes a broker out of the cluster, which may be this one. Throws KafkaError. */
  unregister(id: number): Promise<void> {
    const { system, database, silentMs } = this.#options
    const { metadata } = this.#parts!
    return unregister({ system, database, metadata, metadataLog: this.metadataLog, author: this.#author, silentMs }, id)
  }

  /** Runs `task` every so often while this broker is the first; one run at a time. */
  onDuty(name: string, everyMs: number, task: () => Promise<void>): void {
    if (this.#parts === null) this.#waitingDuties.push([name, everyMs, task])
    else this.#parts.duty.add(name, everyMs, task)
  }

  /** Ends the session. What this broker leads still is given to others in the same transaction; so it is to be drained before. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const session = this.#session
    this.#session = null
    this.#parts?.watch.close()
    this.#parts?.duty.close()
    if (session === null) return
    const { system, report } = this.#options
    const ending = this.#endOwn(session).catch(error => report('cannot end the session; the others will', error))
    const late = Promise.withResolvers<void>()
    const timer = system.timers.after(closeMs, () => {
      report('cannot end the session; the others will', new Error(`the database did not answer in ${closeMs} ms`))
      late.resolve()
    })
    await Promise.race([ending, late.promise])
    timer.cancel()
  }

  async #endOwn(session: number): Promise<void> {
    const { database } = this.#options
    const { metadata = null } = this.#parts ?? {}
    // Its lease is not over when others lead what it had.
    await metadata?.sessionEnded()
    let ended = false
    const fence = this.metadataLog.by(async append => {
      ended = await database.fence(session, this.#author, append)
      return ended
    })
    await metadata?.endSession({ brokerId: this.brokerId, epoch: session, avoid: new Set() }, fence)
    if (!ended) await database.fence(session, this.#author)
  }

  /** The cluster's, of inline bytes. */
  #divideBudget(): void {
    const { metadata, log } = this.#parts!
    if (log.session !== null) log.session.liveBrokers = metadata.brokers().filter(({ fenced }) => !fenced).length
  }

  /** Until this broker is registered with a session that goes on, or is out. Never rejects. */
  async #enter(): Promise<void> {
    if (this.#entering) return
    this.#entering = true
    const { system, report, info } = this.#options
    let reported = ''
    for (let failures = 0; !this.#closed; failures++) {
      try {
        const session = this.#session ?? (await this.#beginAnother())
        await this.#noticeRestore()
        const ending = this.#endingPredecessors ?? this.#endPredecessors(session)
        this.#endingPredecessors = null
        await ending
        if (!(await this.#register(session))) {
          this.#isOut = true
          await this.#options.database.fence(session, this.#author)
          this.#session = null
          info('this broker was unregistered; it joins the cluster again when it is restarted', { broker: this.brokerId })
          break
        }
        if (this.#session !== session) continue
        info('registered', { broker: this.brokerId, session })
        break
      } catch (error) {
        const { message } = error as Error
        // It may last for hours.
        if (!this.#closed && message !== reported) report('cannot join the cluster; trying again', error)
        reported = message
      }
      await pause(system, growingMs(pauseMs, failures))
    }
    this.#entering = false
  }

  #endPredecessors(session: number): Promise<void> {
    const { system, database } = this.#options
    return endPredecessors(system, database, { brokerId: this.brokerId, session }, this.#options)
  }

  /** False: it was unregistered. */
  async #register(session: number): Promise<boolean> {
    const { metadata, rack, endpoints } = this.#parts!
    const incarnation = randomUuid(this.#options.system.random)
    const registration = { id: this.brokerId, incarnation, epoch: session, rack, fenced: false, endpoints: endpoints() }
    try {
      await metadata.registerBroker({ ...registration, follows: this.#registered ?? undefined })
    } catch (error) {
      if (error instanceof KafkaError && error.name === 'BROKER_ID_NOT_REGISTERED') return false
      throw error
    }
    this.#registered = session
    this.#divideBudget()
    return true
  }

  /** The start of one is the same until it is known to have begun: so it never stands in its own way. */
  #nextStart: ReturnType<typeof sessionStart> | null = null

  async #beginAnother(): Promise<number> {
    const { system, database } = this.#options
    this.#nextStart ??= sessionStart(system, this.brokerId, this.#options)
    const start = this.#nextStart
    for (const row of await database.sessions()) {
      if (row.brokerId !== this.brokerId || row.ended || row.incarnation === start.incarnation) continue
      // That process fenced this one, and would do so again.
      if (row.session > this.#lastSession)
        throw new KafkaError('DUPLICATE_BROKER_REGISTRATION', `another broker with the id ${this.brokerId} runs, in session ${row.session}`)
      await database.fence(row.session, this.#author)
    }
    const session = await database.beginSession(start)
    this.#nextStart = null
    this.#lastSession = session
    this.#session = session
    this.counts.sessions++
    this.#parts!.log.begin(session)
    return session
  }

  /** A restore raises the incarnation first, and then ends all sessions: who has begun one before it sees it here with the next one. */
  async #noticeRestore(): Promise<void> {
    const { database, info } = this.#options
    const { incarnation } = await database.start(this.cluster.id)
    if (incarnation === this.#incarnation) return
    info('the database was restored to an earlier state; loading it anew', { incarnation, before: this.#incarnation })
    // What this process has registered is not known there.
    this.#registered = null
    await this.#parts!.metadata.catchUp(true)
    this.#incarnation = incarnation
  }
}
