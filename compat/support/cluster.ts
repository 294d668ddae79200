/**
 * Brokers of one cluster over a real PostgreSQL and MinIO. Each reaches the stores by proxies of its own, so that it alone can be cut off.
 */
import { type Listeners, type Properties, type RunningBroker, startMember } from './brokers.ts'
import { WayTo } from './proxy.ts'
import { freePorts } from './run.ts'
import { type Stores, startStores } from './stores.ts'

export interface Member {
  readonly id: number
  readonly broker: RunningBroker
  readonly ways: { readonly postgres: WayTo; readonly objects: WayTo }
  /** What keeps it from serving, in its own words; null: nothing. */
  unready(): Promise<string | null>
}

/** All of its brokers, seen as one: `stop` and `restart` concern one of them, another one each time. */
export interface Cluster extends RunningBroker {
  readonly stores: Stores
  readonly members: readonly Member[]
  /** One more broker, under the next id. */
  add(): Promise<Member>
}

export async function startCluster(count: number, properties: Properties = {}, listeners: Listeners = {}): Promise<Cluster> {
  const stores = await startStores()
  const cluster = new RunningCluster(stores, properties, listeners)
  try {
    for (let id = 0; id < count; id++) await cluster.add()
    return cluster
  } catch (error) {
    await cluster.remove()
    throw error
  }
}

/** As a way to start brokers. */
export function clusterOf(count: number): (properties: Properties, listeners: Listeners) => Promise<Cluster> {
  return (properties, listeners) => startCluster(count, { ...properties, 'default.replication.factor': '3' }, listeners)
}

export function isCluster(broker: RunningBroker): broker is Cluster {
  return broker instanceof RunningCluster
}

class RunningCluster implements Cluster {
  readonly name = 'millrace'
  /** There is none. */
  readonly data = ''
  readonly stores: Stores
  readonly members: Member[] = []
  startSeconds = 0
  readonly #properties: Properties
  readonly #listeners: Listeners
  readonly #proxies: WayTo[] = []
  /** Index of the member that `stop` stops next, or has stopped. */
  #next = 0

  constructor(stores: Stores, properties: Properties, listeners: Listeners) {
    this.stores = stores
    this.#properties = properties
    this.#listeners = listeners
  }

  get bootstrap(): string {
    return this.bootstraps['PLAINTEXT']!
  }

  get bootstraps(): Readonly<Record<string, string>> {
    const names = ['PLAINTEXT', ...Object.keys(this.#listeners)]
    return Object.fromEntries(names.map(name => [name, this.members.map(({ broker }) => broker.bootstraps[name]).join()]))
  }

  /** Of the first; throws if one of them does not run. */
  get pid(): number {
    return this.members.map(({ broker }) => broker.pid)[0]!
  }

  log(): string {
    return this.members.map(({ broker }) => broker.log()).join('')
  }

  async add(): Promise<Member> {
    const { stores } = this
    const ways = { postgres: await WayTo.port(stores.postgres.port), objects: await WayTo.port(stores.objects.port) }
    this.#proxies.push(ways.postgres, ways.objects)
    const id = this.members.length
    const http = `127.0.0.1:${await freePorts(1)}`
    const urls = stores.urls(ways)
    const broker = await startMember(
      { ...this.#properties, ...urls, 'node.id': String(id), 'broker.rack': `rack-${id}`, 'http.listen': http },
      stores.env,
      this.#listeners,
    )
    const member = { id, broker, ways, unready: () => unready(http) }
    this.members.push(member)
    return member
  }

  async stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.members[this.#next]!.broker.stop(signal)
  }

  async restart(wait?: boolean): Promise<void> {
    const { broker } = this.members[this.#next]!
    await broker.restart(wait)
    this.startSeconds = broker.startSeconds
    if (wait !== false) this.#next = (this.#next + 1) % this.members.length
  }

  async remove(): Promise<void> {
    for (const { broker } of this.members) await broker.remove()
    for (const proxy of this.#proxies) proxy.close()
    await this.stores.remove()
  }
}

/** What keeps the broker with this HTTP endpoint from serving, in its own words; null: nothing. */
export async function unready(http: string): Promise<string | null> {
  try {
    const answer = await fetch(`http://${http}/health/ready`, { signal: AbortSignal.timeout(1000) })
    const body = await answer.text()
    return answer.status === 200 ? null : `${answer.status}: ${body}`
  } catch (error) {
    return `nobody answers: ${(error as Error).message}`
  }
}
