/**
 * Which schema changes begin another file, and how a record of another version is written into one (Kafka Connect's SchemaProjector).
 *
 * `NONE`: every change begins another file. `BACKWARD` and `FULL`: a newer version does, an older record is brought to the file's schema. `FORWARD`: the
 * other way around.
 */
import { type ConnectValue, DataError, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { below } from './checked.ts'
import { sameSchema } from './same-schema.ts'

export type Compatibility = 'NONE' | 'BACKWARD' | 'FORWARD' | 'FULL'

/** Whether a record of this schema needs another file than one of the schema `file`. */
export function needsOtherFile(compatibility: Compatibility, file: Schema | null, record: Schema | null): boolean {
  if (sameSchema(file, record)) return false
  if (compatibility === 'NONE' || file === null || record === null) return true
  if (file.type !== record.type || file.name !== record.name) return true
  const [old, recent] = [file.version ?? 0, record.version ?? 0]
  return compatibility === 'FORWARD' ? recent < old : recent > old
}

/** The value of one schema as another has it. Throws DataError where that cannot be. */
export function projected(value: ConnectValue | undefined, from: Schema, to: Schema, at = ''): ConnectValue {
  if (value === null || value === undefined) return missing(to, at)
  if (from === to) return value
  if (from.type === 'struct' && to.type === 'struct' && isStruct(value)) return projectedStruct(value, from, to, at)
  if (from.type === 'array' && to.type === 'array' && Array.isArray(value))
    return value.map(each => projected(each, from.items!, to.items!, below(at, '[]')))
  if (from.type === 'map' && to.type === 'map' && value instanceof Map)
    return new Map(
      Array.from(value, ([key, each]) => [
        projected(key, from.keys!, to.keys!, below(at, 'key')),
        projected(each, from.values!, to.values!, below(at, 'value')),
      ]),
    )
  if (from.name === to.name && from.type === to.type) return value
  const [low, high] = [widths.indexOf(from.type), widths.indexOf(to.type)]
  if (from.name !== undefined || to.name !== undefined || low < 0 || high < low)
    throw new DataError(
      `${at === '' ? 'the value' : `field ${at}`} is ${from.name ?? from.type}, which does not become ${to.name ?? to.type}`,
    )
  if (to.type === 'int64') return BigInt(value as number | bigint)
  return Number(value)
}

const widths: readonly string[] = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64']

function projectedStruct(value: Struct, from: Schema, to: Schema, at: string): Struct {
  const known = new Map(from.fields!.map(field => [field.name, field.schema]))
  return struct(
    to.fields!.map(field => {
      const source = known.get(field.name)
      const name = below(at, field.name)
      return [field.name, source === undefined ? missing(field.schema, name) : projected(value[field.name], source, field.schema, name)]
    }),
  )
}

function missing(to: Schema, at: string): ConnectValue {
  if (to.default !== undefined && to.default !== null) return to.default
  if (to.optional === true) return null
  throw new DataError(`${at === '' ? 'the value' : `field ${at}`} is missing, and has no default`)
}
