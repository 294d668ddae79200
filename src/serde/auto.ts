/**
 * Which serde bytes are of, where nobody says.
 *
 * What the bytes declare counts first: an internal topic, a schema. Otherwise the first format that explains all of them, from the least to the most
 * tolerant. A number or a word is JSON only if it is written as JSON would write it, so that the text `1e5` is not shown as 100000.
 */
import { isUtf8 } from 'node:buffer'
import { later, type MaybePromise, stringifyLossless } from '../base.ts'
import { readFrame } from './framing.ts'
import { isInternal } from './plain/kafka.ts'
import type { RegistryClient } from './registry-client.ts'
import { type Decoded, type Place, type Serde, SerdeError, type SerdeName } from './types.ts'

export interface Choice extends Decoded {
  readonly serde: SerdeName
}

/** Throws SerdeError with the reason why nothing explains the bytes. */
export function decodeAuto(
  bytes: Buffer,
  place: Place,
  registry: RegistryClient | null,
  open: (name: SerdeName) => Serde,
): MaybePromise<Choice> {
  const by = (serde: SerdeName): MaybePromise<Choice> => later(open(serde).decode(bytes, place), decoded => ({ serde, ...decoded }))
  if (isInternal(place.topic)) return by('kafka')
  const frame = readFrame(bytes, place)
  if (frame !== null) {
    const what = frame.id === null ? `a header names schema ${frame.guid}` : `the bytes begin as those of schema ${frame.id}`
    if (registry === null) throw new SerdeError(`${what}, but no schema registry is configured`)
    const schema = frame.id === null ? registry.byGuid(frame.guid!) : registry.byId(frame.id)
    return later(schema, ({ type }) => {
      const serde = serdeOf[type]
      if (serde === undefined) throw new SerdeError(`${what}, which is of the unknown type ${type}`)
      return by(serde)
    })
  }
  return plain(bytes, place, open)
}

const serdeOf: Readonly<Record<string, SerdeName | undefined>> = { AVRO: 'avro', JSON: 'jsonschema', PROTOBUF: 'protobuf' }

function plain(bytes: Buffer, place: Place, open: (name: SerdeName) => Serde): Choice {
  const tried = (serde: SerdeName): Choice | null => {
    try {
      return { serde, ...(open(serde).decode(bytes, place) as Decoded) }
    } catch (error) {
      if (error instanceof SerdeError) return null
      throw error
    }
  }
  if (isText(bytes)) {
    const found = mayBeJson(bytes) ? tried('json') : null
    return found !== null && isExact(found, bytes) ? found : tried('text')!
  }
  // Single bytes and numbers would explain anything.
  for (const serde of ['msgpack', 'cbor'] as const) {
    const found = tried(serde)
    if (found !== null && typeof found.value === 'object' && found.value !== null && Object.keys(found.value).length > 0) return found
  }
  throw new SerdeError('the bytes are no text, and of no known format')
}

function isText(bytes: Buffer): boolean {
  // Control characters other than tab, line feed and carriage return.
  return isUtf8(bytes) && !bytes.some(byte => byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13)
}

function mayBeJson(bytes: Buffer): boolean {
  return /^\s*["{[\d\-tfn]/.test(bytes.toString('latin1', 0, 64))
}

function isExact({ value }: Choice, bytes: Buffer): boolean {
  return (typeof value === 'object' && value !== null) || stringifyLossless(value) === bytes.toString('utf8').trim()
}
