/**
 * TLS for one listener: performs the handshake on accepted sockets, and derives the principal from the client certificate.
 *
 * Hides where keys and certificates come from, and that they are reloaded when a file or the configuration changes: new connections
 * then use the new ones. If the new ones are invalid, the old ones stay in use. Also hides that a handshake costs a millisecond or more, for
 * the signature: the handshakes of a thousand clients that start at the same time take turns (`base/turns.ts`).
 */
import type net from 'node:net'
import tls from 'node:tls'
import { type System, type Timer, type Turns, watchedContent } from '../../base.ts'
import type { Logger } from '../../logger.ts'
import { type BrokerConfig, badListenerValue, type Listener, listenerValue } from '../config.ts'
import { type PrincipalMapping, principalMapping, subjectOf } from './distinguished-name.ts'
import { readTlsSettings, type TlsSettings } from './key-stores.ts'

export interface TlsOptions {
  system: System
  config: BrokerConfig
  listener: Listener
  logger: Logger
}

type Shaken = (outcome: tls.TLSSocket | Error) => void

export class TlsListener {
  readonly #options: TlsOptions
  readonly #mapping: PrincipalMapping
  /** By the client's address and port, which no other connection has at the time. */
  readonly #shaking = new Map<string, Shaken>()
  #settings: TlsSettings
  #server: tls.Server
  #generation: number
  #timer: Timer | null = null
  #closed = false

  /** Throws InvalidConfig. */
  constructor(options: TlsOptions) {
    this.#options = options
    const { config, listener, system } = options
    this.#mapping = principalMapping(listenerValue(config, listener.name, 'ssl.principal.mapping.rules'))
    this.#generation = config.generation
    this.#settings = readTlsSettings(config, listener, system.files)
    this.#server = this.#makeServer(this.#settings)
    this.#watch()
  }

  /** Calls back once; an error also when the client goes away. The caller bounds how long that may take, and how many there are. */
  handshake(socket: net.Socket, turns: Turns, done: Shaken): void {
    const gone = () => new Error('the connection ended during the TLS handshake')
    socket.on('error', () => {})
    // Reset before it was accepted: it no longer has an address, and so no unique key.
    if (socket.remotePort === undefined) {
      done(gone())
      return
    }
    const key = keyOf(socket)
    this.#shaking.set(key, done)
    socket.once('close', () => {
      // By then another connection may come from the same port.
      if (this.#shaking.get(key) === done) this.#settle(key, gone())
    })
    // TLS signs as soon as it sees the first bytes of the client, so it gets the socket only then, and in its turn.
    socket.once('readable', async () => {
      if (turns.over) await turns.next()
      if (socket.destroyed || socket.readableLength === 0) socket.destroy()
      else this.#begin(socket)
    })
  }

  #begin(socket: net.Socket): void {
    if (this.#generation !== this.#options.config.generation) this.#reload()
    this.#server.emit('connection', socket)
  }

  /** Of the client's certificate; null when it showed none. Throws when no rule names it. */
  principalOf(socket: tls.TLSSocket): string | null {
    const certificate = socket.getPeerX509Certificate()
    return certificate === undefined ? null : `User:${this.#mapping(subjectOf(certificate.raw))}`
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #makeServer({ context, clientAuth }: TlsSettings): tls.Server {
    const { listener } = this.#options
    let server: tls.Server
    try {
      server = tls.createServer({ ...context, requestCert: clientAuth !== 'none', rejectUnauthorized: clientAuth === 'required' })
    } catch (error) {
      throw badListenerValue(listener.name, 'ssl.keystore.location', undefined, `the key store cannot be used: ${(error as Error).message}`)
    }
    server.on('secureConnection', socket => {
      const bad = clientAuth !== 'none' && socket.getPeerX509Certificate() !== undefined && !socket.authorized
      if (bad) socket.destroy()
      this.#settle(keyOf(socket), bad ? new Error(`the client's certificate: ${socket.authorizationError}`) : socket)
    })
    server.on('tlsClientError', (error, socket) => this.#settle(keyOf(socket), error))
    return server
  }

  #settle(key: string, outcome: tls.TLSSocket | Error): void {
    const done = this.#shaking.get(key)
    if (done === undefined) return
    this.#shaking.delete(key)
    done(outcome)
  }

  #watch(): void {
    const { system, config } = this.#options
    this.#timer = system.timers.after(config.get('ssl.store.check.interval.ms'), () => {
      if (this.#closed) return
      if (this.#filesChanged()) this.#reload()
      this.#watch()
    })
  }

  #filesChanged(): boolean {
    for (const [path, before] of this.#settings.files) if (!this.#contentOf(path, before).equals(before)) return true
    return false
  }

  /** So that an error is reported once, not at every check. */
  #filesNow(): Map<string, Buffer> {
    return new Map([...this.#settings.files].map(([path, before]) => [path, this.#contentOf(path, before)]))
  }

  #contentOf(path: string, before: Buffer): Buffer {
    return watchedContent(this.#options.system.files, path, before)
  }

  #reload(): void {
    const { config, listener, system, logger } = this.#options
    this.#generation = config.generation
    try {
      const settings = readTlsSettings(config, listener, system.files)
      this.#server = this.#makeServer(settings)
      this.#settings = settings
      logger.info({ listener: listener.name }, 'reloaded TLS keys and certificates')
    } catch (error) {
      this.#settings = { ...this.#settings, files: this.#filesNow() }
      logger.warn({ err: error, listener: listener.name }, 'invalid TLS configuration of a listener; keeping the previous one')
    }
  }
}

/** Known also when the socket is gone: asked for before. */
function keyOf(socket: net.Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`
}
