/**
 * Connections to the brokers of a cluster, one to each, made when they are first needed, and made again when they have ended.
 *
 * Hides where brokers are: it is asked of any that answers, and remembered until `clearMetadata`. The bootstrap servers come first, then all that are known.
 * What a broker supports it says of itself: while a cluster is upgraded, brokers differ.
 */
import { MessageChannel } from 'node:worker_threads'
import { pause, type System } from '../base.ts'
import { apis, errorName, errorText, isRetriable } from '../protocol.ts'
import { type BrokerConnection, type ConnectionOptions, openConnection } from './connection.ts'
import { ClientError, toClientError } from './errors.ts'

export interface ConnectionsOptions extends Omit<ConnectionOptions, 'keepsProcess' | 'closing' | 'onEnded'> {
  readonly bootstrap: readonly Address[]
  readonly system: Pick<System, 'timers'>
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** An API that a broker supports. */
export interface Announced {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

export interface ClusterMetadata {
  readonly clusterId: string | null
  readonly controllerId: number
  readonly brokers: ReadonlyMap<number, Address & { readonly rack: string | null }>
}

/** Of what is asked of any broker: enough for a change of leaders, few enough to report soon that no broker answers. */
const attempts = 4
const pauseMs = 250
const software = { clientSoftwareName: 'millrace', clientSoftwareVersion: 'client' }
/** Later ones have what only brokers say, and ask. */
const versionsVersion = 3

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #open = new Map<string, Promise<BrokerConnection>>()
  readonly #versions = new WeakMap<BrokerConnection, Promise<readonly Announced[]>>()
  #metadata: Promise<ClusterMetadata> | null = null
  /** As they were heard of last. */
  #known: readonly Address[] = []
  /** Which of all `any` begins with: the one that answered last, so that one that is away or silent is not tried before each request. */
  #first = 0
  /** Its address. */
  #answering = ''
  readonly #closing = new AbortController()

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** Aborted when they are closed: nobody waits any more. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** To any broker that answers. Rejects, as all here, with errors that `toClientError` understands. */
  async any(): Promise<BrokerConnection> {
    const all = [...this.#options.bootstrap, ...this.#known]
    const failures: Error[] = []
    const first = this.#first
    for (let at = first; at < first + all.length; at++)
      try {
        const address = all[at % all.length]!
        const connection = await this.#to(address)
        this.#first = at % all.length
        this.#answering = keyOf(address)
        return connection
      } catch (error) {
        failures.push(error as Error)
      }
    throw new AggregateError(failures, 'cannot connect to any broker')
  }

  async to(node: number): Promise<BrokerConnection> {
    const broker = (await this.metadata()).brokers.get(node)
    if (broker === undefined) throw new ClientError('LEADER_NOT_AVAILABLE', `broker ${node} is not available`)
    try {
      return await this.#to(broker)
    } catch (error) {
      // It may be elsewhere by now.
      this.clearMetadata()
      throw error
    }
  }

  /** What the cluster supports, as one of its brokers says. */
  versions(): Promise<readonly Announced[]> {
    return this.#retried(connection => this.versionsOf(connection))
  }

  /** What this broker supports. */
  versionsOf(connection: BrokerConnection): Promise<readonly Announced[]> {
    const known = this.#versions.get(connection)
    if (known !== undefined) return known
    const asked = askVersions(connection)
    this.#versions.set(connection, asked)
    asked.catch(() => this.#versions.delete(connection))
    return asked
  }

  /** Of the brokers, as it was heard of last; `isFresh`: as it is now. */
  metadata(isFresh = false): Promise<ClusterMetadata> {
    if (isFresh) this.#metadata = null
    return (this.#metadata ??= this.#ask().catch(error => {
      this.#metadata = null
      throw error
    }))
  }

  /** What is known of brokers may be wrong by now. */
  clearMetadata(): void {
    this.#metadata = null
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const closing = async (opening: Promise<BrokerConnection>) => (await opening).close()
    await Promise.allSettled(Array.from(this.#open.values(), closing))
  }

  async #ask(): Promise<ClusterMetadata> {
    return this.#retried(async connection => {
      const theirs = (await this.versionsOf(connection)).find(each => each.apiKey === apis.metadata.key)
      const version = Math.min(apis.metadata.maxVersion, theirs?.maxVersion ?? apis.metadata.minVersion)
      const { brokers, clusterId, controllerId } = await connection.request(apis.metadata, version, {
        topics: [],
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      })
      this.#known = brokers.map(({ host, port }) => ({ host, port }))
      return { clusterId, controllerId, brokers: new Map(brokers.map(({ nodeId, host, port, rack }) => [nodeId, { host, port, rack }])) }
    })
  }

  #to(address: Address): Promise<BrokerConnection> {
    if (this.closing.aborted) throw new ClientError('UNREACHABLE', 'the client is closed')
    const key = keyOf(address)
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const onEnded = () => {
      if (this.#open.get(key) !== opening) return
      this.#open.delete(key)
      if (this.#answering === key) this.#first++
    }
    const opening = openConnection(address.host, address.port, { ...this.#options, keepsProcess: true, closing: this.closing, onEnded })
    this.#open.set(key, opening)
    // What is wrong with the options is said before there is a connection that could end.
    opening.catch(onEnded)
    return opening
  }

  /** What changes nothing is asked again, of the next broker first, if the reason may pass. */
  async #retried<T>(work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++)
      try {
        return await work(await this.any())
      } catch (error) {
        const { code } = toClientError(error, '')
        const mayHelp = code === 'UNREACHABLE' || isRetriable(code as never)
        if (!mayHelp || this.closing.aborted || attempt === attempts) throw error
        if (code !== 'UNREACHABLE') this.#first++
        await this.#pause()
      }
  }

  /** The System's timers alone keep no process, but somebody waits here who has no connection. */
  async #pause(): Promise<void> {
    const { port1: waiting } = new MessageChannel()
    waiting.ref()
    await pause(this.#options.system, pauseMs)
    waiting.close()
  }
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`
}

async function askVersions(connection: BrokerConnection): Promise<readonly Announced[]> {
  const asked = await connection.request(apis.apiVersions, versionsVersion, software)
  const isTooNew = errorName(asked.errorCode) === 'UNSUPPORTED_VERSION'
  const { errorCode, apiKeys } = isTooNew ? await connection.request(apis.apiVersions, 0, {}) : asked
  const name = errorName(errorCode)
  if (name !== 'NONE') throw new ClientError(name, errorText(name))
  return apiKeys
}
