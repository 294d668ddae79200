/**
 * Listens, accepts connections within limits, and closes those that are idle, stuck in the middle of a frame, or too many; also those that
 * hold memory that others need (memory-holders.ts).
 *
 * One timer serves all connections. Node's own limits are not used, because they apply per socket and close it without giving a reason.
 */
import type net from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { System, Timer, Turns } from '../../base.ts'
import type { Listener } from '../config.ts'
import type { Security, TlsListener } from '../security.ts'
import { Connection, type ConnectionOptions, type Dispatch } from './connection.ts'
import { CreationRate, WaitingLine } from './creation-rate.ts'
import type { FrameMemory } from './frame-memory.ts'
import { closeMemoryHolders } from './memory-holders.ts'
import { ReadBuffers } from './read-buffers.ts'
import { ReadTurns } from './read-turns.ts'
import type { ResponseMemory } from './response-memory.ts'
import { readInto } from './socket.ts'
import { TlsReads } from './tls-reads.ts'

export interface ServerLimits {
  /** `socket.request.max.bytes`. */
  maxFrameBytes: number
  /** `sasl.server.max.receive.size`: for frames of clients that have not authenticated yet. */
  maxUnauthenticatedFrameBytes: number
  /** `connection.authentication.deadline.ms`: by then it must have. */
  authenticationDeadlineMs: number
  /** `connections.max.idle.ms`. */
  maxIdleMs: number
  /** A frame must be complete this long after its first byte. */
  frameDeadlineMs: number
  /** `max.connections`. */
  maxConnections: number
  /** As in Kafka, the broker's limits do not apply to the inter-broker listener, so that it stays available during a flood of clients. */
  isProtected(listener: string): boolean
  /** `listener.name.<name>.max.connections`; infinite when it is not set. */
  maxConnectionsOf(listener: string): number
  /** `max.connections.per.ip`. */
  maxConnectionsPerIp(address: string): number
  /** `max.connection.creation.rate` of the whole broker, per second. */
  maxCreationRate: number
  /** `listener.name.<name>.max.connection.creation.rate`; infinite when it is not set. */
  maxCreationRateOf(listener: string): number
  backlog: number
}

export interface ServerOptions {
  system: System
  turns: Turns
  limits: ServerLimits
  requestMemory: FrameMemory
  responseMemory: ResponseMemory
  dispatch: Dispatch
  endOfRead: ConnectionOptions['endOfRead']
  security: Pick<Security, 'open' | 'tls'>
  /** Where connections come from; a simulation has a network of its own. */
  createServer: typeof net.createServer
  pressure: ConnectionOptions['pressure']
  /** Milliseconds to keep a connection of this address waiting before it is refused; 0: it may come in. */
  connectionDelay(address: string): number
  onOpen(connection: Connection): void
  onClose(connection: Connection, reason: unknown): void
  onRefused(address: string, reason: string): void
}

/** What one listener has of its own limits in use. */
interface ListenerUse {
  readonly name: string
  /** Connections and handshakes. */
  open: number
  removed: boolean
}

interface Listening {
  readonly server: net.Server
  readonly line: WaitingLine
  readonly use: ListenerUse
}

/** Where a connection counts. */
interface Place {
  readonly address: string
  readonly use: ListenerUse
}

const sweepIntervalMs = 1_000
const keepAliveMs = 60_000
/** In one turn: closing a connection takes some microseconds, and ten thousand may be late together. */
const closedAtOnce = 200
/** Beyond this, connections that a quota refuses are closed at once. */
const maxRefusedWaiting = 1_000

export class Server {
  readonly connections = new Set<Connection>()
  /** Sockets that are shaking hands, and since when. They count as connections. */
  readonly #handshakes = new Map<net.Socket, { since: number; use: ListenerUse }>()
  readonly #options: ServerOptions
  readonly #buffers = new ReadBuffers()
  readonly #readTurns: ReadTurns
  /** Null as long as no listener has TLS. */
  #tlsReads: TlsReads | null = null
  readonly #perIp = new Map<string, number>()
  /** Sockets that a quota refused and that have not been closed yet, by listener. */
  readonly #refused = new Map<net.Socket, ListenerUse>()
  readonly #listening = new Map<string, Listening>()
  #referenced = true
  #nextId = 1
  readonly #created: CreationRate
  #sweeper: Timer | null = null
  #closing = false

  constructor(options: ServerOptions) {
    this.#options = options
    this.#readTurns = new ReadTurns(options.system)
    this.#created = new CreationRate(() => options.limits.maxCreationRate, options.system.clock.monotonic())
  }

  /** Resolves with the port, which differs from the requested one if that is 0. */
  async listen(listener: Listener): Promise<number> {
    const use: ListenerUse = { name: listener.name, open: 0, removed: false }
    const tls = this.#options.security.tls(listener)
    // A socket is not read before its connection provides a buffer, or TLS starts.
    const how = { pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }
    const server = this.#options.createServer(how)
    const line = this.#lineOf(use, socket => {
      const place = this.#admit(socket, use)
      if (place === null) return
      if (tls === null) this.#open(server, listener, socket, place, null)
      else this.#shakeHands(tls, server, listener, socket, place)
    })
    server.on('connection', socket => {
      // A connection refused by another limit does not wait in line, and does not count against the rate.
      const refusal = this.#refusal(addressOf(socket), use)
      if (refusal !== null) this.#refuse(socket, refusal)
      else if (!line.arrive(socket)) this.#refuse(socket, 'max.connection.creation.rate: too many connections are waiting')
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const address = { port: listener.port, backlog: this.#options.limits.backlog }
      server.listen(listener.host === '' ? address : { ...address, host: listener.host }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    server.on('error', error => this.#options.onRefused('', `accept: ${error.message}`))
    this.#listening.set(listener.name, { server, line, use })
    if (!this.#referenced) server.unref()
    if (this.#sweeper === null) this.#scheduleSweep()
    return (server.address() as net.AddressInfo).port
  }

  /** Listening no longer keeps the process alive. */
  unref(): void {
    this.#referenced = false
    for (const { server } of this.#listening.values()) server.unref()
  }

  /** Stops accepting connections of this listener, and closes those it has once their replies are sent, or after `graceMs`. */
  async stopListening(name: string, graceMs: number): Promise<void> {
    const listening = this.#listening.get(name)
    if (listening === undefined) return
    this.#listening.delete(name)
    listening.use.removed = true
    const closed = new Promise<void>(resolve => listening.server.close(() => resolve()))
    listening.line.close()
    for (const [socket, { use }] of this.#handshakes) if (use === listening.use) socket.destroy()
    for (const [socket, use] of this.#refused) if (use === listening.use) socket.destroy()
    const mine = () => [...this.connections].filter(connection => connection.listener === name)
    for (const connection of mine()) connection.drain()
    const deadline = this.#options.system.timers.after(graceMs, () => {
      for (const connection of mine()) connection.close(null)
    })
    await closed
    deadline.cancel()
  }

  /** Stops accepting, sends pending replies for up to `graceMs`, then closes the remaining connections. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    this.#sweeper?.cancel()
    const closed = [...this.#listening.values()].map(({ server }) => new Promise<void>(resolve => server.close(() => resolve())))
    for (const socket of this.#handshakes.keys()) socket.destroy()
    for (const connection of this.connections) connection.drain()
    for (const socket of this.#refused.keys()) socket.destroy()
    for (const { line } of this.#listening.values()) line.close()
    const deadline = this.#options.system.timers.after(graceMs, () => {
      for (const connection of this.connections) connection.close(null)
    })
    await Promise.all(closed)
    deadline.cancel()
  }

  /** Counts the connection and returns its place; null if it was refused. */
  #admit(socket: net.Socket, use: ListenerUse): Place | null {
    const address = addressOf(socket)
    const refusal = this.#refusal(address, use)
    if (refusal !== null) {
      this.#refuse(socket, refusal)
      return null
    }
    const delayMs = this.#options.connectionDelay(address)
    if (delayMs > 0) {
      this.#refuseLater(socket, { address, use }, delayMs)
      return null
    }
    this.#perIp.set(address, (this.#perIp.get(address) ?? 0) + 1)
    use.open++
    return { address, use }
  }

  #refuse(socket: net.Socket, reason: string): void {
    const address = addressOf(socket)
    socket.destroy()
    this.#options.onRefused(address, reason)
  }

  #shakeHands(tls: TlsListener, server: net.Server, listener: Listener, socket: net.Socket, place: Place): void {
    this.#handshakes.set(socket, { since: this.#options.system.clock.monotonic(), use: place.use })
    tls.handshake(socket, this.#options.turns, outcome => {
      this.#handshakes.delete(socket)
      try {
        if (outcome instanceof Error) throw outcome
        if (place.use.removed) throw new Error('the listener was removed')
        this.#open(server, listener, outcome, place, outcome)
      } catch (error) {
        socket.destroy()
        this.#leave(place)
        this.#options.onRefused(place.address, `TLS: ${(error as Error).message}`)
      }
    })
  }

  #open(server: net.Server, listener: Listener, socket: net.Socket, place: Place, secure: TLSSocket | null): void {
    const tlsReads = secure === null ? null : (this.#tlsReads ??= new TlsReads(this.#options.system.timers))
    const connection = new Connection({
      read: reader => tlsReads?.read(secure!, reader) ?? readInto(socket, server, reader),
      id: this.#nextId++,
      listener: listener.name,
      session: this.#options.security.open(listener, place.address, secure),
      buffers: tlsReads?.buffers ?? this.#buffers,
      frameMemory: this.#options.requestMemory,
      maxFrameBytes: this.#options.limits.maxFrameBytes,
      maxUnauthenticatedFrameBytes: this.#options.limits.maxUnauthenticatedFrameBytes,
      clock: this.#options.system.clock,
      timers: this.#options.system.timers,
      turns: this.#options.turns,
      readTurns: this.#readTurns,
      dispatch: this.#options.dispatch,
      endOfRead: this.#options.endOfRead,
      pressure: this.#options.pressure,
      onClose: (closed, error) => this.#closed(closed, place, error),
    })
    this.connections.add(connection)
    this.#options.onOpen(connection)
  }

  /** As Kafka does, so that a client that reconnects at once is slowed down. The socket is not read meanwhile. */
  #refuseLater(socket: net.Socket, { address, use }: Place, delayMs: number): void {
    this.#options.onRefused(address, 'connection_creation_rate reached')
    if (this.#refused.size >= maxRefusedWaiting) {
      socket.destroy()
      return
    }
    const timer = this.#options.system.timers.after(delayMs, () => socket.destroy())
    this.#refused.set(socket, use)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      timer.cancel()
      this.#refused.delete(socket)
    })
  }

  #refusal(address: string, use: ListenerUse): string | null {
    const { limits } = this.#options
    if (this.#closing) return 'the broker is shutting down'
    if (use.removed) return 'the listener was removed'
    const guarded = limits.isProtected(use.name)
    const open = this.connections.size + this.#handshakes.size
    if (!guarded && open >= limits.maxConnections) return `max.connections=${limits.maxConnections} reached`
    const ofListener = limits.maxConnectionsOf(use.name)
    if (use.open >= ofListener) return `max.connections=${ofListener} of listener ${use.name} reached`
    const perIp = limits.maxConnectionsPerIp(address)
    if ((this.#perIp.get(address) ?? 0) >= perIp) return `max.connections.per.ip=${perIp} reached`
    return null
  }

  #closed(connection: Connection, place: Place, reason: unknown): void {
    this.connections.delete(connection)
    this.#leave(place)
    this.#options.onClose(connection, reason)
  }

  #leave({ address, use }: Place): void {
    use.open--
    const left = this.#perIp.get(address)! - 1
    if (left > 0) this.#perIp.set(address, left)
    else this.#perIp.delete(address)
  }

  #lineOf({ name }: ListenerUse, enter: (socket: net.Socket) => void): WaitingLine {
    const { system, limits } = this.#options
    const ofListener = new CreationRate(() => limits.maxCreationRateOf(name), system.clock.monotonic())
    const rates = limits.isProtected(name) ? [ofListener] : [ofListener, this.#created]
    return new WaitingLine({ system, rates, most: () => limits.backlog, enter })
  }

  #scheduleSweep(): void {
    this.#sweeper = this.#options.system.timers.after(sweepIntervalMs, () => {
      this.#sweep()
      if (!this.#closing) this.#scheduleSweep()
    })
  }

  #sweep(): void {
    const { limits, system, requestMemory, responseMemory } = this.#options
    const now = system.clock.monotonic()
    closeMemoryHolders(this.connections, requestMemory, responseMemory, now)
    const late: (() => void)[] = []
    const isLate = (connection: Connection, reason: string) => late.push(() => connection.close(new Error(reason)))
    for (const [socket, { since }] of this.#handshakes) if (now - since > limits.authenticationDeadlineMs) late.push(() => socket.destroy())
    for (const connection of this.connections) {
      const since = connection.unfinishedSinceMs
      if (since > 0 && now - since > limits.frameDeadlineMs) {
        isLate(connection, `a frame was not complete after ${limits.frameDeadlineMs} ms`)
      } else if (!connection.session.authenticated && now - connection.openedMs > limits.authenticationDeadlineMs) {
        isLate(connection, `not authenticated after ${limits.authenticationDeadlineMs} ms`)
      } else if (now - connection.lastActiveMs > limits.maxIdleMs && !connection.owing) {
        isLate(connection, `idle for connections.max.idle.ms=${limits.maxIdleMs}`)
      }
    }
    this.#closeSome(late)
  }

  /** The rest follow in later turns; a connection that became busy meanwhile is closed all the same. */
  #closeSome(late: (() => void)[]): void {
    for (const close of late.splice(0, closedAtOnce)) close()
    if (late.length > 0) this.#options.system.timers.soon(() => this.#closeSome(late))
  }
}

/**
 * On a dual-stack socket, an IPv4 client has the address ::ffff:127.0.0.1. ACLs, limits and quotas use the plain IPv4 address, as Java
 * writes it.
 */
function addressOf(socket: net.Socket): string {
  const address = socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}
