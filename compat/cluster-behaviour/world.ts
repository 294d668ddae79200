/** Three brokers over a real PostgreSQL and MinIO, and how to ask one of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, apis, errorName, type InputOf, type MessageOf, type Uuid, zeroUuid } from '../../src/protocol.ts'
import { connect, type RawClient } from '../../test/support/client.ts'
import { unique } from '../support/kit.ts'
import { makeCertificates } from '../support/secured.ts'
import { type Stores, startStores } from '../support/stores.ts'
import { StartedBroker, type Told } from './broker.ts'

const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
/** What brokers may do: no more than docs/security.md says that they need. */
const brokerUser = 'User:broker'

/** What differs from the defaults: logins and permissions, so that they can be judged, and nothing that makes anything faster. */
const settings = (directory: string) => ({
  'default.replication.factor': '3',
  'sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.sasl.plain.sasl.jaas.config': `${plain} user_admin="admin-secret" user_alice="alice-secret";`,
  'sasl.mechanism.inter.broker.protocol': 'PLAIN',
  'listener.name.internal.plain.sasl.jaas.config': `${plain} username="broker" password="broker-secret" user_broker="broker-secret";`,
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.location': join(directory, 'server.both.pem'),
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.location': join(directory, 'ca.pem'),
  'delegation.token.secret.key': 'behaviour-secret',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS;User:admin',
})

/** Answers as an EC2 instance does. */
async function instanceOf(env: Readonly<Record<string, string>>): Promise<{ url: string; close(): void }> {
  const keys = { AccessKeyId: env['AWS_ACCESS_KEY_ID'], SecretAccessKey: env['AWS_SECRET_ACCESS_KEY'] }
  const server = createServer(({ url = '' }, response) => {
    if (url === '/latest/api/token') response.end('token')
    else if (url.endsWith('/security-credentials/')) response.end('role')
    else response.end(JSON.stringify({ ...keys, Expiration: new Date(Date.now() + 3_600_000).toISOString() }))
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() }
}

export interface PartitionView {
  readonly partition: number
  readonly leader: number
  readonly epoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

/** What a client learns from one broker. */
export interface View {
  readonly brokers: ReadonlyMap<number, { readonly port: number; readonly rack: string | null }>
  readonly controller: number
  readonly topics: ReadonlyMap<string, { readonly id: Uuid; readonly error: string; readonly partitions: readonly PartitionView[] }>
}

export class World {
  readonly stores: Stores
  readonly brokers = new Map<number, StartedBroker>()
  /** How those that were started first came up. */
  readonly starts: { early: boolean; ready: boolean }[] = []
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-behaviour-'))

  static async open(start: () => Promise<Stores> = startStores): Promise<World> {
    const stores = await start()
    const world = new World(stores, await instanceOf(stores.env))
    try {
      await makeCertificates(world.directory, 'nobody')
      for (const [index, told] of (['flags', 'file', 'environment'] as const).entries()) {
        const broker = await world.prepare(index + 1, told)
        world.starts.push(await broker.start())
        if (index === 0) await world.#letBrokersAct()
      }
      return world
    } catch (error) {
      await world.close()
      throw error
    }
  }

  readonly #instance: { readonly url: string; close(): void }

  private constructor(stores: Stores, instance: { readonly url: string; close(): void }) {
    this.stores = stores
    this.#instance = instance
  }

  async #letBrokersAct(): Promise<void> {
    const [cluster, action, allow, literal] = [4, 9, 3, 3]
    const resource = { resourceType: cluster, resourceName: 'kafka-cluster', resourcePatternType: literal }
    const acl = { ...resource, principal: brokerUser, host: '*', operation: action, permissionType: allow }
    const { results } = await this.ask(1, apis.createAcls, 3, { creations: [acl] })
    same(errorName(results[0]!.errorCode), 'NONE', 'CreateAcls')
  }

  /** Not started yet. */
  async prepare(id: number, told: Told = 'flags'): Promise<StartedBroker> {
    const broker = await this.prepareOther(id, told)
    this.brokers.set(id, broker)
    return broker
  }

  /** That is not in the list: one without an id, or with somebody else's. */
  prepareOther(id: number | null, told: Told = 'flags'): Promise<StartedBroker> {
    const { directory, stores } = this
    return StartedBroker.prepare({ stores, directory, id, told, settings: settings(directory), instance: this.#instance.url })
  }

  broker(id: number): StartedBroker {
    return this.brokers.get(id)!
  }

  ask<A extends Api>(
    id: number,
    api: A,
    version: number,
    message: InputOf<A['request']>,
    patienceMs?: number,
  ): Promise<MessageOf<A['response']>> {
    return ask(this.broker(id).port, api, version, message, patienceMs)
  }

  /** As broker `id` tells it. */
  async view(id: number, topics: readonly string[] | null = null): Promise<View> {
    const asked = topics === null ? null : topics.map(name => ({ topicId: zeroUuid, name }))
    const request = { topics: asked, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }
    const answer = await this.ask(id, apis.metadata, 12, request)
    return {
      brokers: new Map(answer.brokers.map(({ nodeId, port, rack }) => [nodeId, { port, rack }])),
      controller: answer.controllerId,
      topics: new Map(
        answer.topics.map(({ name, topicId, errorCode, partitions }) => [
          name!,
          { id: topicId, error: errorName(errorCode), partitions: partitions.map(viewOf).sort((a, b) => a.partition - b.partition) },
        ]),
      ),
    }
  }

  async partitions(id: number, topic: string): Promise<readonly PartitionView[]> {
    return (await this.view(id, [topic])).topics.get(topic)!.partitions
  }

  /** Its error, or NONE. */
  async createTopic(
    id: number,
    name: string,
    {
      partitions = -1,
      factor = -1,
      assignments = [] as readonly (readonly number[])[],
      configs = {} as Readonly<Record<string, string>>,
    } = {},
  ): Promise<string> {
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor: factor,
      assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    }
    const { topics } = await this.ask(id, apis.createTopics, 7, { topics: [topic], timeoutMs: 10_000, validateOnly: false }, 10_000)
    return errorName(topics[0]!.errorCode)
  }

  /** A topic with three replicas, one partition for each broker to lead. */
  async spread(): Promise<string> {
    const topic = unique('spread')
    const assignments = [
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
    ]
    same(await this.createTopic(1, topic, { assignments }), 'NONE', 'CreateTopics')
    for (const id of this.brokers.keys())
      await eventually(`broker ${id} knows ${topic}`, 1_000, async () => (await this.partitions(id, topic)).length === 3)
    return topic
  }

  /** All have a session, and know of each other. */
  async settled(withinMs = 20_000): Promise<void> {
    const ids = [...this.brokers.keys()].sort()
    await eventually('all brokers serve and know each other', withinMs, async () => {
      for (const id of ids) {
        const why = await this.broker(id).unready()
        if (why !== null) throw new Error(`broker ${id}: ${why}`)
        const seen = [...(await this.view(id, [])).brokers.keys()].sort()
        if (String(seen) !== String(ids)) throw new Error(`broker ${id} sees ${seen}`)
      }
      return true
    })
  }

  /** After a case that did not end as it should. */
  async recover(): Promise<void> {
    for (const { ways } of this.brokers.values()) {
      ways.postgres.heal()
      ways.objects.heal()
    }
    for (const broker of this.brokers.values()) {
      if (broker.runs) broker.signal('SIGCONT')
      else await broker.start()
    }
    await this.settled()
  }

  async close(): Promise<void> {
    for (const broker of this.brokers.values()) await broker.remove()
    await this.stores.remove()
    this.#instance.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function viewOf(each: {
  partitionIndex: number
  leaderId: number
  leaderEpoch: number
  replicaNodes: readonly number[]
  isrNodes: readonly number[]
}): PartitionView {
  const { partitionIndex: partition, leaderId: leader, leaderEpoch: epoch, replicaNodes: replicas, isrNodes: isr } = each
  return { partition, leader, epoch, replicas, isr }
}

/** One request on a connection of its own. The time-out is that of an impatient client. */
export async function ask<A extends Api>(
  port: number,
  api: A,
  version: number,
  message: InputOf<A['request']>,
  patienceMs = 1_000,
): Promise<MessageOf<A['response']>> {
  const client = await within(patienceMs, connect(port))
  try {
    return await within(patienceMs, client.request(api, version, message))
  } finally {
    client.close()
  }
}

/** On the listener with logins. */
export async function login(port: number, user: 'admin' | 'alice'): Promise<RawClient> {
  const client = await within(1_000, connect(port))
  await client.request(apis.saslHandshake, 1, { mechanism: 'PLAIN' })
  const { errorCode } = await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from(`\0${user}\0${user}-secret`) })
  expect(errorCode === 0, `the login failed: ${errorName(errorCode)}`)
  return client
}

export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${ms} ms`)), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
    work.catch(() => {}) // it may fail later
  }
}

/** How many milliseconds it took until it was so. What is thrown counts as no. */
export async function eventually(what: string, withinMs: number, isSo: () => boolean | Promise<boolean>): Promise<number> {
  const began = performance.now()
  let last = ''
  for (;;) {
    try {
      if (await isSo()) return performance.now() - began
      last = ''
    } catch (error) {
      last = `: ${(error as Error).message}`
    }
    if (performance.now() - began > withinMs) throw new Error(`not within ${withinMs} ms: ${what}${last}`)
    await sleep(25)
  }
}

export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what)
}

export function same(found: unknown, wanted: unknown, what: string): void {
  expect(JSON.stringify(found) === JSON.stringify(wanted), `${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`)
}

/** For the detail of a case. */
export const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
