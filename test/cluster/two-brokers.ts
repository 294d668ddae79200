/**
 * For tests of the calls between brokers: two brokers in one process, each with a metadata log of its own that says the same: both have the same
 * topics, and each leads the partitions whose number is its id, unless the test says otherwise.
 */
import assert from 'node:assert/strict'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../sim/world/random.ts'
import { type FileSystem, memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Api, type InputOf, type MessageOf, type Uuid, zeroUuid } from '../../src/protocol.ts'
import { connect, type RawClient } from '../support/client.ts'

const internal = ['__consumer_offsets', '__transaction_state', '__share_group_state'] as const
/** The listener for clients. */
const clients = 'PLAINTEXT'

export class TwoBrokers {
  readonly listener: string
  topicId: Uuid = zeroUuid
  readonly #set: Record<string, string>
  readonly #files: readonly FileSystem[] = [memoryFileSystem(), memoryFileSystem()]
  readonly #running: (RunningBroker | null)[] = [null, null]
  /** Where the brokers reach each other. */
  readonly #ports = [1, 1]
  readonly #clients: RawClient[] = []
  /** Equal for both until they have their topics: so the ids are. */
  readonly #random = [seededRandom(1), seededRandom(1)]

  constructor(set: Record<string, string>) {
    this.#set = set
    this.listener = set['inter.broker.listener.name'] ?? clients
  }

  /** With the topic `t` of two partitions. */
  async start(): Promise<void> {
    for (const id of [0, 1]) {
      await this.#open(id)
      this.#random[id] = seededRandom(2)
      const { metadata } = this.broker(id)
      for (const name of internal) await metadata.ensureInternalTopic(name)
      await metadata.createTopics([{ name: 't', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }], false)
    }
    this.topicId = this.broker(0).metadata.topicId('t')!
    assert.equal(this.broker(1).metadata.topicId('t'), this.topicId)
    // From now on they differ: producers of both must not get the same ids.
    this.#random[1] = seededRandom(3)
    for (const id of [0, 1]) await this.reach(id, this.#ports[id]!)
    for (const topic of ['t', ...internal]) for (const partition of [0, 1]) await this.lead(topic, partition, partition)
  }

  async startBroker(id: number): Promise<void> {
    await this.#open(id)
    await this.reach(id, this.#ports[id]!)
  }

  async #open(id: number): Promise<void> {
    const set = {
      listeners: `${clients}://127.0.0.1:0`,
      'http.listen': 'none',
      'log.dirs': '/data',
      'node.id': String(id),
      'offsets.topic.num.partitions': '2',
      'transaction.state.log.num.partitions': '2',
      'share.coordinator.state.topic.num.partitions': '2',
      ...this.#set,
    }
    const random = {
      fill: (buffer: Uint8Array) => this.#random[id]!.fill(buffer),
      below: (bound: number) => this.#random[id]!.below(bound),
    }
    const running = await startBroker({
      system: { ...realSystem(this.#files[id]!), random },
      config: loadBrokerConfig({ set }),
      logger: silentLogger,
      onThisMachine: false,
      onFatal: assert.fail,
      clustered: true,
    })
    this.#running[id] = running
    this.#ports[id] = running.ports.get(this.listener)!
  }

  /** Where the others reach the broker; by default where it listens. */
  async reach(id: number, port = this.#ports[id]!): Promise<void> {
    const endpoints = new Map([[this.listener, { host: '127.0.0.1', port }]])
    for (const running of this.#running) {
      await running?.broker.metadata.registerBroker({ id, incarnation: zeroUuid, rack: null, fenced: false, endpoints })
    }
  }

  /** `leader`: -1 for nobody. */
  async lead(topic: string, partition: number, leader: number): Promise<void> {
    for (const running of this.#running) {
      if (running === null) continue
      const { metadata } = running.broker
      assert.deepEqual(await metadata.changePartitions([{ topicId: metadata.topicId(topic)!, partition, leader }]), [null])
    }
  }

  /** Where its metrics are, if `http.listen` says so. */
  httpPort(id: number): number | null {
    return this.#running[id]!.httpPort
  }

  broker(id: number): RunningBroker['broker'] {
    return this.#running[id]!.broker
  }

  /** Where the broker listens for the others. */
  port(id: number): number {
    return this.#ports[id]!
  }

  async stop(id: number): Promise<void> {
    const running = this.#running[id]
    this.#running[id] = null
    await running?.close()
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    for (const id of [0, 1]) await this.stop(id)
  }

  async client(id: number): Promise<RawClient> {
    const client = await connect(this.#running[id]!.ports.get(clients)!)
    this.#clients.push(client)
    return client
  }

  async call<A extends Api>(id: number, api: A, version: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const client = await this.client(id)
    try {
      return await client.request(api, version, request)
    } finally {
      client.close()
    }
  }

  /** A name that the broker coordinates. */
  nameAt(id: number, partitionFor: (name: string) => number): string {
    for (let number = 0; ; number++) if (partitionFor(`name-${number}`) % 2 === id) return `name-${number}`
  }
}

export async function startTwo(t: TestContext, set: Record<string, string> = {}): Promise<TwoBrokers> {
  const two = new TwoBrokers(set)
  t.after(() => two.close())
  await two.start()
  return two
}

/** Resolves when `done` returns something other than false. */
export async function eventually<T>(done: () => Promise<T | false> | T | false, attempts = 500): Promise<T> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const result = await done()
    if (result !== false) return result
    await sleep(20)
  }
  throw new Error('it did not happen')
}

/** Stands between the brokers. Returns its port; `cut`: how many answers are lost, with their connections. */
export async function proxyTo(t: TestContext, port: number, cut: { answers: number }): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    const far = connectSocket(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', data => far.write(data))
    let answers = 0
    far.on('data', data => {
      // The first tells the versions.
      if (answers++ > 0 && cut.answers > 0) {
        cut.answers--
        near.destroy()
      } else near.write(data)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}
