/**
 * Serves a metadata log to one broker over a stream.
 *
 * Requests are answered one after the other; while many wait, nothing is read. Notifications are not kept for a peer that does not read
 * them, because it also looks by itself.
 */
import type { Duplex } from 'node:stream'
import { KafkaError } from '../../../protocol.ts'
import type { MetadataLog, MetadataSlice, PlacedRecord } from '../metadata-log.ts'
import { decodeRequest, encodeMessage, Frames, partBytes, type Reply, type Request } from './frames.ts'

const mostWaiting = 8

/** `failed`: the connection was closed, because the peer sent what is no request. */
export function serveMetadataLog(log: MetadataLog, stream: Duplex, failed: (error: unknown) => void): void {
  new Session(log, stream, failed).begin()
}

class Session {
  readonly #log: MetadataLog
  readonly #stream: Duplex
  readonly #failed: (error: unknown) => void
  readonly #frames = new Frames()
  readonly #waiting: Request[] = []
  #serving = false
  #open = true
  #drained: (() => void) | null = null

  constructor(log: MetadataLog, stream: Duplex, failed: (error: unknown) => void) {
    this.#log = log
    this.#stream = stream
    this.#failed = failed
  }

  begin(): void {
    const subscription = this.#log.onChanged(() => {
      if (!this.#stream.writableNeedDrain) this.#write({ kind: 'changed' })
    })
    this.#stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    this.#stream.on('drain', () => this.#wake())
    // Whatever ends the connection, the peer connects again.
    this.#stream.on('error', () => {})
    this.#stream.on('close', () => {
      this.#open = false
      subscription.cancel()
      this.#wake()
    })
  }

  #receive(bytes: Buffer): void {
    try {
      for (const frame of this.#frames.take(bytes)) this.#waiting.push(decodeRequest(frame))
    } catch (error) {
      this.#failed(error)
      this.#stream.destroy()
      return
    }
    if (this.#waiting.length > mostWaiting) this.#stream.pause()
    if (!this.#serving) void this.#serve()
  }

  async #serve(): Promise<void> {
    this.#serving = true
    for (let request = this.#waiting.shift(); request !== undefined && this.#open; request = this.#waiting.shift()) {
      await this.#answer(request)
      if (this.#waiting.length === 0) this.#stream.resume()
    }
    this.#serving = false
  }

  async #answer(request: Request): Promise<void> {
    const { call } = request
    try {
      if (request.kind === 'read') await this.#send(call, await this.#log.read(request.from))
      else {
        const { expected, records, id } = request
        this.#write({ kind: 'appended', call, accepted: await this.#log.append(expected, records, id) })
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (error instanceof KafkaError) this.#write({ kind: 'refused', call, error })
      else if (request.kind === 'append') this.#write({ kind: 'unknown', call, why })
      else this.#write({ kind: 'refused', call, error: new KafkaError('UNKNOWN_SERVER_ERROR', why) })
    }
  }

  async #send(call: number, { isSnapshot, records, end }: MetadataSlice): Promise<void> {
    for (let from = 0; ; ) {
      const to = partEnd(records, from)
      const isLast = to === records.length
      this.#write({ kind: 'part', call, isLast, isSnapshot, end, records: records.slice(from, to) })
      if (isLast || !this.#open) return
      from = to
      if (this.#stream.writableNeedDrain) await new Promise<void>(resolve => (this.#drained = resolve))
    }
  }

  #wake(): void {
    this.#drained?.()
    this.#drained = null
  }

  #write(reply: Reply): void {
    if (!this.#open) return
    const bytes = encodeMessage(reply)
    if (bytes === undefined) throw new Error('a reply is larger than a frame')
    this.#stream.write(bytes)
  }
}

/** At least one record, and about as many bytes as a part has. */
function partEnd(records: readonly PlacedRecord[], from: number): number {
  let bytes = 0
  let to = from
  while (to < records.length && bytes < partBytes) {
    const { key, value } = records[to]!.record
    bytes += (key?.length ?? 0) + (value?.length ?? 0) + 16
    to++
  }
  return to
}
