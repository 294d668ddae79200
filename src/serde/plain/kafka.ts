/**
 * Records of Kafka's internal topics, as JSON of the form that Kafka's own tools print: the kind or version, and its fields. Subscriptions and
 * assignments of consumers, which are bytes in there, are decoded, too.
 */
import { MalformedInput } from '../../base.ts'
import {
  type CoordinatorRecord,
  classicGroupRecords,
  consumerGroupRecords,
  consumerProtocol,
  decodeConsumerProtocol,
  decodeMetadataRecord,
  decodeRecordKey,
  decodeRecordValue,
  KafkaError,
  recordId,
  shareGroupRecords,
  shareStateRecords,
  streamsGroupRecords,
  transactionRecords,
} from '../../protocol.ts'
import { put } from '../budget.ts'
import { type Display, type Place, type SerdeDefinition, SerdeError } from '../types.ts'

const offsets = { ...classicGroupRecords, ...consumerGroupRecords, ...shareGroupRecords, ...streamsGroupRecords }

const kinds: Readonly<Record<string, ReadonlyMap<number, CoordinatorRecord>>> = {
  __consumer_offsets: byId(offsets),
  __transaction_state: byId(transactionRecords),
  __share_group_state: byId(shareStateRecords),
}
const metadataTopic = '__cluster_metadata'

function byId(records: Readonly<Record<string, unknown>>): ReadonlyMap<number, CoordinatorRecord> {
  return new Map((Object.values(records) as CoordinatorRecord[]).map(each => [each.id, each]))
}

export function isInternal(topic: string): boolean {
  return Object.hasOwn(kinds, topic) || topic === metadataTopic
}

export const kafka: SerdeDefinition = {
  name: 'kafka',
  summary: "records of Kafka's internal topics",
  open: () => ({
    decode(bytes, place) {
      try {
        return { value: decode(bytes, place), schema: null }
      } catch (error) {
        if (error instanceof MalformedInput || error instanceof KafkaError) throw new SerdeError(error.message, error)
        throw error
      }
    },
    encode() {
      throw new SerdeError("records of Kafka's internal topics cannot be written")
    },
  }),
}

function decode(bytes: Buffer, { topic, part, key }: Place): Display {
  if (topic === metadataTopic) {
    const { type, version, value } = decodeMetadataRecord(bytes)
    return { type, version, data: shown(value) }
  }
  const ofTopic = Object.hasOwn(kinds, topic) ? kinds[topic]! : null
  if (ofTopic === null) throw new SerdeError(`${topic} is not an internal topic whose records are known`)
  const keyBytes = part === 'key' ? bytes : (key ?? null)
  if (keyBytes === null) throw new SerdeError('a record without a key')
  const kind = ofTopic.get(recordId(keyBytes))
  if (kind === undefined) throw new SerdeError(`a record of the unknown kind ${recordId(keyBytes)}`)
  if (part === 'key') return { type: kind.id, name: kind.key.name.replace(/Key$/, ''), data: shown(decodeRecordKey(kind, bytes)) }
  const value = decodeRecordValue(kind, bytes) as Record<string, unknown>
  return { version: bytes.readInt16BE(), data: shown(kind === classicGroupRecords.groupMetadata ? withMembers(value) : value) }
}

/** A group of another protocol than that of consumers has bytes of its own there. */
function withMembers(value: Record<string, unknown>): Record<string, unknown> {
  if (value.protocolType !== 'consumer') return value
  const members = (value.members as Record<string, unknown>[]).map(member => ({
    ...member,
    subscription: consumers(consumerProtocol.subscription, member.subscription as Buffer),
    assignment: consumers(consumerProtocol.assignment, member.assignment as Buffer),
  }))
  return { ...value, members }
}

function consumers(message: (typeof consumerProtocol)[keyof typeof consumerProtocol], bytes: Buffer): unknown {
  if (bytes.length === 0) return null
  try {
    return decodeConsumerProtocol(message as typeof consumerProtocol.subscription, bytes)
  } catch (error) {
    if (error instanceof MalformedInput) return bytes
    throw error
  }
}

function shown(value: unknown): Display {
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value as Display
  const object: Record<string, Display> = {}
  for (const [name, each] of Object.entries(value)) put(object, name, shown(each))
  return object
}
