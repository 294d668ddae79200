/**
 * The shared home of partitions: a second implementation of `Log`, which has no files. A partition is taken over from the database and the
 * object store when this broker leads it, and is gone when it does not any more, or when the session ends.
 *
 * Hides sessions: what belongs to one (its stream, its upkeep, its partitions) ends with it, and `begin` makes it anew. Nothing is found at
 * start, nothing has a directory: what concerns those does nothing here.
 */
import { Durations, inSlices, type System, Turns } from '../../base.ts'
import type { DiskSpace, JournalCounts, Log, LogSettings, PartitionSpec, Pressure, ReleasedPartition } from '../../log.ts'
import { type FoundRecord, findRecord, KafkaError, type Search, type Uuid } from '../../protocol.ts'
import { type Database, type MetadataAppend, type ObjectStore, objectNames } from '../../store.ts'
import { partitionKey } from '../journal/state-record.ts'
import type { SharedContext } from './context.ts'
import { giveAway, lighten } from './give-away.ts'
import { SessionJournal } from './journal.ts'
import { LogMemory } from './memory.ts'
import type { SharedPartition } from './partition.ts'
import { PieceStore } from './pieces/piece-store.ts'
import type { SharedSettings } from './settings.ts'
import { takeOver, type Wanted } from './take-over.ts'
import { Upkeep } from './upkeep/upkeep.ts'

export interface SharedLogOptions {
  system: System
  database: Database
  objects: ObjectStore
  settings: LogSettings
  shared: SharedSettings
  /** As `LogOptions.findRecord`. */
  findRecord?: (search: Search) => FoundRecord | null | Promise<FoundRecord | null>
  report(what: string, error: unknown): void
  /** What an operator may want to know. */
  info?: ((what: string, details: object) => void) | undefined
  /** The session can commit nothing any more, and its partitions are gone: begin another one. Not called after `close`. */
  onEnded(reason: string): void
  /** False in a simulation: then no worker threads are used. Default: true. */
  onThisMachine?: boolean
}

/** A partition by the id that the protocol has for its topic. */
export interface LedKey {
  readonly topicId: Uuid
  readonly partition: number
}

interface Session {
  readonly journal: SessionJournal
  readonly upkeep: Upkeep
  readonly context: SharedContext
}

const noCounts: JournalCounts = { frames: 0, bytes: 0, syncs: new Durations() }
/**
 * When the metadata here says who leads next, and after what time at the latest. The others have heard by then, too; the next leader, which is still taking the
 * partition over, lets clients wait that come to it.
 */
const toldAfterMs = { said: 10, most: 1_000 }
const noPressure: Pressure = { on: false, whenOff: callback => callback() }

export class SharedLog implements Log {
  partitions = new Map<string, SharedPartition>()
  /** Of no disk. */
  readonly space: DiskSpace = { freeBytes: null, floorBytes: 0, shortage: null }
  /** For metrics. A move takes as long as appends have to wait for it. */
  readonly counts = { takeOvers: new Durations(), takenOver: 0, moves: new Durations(), moved: 0 }
  readonly #options: SharedLogOptions
  readonly #memory: LogMemory
  readonly #pieces: PieceStore
  readonly #turns: Turns
  #current: Session | null = null
  /** The last one that began. What is still written when it has ended is found by its name. */
  #session = 0
  /** Wanted in this turn. */
  #wanted: Wanted[] = []
  /** Given away. Clients whose appends wait are told when brokers know where to go: see {@link toldAfterMs}. */
  readonly #moved = new Map<string, SharedPartition>()
  /** What was given away, and the leader epoch that it had here: who is asked to lead it with that one was asked before the move. */
  readonly #given = new Map<string, number>()
  /** On their way, by key. */
  readonly #leading = new Map<string, Promise<SharedPartition>>()
  #closed = false

  constructor(options: SharedLogOptions) {
    const { system, objects, settings, shared, report } = options
    this.#options = options
    this.#turns = new Turns(system)
    this.#memory = new LogMemory(settings.tailBytes)
    const nameOf = objectNames(system.random, 'p')
    this.#pieces = new PieceStore({ system, objects, settings: shared, nameObject: () => nameOf(this.#session), report })
  }

  /** null before `begin`, and when the session has ended. */
  get session(): SessionJournal | null {
    return this.#current?.journal ?? null
  }

  get journal(): JournalCounts {
    return this.#current?.journal.counts ?? noCounts
  }

  /** For metrics; null while there is no session. */
  get upkeep(): Upkeep['counts'] | null {
    return this.#current?.upkeep.counts ?? null
  }

  get pressure(): Pressure {
    return this.#current?.upkeep.pressure ?? noPressure
  }

  /** The partitions of the session before are gone. */
  begin(session: number): void {
    if (this.#closed) return
    const { system, database, objects, settings, shared, report } = this.#options
    this.#endSession()
    this.#session = session
    const journal: SessionJournal = new SessionJournal({
      system,
      database,
      objects,
      session,
      settings: shared,
      report,
      onEnded: reason => this.#ended(journal, reason),
    })
    const pieces = this.#pieces
    const partitions = () => this.partitions.values()
    const useThread = this.#options.onThisMachine ?? true
    const upkeep = new Upkeep({ system, database, objects, journal, pieces, settings, shared, partitions, report, useThread })
    const context: SharedContext = {
      system,
      settings,
      journal,
      pieces,
      memory: this.#memory,
      findRecord: this.#options.findRecord ?? findRecord,
      admit: (partition, origin) => upkeep.admit(partition, origin),
      report,
    }
    this.#current = { journal, upkeep, context }
  }

  get(topicId: Uuid, partition: number): SharedPartition | undefined {
    return this.partitions.get(partitionKey(topicId, partition))
  }

  /**
   * This broker leads the partition from now on, with that epoch, as the metadata says. Calls of one turn are one take-over. Rejects with
   * NOT_LEADER_OR_FOLLOWER or KAFKA_STORAGE_ERROR when it may be tried again: nothing has changed then. A partition of which something is
   * missing or damaged is led, but offline.
   */
  async lead(spec: PartitionSpec, leaderEpoch: number): Promise<SharedPartition> {
    const key = partitionKey(spec.topicId, spec.partition)
    const partition = this.partitions.get(key) ?? (await (this.#leading.get(key) ?? this.#leadSoon(key, spec, leaderEpoch)))
    partition.config = spec.config
    partition.raiseLeaderEpoch(leaderEpoch)
    return partition
  }

  #leadSoon(key: string, spec: PartitionSpec, leaderEpoch: number): Promise<SharedPartition> {
    if (leaderEpoch <= (this.#given.get(key) ?? -1))
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Partition ${spec.topic}-${spec.partition} was given to another broker`)
    this.#given.delete(key)
    const { promise, resolve, reject } = Promise.withResolvers<SharedPartition>()
    if (this.#wanted.length === 0) this.#options.system.timers.soon(() => void this.#takeOver())
    this.#wanted.push({ spec, leaderEpoch, resolve, reject })
    const leading = promise.finally(() => this.#leading.delete(key))
    this.#leading.set(key, leading)
    return leading
  }

  async #takeOver(): Promise<void> {
    const { system, database, objects, shared, info } = this.#options
    const beganMs = system.clock.monotonic()
    const session = this.#current
    let partitions = 0
    const served = () => void partitions++
    const wanted = this.#wanted.splice(0).map(each => this.#served(each, session, served))
    if (session === null) for (const { reject } of wanted) reject(noSession())
    else await takeOver(wanted, { context: session.context, database, objects, shared, turns: this.#turns })
    const ms = Math.round(system.clock.monotonic() - beganMs)
    this.counts.takeOvers.add(ms)
    this.counts.takenOver += partitions
    // Those of a topic that was just created are no news.
    if (wanted.some(({ leaderEpoch }) => leaderEpoch > 0)) info?.('partitions were taken over', { partitions, of: wanted.length, ms })
  }

  /** What is taken over is served, unless the session has ended meanwhile. */
  #served({ spec, leaderEpoch, resolve, reject }: Wanted, session: Session | null, served: () => void): Wanted {
    const serve = (partition: SharedPartition) => {
      if (session === null || this.#current !== session) {
        partition.markGone('released')
        reject(noSession())
        return
      }
      this.partitions.set(partitionKey(spec.topicId, spec.partition), partition)
      served()
      resolve(partition)
    }
    return { spec, leaderEpoch, resolve: serve, reject }
  }

  /** Flushes what would make it slow to give these away. Rejects as {@link releaseWith}. */
  async prepareRelease(keys: readonly LedKey[]): Promise<void> {
    const session = this.#current
    if (session === null) throw noSession()
    const here = keys.flatMap(({ topicId, partition }) => this.get(topicId, partition) ?? [])
    await lighten(here, session.upkeep, this.#options.shared.carryBytes)
  }

  /**
   * Gives these partitions away in one transaction with the metadata that says who leads them now. `metadata` is asked when nothing of them is
   * appended any more: null gives up. It is asked again when others appended to the metadata meanwhile; the caller catches up first. False: given
   * up, all goes on as before. Partitions that are offline have no part in it but for the metadata. Rejects with NOT_LEADER_OR_FOLLOWER when the
   * session has ended, or one of them is not here: it may be taken over at any moment, and would then belong to two brokers. Rejects with
   * KAFKA_STORAGE_ERROR when the object store cannot be written. All goes on then. `freezing` is called when appends begin to wait.
   */
  async releaseWith(
    keys: readonly LedKey[],
    metadata: () => Promise<MetadataAppend | null>,
    freezing: () => void = () => {},
  ): Promise<boolean> {
    const partitions: SharedPartition[] = []
    for (const { topicId, partition } of keys) {
      const key = partitionKey(topicId, partition)
      await this.#leading.get(key)?.catch(() => {})
      const here = this.partitions.get(key)
      if (here === undefined) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Partition ${key} is not led here`)
      partitions.push(here)
    }
    const session = this.#current
    if (session === null) throw noSession()
    const { journal, upkeep } = session
    const { carryBytes } = this.#options.shared
    const forget = (partition: SharedPartition) => this.#forgetMoved(partition)
    const { system } = this.#options
    const moved = (frozenMs: number) => {
      this.counts.moves.add(frozenMs)
      this.counts.moved += partitions.length
    }
    return await giveAway(partitions, metadata, { system, journal, upkeep, carryBytes, freezing, forget, moved })
  }

  /** One that is led here already. */
  create(spec: PartitionSpec): SharedPartition {
    const partition = this.get(spec.topicId, spec.partition)
    if (partition === undefined) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Partition ${spec.topic}-${spec.partition} is not led here`)
    partition.config = spec.config
    return partition
  }

  /** Its rows and objects go in the background. */
  async delete(topicId: Uuid, number: number): Promise<void> {
    const key = partitionKey(topicId, number)
    await this.#leading.get(key)?.catch(() => {})
    const partition = this.partitions.get(key)
    const session = this.#current
    if (partition === undefined || session === null) return
    this.#forget(partition, 'deleted')
    const drop = () => session.upkeep.drop([partition.key])
    // When the session ends first, those rows are found as everything that a dead broker leaves behind.
    partition.drained().then(drop, () => {})
  }

  /** The metadata here says that another broker leads it: all that is left is to forget it. To give a partition away, see `releaseWith`. */
  async release(topicId: Uuid, number: number): Promise<ReleasedPartition> {
    const key = partitionKey(topicId, number)
    this.#given.delete(key)
    const partition = this.partitions.get(key) ?? this.#moved.get(key)
    if (partition === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Partition ${key} is not in this log`)
    this.#forget(partition, 'released')
    if (this.#moved.has(key)) this.#tellLater(key, toldAfterMs.said)
    return { topic: partition.topic, topicId, partition: number, directory: partition.name }
  }

  async adopt(directory: string): Promise<SharedPartition> {
    throw new KafkaError('KAFKA_STORAGE_ERROR', `${directory} cannot be adopted: partitions of a cluster have no directories`)
  }

  released(): [] {
    return []
  }

  strays(): [] {
    return []
  }

  /** Appends were copied already. */
  writeOut(): void {}

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const session = this.#current
    if (session === null) return
    const { system, shared } = this.#options
    const { clock, timers } = system
    const { journal, upkeep } = session
    // What is not flushed by then stays in the stream. A session that is not proven has no database to write to.
    const deadlineMs = clock.monotonic() + (journal.proven() ? shared.closeMs : 0)
    const late = new Promise<void>(resolve => timers.after(deadlineMs - clock.monotonic(), resolve))
    await Promise.race([upkeep.close({ flush: true }), late])
    await journal.close(deadlineMs - clock.monotonic())
    this.#endSession()
  }

  #ended(journal: SessionJournal, reason: string): void {
    if (this.#current?.journal !== journal) return
    this.#endSession()
    if (!this.#closed) this.#options.onEnded(reason)
  }

  #endSession(): void {
    const session = this.#current
    this.#current = null
    this.#given.clear()
    const { partitions } = this
    this.partitions = new Map()
    // Their lease is over already. Those who wait are told in slices, because there may be tens of thousands.
    void inSlices(this.#turns, [...partitions.values()], partition => partition.markGone('released'))
    if (session === null) return
    const failed = (error: unknown) => this.#options.report(`the end of session ${session.journal.session}`, error)
    session.upkeep.close({ flush: false }).catch(failed)
    session.journal.close().catch(failed)
  }

  #forgetMoved(partition: SharedPartition): void {
    const key = partitionKey(partition.topicId, partition.partition)
    if (this.partitions.get(key) !== partition) return
    this.partitions.delete(key)
    this.#given.set(key, partition.leaderEpoch)
    partition.markGone('released', true)
    this.#tellMoved(key)
    this.#moved.set(key, partition)
    this.#tellLater(key, toldAfterMs.most)
  }

  #tellLater(key: string, afterMs: number): void {
    const moved = this.#moved.get(key)
    this.#options.system.timers.after(afterMs, () => {
      if (this.#moved.get(key) === moved) this.#tellMoved(key)
    })
  }

  #tellMoved(key: string): void {
    this.#moved.get(key)?.thaw()
    this.#moved.delete(key)
  }

  #forget(partition: SharedPartition, why: 'deleted' | 'released'): void {
    this.partitions.delete(partitionKey(partition.topicId, partition.partition))
    partition.markGone(why)
  }
}

function noSession(): KafkaError {
  return new KafkaError('NOT_LEADER_OR_FOLLOWER', 'This broker has no session in the cluster')
}
