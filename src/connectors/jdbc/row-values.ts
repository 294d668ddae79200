/** Columns of tables as schemas, and what the database writes of their values, as text, as values. By the names that both databases have for types. */
import { type ConnectValue, Decimal, decimal, logical, type Schema } from '../../connector.ts'
import { zoneShift } from '../template/date-pattern.ts'
import { floorDivide, microsOf } from '../values/temporal.ts'

export type Raw = string | Buffer | null

export interface ColumnReader {
  readonly schema: Schema
  /** Throws Error if it is not understood. */
  read(raw: Raw): ConnectValue
  /** Of a column that is a time: since 1970, exactly. */
  micros(raw: Raw): bigint | null
}

export interface ReaderSettings {
  readonly bestFit: boolean
  readonly timezone: string
}

/** `type`: as the database says it, in lower case: `numeric(10,2)`, `bigint(20) unsigned`, `timestamp without time zone`. */
export function readerOf(type: string, optional: boolean, { bestFit, timezone }: ReaderSettings): ColumnReader {
  const shift = zoneShift(timezone)
  const micros = (raw: Raw) =>
    raw === null ? null : microsOfText(raw.toString(), type.endsWith('with time zone') || type === 'timestamptz' ? null : shift)
  const made = (schema: Schema, read: (text: string) => ConnectValue): ColumnReader => ({
    schema: optional ? { ...schema, optional } : schema,
    read: raw => (raw === null ? null : read(raw.toString())),
    micros,
  })
  const name = type
    .replace(/\(.*?\)/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  const [precision = 0, scale = 0] = (/\((\d+)(?:,\s*(\d+))?\)/.exec(type)?.slice(1) ?? []).map(text => Number(text ?? 0))
  const isUnsigned = name.endsWith(' unsigned')
  switch (name.replace(/ (?:unsigned|zerofill)/g, '')) {
    case 'boolean':
      return made({ type: 'boolean' }, text => text === 't' || text === 'true' || text === '1')
    case 'tinyint':
      return made({ type: isUnsigned ? 'int16' : 'int8' }, Number)
    case 'smallint':
    case 'year':
      return made({ type: isUnsigned ? 'int32' : 'int16' }, Number)
    case 'mediumint':
    case 'int':
    case 'integer':
      return isUnsigned && name.startsWith('int') ? made({ type: 'int64' }, BigInt) : made({ type: 'int32' }, Number)
    case 'bigint':
      // There is no unsigned type for it.
      return isUnsigned ? made(decimal(0), text => new Decimal(BigInt(text), 0)) : made({ type: 'int64' }, BigInt)
    case 'real':
    case 'float':
      return made({ type: 'float32' }, Number)
    case 'double':
    case 'double precision':
      return made({ type: 'float64' }, Number)
    case 'numeric':
    case 'decimal':
      return numericReader(made, precision, scale, bestFit)
    case 'bytea':
    case 'blob':
    case 'tinyblob':
    case 'mediumblob':
    case 'longblob':
    case 'binary':
    case 'varbinary':
    case 'bit':
      return { schema: optional ? { type: 'bytes', optional } : { type: 'bytes' }, read: bytesOf, micros }
    case 'date':
      return made({ type: 'int32', name: logical.date, version: 1 }, text => Number(floorDivide(microsOfText(text, null), 86_400_000_000n)))
    case 'time':
    case 'time without time zone':
      return made({ type: 'int32', name: logical.time, version: 1 }, text => Number(microsOfText(`1970-01-01 ${text}`, null) / 1_000n))
    case 'datetime':
    case 'timestamp':
    case 'timestamp without time zone':
    case 'timestamp with time zone':
      return made({ type: 'int64', name: logical.timestamp, version: 1 }, text => floorDivide(micros(text)!, 1_000n))
    default:
      return made({ type: 'string' }, text => text)
  }
}

type Make = (schema: Schema, read: (text: string) => ConnectValue) => ColumnReader

function numericReader(made: Make, precision: number, scale: number, bestFit: boolean): ColumnReader {
  if (bestFit && (precision === 0 || scale > 0)) return made({ type: 'float64' }, Number)
  if (bestFit && precision <= 18) return precision <= 9 ? made({ type: 'int32' }, Number) : made({ type: 'int64' }, BigInt)
  // Without precision each value has a scale of its own, and a schema has one.
  if (precision === 0) return made({ type: 'string' }, text => text)
  return made(decimal(scale), text => {
    const [whole = '', fraction = ''] = text.split('.')
    return new Decimal(BigInt(whole + fraction.padEnd(scale, '0')), scale)
  })
}

function bytesOf(raw: Raw): Buffer | null {
  if (raw === null || Buffer.isBuffer(raw)) return raw
  if (!raw.startsWith('\\x')) throw new Error(`"${raw.slice(0, 20)}" is no bytea in hexadecimal form`)
  return Buffer.from(raw.slice(2), 'hex')
}

/** `shift`: of the zone of a text that has none; null: it has one, or is UTC. */
function microsOfText(text: string, shift: ((ms: number) => number) | null): bigint {
  const micros = microsOf({ schema: null, value: text })
  if (micros === null) throw new Error(`"${text.slice(0, 40)}" is no time from 0001 to 9999`)
  if (shift === null) return micros
  const localMs = Number(floorDivide(micros, 1_000n))
  const nearMs = localMs - shift(localMs)
  return micros - BigInt(shift(nearMs)) * 1_000n
}
