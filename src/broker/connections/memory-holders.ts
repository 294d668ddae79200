/**
 * Closes connections when a memory limit of the whole broker is reached: those that hold memory and make no progress. One rule for both
 * directions: first those that have not moved a byte for two seconds, the longest first; then those that have held memory for thirty seconds
 * without a break, because they are too slow. No other connection is closed to free memory.
 *
 * - Responses (`fetch.response.memory.bytes`): the client has not read them.
 * - Requests (`queued.max.request.bytes`): the client has not sent the rest, and others wait to send theirs.
 */
import type { Connection } from './connection.ts'
import type { FrameMemory } from './frame-memory.ts'
import type { ResponseMemory } from './response-memory.ts'

/** Why a connection was closed. */
export class HeldMemory extends Error {}

/** A client that has not moved a byte for so long has stopped. */
const stoppedAfterMs = 2_000
/** A connection that has held memory for so long is too slow. */
const slowAfterMs = 30_000

interface Holder {
  readonly connection: Connection
  readonly bytes: number
  readonly forMs: number
  readonly why: string
}

/** Why connections of one direction are closed. */
interface Reasons {
  readonly stopped: string
  readonly slow: string
  /** The limit. */
  readonly key: string
}

class Holders {
  readonly #reasons: Reasons
  readonly #stopped: Holder[] = []
  readonly #slow: Holder[] = []

  constructor(reasons: Reasons) {
    this.#reasons = reasons
  }

  add(connection: Connection, bytes: number, stoppedMs: number, slowMs: number): void {
    const { stopped, slow } = this.#reasons
    if (stoppedMs >= stoppedAfterMs) this.#stopped.push({ connection, bytes, forMs: stoppedMs, why: stopped })
    else if (slowMs >= slowAfterMs) this.#slow.push({ connection, bytes, forMs: slowMs, why: slow })
  }

  /** Until so many bytes are free. */
  close(excessBytes: number): void {
    const { key } = this.#reasons
    let excess = excessBytes
    for (const { connection, bytes, forMs, why } of [...longestFirst(this.#stopped), ...longestFirst(this.#slow)]) {
      if (excess <= 0) return
      excess -= bytes
      connection.close(new HeldMemory(`${why} for ${(forMs / 1000).toFixed(1)} s, and ${key} is used up`))
    }
  }
}

const longestFirst = (holders: Holder[]) => holders.sort((a, b) => b.forMs - a.forMs)

/** To be called regularly: it compares with the last time. */
export function closeMemoryHolders(
  connections: Iterable<Connection>,
  requests: FrameMemory,
  responses: ResponseMemory,
  nowMs: number,
): void {
  const readers = new Holders({ stopped: 'the client read nothing', slow: 'replies have waited', key: 'fetch.response.memory.bytes' })
  const senders = new Holders({ stopped: 'the client sent nothing', slow: 'a frame was not complete', key: 'queued.max.request.bytes' })
  let unsentBytes = 0
  for (const connection of connections) {
    const stalledMs = connection.stalledMs(nowMs)
    const { unsentBytes: unsent, unfinishedSinceMs: since } = connection
    unsentBytes += unsent
    if (unsent > 0) readers.add(connection, unsent, stalledMs, connection.behindMs(nowMs))
    if (since === 0 || connection.owing) continue
    senders.add(connection, connection.requestBytes, nowMs - connection.lastActiveMs, nowMs - since)
  }
  readers.close(Math.max(unsentBytes - responses.boundBytes, responses.excessBytes))
  senders.close(requests.excessBytes)
}
