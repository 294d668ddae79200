/** The task: a session with the server, made anew after each failure from where the last records were handed on. */
import { RetriableError, type SourceContext, type SourceRecord, type SourceTask, type Struct, struct } from '../../connector.ts'
import type { Config } from './keys.ts'
import { type Position, positionOf } from './position.ts'
import { Session } from './session.ts'

export class PostgresTask implements SourceTask {
  readonly #config: Config
  readonly #context: SourceContext
  #session: Session | null = null
  /** undefined: not asked for yet; null: there is none. */
  #position: Position | null | undefined
  #failures = 0
  #isClosed = false

  constructor(config: Config, context: SourceContext) {
    this.#config = config
    this.#context = context
  }

  /** Connects, so that what is wrong is known at once, and a slot is there when the task says that it runs. A server that is away is waited for by {@link poll}. */
  async begin(): Promise<void> {
    try {
      this.#session = await this.#open()
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      this.#context.log.warn({ err: error }, 'the database is not there yet')
    }
  }

  async poll(): Promise<readonly SourceRecord[]> {
    try {
      this.#session ??= await this.#open()
      const records = await this.#session.poll()
      this.#position = this.#session.position
      this.#failures = 0
      return records
    } catch (error) {
      await this.#close()
      if (this.#isClosed) return []
      throw this.#thrown(error)
    }
  }

  async #open(): Promise<Session> {
    if (this.#position === undefined) this.#position = await this.#stored()
    const session = await Session.open(this.#config, this.#context, this.#position)
    if (this.#isClosed) {
      await session.close()
      throw new Error('the task was closed')
    }
    return session
  }

  /** Where it was stored to go on; null: nowhere, or a snapshot was not finished. */
  async #stored(): Promise<Position | null> {
    const [offset] = await this.#context.storedOffsets([partitionOf(this.#config)])
    return offset === null || offset === undefined ? null : positionOf(offset)
  }

  #thrown(error: unknown): unknown {
    if (!(error instanceof RetriableError)) return error
    const most = this.#config['errors.max.retries']
    this.#failures++
    this.#context.count('reconnects')
    return most >= 0 && this.#failures > most ? new Error(`${error.message}; errors.max.retries=${most}`, { cause: error }) : error
  }

  async committed(): Promise<void> {
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

export function partitionOf(config: Config): Struct {
  return struct([['server', config['topic.prefix']]])
}
