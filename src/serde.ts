/**
 * serde: bytes of records to values that people and JSON can hold, and back: Avro, JSON Schema and Protobuf by schema registry, JSON, text, hexadecimal,
 * MessagePack, CBOR, and Kafka's internal topics.
 *
 * Hides the formats, Confluent's framing, the registry's API and its cache, and how bytes are recognized that nobody has described. The bytes and the schemas
 * may be anybody's: size, depth, time and memory of each value are bounded. A serde is one file that exports one definition; `serde/list.ts` names them.
 */
export { serdes } from './serde/list.ts'
export { openSerdes, type Serdes, type SerdesOptions, type Shown } from './serde/open.ts'
export { type Field as ProtobufField, type Message as ProtobufMessage, parseProtobuf } from './serde/protobuf/schema.ts'
export {
  openRegistryClient,
  type RegisteredSchema,
  type RegistryClient,
  type RegistryOptions,
  RegistryRefused,
  type SchemaReference,
} from './serde/registry-client.ts'
export { RegistryUnreachable } from './serde/registry-http.ts'
export { recordNameOf } from './serde/schema-name.ts'
export { type Display, type Form, type Place, type SchemaChoice, type SchemaUsed, SerdeError, type SerdeName } from './serde/types.ts'
