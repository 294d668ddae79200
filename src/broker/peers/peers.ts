/**
 * Requests to other brokers, as an ordinary client of their inter-broker listener sends them.
 *
 * Hides the connections (one for each broker, opened when it is needed), the login, and the choice of versions. The library that connects is
 * loaded with the first request: a broker without others never needs it.
 */
import { growingMs, type System } from '../../base.ts'
import type { Link, LinkOptions } from '../../channel.ts'
import type { Logger } from '../../logger.ts'
import { type Api, type InputOf, KafkaError, type MessageOf } from '../../protocol.ts'
import type { BrokerConfig } from '../config.ts'
import { Seldom } from '../seldom.ts'
import { ownLogin } from './own-login.ts'

export interface PeersOptions {
  system: System
  config: BrokerConfig
  logger: Logger
  self: { readonly id: number; readonly clusterId: string }
  /** Where the broker is reached on this listener; undefined: it is not registered, or has no such listener. */
  endpoint(brokerId: number, listener: string): { host: string; port: number } | undefined
  /** Instead of one over Node's sockets. */
  openLink?: (options: LinkOptions) => Promise<Link>
}

interface Peer {
  address: string
  link: Promise<Link> | null
  waiting: number
  /** Connections that failed in a row, what the last one said, and when another may be tried. */
  failures: number
  failure: string
  retryAtMs: number
}

const mostInFlight = 100
/** More to one broker fail at once. */
const mostWaiting = 10_000
const connectTimeoutMs = 5_000
/** Kafka's `reconnect.backoff.ms` and `reconnect.backoff.max.ms`. */
const pauseMs = { first: 50, last: 1_000 }

export class Peers {
  readonly #options: PeersOptions
  readonly #seldom: Seldom
  readonly #peers = new Map<number, Peer>()
  #closed = false

  constructor(options: PeersOptions) {
    this.#options = options
    this.#seldom = new Seldom(options.system.clock)
  }

  /**
   * In the newest version that both brokers support, up to `newest`. Rejects with KafkaError: NETWORK_EXCEPTION when the broker cannot be
   * reached (or another one answers), REQUEST_TIMED_OUT when its answer did not come in time, UNSUPPORTED_VERSION.
   */
  async request<A extends Api>(
    brokerId: number,
    api: A,
    newest: number,
    request: InputOf<A['request']>,
  ): Promise<MessageOf<A['response']>> {
    const peer = this.#peerOf(brokerId)
    if (peer.waiting >= mostWaiting) throw unreachable(`${mostWaiting} requests to broker ${brokerId} are waiting already`)
    peer.waiting++
    try {
      const link = await this.#linkTo(brokerId, peer)
      return await link.request(api, newest, request)
    } catch (error) {
      throw this.#told(brokerId, error)
    } finally {
      peer.waiting--
    }
  }

  /** Requests on their way fail. */
  close(): void {
    this.#closed = true
    for (const peer of this.#peers.values()) drop(peer)
  }

  #peerOf(brokerId: number): Peer {
    let peer = this.#peers.get(brokerId)
    if (peer === undefined) {
      peer = { address: '', link: null, waiting: 0, failures: 0, failure: '', retryAtMs: 0 }
      this.#peers.set(brokerId, peer)
    }
    return peer
  }

  #linkTo(brokerId: number, peer: Peer): Promise<Link> {
    if (this.#closed) throw unreachable('this broker is stopping')
    const { config, endpoint, system } = this.#options
    const { name } = config.interBroker
    const found = endpoint(brokerId, name)
    if (found === undefined) throw unreachable(`broker ${brokerId} is not registered with a listener ${name}`)
    const address = `${found.host}:${found.port}`
    if (peer.address !== address) {
      drop(peer)
      Object.assign(peer, { address, failures: 0, retryAtMs: 0 })
    }
    if (peer.link !== null) return peer.link
    if (system.clock.monotonic() < peer.retryAtMs) throw unreachable(peer.failure)
    const opening: Promise<Link> = this.#open(brokerId, found, () => {
      if (peer.link === opening) peer.link = null
    })
    peer.link = opening
    opening.then(
      link => {
        peer.failures = 0
        if (peer.link !== opening) link.close()
      },
      (error: unknown) => {
        if (peer.link !== opening) return
        peer.link = null
        peer.failure = `broker ${brokerId}: ${(error as Error).message}`
        peer.retryAtMs = system.clock.monotonic() + growingMs(pauseMs, peer.failures++)
      },
    )
    return opening
  }

  async #open(brokerId: number, { host, port }: { host: string; port: number }, onClosed: () => void): Promise<Link> {
    const { config, self, system } = this.#options
    const { connectionSecurity, openLink } = await import('../../channel.ts')
    return (this.#options.openLink ?? openLink)({
      host,
      port,
      clientId: clientIdOf(self.id),
      // Read again for each connection: the configuration and the files that it names may change.
      security: connectionSecurity(ownLogin(config), [host], system),
      clusterId: self.clusterId,
      brokerId,
      connectTimeoutMs,
      requestTimeoutMs: config.get('request.timeout.ms'),
      mostInFlight,
      system,
      onClosed,
    })
  }

  /** Whoever asked tries again, so an operator hears of it from the log. */
  #told(brokerId: number, error: unknown): KafkaError {
    if (error instanceof KafkaError) return error
    const { code, message } = error as Error & { code?: string }
    if (!this.#closed && this.#seldom.allows(`${brokerId} ${code}`))
      this.#options.logger.warn({ broker: brokerId, reason: message }, 'a request to another broker failed')
    if (code === 'UNSUPPORTED_VERSION') return new KafkaError('UNSUPPORTED_VERSION', message)
    if (code === 'TIMEOUT') return new KafkaError('REQUEST_TIMED_OUT', `broker ${brokerId}: ${message}`)
    return unreachable(`broker ${brokerId}: ${message}`)
  }
}

/** As Kafka's brokers. */
function clientIdOf(brokerId: number): string {
  return `broker-${brokerId}`
}

/** Whether the client says that it is a broker; what it may do, its principal decides. */
export function isOfBroker(clientId: string | null): boolean {
  return clientId !== null && /^broker-\d+$/.test(clientId)
}

function drop(peer: Peer): void {
  const { link } = peer
  peer.link = null
  link?.then(
    opened => opened.close(),
    () => {},
  )
}

function unreachable(message: string): KafkaError {
  return new KafkaError('NETWORK_EXCEPTION', message)
}
