/** The task: a session with the server, made anew after each failure from where the last records were handed on. */
import { pause } from '../../base.ts'
import { RetriableError, type SourceContext, type SourceRecord, type SourceTask, type Struct } from '../../connector.ts'
import type { ChangeDataConfig } from './keys.ts'
import { sourcePartition } from './records.ts'

/** Connections to one server, until they break. `P`: how far its changes are done. */
export interface ChangeSession<P> {
  /** From where to go on after the records that were handed on; null: a snapshot is not done. */
  readonly position: P | null
  /** Connects. It is closed afterwards, also if this fails. */
  open(): Promise<void>
  /** `isSafe`: all that was handed on before, by earlier sessions too, is in Kafka. */
  poll(isSafe: boolean): Promise<readonly SourceRecord[]>
  /** What was handed on is in Kafka. */
  committed(): void
  /** In order: the task will not go on soon. */
  end(): Promise<void>
  close(): Promise<void>
}

export interface TaskConfig extends ChangeDataConfig {
  readonly 'snapshot.mode': string
}

/** Whether this `snapshot.mode` begins with the rows that are there. */
export function readsRows(mode: string): boolean {
  return mode !== 'no_data' && mode !== 'never'
}

/** Positions as stored offsets say them. */
export interface OffsetForm<P> {
  /** null: a snapshot was not finished. Throws RangeError if it is no offset of this kind. */
  positionOf(offset: Struct): P | null
  offsetOf(position: P): Struct
}

export class ChangeTask<P> implements SourceTask {
  readonly #config: TaskConfig
  readonly #context: SourceContext
  readonly #form: OffsetForm<P>
  readonly #newSession: (position: P | null) => ChangeSession<P>
  #session: ChangeSession<P> | null = null
  /** undefined: not asked for yet; null: there is none, or a snapshot was not finished. */
  #position: P | null | undefined
  /** All records that were handed on are in Kafka, and so are their offsets. A session that breaks changes nothing about that. */
  #isSafe = true
  /** Before this time of the monotonic clock no snapshot begins. */
  readonly #snapshotFromMs: number
  #failures = 0
  #isClosed = false

  /** `newSession`: from a position; null: a snapshot is due, if there are any. */
  constructor(config: TaskConfig, context: SourceContext, form: OffsetForm<P>, newSession: (position: P | null) => ChangeSession<P>) {
    this.#config = config
    this.#context = context
    this.#form = form
    this.#newSession = newSession
    this.#snapshotFromMs = context.system.clock.monotonic() + (readsRows(config['snapshot.mode']) ? config['snapshot.delay.ms'] : 0)
  }

  /** Connects, so that what is wrong is known at once, and nothing is missed once the task says that it runs. A server that is away is waited for by {@link poll}. */
  async begin(): Promise<void> {
    try {
      if ((await this.#earlyMs()) <= 0) this.#session = await this.#open()
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      this.#context.log.warn({ err: error }, 'the database is not there yet')
    }
  }

  async poll(): Promise<readonly SourceRecord[]> {
    try {
      const earlyMs = await this.#earlyMs()
      if (earlyMs > 0) {
        await pause(this.#context.system, Math.min(earlyMs, this.#config['poll.interval.ms']), this.#context.signal)
        return []
      }
      const session = (this.#session ??= await this.#open())
      const records = await session.poll(this.#isSafe)
      if (records.length > 0) this.#isSafe = false
      else if (this.#position === null) await this.#keep(session.position)
      this.#position = session.position
      this.#failures = 0
      return records
    } catch (error) {
      // What the session has made since is not handed on; that it must begin anew is.
      if (this.#session?.position === null) this.#position = null
      await this.#close()
      if (this.#isClosed) return []
      throw this.#thrown(error)
    }
  }

  /** How long to wait until a snapshot that is due may begin. */
  async #earlyMs(): Promise<number> {
    if (this.#session !== null || (await this.#begun()) !== null) return 0
    return this.#snapshotFromMs - this.#context.system.clock.monotonic()
  }

  async #open(): Promise<ChangeSession<P>> {
    const begun = await this.#begun()
    const session = this.#newSession(begun)
    try {
      await session.open()
      if (this.#isClosed) throw new Error('the task was closed')
      if (session.position !== begun) await this.#keep(session.position)
      this.#position = session.position
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  /** Where changes begin, without a record that says so: after a restart they would begin later, and those between would be missing. */
  async #keep(position: P | null): Promise<void> {
    if (position === null) return
    await this.#context.storeOffsets([{ sourcePartition: sourcePartition(this.#config), sourceOffset: this.#form.offsetOf(position) }])
  }

  /** From where to go on. */
  async #begun(): Promise<P | null> {
    if (this.#position !== undefined) return this.#position
    const [offset] = await this.#context.storedOffsets([sourcePartition(this.#config)])
    this.#position = offset === null || offset === undefined ? null : this.#form.positionOf(offset)
    return this.#position
  }

  #thrown(error: unknown): unknown {
    if (!(error instanceof RetriableError)) return error
    const most = this.#config['errors.max.retries']
    this.#failures++
    this.#context.count('reconnects')
    return most >= 0 && this.#failures > most ? new Error(`${error.message}; errors.max.retries=${most}`, { cause: error }) : error
  }

  async committed(): Promise<void> {
    this.#isSafe = true
    this.#session?.committed()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#session?.end()
    await this.#close()
  }

  async #close(): Promise<void> {
    const session = this.#session
    this.#session = null
    await session?.close()
  }
}
