/**
 * One connection to one broker, logged in, with the versions that the broker supports.
 *
 * Hides the handshakes, and the check that it is the broker that was meant: another one may listen at its address by now (KIP-1242).
 */

import type { System } from '../base.ts'
import { type Api, apis, errorName, type InputOf, type MessageOf } from '../protocol.ts'
import { type BrokerConnection, openConnection } from './connection.ts'
import { ClientError, settled } from './errors.ts'
import type { ConnectionSecurity } from './security.ts'

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
  system: Pick<System, 'timers'>
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
  const { host, port, clusterId, brokerId, onClosed } = options
  const address = `${host}:${port}`
  // It alone keeps no process alive.
  const connection = await settled(address, openConnection(host, port, { ...options, keepsProcess: false }))
  void connection.closed.then(onClosed)
  try {
    const asked = { ...software, clusterId, nodeId: brokerId }
    const { errorCode, apiKeys } = await settled(address, connection.request(apis.apiVersions, checkedVersion, asked))
    if (errorCode !== 0) {
      const reason = `${address} is not broker ${brokerId} of cluster ${clusterId} (${errorName(errorCode)})`
      throw new ClientError(errorName(errorCode), reason)
    }
    return new BrokerLink(address, connection, new Map(apiKeys.map(each => [each.apiKey, each])))
  } catch (error) {
    void connection.close()
    throw error
  }
}

type Versions = ReadonlyMap<number, { readonly minVersion: number; readonly maxVersion: number }>

class BrokerLink implements Link {
  readonly #address: string
  readonly #connection: BrokerConnection
  readonly #versions: Versions

  constructor(address: string, connection: BrokerConnection, versions: Versions) {
    this.#address = address
    this.#connection = connection
    this.#versions = versions
  }

  async request<A extends Api>(api: A, newest: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const theirs = this.#versions.get(api.key)
    const version = Math.min(newest, theirs?.maxVersion ?? -1)
    if (theirs === undefined || version < Math.max(api.minVersion, theirs.minVersion))
      throw new ClientError('UNSUPPORTED_VERSION', `${this.#address} does not support ${api.name} up to version ${newest}`)
    return settled(this.#address, this.#connection.request(api, version, request))
  }

  close(): void {
    void this.#connection.close()
  }
}
