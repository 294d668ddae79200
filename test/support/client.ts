/**
 * A minimal Kafka client, for tests that must see each byte and each close: one socket, requests by definition, raw bytes.
 */
import { connect as connectSocket, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Api,
  apis,
  decodeResponse,
  decodeResponseHeader,
  encodeRequest,
  errorName,
  forEachRecord,
  type InputOf,
  type MessageOf,
  type Uuid,
} from '../../src/protocol.ts'

export interface RawClient {
  readonly socket: Socket
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>
  readonly isClosed: boolean
  send(bytes: Uint8Array): void
  /** The next whole frame without its size; rejects when the connection ends first. */
  nextFrame(): Promise<Buffer>
  request<A extends Api>(api: A, version: number, message: InputOf<A['request']>): Promise<MessageOf<A['response']>>
  close(): void
}

/** `from`: another loopback address, to be another machine in the eyes of the broker. */
export async function connect(port: number, clientId: string | null = 'test', from = '127.0.0.1'): Promise<RawClient> {
  const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true, localAddress: from })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return new Client(socket, clientId)
}

/** Over a socket that is connected already, as one of TLS. */
export function rawClient(socket: Socket, clientId: string | null = 'test'): RawClient {
  return new Client(socket, clientId)
}

class Client implements RawClient {
  readonly socket: Socket
  readonly closed: Promise<void>
  isClosed = false
  readonly #clientId: string | null
  /** In pieces, because joining them with each piece would take long for a large answer. */
  #pieces: Buffer[] = []
  #receivedBytes = 0
  /** With its size, of the frame that is being received; 0: not known yet. */
  #frameBytes = 0
  #waiting: { resolve(frame: Buffer): void; reject(error: Error): void }[] = []
  #nextCorrelation = 1

  constructor(socket: Socket, clientId: string | null) {
    this.socket = socket
    this.#clientId = clientId
    socket.on('data', data => this.#take(data))
    // An ECONNRESET is a way to close; `close` follows.
    socket.on('error', () => {})
    this.closed = new Promise(resolve => socket.once('close', () => this.#ended(resolve)))
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  nextFrame(): Promise<Buffer> {
    const frame = this.#shift()
    if (frame !== null) return Promise.resolve(frame)
    if (this.isClosed) return Promise.reject(new Error('the broker closed the connection'))
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  async request<A extends Api>(api: A, version: number, message: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const correlationId = this.#nextCorrelation++
    this.send(requestBytes(api, version, message, correlationId, this.#clientId))
    const frame = await this.nextFrame()
    const header = decodeResponseHeader(frame, api, version)
    if (header.correlationId !== correlationId) throw new Error(`answer ${header.correlationId} to request ${correlationId}`)
    return decodeResponse(api, version, frame, header.end)
  }

  close(): void {
    this.socket.destroy()
  }

  #take(data: Buffer): void {
    this.#pieces.push(data)
    this.#receivedBytes += data.length
    while (this.#waiting.length > 0) {
      const frame = this.#shift()
      if (frame === null) return
      this.#waiting.shift()!.resolve(frame)
    }
  }

  #shift(): Buffer | null {
    if (this.#receivedBytes < Math.max(4, this.#frameBytes)) return null
    const received = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    this.#pieces = [received]
    this.#frameBytes = 4 + received.readInt32BE(0)
    if (received.length < this.#frameBytes) return null
    const frame = received.subarray(4, this.#frameBytes)
    this.#pieces = [received.subarray(this.#frameBytes)]
    this.#receivedBytes -= this.#frameBytes
    this.#frameBytes = 0
    return frame
  }

  #ended(resolve: () => void): void {
    this.isClosed = true
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the broker closed the connection'))
    resolve()
  }
}

/** The frame with its size, in one piece. */
export function requestBytes<A extends Api>(
  api: A,
  version: number,
  message: InputOf<A['request']>,
  correlationId = 1,
  clientId: string | null = 'test',
): Buffer {
  return Buffer.concat(encodeRequest(api, version, { correlationId, clientId }, message).buffers)
}

/** Creates a topic and returns its id. */
export async function createTopic(client: RawClient, name: string, partitions = 1, configs: Record<string, string> = {}): Promise<Uuid> {
  const response = await client.request(apis.createTopics, 7, {
    topics: [
      {
        name,
        numPartitions: partitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  const [topic] = response.topics
  if (topic === undefined || topic.errorCode !== 0) throw new Error(`create ${name}: ${topic?.errorCode} ${topic?.errorMessage}`)
  return topic.topicId
}

/** What a coordinator may be asked for: `FindCoordinatorRequest.CoordinatorType`. */
export const coordinates = { group: 0, transaction: 1, share: 2 } as const

export interface Address {
  host: string
  port: number
}

/** Asks who coordinates until somebody does: the first question makes the internal topic. */
export async function findCoordinator(client: RawClient, key: string, keyType: number = coordinates.group): Promise<Address> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const { coordinators } = await client.request(apis.findCoordinator, keyType === coordinates.share ? 6 : 4, {
      keyType,
      coordinatorKeys: [key],
    })
    const { errorCode, host, port } = coordinators[0]!
    if (errorCode === 0) return { host, port }
    await sleep(20)
  }
  throw new Error(`nobody coordinates ${key}`)
}

export interface ProduceAnswer {
  errorCode: number
  baseOffset: number
}

export async function produce(
  client: RawClient,
  topic: string,
  records: Buffer,
  {
    partition = 0,
    acks = -1,
    version = 9,
    transactionalId = null,
  }: { partition?: number; acks?: number; version?: number; transactionalId?: string | null } = {},
): Promise<ProduceAnswer> {
  const response = await client.request(apis.produce, version, {
    transactionalId,
    acks,
    timeoutMs: 10_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  })
  const { errorCode, baseOffset } = response.responses[0]!.partitionResponses[0]!
  return { errorCode, baseOffset: Number(baseOffset) }
}

export async function fetchRecords(
  client: RawClient,
  topic: string,
  fetchOffset: number,
  { partition = 0, maxWaitMs = 0, maxBytes = 2 ** 20 }: { partition?: number; maxWaitMs?: number; maxBytes?: number } = {},
): Promise<{ errorCode: number; highWatermark: number; records: Buffer }> {
  const response = await client.request(apis.fetch, 11, {
    maxWaitMs,
    minBytes: maxWaitMs > 0 ? 1 : 0,
    maxBytes,
    isolationLevel: 0,
    topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: maxBytes }] }],
    forgottenTopicsData: [],
  })
  const answer = response.responses[0]!.partitions[0]!
  return { errorCode: answer.errorCode, highWatermark: Number(answer.highWatermark), records: answer.records ?? Buffer.alloc(0) }
}

/** All values of a partition, at its leader. */
export async function fetchValues(client: RawClient, topic: string, partition: number): Promise<string[]> {
  const values: string[] = []
  for (let next = 0; ; ) {
    const { records, highWatermark, errorCode } = await fetchRecords(client, topic, next, { partition })
    if (errorCode !== 0) throw new Error(`fetch from ${topic}-${partition}: ${errorName(errorCode)}`)
    forEachRecord(records, ({ offset, value }) => {
      if (offset >= next) values.push(String(value))
      next = offset + 1
      return true
    })
    if (next >= highWatermark) return values
  }
}
