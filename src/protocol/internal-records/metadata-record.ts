/** Records of the metadata log: a frame version (1), the kind and its version, each a varint, then the message. */
import { ByteReader, ByteWriter, MalformedInput } from '../../base.ts'
import { readMessage, writeMessage } from '../codec.ts'
import { defineMessage, type Fields, type InputOf, type Message, type MessageOf, type VersionRange } from '../define.ts'

export interface MetadataRecordType<F extends Fields = Fields> extends Message<F> {
  readonly id: number
}

export function defineMetadataRecord<F extends Fields>(spec: {
  id: number
  name: string
  versions: VersionRange
  flexible: VersionRange
  fields: F
}): MetadataRecordType<F> {
  return { id: spec.id, ...defineMessage(spec) }
}

const frameVersion = 1

export function encodeMetadataRecord<F extends Fields>(type: MetadataRecordType<F>, version: number, value: InputOf<F>): Buffer {
  const writer = new ByteWriter(128)
  writer.writeUvarint(frameVersion)
  writer.writeUvarint(type.id)
  writer.writeUvarint(version)
  writeMessage(type, version, writer, value)
  return writer.toBuffer()
}

/** A record of one of the given types: a union, discriminated by `type`. */
export type MetadataRecordOf<Types extends { readonly [name: string]: MetadataRecordType }> = {
  [K in keyof Types]: { type: K; version: number; value: MessageOf<Types[K]['fields']> }
}[keyof Types]

export function metadataRecordDecoder<Types extends { readonly [name: string]: MetadataRecordType }>(
  types: Types,
): (bytes: Buffer) => MetadataRecordOf<Types> {
  const names = new Map<number, string>(Object.entries(types).map(([name, type]) => [type.id, name]))
  return bytes => {
    const reader = new ByteReader(bytes)
    const frame = reader.readUvarint()
    if (frame !== frameVersion) throw new MalformedInput(`a metadata record has the frame version ${frame}`)
    const id = reader.readUvarint()
    const version = reader.readUvarint()
    const name = names.get(id)
    if (name === undefined) throw new MalformedInput(`there is no metadata record of kind ${id}`)
    const type = types[name]!
    if (version < type.minVersion || version > type.maxVersion) throw new MalformedInput(`${type.name} has no version ${version}`)
    const value = readMessage(type, version, reader)
    if (reader.remaining > 0) throw new MalformedInput(`${reader.remaining} bytes follow a ${type.name}`)
    return { type: name, version, value } as MetadataRecordOf<Types>
  }
}
