/** Types of PostgreSQL as schemas and values of records, as Debezium has them. */
import { type ConnectValue, DataError, Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'
import {
  binaryType,
  type ColumnType,
  dateType,
  decimalType,
  int64,
  parseDecimal,
  rescaled,
  timestampText,
  timestampType,
  timeText,
  timeType,
  zonedTime,
  zonedTimestamp,
} from '../change-data/modes.ts'
import { parseArray, parseHstore } from './arrays.ts'
import type { PostgresType } from './catalog.ts'
import type { Config } from './keys.ts'
import { daysOf, intervalMicros, intervalText, microsOfTime, microsOfTimestamp, microsOfZonedTime, parseInterval } from './times.ts'

type Made = Pick<ColumnType, 'schema' | 'read' | 'absent'> & Partial<Pick<ColumnType, 'unavailable'>>

const plainStrings: ReadonlySet<string> = new Set([
  ...['bpchar', 'varchar', 'text', 'name', 'char', 'citext', 'inet', 'cidr', 'macaddr', 'macaddr8', 'isbn', 'isbn13'],
  ...['tsrange', 'tstzrange', 'daterange', 'int4range', 'numrange', 'int8range'],
])

/** By the name of the type: the name of the schema of its text. */
const namedStrings: Readonly<Record<string, string>> = {
  json: 'io.debezium.data.Json',
  jsonb: 'io.debezium.data.Json',
  uuid: 'io.debezium.data.Uuid',
  xml: 'io.debezium.data.Xml',
  tsvector: 'io.debezium.data.Tsvector',
  ltree: 'io.debezium.data.Ltree',
}

const point: Schema = {
  type: 'struct',
  name: 'io.debezium.data.geometry.Point',
  version: 1,
  doc: 'Geometry (POINT)',
  fields: [
    { name: 'x', schema: { type: 'float64' } },
    { name: 'y', schema: { type: 'float64' } },
    { name: 'wkb', schema: { type: 'bytes', optional: true } },
    { name: 'srid', schema: { type: 'int32', optional: true } },
  ],
}

/** null: values of this type are left out. `modifier`: of the column, -1 if it has none. */
export function typeOf(type: PostgresType, modifier: number, config: Config): ColumnType | null {
  const made = madeOf(type, modifier, config)
  if (made === null) return null
  const placeholder = config['unavailable.value.placeholder']
  return { unavailable: unavailableFor(made.schema, placeholder), ...made }
}

const literal = /^(?:([BE]?)'((?:[^']|'')*)'|\(?(-?\d+(?:\.\d+)?)\)?|(true|false))(?:::[\w ".,()[\]]+)*$/

/** The default of a column, of its SQL; of an expression, as in Debezium, what stands for no value. undefined: there is none for this type. */
export function defaultOf(sql: string, { schema, read, absent }: ColumnType): ConnectValue | undefined {
  if (schema.type === 'array' || schema.type === 'map' || schema.type === 'struct') return undefined
  const match = literal.exec(sql)
  if (match === null) return absent
  const [, kind, quoted, number, boolean] = match
  const text = quoted?.replaceAll("''", "'")
  try {
    return read((kind === 'E' ? text?.replaceAll('\\\\', '\\') : text) ?? number ?? boolean!)
  } catch {
    return absent
  }
}

function madeOf(type: PostgresType, modifier: number, config: Config): Made | null {
  if (type.element !== null) return arrayOf(type.element, modifier, config)
  if (type.labels !== null) {
    const schema: Schema = { type: 'string', name: 'io.debezium.data.Enum', version: 1, parameters: { allowed: type.labels.join(',') } }
    return { schema, read: text => text, absent: type.labels[0] ?? '' }
  }
  if (plainStrings.has(type.name)) return { schema: { type: 'string' }, read: text => text, absent: '' }
  const schemaName = namedStrings[type.name]
  if (schemaName !== undefined)
    return { schema: { type: 'string', name: schemaName, version: 1 }, read: text => text, absent: /^json/.test(type.name) ? '{}' : '' }
  return number(type.name, modifier, config) ?? temporal(type.name, modifier, config) ?? other(type.name, modifier, config)
}

function number(name: string, modifier: number, config: Config): Made | null {
  const mode = config['decimal.handling.mode']
  switch (name) {
    case 'bool':
      return { schema: { type: 'boolean' }, read: text => text === 't' || text === 'true', absent: false }
    case 'int2':
      return { schema: { type: 'int16' }, read: Number, absent: 0 }
    case 'int4':
      return { schema: { type: 'int32' }, read: Number, absent: 0 }
    case 'int8':
    case 'oid':
      return { schema: { type: 'int64' }, read: BigInt, absent: 0n }
    case 'float4':
      return { schema: { type: 'float32' }, read: Number, absent: 0 }
    case 'float8':
      return { schema: { type: 'float64' }, read: Number, absent: 0 }
    case 'numeric': {
      const bits = modifier - 4
      // The scale is a signed number of 11 bits since PostgreSQL 15.
      return modifier < 4 ? decimalType(mode, 0, null) : decimalType(mode, (bits >> 16) & 0xffff, ((bits & 0x7ff) ^ 1024) - 1024)
    }
    case 'money': {
      const digits = config['money.fraction.digits']
      const plain = (text: string) => text.replace(/[^\d.-]/g, '')
      if (mode === 'string') return { schema: { type: 'string' }, read: plain, absent: '0' }
      if (mode === 'double') return { schema: { type: 'float64' }, read: text => Number(plain(text)), absent: 0 }
      return { schema: decimal(digits), read: text => rescaled(parseDecimal(plain(text)), digits), absent: new Decimal(0n, digits) }
    }
    default:
      return null
  }
}

function temporal(name: string, modifier: number, config: Config): Made | null {
  const mode = config['time.precision.mode']
  const digits = modifier < 0 ? 6 : modifier
  switch (name) {
    case 'date': {
      const { schema, of, absent } = dateType(mode)
      return { schema, read: text => of(daysOf(text)), absent }
    }
    case 'time': {
      const { schema, of, absent } = timeType(mode, digits)
      return { schema, read: text => of(microsOfTime(text)), absent }
    }
    case 'timestamp': {
      const { schema, of, absent } = timestampType(mode, digits)
      return { schema, read: text => of(microsOfTimestamp(text)), absent }
    }
    case 'timestamptz':
      return {
        schema: zonedTimestamp,
        read: text => (/infinity$/.test(text) ? text : `${timestampText(microsOfTimestamp(text), digits)}Z`),
        absent: '1970-01-01T00:00:00Z',
      }
    case 'timetz':
      return {
        schema: zonedTime,
        read: text => `${timeText(microsOfZonedTime(text))}Z`,
        absent: '00:00:00Z',
      }
    case 'interval':
      return config['interval.handling.mode'] === 'string'
        ? {
            schema: { type: 'string', name: 'io.debezium.time.Interval', version: 1 },
            read: text => intervalText(parseInterval(text)),
            absent: 'P0Y0M0DT0H0M0S',
          }
        : {
            schema: { type: 'int64', name: 'io.debezium.time.MicroDuration', version: 1 },
            read: text => int64(intervalMicros(parseInterval(text))),
            absent: 0n,
          }
    default:
      return null
  }
}

function other(name: string, modifier: number, config: Config): Made | null {
  const bytes = binaryType(config['binary.handling.mode'])
  switch (name) {
    case 'bytea':
      return { schema: bytes.schema, read: text => bytes.of(byteaOf(text)), absent: bytes.of(Buffer.alloc(0)) }
    case 'bit':
    case 'varbit':
      if (modifier === 1) return { schema: { type: 'boolean' }, read: text => text === '1', absent: false }
      return {
        schema: {
          type: 'bytes',
          name: 'io.debezium.data.Bits',
          version: 1,
          parameters: { length: String(modifier < 0 ? 2_147_483_647 : modifier) },
        },
        read: bitsOf,
        absent: Buffer.alloc(0),
      }
    case 'hstore': {
      if (config['hstore.handling.mode'] === 'json')
        return {
          schema: { type: 'string', name: 'io.debezium.data.Json', version: 1 },
          read: text => JSON.stringify(Object.fromEntries(parseHstore(text))),
          absent: '{}',
        }
      const placeholder = config['unavailable.value.placeholder']
      return {
        schema: { type: 'map', keys: { type: 'string' }, values: { type: 'string', optional: true } },
        read: text => new Map<ConnectValue, ConnectValue>(parseHstore(text)),
        absent: new Map(),
        unavailable: new Map([[placeholder, placeholder]]),
      }
    }
    case 'point':
      return { schema: point, read: pointOf, absent: pointOf('(0,0)') }
    case 'vector':
      return {
        schema: { type: 'array', name: 'io.debezium.data.DoubleVector', version: 1, items: { type: 'float64' } },
        read: text => text.slice(1, -1).split(',').map(Number),
        absent: [],
      }
    default:
      return config['include.unknown.datatypes']
        ? { schema: bytes.schema, read: text => bytes.of(Buffer.from(text)), absent: bytes.of(Buffer.alloc(0)) }
        : null
  }
}

function arrayOf(element: PostgresType, modifier: number, config: Config): Made | null {
  const item = typeOf(element, modifier, config)
  if (item === null || element.element !== null) return null
  return {
    schema: { type: 'array', items: { ...item.schema, optional: true } },
    read: text => parseArray(text).map(each => (each === null ? null : item.read(each))),
    absent: [],
  }
}

/** Debezium's stand-ins for values that were not sent, by what their type can hold. */
function unavailableFor({ type, name, items }: Schema, placeholder: string): ConnectValue {
  if (type === 'string') return placeholder
  if (name === logical.decimal || items?.name === logical.decimal) return null
  if (type === 'bytes') return Buffer.from(placeholder)
  if (type !== 'array' || items === undefined) return null
  const bytes = [...Buffer.from(placeholder)]
  if (items.type === 'string') return [placeholder]
  if (items.type === 'bytes') return [Buffer.from(placeholder)]
  if (items.type === 'int16' || items.type === 'int32') return bytes
  return items.type === 'int64' ? bytes.map(BigInt) : null
}

function byteaOf(text: string): Buffer {
  const bytes = Buffer.from(text.slice(2), 'hex')
  if (!text.startsWith('\\x') || bytes.length * 2 !== text.length - 2) throw new DataError('bytes are not in hexadecimal form')
  return bytes
}

/** The last bit is the lowest of the first byte; zeros above the highest bit are left out, as Java's BitSet does. */
function bitsOf(text: string): Buffer {
  const bits = text.replace(/^0+/, '')
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8))
  for (let index = 0; index < bits.length; index++) if (bits[bits.length - 1 - index] === '1') bytes[index >> 3]! |= 1 << (index & 7)
  return bytes
}

/** With its well-known binary form: little-endian, type 1. */
function pointOf(text: string): ConnectValue {
  const match = /^\(([^,()]+),([^,()]+)\)$/.exec(text)
  if (match === null) throw new RangeError('a value is no point')
  const [x, y] = [Number(match[1]), Number(match[2])]
  const wkb = Buffer.alloc(21)
  wkb.writeUInt8(1, 0)
  wkb.writeUInt32LE(1, 1)
  wkb.writeDoubleLE(x, 5)
  wkb.writeDoubleLE(y, 13)
  return struct([
    ['x', x],
    ['y', y],
    ['wkb', wkb],
    ['srid', null],
  ])
}
