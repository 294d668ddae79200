/**
 * Reads from TLS connections, gathered.
 *
 * Node delivers what OpenSSL deciphers one TLS record at a time, and clients make them small: librdkafka sends two for each Kafka record.
 * What Node does for each (a buffer of its own, an event) then costs ten times what deciphering it does. Here all connections have one page
 * for that, which is copied to where the reader wants the bytes; and the reader is told once all input that is ready has been read, as of
 * one large read from a plain socket. Measured: ADR 0003.
 *
 * Node has the means (`onread`) but does not offer it to a TLSSocket on an accepted connection, hence the private fields. Where a
 * future Node lacks them, the bytes come by `'data'`: slower, never wrong.
 */
import net from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Timers } from '../../base.ts'
import { ReadBuffers } from './read-buffers.ts'
import { deliver, type SocketReader } from './socket.ts'

interface Source {
  readonly socket: TLSSocket
  readonly reader: SocketReader
  /** Where its bytes go; the first `filled` have not been told of. */
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

  /** Takes over a socket that has shaken hands; the reader is told of bytes from the end of this turn on. */
  read(socket: TLSSocket, reader: SocketReader): net.Socket {
    this.#timers.soon(() => this.#begin({ socket, reader, target: this.buffers.shared, filled: 0 }))
    return socket
  }

  #begin(source: Source): void {
    const { socket } = source
    if (socket.destroyed) return
    // Before Node's own listener, which ends the other direction, too.
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

/** Whether reading may go on. */
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
