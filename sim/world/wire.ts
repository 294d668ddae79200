/** A client's connection that speaks the protocol: requests with deadlines, answers by correlation id, decoded records. */
import type { Int64, Timer } from '../../src/base.ts'
import {
  type Api,
  batchesIn,
  decodeResponse,
  encodeRequest,
  forEachRecordOf,
  type InputOf,
  type MessageOf,
  readMarker,
} from '../../src/protocol.ts'
import type { ClientEnd, Network } from './network.ts'
import type { Process } from './process.ts'

/** No answer: refused, broken, or too late. Whether the request was carried out is not known, unless it was never sent. */
export class NoAnswer extends Error {
  readonly sent: boolean

  constructor(what: string, sent: boolean) {
    // There are thousands, and nobody looks where they come from.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(what)
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'NoAnswer'
    this.sent = sent
  }
}

export interface WireOptions {
  process: Process
  network: Network
  /** Where the broker listens. Default: {@link firstPort}. */
  port?: number
  /** Whether what was sent may still arrive after this end has given up. */
  lingering: boolean
  /** Extra milliseconds of a request on its way. */
  delay?: () => number
  /** Told when a connection is no more: at once, as nobody but an observer of the world can know. */
  broken?: (() => void) | undefined
}

/** Of broker 0; the others follow. */
export const firstPort = 9092

interface Waiting {
  settle: (outcome: Buffer | NoAnswer) => void
  deadline: Timer
}

export class Wire {
  readonly #options: WireOptions
  #end: ClientEnd | null = null
  #received: Buffer = Buffer.alloc(0)
  #correlationId = 0
  readonly #waiting = new Map<number, Waiting>()

  constructor(options: WireOptions) {
    this.#options = options
  }

  /** Rejects with NoAnswer; then the connection is closed and the next call makes a new one. */
  async call<A extends Api>(api: A, version: number, request: InputOf<A['request']>, deadlineMs = 1000): Promise<MessageOf<A['response']>> {
    const { process, delay } = this.#options
    const end = this.#connected()
    if (end === null) throw new NoAnswer(`${api.name}: connection refused`, false)
    const correlationId = ++this.#correlationId
    const frame = Buffer.concat(encodeRequest(api, version, { correlationId, clientId: 'sim' }, request).buffers)
    const answered = new Promise<Buffer | NoAnswer>(settle => {
      const deadline = process.after(deadlineMs, () => this.#fail(new NoAnswer(`${api.name}: no answer in time`, true)))
      this.#waiting.set(correlationId, { settle, deadline })
    })
    end.send(frame, delay?.() ?? 0)
    const outcome = await answered
    if (outcome instanceof NoAnswer) throw outcome
    return decodeResponse(api, version, outcome, version >= api.flexibleFrom && api.name !== 'ApiVersions' ? 9 : 8)
  }

  /** The number of the broker that leads this partition, as far as this client knows. Rejects with NoAnswer when nobody can say. */
  async leaderOf(_topic: string, _partition: number): Promise<number> {
    return 0
  }

  /** Of a request that is meant for one broker, whatever it names. */
  callAt<A extends Api>(
    _broker: number,
    api: A,
    version: number,
    request: InputOf<A['request']>,
    deadlineMs?: number,
  ): Promise<MessageOf<A['response']>> {
    return this.call(api, version, request, deadlineMs)
  }

  close(): void {
    this.#fail(new NoAnswer('closed', true))
  }

  #connected(): ClientEnd | null {
    if (this.#end !== null) return this.#end
    const { network, process, port = firstPort, broken = () => {} } = this.#options
    this.#received = Buffer.alloc(0)
    let end: ClientEnd | null = null
    const events = {
      received: (bytes: Buffer) => {
        if (this.#end === end) this.#take(bytes)
      },
      closed: () => {
        if (this.#end === end) this.#fail(new NoAnswer('the connection broke', true))
      },
      broken,
    }
    end = network.connect(process, events, port)
    this.#end = end
    return end
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    while (this.#received.length >= 4) {
      const size = 4 + this.#received.readInt32BE(0)
      if (this.#received.length < size) return
      const frame = this.#received.subarray(0, size)
      this.#received = this.#received.subarray(size)
      const correlationId = frame.readInt32BE(4)
      const waiting = this.#waiting.get(correlationId)
      if (waiting === undefined) throw new Error(`an answer to request ${correlationId}, which was not asked`)
      this.#waiting.delete(correlationId)
      waiting.deadline.cancel()
      waiting.settle(frame)
    }
  }

  #fail(error: NoAnswer): void {
    this.#end?.close(this.#options.lingering)
    this.#end = null
    for (const { settle, deadline } of [...this.#waiting.values()]) {
      deadline.cancel()
      settle(error)
    }
    this.#waiting.clear()
  }
}

export type AbortedTransactions = readonly { producerId: Int64; firstOffset: Int64 }[] | null

export interface FetchedRecords {
  records: [offset: number, value: string][]
  /** The offset after the last batch. */
  next: number
}

/** What a consumer of this isolation level shows of a fetch response, aborted transactions left out as Kafka's client does it. */
export function visibleRecords(bytes: Buffer, from: number, abortedTransactions: AbortedTransactions): FetchedRecords {
  const records: [number, string][] = []
  const starts = [...(abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset))
  const aborted = new Set<Int64>()
  let next = from
  for (const batch of batchesIn(bytes)) {
    const { producerId, lastOffset, isControl, isTransactional } = batch.header
    while (starts.length > 0 && starts[0]!.firstOffset <= lastOffset) aborted.add(starts.shift()!.producerId)
    next = Math.max(next, lastOffset + 1)
    if (isControl) {
      forEachRecordOf(batch, record => {
        if (readMarker(record)?.committed === false) aborted.delete(producerId)
        return true
      })
      continue
    }
    if (isTransactional && aborted.has(producerId)) continue
    forEachRecordOf(batch, record => {
      if (record.offset >= from) records.push([record.offset, record.value!.toString()])
      return true
    })
  }
  return { records, next }
}
