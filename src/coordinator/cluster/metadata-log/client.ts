/**
 * The metadata log of another process, over a stream to it.
 *
 * Hides the connection: it is opened again whenever it ends, with growing pauses, and each new one counts as a notification. Nothing is
 * sent twice here: a call whose connection is lost fails, and an append then says that its fate is not known.
 */
import type { Duplex } from 'node:stream'
import { growingMs, type System, type Timer } from '../../../base.ts'
import { KafkaError, type Offset } from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import type { MetadataLog, MetadataSlice, PlacedRecord } from '../metadata-log.ts'
import { decodeReply, encodeMessage, Frames, type Reply, type Request } from './frames.ts'

export interface MetadataClientOptions {
  system: Pick<System, 'timers'>
  /** Rejects when the other process cannot be reached. */
  connect(): Promise<Duplex>
  report(what: string, error: unknown): void
}

/** Before connecting again; doubles up to the second number. */
const pauseMs = { first: 10, last: 1_000 }
/** A connection on which a call is not answered for so long is closed. */
const answerWithinMs = 30_000
const mostCalls = 256
/** Of the slice of one call: more than any image has. */
const mostSliceBytes = 1024 * 1024 * 1024

interface Call {
  readonly isAppend: boolean
  readonly timer: Timer
  resolve(result: boolean | MetadataSlice): void
  reject(error: Error): void
  /** Of the slice, as far as it has arrived. */
  readonly records: PlacedRecord[]
  bytes: number
}

export class MetadataClient implements MetadataLog {
  readonly #options: MetadataClientOptions
  readonly #callbacks = new Set<{ call(): void }>()
  readonly #calls = new Map<number, Call>()
  #lastCall = 0
  #stream: Duplex | null = null
  /** Settles when the attempt to connect that is under way has ended. */
  #attempt: Promise<void>
  #failures = 0
  #reconnect: Timer | null = null
  #closed = false

  constructor(options: MetadataClientOptions) {
    this.#options = options
    this.#attempt = this.#connect()
  }

  async append(expected: Offset, records: readonly LogRecord[], id: Buffer): Promise<boolean> {
    return (await this.#request({ kind: 'append', call: this.#nextCall(), expected, id, records })) as boolean
  }

  async read(from: Offset): Promise<MetadataSlice> {
    return (await this.#request({ kind: 'read', call: this.#nextCall(), from })) as MetadataSlice
  }

  onChanged(callback: () => void): { cancel(): void } {
    const entry = { call: callback }
    this.#callbacks.add(entry)
    return { cancel: () => void this.#callbacks.delete(entry) }
  }

  close(): void {
    this.#closed = true
    this.#callbacks.clear()
    this.#reconnect?.cancel()
    this.#stream?.destroy()
    this.#lose()
  }

  #nextCall(): number {
    this.#lastCall = (this.#lastCall + 1) & 0x7fffffff
    return this.#lastCall
  }

  async #request(request: Request): Promise<boolean | MetadataSlice> {
    if (this.#stream === null) await this.#attempt
    const stream = this.#stream
    if (stream === null) throw unreachable()
    if (this.#calls.size === mostCalls) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'Too many calls to the metadata log wait')
    const bytes = encodeMessage(request)
    if (bytes === undefined) throw new KafkaError('RECORD_LIST_TOO_LARGE', 'The records are too large for one batch of the metadata log')
    const { promise, resolve, reject } = Promise.withResolvers<boolean | MetadataSlice>()
    const timer = this.#options.system.timers.after(answerWithinMs, () => {
      this.#options.report('the process that keeps the metadata log does not answer; connecting again', unreachable())
      stream.destroy()
    })
    this.#calls.set(request.call, { isAppend: request.kind === 'append', timer, resolve, reject, records: [], bytes: 0 })
    stream.write(bytes)
    return promise
  }

  async #connect(): Promise<void> {
    let stream: Duplex
    try {
      stream = await this.#options.connect()
    } catch {
      this.#connectLater()
      return
    }
    if (this.#closed) {
      stream.destroy()
      return
    }
    const frames = new Frames()
    stream.on('data', (bytes: Buffer) => {
      try {
        for (const frame of frames.take(bytes)) this.#receive(decodeReply(frame), frame.length)
      } catch (error) {
        this.#options.report('closing the connection to the metadata log', error)
        stream.destroy()
      }
    })
    // 'close' follows.
    stream.on('error', () => {})
    stream.on('end', () => stream.destroy())
    stream.on('close', () => {
      if (this.#stream !== stream) return
      this.#lose()
      this.#connectLater()
    })
    this.#stream = stream
    // It may have been closed while nobody listened.
    if (stream.destroyed) stream.emit('close')
    else this.#notify()
  }

  #connectLater(): void {
    if (this.#closed) return
    const pause = growingMs(pauseMs, this.#failures++)
    this.#reconnect = this.#options.system.timers.after(pause, () => (this.#attempt = this.#connect()))
  }

  #lose(): void {
    this.#stream = null
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const { isAppend, timer, reject } of calls) {
      timer.cancel()
      reject(isAppend ? new Error('the connection was lost before the metadata log answered') : unreachable())
    }
  }

  #notify(): void {
    for (const { call } of [...this.#callbacks]) call()
  }

  #receive(reply: Reply, bytes: number): void {
    this.#failures = 0
    if (reply.kind === 'changed') {
      this.#notify()
      return
    }
    const call = this.#calls.get(reply.call)
    if (call === undefined || call.isAppend !== isOfAppend(reply, call)) throw new Error(`a reply (${reply.kind}) that nobody waits for`)
    if (reply.kind === 'part') {
      call.records.push(...reply.records)
      call.bytes += bytes
      if (call.bytes > mostSliceBytes) throw new Error('a part of the metadata log is too large')
      if (!reply.isLast) return
    }
    this.#calls.delete(reply.call)
    call.timer.cancel()
    if (reply.kind === 'appended') call.resolve(reply.accepted)
    else if (reply.kind === 'part') call.resolve({ isSnapshot: reply.isSnapshot, records: call.records, end: reply.end })
    else call.reject(reply.kind === 'refused' ? reply.error : new Error(reply.why))
  }
}

/** A refusal may be of either. */
function isOfAppend(reply: Exclude<Reply, { kind: 'changed' }>, call: Call): boolean {
  if (reply.kind === 'refused') return call.isAppend
  return reply.kind !== 'part'
}

function unreachable(): KafkaError {
  return new KafkaError('COORDINATOR_NOT_AVAILABLE', 'The process that keeps the metadata log cannot be reached')
}
