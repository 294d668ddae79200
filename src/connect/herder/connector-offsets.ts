/** Offsets of connectors as the API has them: those of a sink are those of its consumer group, those of a source are in the offset store. */
import { type Client, ClientError } from '../../client.ts'
import { type ConnectValue, isStruct, type Struct } from '../../connector.ts'
import type { OffsetStore } from '../stores/offset-store.ts'
import { badRequest } from './errors.ts'

export interface ApiOffset {
  readonly partition: object
  readonly offset: object | null
}

/** As a request has them: every field is unknown. */
export interface GivenOffset {
  readonly partition: unknown
  readonly offset: unknown
}

interface SinkOffset {
  readonly topic: string
  readonly partition: number
  /** null: none. */
  readonly offset: bigint | null
}

/** Where they are. */
export interface OffsetPlaces {
  readonly client: Client
  readonly offsets: OffsetStore
}

export interface OffsetOwner {
  readonly name: string
  readonly kind: 'sink' | 'source'
  /** Of a sink. */
  readonly group: string
}

export async function shownOffsets({ client, offsets }: OffsetPlaces, { name, kind, group }: OffsetOwner): Promise<readonly ApiOffset[]> {
  if (kind === 'sink') return sinkOffsets(client, group)
  await offsets.catchUp()
  return offsets.offsets(name)
}

/** `given`: null forgets all. Throws HttpError 400. */
export async function changeOffsets(
  { client, offsets }: OffsetPlaces,
  { name, kind, group }: OffsetOwner,
  given: readonly GivenOffset[] | null,
): Promise<void> {
  if (kind === 'sink') return given === null ? resetSinkOffsets(client, group) : alterSinkOffsets(client, group, given)
  await offsets.catchUp()
  const changes =
    given === null ? offsets.offsets(name).map(({ partition }) => ({ partition, offset: null })) : given.map(parseSourceOffset)
  await offsets.write(name, changes)
}

async function sinkOffsets(client: Client, group: string): Promise<ApiOffset[]> {
  const found = await client.groupOffsets(group, 'classic').catch(ifMissing([]))
  return found.map(({ topic, partition, offset }) => ({
    partition: { kafka_topic: topic, kafka_partition: partition },
    offset: { kafka_offset: offset },
  }))
}

/** Throws HttpError 400. */
async function alterSinkOffsets(client: Client, group: string, given: readonly GivenOffset[]): Promise<void> {
  const wanted = given.map(parseSinkOffset)
  const kept = wanted.filter((each): each is SinkOffset & { offset: bigint } => each.offset !== null)
  const gone = wanted.filter(each => each.offset === null)
  try {
    await requireTopics(client, wanted)
    if (kept.length > 0) await client.commit(group, kept)
    if (gone.length > 0) await client.deleteGroupOffsets(group, gone).catch(ifMissing(undefined))
  } catch (error) {
    throw refused(error)
  }
}

/** Throws HttpError 400. */
async function resetSinkOffsets(client: Client, group: string): Promise<void> {
  await client.deleteGroup(group).catch(error => {
    if (error instanceof ClientError && error.code === 'GROUP_ID_NOT_FOUND') return
    throw refused(error)
  })
}

/** Of partitions that do not exist none can be read. */
async function requireTopics(client: Client, wanted: readonly SinkOffset[]): Promise<void> {
  const names = [...new Set(wanted.map(each => each.topic))]
  const counts = new Map((await client.topics(names)).map(({ name, partitions }) => [name, partitions.length]))
  for (const { topic, partition } of wanted)
    if (partition >= counts.get(topic)!) throw badRequest(`The topic ${topic} has no partition ${partition}`)
}

function refused(error: unknown): unknown {
  return error instanceof ClientError
    ? badRequest(
        `Failed to alter consumer group offsets: ${error.message}. Its tasks may not have stopped yet, or other consumers may be in the group.`,
      )
    : error
}

function ifMissing<T>(otherwise: T) {
  return (error: unknown): T => {
    if (error instanceof ClientError && (error.code === 'GROUP_ID_NOT_FOUND' || error.code === 'UNKNOWN_TOPIC_OR_PARTITION'))
      return otherwise
    throw error
  }
}

/** Numbers may be texts. Throws HttpError 400. */
function parseSinkOffset({ partition, offset }: GivenOffset): SinkOffset {
  if (!isRecord(partition)) throw badRequest('The partition for a sink connector offset cannot be null or missing')
  if (!('kafka_topic' in partition) || !('kafka_partition' in partition))
    throw badRequest("The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'")
  const { kafka_topic: topic, kafka_partition: number } = partition
  if (topic === null) throw badRequest('Kafka topic names must be valid strings and may not be null')
  if (number === null) throw badRequest('Kafka partitions must be valid numbers and may not be null')
  if (!/^\d{1,9}$/.test(String(number)))
    throw badRequest(
      `Failed to parse the following Kafka partition value in the provided offsets: '${number}'. Partition values for sink connectors need to be integers.`,
    )
  const place = { topic: String(topic), partition: Number(number) }
  if (offset === null) return { ...place, offset: null }
  if (!isRecord(offset) || !('kafka_offset' in offset))
    throw badRequest("The offset for a sink connector should either be null or contain the key 'kafka_offset'")
  const value = String(offset['kafka_offset'])
  if (!/^\d{1,19}$/.test(value) || BigInt(value) > 2n ** 63n - 1n)
    throw badRequest(
      `Failed to parse the following Kafka offset value in the provided offsets: '${value}'. Offset values for sink connectors need to be integers.`,
    )
  return { ...place, offset: BigInt(value) }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Throws HttpError 400. */
function parseSourceOffset({ partition, offset }: GivenOffset): { partition: Struct; offset: Struct | null } {
  if (!isStruct(partition as ConnectValue)) throw badRequest('The partition for a source connector offset must be an object')
  if (offset !== null && !isStruct(offset as ConnectValue)) throw badRequest('The offset for a source connector must be an object or null')
  return { partition: partition as Struct, offset: offset as Struct | null }
}
