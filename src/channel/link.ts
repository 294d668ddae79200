/**
 * One connection to one broker, logged in, with the versions that the broker supports.
 *
 * Hides the handshakes, and the check that it is the broker that was meant: another one may listen at its address by now (KIP-1242).
 */

import { Connection } from '../library.ts'
import { type Api, apis, errorName, type InputOf, type MessageOf } from '../protocol.ts'
import { ClientError, settled } from './errors.ts'
import type { ConnectionSecurity } from './security.ts'
import { sendOver } from './send.ts'

export interface LinkOptions {
  host: string
  port: number
  clientId: string
  security: ConnectionSecurity
  /** Which broker should answer there. */
  clusterId: string
  brokerId: number
  connectTimeoutMs: number
  /** After it the request fails, and the connection ends. */
  requestTimeoutMs: number
  /** Requests on their way at the same time; more wait. */
  mostInFlight: number
  /** The connection has ended, for whatever reason. */
  onClosed(): void
}

export interface Link {
  /** In the newest version that both sides support, up to `newest`. Rejects with ClientError. */
  request<A extends Api>(api: A, newest: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>>
  close(): void
}

/** From this version on a broker checks whether it is meant. */
const checkedVersion = 5
const software = { clientSoftwareName: 'millrace', clientSoftwareVersion: 'broker' }

/** Rejects with ClientError. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const link = new BrokerLink(options)
  try {
    await link.open()
    return link
  } catch (error) {
    link.close()
    throw error
  }
}

class BrokerLink implements Link {
  readonly #options: LinkOptions
  readonly #address: string
  readonly #connection: Connection
  readonly #versions = new Map<number, { minVersion: number; maxVersion: number }>()

  constructor(options: LinkOptions) {
    this.#options = options
    const { host, port, clientId, security, connectTimeoutMs, requestTimeoutMs, mostInFlight } = options
    this.#address = `${host}:${port}`
    this.#connection = new Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      maxInflights: mostInFlight,
      ...security,
    })
    // Each request hears of it, and so does whoever opens the link.
    this.#connection.on('error', () => {})
    this.#connection.on('close', () => options.onClosed())
  }

  async open(): Promise<void> {
    const { host, port, clusterId, brokerId } = this.#options
    const connecting = async () => {
      await this.#connection.connect(host, port)
    }
    await settled(this.#address, connecting())
    // It alone keeps no process alive.
    this.#connection.socket.unref()
    const asked = { ...software, clusterId, nodeId: brokerId }
    const { errorCode, apiKeys } = await settled(this.#address, sendOver(this.#connection, apis.apiVersions, checkedVersion, asked))
    if (errorCode !== 0) {
      const reason = `${this.#address} is not broker ${brokerId} of cluster ${clusterId} (${errorName(errorCode)})`
      throw new ClientError(errorName(errorCode), reason)
    }
    for (const { apiKey, minVersion, maxVersion } of apiKeys) this.#versions.set(apiKey, { minVersion, maxVersion })
  }

  async request<A extends Api>(api: A, newest: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const theirs = this.#versions.get(api.key)
    const version = Math.min(newest, theirs?.maxVersion ?? -1)
    if (theirs === undefined || version < Math.max(api.minVersion, theirs.minVersion))
      throw new ClientError('UNSUPPORTED_VERSION', `${this.#address} does not support ${api.name} up to version ${newest}`)
    return settled(this.#address, sendOver(this.#connection, api, version, request))
  }

  close(): void {
    this.#connection.close().catch(() => {})
  }
}
