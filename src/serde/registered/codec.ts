/** What the three formats of a registry have in common: a frame in front of the bytes, and a schema that may have to be fetched. */
import { later, type MaybePromise } from '../../base.ts'
import type { Frame } from '../framing.ts'
import { readFrame, writePrefix } from '../framing.ts'
import { Output } from '../output.ts'
import type { RegisteredSchema, SchemaType } from '../registry-client.ts'
import { type Decoded, type Display, type Form, type Place, type Resources, type SchemaChoice, type Serde, SerdeError } from '../types.ts'

/** What a format does with a schema. Methods throw SerdeError. */
export interface Codec {
  readonly type: SchemaType
  /** `name` is that of the record or message, if it has one. */
  decode(schema: RegisteredSchema, frame: Frame, form: Form): { value: Display; name: string | null }
  /** Writes what follows the id. A promise only where something has to be loaded first. */
  encode(schema: RegisteredSchema, value: unknown, choice: SchemaChoice, output: Output): MaybePromise<void>
}

export function openRegistered(codec: Codec, { registry }: Resources): Serde {
  const need = () => {
    if (registry === null) throw new SerdeError('no schema registry is configured')
    return registry
  }
  return {
    decode(bytes, place) {
      const frame = readFrame(bytes, place)
      if (frame === null) throw new SerdeError('nothing says which schema these bytes have: they do not begin with 0 and a schema id')
      const client = need()
      const schema = frame.id === null ? client.byGuid(frame.guid!) : client.byId(frame.id)
      return later(schema, found => decodeWith(codec, found, frame, place))
    },
    encode(value, place, choice) {
      return encodeWith(codec, chosen(need(), place, choice), value, choice)
    },
  }
}

function decodeWith(codec: Codec, schema: RegisteredSchema, frame: Frame, { form }: Place): Decoded {
  if (schema.type !== codec.type) throw new SerdeError(`schema ${frame.id ?? frame.guid} is of type ${schema.type}, not ${codec.type}`)
  const { value, name } = codec.decode(schema, frame, form ?? 'plain')
  return { value, schema: { type: schema.type, id: frame.id ?? schema.id, guid: frame.guid ?? schema.guid, name } }
}

/** At once if schema and format allow it, so that records cost no promises. */
function encodeWith(codec: Codec, fetched: MaybePromise<RegisteredSchema>, value: unknown, choice: SchemaChoice): MaybePromise<Buffer> {
  return later(fetched, schema => {
    if (schema.type !== codec.type) throw new SerdeError(`the schema is of type ${schema.type}, not ${codec.type}`)
    if (schema.id === null) throw new SerdeError('the registry did not say which id the schema has')
    const output = new Output()
    writePrefix(schema.id, output)
    return later(codec.encode(schema, value, choice, output), () => output.toBuffer())
  })
}

function chosen(
  registry: NonNullable<Resources['registry']>,
  { topic, part }: Place,
  { id, subject, version }: SchemaChoice,
): MaybePromise<RegisteredSchema> {
  return id === undefined ? registry.bySubject(subject ?? `${topic}-${part}`, version) : registry.byId(id)
}

/** What is made of a schema, once, for as long as the schema is kept; also that it cannot be made. */
export function memoized<T>(make: (schema: RegisteredSchema) => T): (schema: RegisteredSchema) => T {
  const made = new WeakMap<RegisteredSchema, { value: T } | { problem: unknown }>()
  return schema => {
    let known = made.get(schema)
    if (known === undefined) {
      try {
        known = { value: make(schema) }
      } catch (error) {
        known = { problem: error }
      }
      made.set(schema, known)
    }
    if ('problem' in known) throw known.problem
    return known.value
  }
}
