/**
 * Collects small reads from TLS connections into large ones.
 *
 * Node delivers decrypted bytes one TLS record at a time, and clients send small ones: librdkafka sends two for each Kafka record.
 * Node's work for each (a buffer, an event) costs ten times as much as decrypting it. Here all connections share one page
 * for this; it is copied to the reader's buffer, and the reader is notified when all available input has been read, as after
 * one large read from a plain socket. Measurements: ADR 0003.
 *
 * Node supports this (`onread`), but not for a TLSSocket on an accepted connection; therefore private fields are used. If a
 * future Node lacks them, bytes arrive by `'data'`: slower, but correct.
 */
import net from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Timers } from '../../base.ts'
import { ReadBuffers } from './read-buffers.ts'
import { deliver, type SocketReader } from './socket.ts'

interface Source {
  readonly socket: TLSSocket
  readonly reader: SocketReader
  /** The buffer for its bytes; the reader has not been notified of the first `filled` ones. */
  target: Buffer
  filled: number
}

/** The most that a TLS record holds. */
const pageBytes = 16 * 1024

export class TlsReads {
  /** For the frames of all TLS connections. Those of plain ones may be written to at any time while bytes wait here. */
  readonly buffers = new ReadBuffers()
  readonly #page = Buffer.allocUnsafeSlow(pageBytes)
  readonly #timers: Timers
  /** Whose bytes wait. */
  #current: Source | null = null
  #scheduled = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Takes over a socket after its handshake; the reader is notified of bytes from the end of this turn on. */
  read(socket: TLSSocket, reader: SocketReader): net.Socket {
    this.#timers.soon(() => this.#begin({ socket, reader, target: this.buffers.shared, filled: 0 }))
    return socket
  }

  #begin(source: Source): void {
    const { socket } = source
    if (socket.destroyed) return
    // Before the other listeners: they may assume that the reader has all bytes.
    socket.prependOnceListener('end', () => this.#current === source && this.#tell())
    // It has been reading since its handshake.
    const early = socket.read() as Buffer | null
    const open = early === null || this.#received(source, early, early.length)
    const inPage = readIntoPage(socket, this.#page, length => this.#received(source, this.#page, length))
    if (!inPage) socket.on('data', (data: Buffer) => this.#received(source, data, data.length) || socket.pause())
    if (open) socket.resume()
    else socket.pause()
  }

  #received(source: Source, bytes: Buffer, length: number): boolean {
    if (this.#current !== source) {
      this.#tell()
      this.#current = source
      source.target = source.reader.target()
      this.#schedule()
    }
    let open = true
    for (let at = 0; at < length; ) {
      const copied = bytes.copy(source.target, source.filled, at, length)
      at += copied
      source.filled += copied
      if (source.filled < source.target.length) continue
      open = hand(source) && open
      source.target = source.reader.target()
    }
    return open
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#timers.soon(() => {
      this.#scheduled = false
      this.#tell()
    })
  }

  #tell(): void {
    const source = this.#current
    this.#current = null
    if (source !== null && !hand(source)) source.socket.pause()
  }
}

/** Whether reading may continue. */
function hand(source: Source): boolean {
  const { socket, reader, target, filled } = source
  source.filled = 0
  if (filled === 0 || socket.destroyed) return true
  // A reader that was resumed meanwhile may want its bytes elsewhere.
  const wanted = reader.target()
  if (wanted.byteOffset === target.byteOffset && wanted.buffer === target.buffer) return reader.received(filled)
  return deliver(target.subarray(0, filled), reader)
}

interface Streaming {
  _handle?: { useUserBuffer?: (page: Uint8Array) => void } | null
  [field: symbol]: unknown
}

const fields = Object.getOwnPropertySymbols(new net.Socket())
const field = (name: string) => fields.find(symbol => symbol.description === name)
const [kBuffer, kBufferCb, kBufferGen] = [field('kBuffer'), field('kBufferCb'), field('kBufferGen')]

/** What `onread: { buffer, callback }` does to sockets that one makes oneself. False: not possible. */
function readIntoPage(socket: TLSSocket, page: Buffer, callback: (length: number) => boolean): boolean {
  const inside = socket as unknown as Streaming
  const handle = inside._handle
  if (kBuffer === undefined || kBufferCb === undefined || kBufferGen === undefined) return false
  if (!handle || typeof handle.useUserBuffer !== 'function' || inside[kBuffer] !== null) return false
  inside[kBuffer] = page
  inside[kBufferCb] = callback
  handle.useUserBuffer(page)
  return true
}
