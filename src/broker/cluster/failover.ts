/**
 * Ends the sessions that are silent: one transaction fences the stream, fences the broker in the metadata, and gives its partitions to others.
 *
 * A stream is fenced only behind the frame at which it was silent: so its lease is over when it ends, and nobody is served what others have replaced.
 *
 * Any broker may do it, and two at once are harmless: the metadata of one of them is refused, and then it finds that nothing is left to record.
 * So that this is rare, a broker waits the longer, the more living ones have lower ids.
 */
import type { BrokerRegistration, ClusterMetadata, DatabaseMetadataLog } from '../../coordinator.ts'
import { KafkaError } from '../../protocol.ts'
import { type Database, type MetadataAppend, StreamGrown } from '../../store.ts'
import { noSeq } from './lease-watch.ts'

export interface FailoverOptions {
  database: Database
  metadata: ClusterMetadata
  metadataLog: DatabaseMetadataLog
  brokerId: number
  /** See {@link LeaseWatch}. */
  silentAt(session: number): number | null
  silentMs: number
  /** Which the metadata bears that is written with a fence. */
  author: number
  /** This broker has ended a session. */
  fenced(): void
  info(what: string, details: object): void
  report(what: string, error: unknown): void
}

/** For each living broker with a lower id, at most {@link mostWaitMs}. */
const waitMs = 250
const mostWaitMs = 1_000

export class Failover {
  readonly #options: FailoverOptions
  readonly #ending = new Set<number>()

  constructor(options: FailoverOptions) {
    this.#options = options
  }

  /** For how long which sessions are silent; infinity: their processes have ended. */
  looked(silent: ReadonlyMap<number, number>): void {
    if (silent.size === 0) return
    const { brokerId, metadata, silentMs } = this.#options
    const registered = metadata.brokers()
    const lost = registered.filter(({ epoch, fenced }) => !fenced && silent.has(epoch))
    const rank = registered.filter(broker => broker.id < brokerId && !broker.fenced && !lost.includes(broker)).length
    const fromMs = silentMs + Math.min(rank * waitMs, mostWaitMs)
    for (const [session, ms] of silent) if (ms >= fromMs && !this.#ending.has(session)) void this.#end(session, ms, lost)
  }

  /** Never rejects: who is silent still will be found again. */
  async #end(session: number, silentMs: number, lost: readonly BrokerRegistration[]): Promise<void> {
    const { info, report, fenced } = this.#options
    this.#ending.add(session)
    try {
      const brokerId = await this.#findBroker(session)
      if (brokerId === null) return
      if (silentMs === Number.POSITIVE_INFINITY)
        info('the process of a broker has ended; ending its session', { broker: brokerId, session })
      else info('a broker does not write its heartbeats; ending its session', { broker: brokerId, session, silentMs: Math.round(silentMs) })
      const avoid = new Set(lost.map(({ id }) => id))
      if (!(await this.#fence(session, brokerId, avoid))) return
      fenced()
      info('the session is ended; its partitions have other leaders', { broker: brokerId, session })
      await this.#options.metadata.electLeaders()
    } catch (error) {
      report(`cannot end session ${session}; trying again if it is silent still`, error)
    } finally {
      this.#ending.delete(session)
    }
  }

  /** False: it writes again, or this broker was paused. */
  async #fence(session: number, brokerId: number, avoid: ReadonlySet<number>): Promise<boolean> {
    const { metadata, metadataLog, silentAt } = this.#options
    let fenced = false
    let hasGrown = false
    /** Of an attempt whose fate is not known: it is made again at the same place. */
    let pendingSeq: number | null = null
    const append = metadataLog.by(async batch => {
      // Catching up took a while.
      const seq = pendingSeq ?? (hasGrown ? null : silentAt(session))
      if (seq === null) throw new KafkaError('OPERATION_NOT_ATTEMPTED', `session ${session} is not silent any more`)
      pendingSeq = seq
      fenced = await this.#fenceAt(session, seq, batch)
      pendingSeq = null
      // Certain for earlier attempts as well. If it was the metadata that grew, the session is silent still.
      hasGrown = !fenced && silentAt(session) !== seq
      return fenced
    })
    try {
      await metadata.endSession({ brokerId, epoch: session, avoid }, append)
    } catch (error) {
      if (error instanceof KafkaError && error.name === 'OPERATION_NOT_ATTEMPTED') return false
      throw error
    }
    // There was nothing to record: it never registered, or another broker was faster.
    const seq = silentAt(session)
    return fenced || (seq !== null && (await this.#fenceAt(session, seq)))
  }

  /** False: it has grown, or the metadata has. */
  async #fenceAt(session: number, seq: number, batch?: MetadataAppend): Promise<boolean> {
    const { database, author } = this.#options
    try {
      return await database.fence(session, author, batch, seq === noSeq ? undefined : seq)
    } catch (error) {
      if (error instanceof StreamGrown) return false
      throw error
    }
  }

  /** null: it is swept, so it ended long ago. */
  async #findBroker(session: number): Promise<number | null> {
    const { database, metadata } = this.#options
    const registered = metadata.brokers().find(({ epoch }) => epoch === session)
    if (registered !== undefined) return registered.id
    const row = (await database.sessions()).find(each => each.session === session)
    return row?.brokerId ?? null
  }
}
