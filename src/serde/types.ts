/** What a serde is, and what it works on. See `../serde.ts`. */
import type { MaybePromise } from '../base.ts'
import type { RegistryClient } from './registry-client.ts'

/**
 * A value as people see it and as JSON can hold it; integers beyond ±2^53 are bigints. Bytes inside a value are text, in the manner of each format.
 * Properties may be called `__proto__`: they are always own properties.
 */
export type Display = null | boolean | number | bigint | string | Display[] | { [name: string]: Display }

/** Names in {@link serdes}. */
export type SerdeName = 'avro' | 'jsonschema' | 'protobuf' | 'json' | 'text' | 'hex' | 'base64' | 'msgpack' | 'cbor' | 'kafka'

/** `plain` is for people. `confluent` is what Confluent's tools and REST proxy print: unions always with their type, 64-bit integers of protobuf as strings. */
export type Form = 'plain' | 'confluent'

/** Where bytes come from, or are going. */
export interface Place {
  readonly topic: string
  readonly part: 'key' | 'value'
  /** Of the record: Kafka's internal topics say there of what kind the value is. */
  readonly key?: Buffer | null | undefined
  /** Of the record: newer serializers put the schema's guid there. */
  readonly headers?: readonly { readonly key: Buffer; readonly value: Buffer | null }[] | undefined
  readonly form?: Form | undefined
}

/** Which schema a value was written with. */
export interface SchemaUsed {
  readonly type: string
  readonly id: number | null
  readonly guid: string | null
  /** The name of the record or message. */
  readonly name: string | null
}

export interface Decoded {
  readonly value: Display
  readonly schema: SchemaUsed | null
}

/** With which schema to encode. */
export interface SchemaChoice {
  /** Default: the subject named after the topic, `<topic>-key` or `<topic>-value`. */
  readonly subject?: string | undefined
  readonly version?: number | undefined
  readonly id?: number | undefined
  /** Of the message within a file of protobuf; default: the first one. */
  readonly message?: string | undefined
}

/** What serdes may use. */
export interface Resources {
  /** null: none is configured. */
  readonly registry: RegistryClient | null
}

/** Methods throw {@link SerdeError}; they return a promise only where a schema is still to be fetched, or a library to be loaded. */
export interface Serde {
  decode(bytes: Buffer, place: Place): MaybePromise<Decoded>
  encode(value: unknown, place: Place, schema: SchemaChoice): MaybePromise<Buffer>
}

/** What a file of a serde exports. */
export interface SerdeDefinition {
  readonly name: SerdeName
  /** For help texts. */
  readonly summary: string
  open(resources: Resources): Serde
}

/** Bytes that are not what they should be, or a value that does not fit; the message says where. */
export class SerdeError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'SerdeError'
  }
}
