/**
 * protocol: Kafka's wire format as TypeScript values.
 *
 * Hides the message definitions, the codecs compiled from them, the layout of record batches and their compression, and the error table.
 * Nothing in here keeps state or does I/O.
 */
export { apis } from './protocol/apis.ts'
export {
  decodeMessage,
  decodeRequest,
  decodeRequestHeader,
  decodeRequestInSteps,
  decodeResponse,
  decodeResponseHeader,
  encodeMessage,
  encodeRequest,
  encodeResponse,
  encodeResponseInSteps,
  type RequestHeader,
  readMessage,
  writeMessage,
} from './protocol/codec.ts'
export { type CompressionType, compressionIds, compressionNames, DecompressedTooLarge, decompress } from './protocol/compression.ts'
export { type Api, defineMessage, type Fields, type InputOf, type Message, type MessageOf } from './protocol/define.ts'
export { type ErrorName, errorCode, errorName, errorNames, errorText, isRetriable, KafkaError, toKafkaError } from './protocol/errors.ts'
export {
  type CoordinatorRecord,
  classicGroupRecords,
  consumerGroupRecords,
  consumerProtocol,
  controlRecords,
  decodeConsumerProtocol,
  decodeMetadataRecord,
  decodeRecordKey,
  decodeRecordValue,
  encodeMetadataRecord,
  encodeRecordKey,
  encodeRecordValue,
  encodeVersioned,
  type MetadataRecord,
  type MetadataRecordType,
  metadataRecords,
  recordId,
  recordIdOf,
  recordKeyOf,
  recordValueOf,
  shareGroupRecords,
  shareStateRecords,
  streamsGroupRecords,
  transactionRecords,
} from './protocol/internal-records.ts'
export * from './protocol/records.ts'
export { metadataTopicUuid, parseUuid, randomUuid, type Uuid, uuidFromBytes, uuidToBytes, zeroUuid } from './protocol/uuid.ts'

/** Of a record in a partition: a whole number from 0 on. */
export type Offset = number
