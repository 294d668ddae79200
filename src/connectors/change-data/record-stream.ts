/** The stream of changes as records: as many at once as are handed on together, and heartbeats between them. */
import type { System } from '../../base.ts'
import type { SourceRecord } from '../../connector.ts'
import type { FrameQueue } from './frames.ts'
import type { ChangeDataConfig } from './keys.ts'

/** Of changes that are handed on together. */
const mostAtOnceBytes = 4_194_304
const defaultQueueBytes = 4_194_304

/** What may be received and not taken yet. */
export function queueBytes(config: ChangeDataConfig): number {
  return config['max.queue.size.in.bytes'] || defaultQueueBytes
}

/** What makes records of what the server sends. */
export interface RecordMaker<F> {
  take(frame: F, out: SourceRecord[]): Promise<void>
  heartbeat(out: SourceRecord[]): void
}

export class RecordStream<F> {
  readonly #config: ChangeDataConfig
  readonly #system: System
  readonly #frames: FrameQueue<F>
  readonly #maker: RecordMaker<F>
  readonly #ask: (sql: string) => Promise<unknown>
  #beatMs: number

  /** `ask`: for `heartbeat.action.query`. */
  constructor(
    config: ChangeDataConfig,
    system: System,
    frames: FrameQueue<F>,
    maker: RecordMaker<F>,
    ask: (sql: string) => Promise<unknown>,
  ) {
    this.#config = config
    this.#system = system
    this.#frames = frames
    this.#maker = maker
    this.#ask = ask
    this.#beatMs = system.clock.monotonic()
  }

  /** Waits a while, once: a stream of what gives no records must not keep heartbeats and confirmations waiting. */
  async poll(): Promise<SourceRecord[]> {
    const out: SourceRecord[] = []
    const most = this.#config['max.batch.size']
    const end = this.#frames.takenBytes + mostAtOnceBytes
    let first = this.#frames.take()
    if (first === null) {
      await this.#frames.arrival(Math.min(1_000, this.#config['poll.interval.ms']))
      first = this.#frames.take()
    }
    for (let frame = first; frame !== null; frame = this.#frames.take()) {
      await this.#maker.take(frame, out)
      if (out.length >= most || this.#frames.takenBytes >= end) break
    }
    await this.#beat(out)
    return out
  }

  async #beat(out: SourceRecord[]): Promise<void> {
    const interval = this.#config['heartbeat.interval.ms']
    const now = this.#system.clock.monotonic()
    if (interval === 0 || now - this.#beatMs < interval) return
    this.#beatMs = now
    const query = this.#config['heartbeat.action.query']
    if (query !== '') await this.#ask(query)
    this.#maker.heartbeat(out)
  }
}
