/** Avro with a schema of the registry. */
import { decodeAvro } from '../avro/decode.ts'
import { encodeAvro } from '../avro/encode.ts'
import { parseAvro } from '../avro/schema.ts'
import type { SerdeDefinition } from '../types.ts'
import { type Codec, memoized, openRegistered } from './codec.ts'

const typeOf = memoized(schema => parseAvro(schema.schema, [...schema.texts.values()]))

const avroCodec: Codec = {
  type: 'AVRO',
  decode(schema, { payload }, form) {
    const type = typeOf(schema)
    const bytes = payload.buffer.subarray(payload.offset)
    // Confluent's serializer writes bytes as they are, without Avro's length.
    if (type.kind === 'bytes') return { value: bytes.toString('latin1'), name: null }
    return { value: decodeAvro(type, bytes, form), name: 'name' in type ? type.name : null }
  },
  encode(schema, value, _choice, output) {
    const type = typeOf(schema)
    if (type.kind === 'bytes' && typeof value === 'string') output.raw(Buffer.from(value, 'latin1'))
    else encodeAvro(type, value, output)
  },
}

export const avro: SerdeDefinition = {
  name: 'avro',
  summary: 'Avro with a schema of the registry',
  open: resources => openRegistered(avroCodec, resources),
}
