/** Protobuf with a schema of the registry. The parser is a library that is loaded when first used. */
import type { Frame } from '../framing.ts'
import { readIndexes, writeIndexes } from '../framing.ts'
import { decodeProtobuf } from '../protobuf/decode.ts'
import { encodeProtobuf } from '../protobuf/encode.ts'
import { parseProtobuf } from '../protobuf/schema.ts'
import type { RegisteredSchema } from '../registry-client.ts'
import type { SerdeDefinition } from '../types.ts'
import { type Codec, memoized, openRegistered } from './codec.ts'

const fileOf = memoized((schema: RegisteredSchema) => parseProtobuf(schema.schema, schema.texts))

const protobufCodec: Codec = {
  type: 'PROTOBUF',
  decode(schema, { after, payload }: Frame, form) {
    const indexes = readIndexes(after)
    const file = fileOf(schema)
    const message = file.message(indexes)
    return { value: decodeProtobuf(file, message, payload.buffer.subarray(payload.offset), form), name: message.name }
  },
  encode(schema, value, choice, output) {
    const file = fileOf(schema)
    const { message, indexes } = choice.message === undefined ? { message: file.message([0]), indexes: [0] } : file.find(choice.message)
    writeIndexes(indexes, output)
    output.raw(encodeProtobuf(file, message, value))
  },
}

export const protobuf: SerdeDefinition = {
  name: 'protobuf',
  summary: 'Protobuf with a schema of the registry',
  open: resources => openRegistered(protobufCodec, resources),
}
