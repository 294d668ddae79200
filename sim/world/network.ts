/**
 * Connections between simulated processes: bytes arrive in order, late, or not at all.
 *
 * The broker's end is a stream like Node's sockets, provided by a simulated server, so its own connections, frames and
 * back-pressure run unchanged. Data from a client takes time to arrive, and may arrive after the client has given up.
 */
import { EventEmitter } from 'node:events'
import type net from 'node:net'
import { Duplex } from 'node:stream'
import type { Clock, Timers } from '../../src/base.ts'
import type { Process } from './process.ts'
import type { SeededRandom } from './random.ts'

/** The end that a client holds. */
export interface ClientEnd {
  send(bytes: Buffer, delayMs?: number): void
  /** `lingering`: what was sent before still arrives. Otherwise it is lost with the connection. */
  close(lingering: boolean): void
}

export interface ClientEvents {
  received(bytes: Buffer): void
  closed(): void
  /** At once, however late the client learns of it. */
  broken?(): void
}

export interface NetworkOptions {
  clock: Clock
  timers: Timers
  random: SeededRandom
  /** Milliseconds on the way. */
  latency(): number
  /** Whether the connection breaks instead of delivering these bytes. */
  breaks(direction: 'request' | 'response'): boolean
}

/** What listens on a port at the moment. */
interface Listening {
  server: SimulatedServer
  process: Process
}

export class Network {
  readonly #options: NetworkOptions
  readonly #listening = new Map<number, Listening>()
  readonly #links = new Set<Link>()

  constructor(options: NetworkOptions) {
    this.#options = options
  }

  /** For a broker that runs in this process. */
  serverFor(process: Process): typeof net.createServer {
    return (() => {
      const server = new SimulatedServer(port => void this.#listening.set(port, { server, process }))
      return server
    }) as unknown as typeof net.createServer
  }

  /** The process is gone: its kernel closes what it had. */
  cut(process: Process): void {
    for (const [port, listening] of this.#listening) if (listening.process === process) this.#listening.delete(port)
    for (const link of [...this.#links]) if (link.concerns(process)) link.breakOff()
  }

  /** Breaks one connection, if there is one. */
  breakOne(): void {
    const links = [...this.#links]
    if (links.length > 0) this.#options.random.pick(links).breakOff()
  }

  /** null: connection refused. */
  connect(client: Process, events: ClientEvents, port: number): ClientEnd | null {
    const listening = this.#listening.get(port)
    if (listening === undefined) return null
    const { server, process } = listening
    const link = new Link(this.#options, client, process, events, () => this.#links.delete(link))
    this.#links.add(link)
    process.run(() => void server.emit('connection', link.socket))
    return link
  }
}

class SimulatedServer extends EventEmitter {
  readonly #onListening: (port: number) => void
  #port = 0

  constructor(onListening: (port: number) => void) {
    super()
    this.#onListening = onListening
  }

  listen({ port }: { port: number }, listening: () => void): this {
    this.#port = port
    this.#onListening(port)
    listening()
    return this
  }

  address(): { port: number } {
    return { port: this.#port }
  }

  close(closed: () => void): this {
    closed()
    return this
  }
}

class Link implements ClientEnd {
  readonly socket: BrokerSocket
  readonly #options: NetworkOptions
  readonly #client: Process
  readonly #broker: Process
  readonly #events: ClientEvents
  readonly #gone: () => void
  /** When the last bytes of each direction arrive: those behind them come no earlier. */
  readonly #arriveAtMs = { request: 0, response: 0 }
  #broken = false
  #clientClosed = false

  constructor(options: NetworkOptions, client: Process, broker: Process, events: ClientEvents, gone: () => void) {
    this.#options = options
    this.#client = client
    this.#broker = broker
    this.#events = events
    this.#gone = gone
    this.socket = new BrokerSocket(
      bytes => this.#respond(bytes),
      () => this.breakOff(),
    )
  }

  concerns(process: Process): boolean {
    return this.#client === process || this.#broker === process
  }

  send(bytes: Buffer, delayMs = 0): void {
    if (this.#broken || this.#clientClosed) return
    if (this.#options.breaks('request')) {
      this.breakOff()
      return
    }
    this.#arrive('request', delayMs, () =>
      this.#broker.run(() => {
        if (!this.socket.destroyed) this.socket.push(bytes)
      }),
    )
  }

  close(lingering: boolean): void {
    if (this.#clientClosed || this.#broken) return
    this.#clientClosed = true
    if (lingering) this.#arrive('request', 0, () => this.breakOff())
    else this.breakOff()
  }

  /** Both ends see it closed; what was under way is lost. */
  breakOff(): void {
    if (this.#broken) return
    this.#broken = true
    this.#gone()
    this.#events.broken?.()
    this.#broker.run(() => void this.socket.destroy())
    if (!this.#clientClosed) this.#options.timers.after(this.#options.latency(), () => this.#client.run(() => this.#events.closed()))
  }

  #respond(bytes: Buffer): void {
    if (this.#broken) return
    if (this.#options.breaks('response')) {
      this.breakOff()
      return
    }
    this.#arrive('response', 0, () => {
      if (!this.#clientClosed) this.#client.run(() => this.#events.received(bytes))
    })
  }

  /** In order, and not at all when the connection breaks before. */
  #arrive(direction: 'request' | 'response', delayMs: number, arrived: () => void): void {
    const { clock, timers, latency } = this.#options
    const now = clock.monotonic()
    const at = Math.max(this.#arriveAtMs[direction], now + delayMs + latency())
    this.#arriveAtMs[direction] = at
    timers.after(at - now, () => {
      if (!this.#broken) arrived()
    })
  }
}

class BrokerSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1'
  readonly #sent: (bytes: Buffer) => void
  readonly #closed: () => void

  constructor(sent: (bytes: Buffer) => void, closed: () => void) {
    super({ readableHighWaterMark: 1 << 20, writableHighWaterMark: 1 << 20 })
    this.#sent = sent
    this.#closed = closed
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    // Copied, as a kernel does: the sender may use the buffer again.
    this.#sent(Buffer.from(bytes))
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#closed()
    done(error)
  }
}
