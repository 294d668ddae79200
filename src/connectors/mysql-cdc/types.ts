/** Types of MySQL and MariaDB as schemas and values of records, as Debezium has them. By the names that both have for types. */
import { type ConnectValue, DataError, Decimal, decimal, type Schema } from '../../connector.ts'
import {
  binaryType,
  type ColumnType,
  dateType,
  daysFrom,
  decimalType,
  int64,
  timestampText,
  timestampType,
  timeType,
  zonedTimestamp,
} from '../change-data/modes.ts'
import type { Default } from './catalog.ts'
import { jsonbText } from './jsonb.ts'
import type { Config } from './keys.ts'

/** What the driver and the reader of the binlog make of values: large numbers, decimals and times are text. */
export type Raw = string | number | Buffer

type Made = Omit<ColumnType<Raw>, 'unavailable'>

const text = (raw: Raw) => (Buffer.isBuffer(raw) ? raw.toString() : String(raw))
const binaries = /^(?:binary|varbinary|tinyblob|blob|mediumblob|longblob|vector)$/
const strings = /^(?:char|varchar|tinytext|text|mediumtext|longtext|uuid|inet4|inet6)$/

/** `columnType`: in lower case, such as `int(11) unsigned`, `enum('a','b')`, `datetime(6)`. null: values of this type are left out. */
export function typeOf(columnType: string, config: Config): ColumnType<Raw> | null {
  const name = /^[a-z0-9]+/.exec(columnType)?.[0] ?? ''
  const inner = /\((.*)\)/s.exec(columnType)?.[1] ?? ''
  const isUnsigned = columnType.includes(' unsigned')
  const made = number(name, inner, isUnsigned, config) ?? temporal(name, inner, config) ?? other(name, inner, config)
  return made === null ? null : { ...made, unavailable: null }
}

const bitLiteral = /^b'([01]+)'$/

/** undefined: there is none. Of an expression it is what stands for no value, as in PostgreSQL's. */
export function defaultOf(preset: Default | null, { schema, read, absent }: ColumnType<Raw>): ConnectValue | undefined {
  const isBinary = schema.type === 'bytes' && schema.name === undefined
  if (preset === null || isBinary) return undefined
  if (preset.text === null) return absent
  const bits = bitLiteral.exec(preset.text)?.[1]
  try {
    return read(bits === undefined ? preset.text : Buffer.from(BigInt(`0b${bits}`).toString(16).padStart(16, '0'), 'hex'))
  } catch {
    return absent
  }
}

function number(name: string, inner: string, isUnsigned: boolean, config: Config): Made | null {
  const small = (type: 'int16' | 'int32'): Made => ({ schema: { type }, read: Number, absent: 0 })
  const large: Made = { schema: { type: 'int64' }, read: raw => BigInt(text(raw)), absent: 0n }
  switch (name) {
    case 'tinyint':
      return small('int16')
    case 'smallint':
      return small(isUnsigned ? 'int32' : 'int16')
    case 'mediumint':
      return small('int32')
    case 'int':
    case 'integer':
      return isUnsigned ? large : small('int32')
    case 'bigint':
      if (!isUnsigned) return large
      if (config['bigint.unsigned.handling.mode'] === 'precise')
        return { schema: decimal(0), read: raw => new Decimal(BigInt(text(raw)), 0), absent: new Decimal(0n, 0) }
      return { ...large, read: raw => int64(BigInt(text(raw)), '; bigint.unsigned.handling.mode=precise takes it') }
    case 'float':
      return { schema: { type: 'float32' }, read: raw => Math.fround(Number(raw)), absent: 0 }
    case 'double':
      return { schema: { type: 'float64' }, read: Number, absent: 0 }
    case 'decimal': {
      const [precision = 10, scale = 0] = inner.split(',').map(Number)
      const { schema, read, absent } = decimalType(config['decimal.handling.mode'], precision, scale)
      return { schema, read: raw => read(text(raw)), absent }
    }
    default:
      return null
  }
}

const datePattern = /^(\d{4})-(\d\d)-(\d\d)$/
const timePattern = /^(-?)(\d{1,3}):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/

/** Since 1970. Throws RangeError, also for MySQL's dates that are none, such as 0000-00-00. */
function daysOf(date: string): number {
  const match = datePattern.exec(date)
  if (match === null || match[2] === '00' || match[3] === '00') throw new RangeError(`"${date}" is no date`)
  return daysFrom(Number(match[1]), Number(match[2]), Number(match[3]))
}

function microsOfTime(time: string): bigint {
  const match = timePattern.exec(time)
  if (match === null) throw new RangeError(`"${time}" is no time`)
  let [hour, minute, second] = [Number(match[2]), Number(match[3]), Number(match[4])]
  // The reader of the binlog (@vlasky/zongji 0.9.0) carries at 64 where a time below zero has no seconds: it says -12:29:64 for -12:30:00.
  if (second === 64) {
    second = 0
    minute++
  }
  if (minute === 64) {
    minute = 0
    hour++
  }
  const seconds = hour * 3_600 + minute * 60 + second
  const micros = BigInt(seconds) * 1_000_000n + BigInt((match[5] ?? '').padEnd(6, '0'))
  return match[1] === '-' ? -micros : micros
}

function microsOf(datetime: string): bigint {
  const [date = '', time = ''] = datetime.split(' ')
  return BigInt(daysOf(date)) * 86_400_000_000n + microsOfTime(time)
}

function temporal(name: string, inner: string, config: Config): Made | null {
  const mode = config['time.precision.mode']
  const digits = Number(inner)
  switch (name) {
    case 'date': {
      const { schema, of, absent } = dateType(mode)
      return { schema, read: raw => of(daysOf(text(raw))), absent }
    }
    case 'time': {
      const { schema, of, absent } = timeType(mode, digits)
      return { schema, read: raw => of(microsOfTime(text(raw))), absent }
    }
    case 'datetime': {
      const { schema, of, absent } = timestampType(mode, digits)
      return { schema, read: raw => of(microsOf(text(raw))), absent }
    }
    case 'timestamp':
      return { schema: zonedTimestamp, read: raw => `${timestampText(microsOf(text(raw)), digits)}Z`, absent: '1970-01-01T00:00:00Z' }
    case 'year':
      return { schema: { type: 'int32', name: 'io.debezium.time.Year', version: 1 }, read: Number, absent: 1970 }
    default:
      return null
  }
}

function other(name: string, inner: string, config: Config): Made | null {
  const bytes = binaryType(config['binary.handling.mode'])
  if (strings.test(name)) return { schema: { type: 'string' }, read: text, absent: '' }
  if (binaries.test(name)) return { schema: bytes.schema, read: raw => bytes.of(bufferOf(raw)), absent: bytes.of(Buffer.alloc(0)) }
  switch (name) {
    case 'json':
      return {
        schema: { type: 'string', name: 'io.debezium.data.Json', version: 1 },
        // In the binlog of MySQL it is binary; what the server sends is text, and so is MariaDB's.
        read: raw => (Buffer.isBuffer(raw) ? jsonbText(raw) : text(raw)),
        absent: '{}',
      }
    case 'enum':
    case 'set': {
      const labels = labelsOf(inner)
      const schema: Schema = {
        type: 'string',
        name: name === 'enum' ? 'io.debezium.data.Enum' : 'io.debezium.data.EnumSet',
        version: 1,
        parameters: { allowed: labels.join(',') },
      }
      return { schema, read: text, absent: name === 'enum' ? (labels[0] ?? '') : '' }
    }
    case 'bit': {
      const length = Number(inner) || 1
      if (length === 1) return { schema: { type: 'boolean' }, read: raw => bufferOf(raw).some(byte => byte !== 0), absent: false }
      const schema: Schema = { type: 'bytes', name: 'io.debezium.data.Bits', version: 1, parameters: { length: String(length) } }
      return { schema, read: littleEndian, absent: Buffer.alloc(0) }
    }
    default:
      return null
  }
}

/** Of `'a','it''s'`. */
export function labelsOf(inner: string): string[] {
  return Array.from(inner.matchAll(/'((?:[^']|'')*)'/g), ([, label]) => label!.replaceAll("''", "'"))
}

function bufferOf(raw: Raw): Buffer {
  if (Buffer.isBuffer(raw)) return raw
  if (typeof raw === 'string') return Buffer.from(raw)
  throw new DataError('a value is a number, not bytes')
}

/** Zeros above the highest byte are left out, as Java's BitSet does. */
function littleEndian(raw: Raw): ConnectValue {
  const bytes = Buffer.from(bufferOf(raw)).reverse()
  let length = bytes.length
  while (length > 0 && bytes[length - 1] === 0) length--
  return bytes.subarray(0, length)
}
