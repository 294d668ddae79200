/** The only place that names all serdes. */
import { cbor } from './plain/cbor.ts'
import { json } from './plain/json.ts'
import { kafka } from './plain/kafka.ts'
import { msgpack } from './plain/msgpack.ts'
import { base64, hex, text } from './plain/texts.ts'
import { avro } from './registered/avro.ts'
import { jsonschema } from './registered/json-schema.ts'
import { protobuf } from './registered/protobuf.ts'
import type { SerdeDefinition } from './types.ts'

export const serdes: readonly SerdeDefinition[] = [avro, jsonschema, protobuf, json, text, hex, base64, msgpack, cbor, kafka]
