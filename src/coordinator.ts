/**
 * coordinator: deterministic state machines ("shards") over a partition of the log.
 *
 * Hides how a shard's records become durable, how it is reloaded, and how timers are driven. One shard is one partition of an
 * internal topic (`__consumer_offsets`, `__transaction_state`, …) or the cluster metadata log. An operation decides on records and a
 * response; `replay` is the only thing that changes state, at once; the response leaves when the records are durable. When an append
 * fails, the shard is discarded, its waiters get NOT_COORDINATOR, and it is reloaded from the log.
 */
import type { Clock } from './base.ts'
import type { Offset } from './protocol.ts'

/** A record of an internal topic; `value: null` is a tombstone. */
export interface LogRecord {
  key: Buffer
  value: Buffer | null
}

export interface Decision<Response> {
  records: LogRecord[]
  /** May settle later (JoinGroup waits for the others); it is never sent before `records` are durable. */
  response: Response | Promise<Response>
}

export interface Shard {
  /** The only place where hard state changes. Pure: the same records give the same state. */
  replay(record: LogRecord, offset: Offset, timestampMs: number): void
  /** Called once after the whole log has been replayed, before the first operation. Arms timers. */
  loaded(): void
  /** Fails all parked responses with NOT_COORDINATOR; the shard is never used again. */
  unload(): void
}

/** What a shard may use besides its records. */
export interface ShardContext {
  clock: Clock
  /** Runs `step` as an operation of this shard after `delayMs`; setting the same key again replaces the timer. */
  schedule(key: string, delayMs: number, step: () => Decision<void>): void
  cancel(key: string): void
}
