/**
 * Definitions of the messages that Kafka stores in internal topics and group protocols, and how each is prefixed with its type and version.
 * Tools that read these topics of a real Kafka must be able to read ours.
 */
import { ByteReader, MalformedInput } from '../base.ts'
import { readMessage } from './codec.ts'
import type { Fields, Message, MessageOf } from './define.ts'
import { metadataRecords } from './internal-records/metadata.ts'
import { type MetadataRecordOf, metadataRecordDecoder } from './internal-records/metadata-record.ts'

export { classicGroupRecords } from './internal-records/classic-group.ts'
export { consumerGroupRecords } from './internal-records/consumer-group.ts'
export { consumerProtocol } from './internal-records/consumer-protocol.ts'
export { controlRecords } from './internal-records/control.ts'
export {
  type CoordinatorRecord,
  decodeRecordKey,
  decodeRecordValue,
  encodeRecordKey,
  encodeRecordValue,
  encodeVersioned,
  recordId,
  recordIdOf,
  recordKeyOf,
  recordValueOf,
} from './internal-records/coordinator-record.ts'
export { encodeMetadataRecord, type MetadataRecordType } from './internal-records/metadata-record.ts'
export { shareGroupRecords } from './internal-records/share-group.ts'
export { shareStateRecords } from './internal-records/share-state.ts'
export { streamsGroupRecords } from './internal-records/streams-group.ts'
export { transactionRecords } from './internal-records/transaction-log.ts'
export { metadataRecords }

/** A record of the metadata log; `type` is the name in {@link metadataRecords}. */
export type MetadataRecord = MetadataRecordOf<typeof metadataRecords>

export const decodeMetadataRecord: (bytes: Buffer) => MetadataRecord = metadataRecordDecoder(metadataRecords)

/**
 * A subscription or an assignment of a consumer; `encodeVersioned` makes one. A version from the future is read as the newest one known, since
 * fields are only ever added to these at the end.
 */
export function decodeConsumerProtocol<F extends Fields>(message: Message<F>, bytes: Buffer): MessageOf<F> {
  const reader = new ByteReader(bytes)
  const version = reader.readInt16()
  if (version < message.minVersion) throw new MalformedInput(`${message.name} has no version ${version}`)
  return readMessage(message, Math.min(version, message.maxVersion), reader)
}
