/**
 * Three brokers on this machine, as one cluster: Millrace over a real PostgreSQL and MinIO, with nothing between them; Apache Kafka with
 * three nodes that are brokers and controllers.
 */
import { type RunningBroker, startKafkaNodes, startMember } from '../../compat/support/brokers.ts'
import { freePorts } from '../../compat/support/run.ts'
import { type Stores, startStores } from '../../compat/support/stores.ts'
import { type Client, ClientError, openClient, type TopicInfo } from '../../src/client.ts'
import type { Target } from '../clients.ts'
import { pause } from '../measure.ts'
import type { Peer, Wanted } from '../row.ts'

const brokers = 3
const pollMs = 50
const patienceMs = 120_000

export interface ClusterPeer extends Peer, Target {
  readonly name: 'millrace' | 'kafka'
  /** Of the brokers. */
  readonly pid: readonly number[]
  /** Of the brokers and of all that they keep their data in. */
  readonly allPids: readonly number[]
  /** By broker id, from 0. */
  readonly members: readonly RunningBroker[]
  /** Asks any of them. */
  readonly client: Client
}

abstract class Brokers implements ClusterPeer {
  abstract readonly name: ClusterPeer['name']
  readonly members: RunningBroker[] = []
  readonly replication = brokers
  #client: Client | null = null

  get bootstrap(): string {
    return this.members.map(({ bootstrap }) => bootstrap).join()
  }

  get pid(): readonly number[] {
    return this.members.map(({ pid }) => pid)
  }

  get allPids(): readonly number[] {
    return this.pid
  }

  get client(): Client {
    return (this.#client ??= openClient({ bootstrap: this.bootstrap }))
  }

  async remove(): Promise<void> {
    await this.#client?.close()
    for (const member of this.members) await member.remove()
  }
}

class KafkaCluster extends Brokers {
  readonly name = 'kafka'

  static async start(): Promise<KafkaCluster> {
    const properties = { 'node.id': '0', 'min.insync.replicas': '2' }
    return whole(new KafkaCluster(), async cluster => {
      cluster.members.push(...(await startKafkaNodes(brokers, { properties })))
    })
  }
}

export class MillraceCluster extends Brokers {
  readonly name = 'millrace'
  readonly stores: Stores
  readonly #checkout: string
  readonly #pages: string[] = []

  static async start(wanted: Wanted): Promise<MillraceCluster> {
    return whole(new MillraceCluster(checkoutOf(wanted), await startStores()), async cluster => {
      for (let id = 0; id < brokers; id++) await cluster.add()
    })
  }

  private constructor(checkout: string, stores: Stores) {
    super()
    this.#checkout = checkout
    this.stores = stores
  }

  override get allPids(): readonly number[] {
    return [...this.pid, this.stores.postgres.pid, this.stores.objects.pid]
  }

  /** One more broker, under the next id. Resolves when it is registered. */
  async add(): Promise<void> {
    const http = `127.0.0.1:${await freePorts(1)}`
    const own = { 'node.id': String(this.members.length), 'http.listen': http, 'objects.grace.ms': '60000' }
    this.members.push(await startMember({ ...this.stores.urls(), ...own }, this.stores.env, {}, this.#checkout))
    this.#pages.push(`http://${http}/metrics`)
  }

  /** The sum of all brokers, by name and labels. */
  async metrics(): Promise<Map<string, number>> {
    const sums = new Map<string, number>()
    for (const page of await Promise.all(this.#pages.map(async url => (await fetch(url)).text()))) {
      for (const [, name, value] of page.matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)) sums.set(name!, (sums.get(name!) ?? 0) + Number(value))
    }
    return sums
  }

  override async remove(): Promise<void> {
    await super.remove()
    await this.stores.remove()
  }
}

/** With all its brokers there, or removed. */
async function whole<C extends ClusterPeer>(cluster: C, fill: (cluster: C) => Promise<void>): Promise<C> {
  try {
    await fill(cluster)
    await untilThere(cluster)
    return cluster
  } catch (error) {
    await cluster.remove()
    throw error
  }
}

export const startCluster = (wanted: Wanted): Promise<ClusterPeer> =>
  wanted === 'kafka' ? KafkaCluster.start() : MillraceCluster.start(wanted)

/** For rows that Kafka has no part in. */
export function checkoutOf(wanted: Wanted): string {
  if (wanted === 'kafka') throw new Error('this row is not for Kafka')
  return wanted.checkout
}

/** Resolves when all brokers are members. */
export function untilThere(peer: ClusterPeer): Promise<void> {
  return until(async () => (await peer.client.cluster()).brokers.length === peer.members.length, 'all brokers to be there')
}

/** Resolves when each partition has all its replicas again. */
export async function untilInSync(peer: ClusterPeer, topic: string): Promise<void> {
  const isWhole = ({ partitions }: TopicInfo) => partitions.every(({ replicas, isr }) => isr.length === replicas.length)
  await until(async () => isWhole((await peer.client.topics([topic]))[0]!), `all replicas of ${topic} to be in sync`)
}

/** Who leads each partition, by its number. */
export async function leadersOf({ client }: ClusterPeer, topic: string): Promise<number[]> {
  const [info] = await client.topics([topic])
  return info!.partitions.map(({ leader }) => leader)
}

/** The next of its replicas leads it. The answer comes when the move was done. No data is copied, on either side. */
export async function moveLeader({ client }: ClusterPeer, topic: string, partition: number): Promise<void> {
  const [info] = await client.topics([topic])
  const { replicas, leader } = info!.partitions[partition]!
  const next = replicas[(replicas.indexOf(leader) + 1) % replicas.length]!
  const place = { topic, partition, replicas: [next, ...replicas.filter(id => id !== next)] }
  await client.reassign([place])
  await client.electPreferred([place])
  await until(
    async () => (await client.topics([topic]))[0]!.partitions[partition]!.leader === next,
    `broker ${next} to lead ${topic}-${partition}`,
  )
}

/** A broker that is away, and a leader that is being chosen, are no failures. */
export async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + patienceMs
  for (;;) {
    let why = ''
    try {
      if (await condition()) return
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      why = `: ${error.message}`
    }
    if (performance.now() > end) throw new Error(`waited ${patienceMs / 1000} s for ${what}${why}`)
    await pause(pollMs)
  }
}
