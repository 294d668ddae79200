/** Rows of HBase from records: the row key, the columns, and values as bytes. */
import { type ConnectValue, DataError, Decimal, isStruct, type Schema, type SinkRecord } from '../../connector.ts'
import { pairOf } from '../entries.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { jsonText, textOf, typedKey, typedValue } from '../values/json.ts'
import { fieldsOf, select, type Typed } from '../values/select.ts'
import type { Config } from './keys.ts'

export interface Cell {
  readonly family: string
  /** `family:qualifier` */
  readonly column: Buffer
  /** null: the field is null. */
  readonly value: Buffer | null
}

export interface Row {
  readonly record: SinkRecord
  readonly table: string
  readonly key: Buffer
  /** Of its cells; null: the server's. */
  readonly version: bigint | null
  /** null: the row is to be deleted. */
  readonly cells: readonly Cell[] | null
}

interface Mapped {
  readonly column: string
  readonly family: string
  readonly find: (record: SinkRecord) => Typed | null
}

/** HConstants.MAX_ROW_LENGTH */
const longestKey = 32_767

export class Rows {
  readonly #config: Config
  readonly #table: Template
  readonly #key: Template | null
  readonly #mapping: readonly Mapped[]

  constructor(config: Config) {
    this.#config = config
    this.#table = parseTemplate(config['table.name.format'])
    this.#key = config['row.key'] === '' ? null : parseTemplate(config['row.key'])
    this.#mapping = config['column.mapping'].map(mappedOf)
  }

  /** null: there is nothing to do. Throws DataError. */
  of(record: SinkRecord): Row | null {
    const isTombstone = record.value === null
    if (isTombstone && !this.#config['delete.enabled']) return null
    const key = this.#key === null ? this.#keyOf(record) : this.#key.renderBytes(record)
    if (key.length === 0) throw new DataError('the row key is empty')
    if (key.length > longestKey) throw new DataError(`the row key has ${key.length} bytes, and at most ${longestKey} are possible`)
    const cells = isTombstone ? null : this.#cellsOf(record)
    if (cells?.length === 0) throw new DataError('the value has no field, so there is no cell to write')
    return { record, table: this.#table.render(record), key, version: this.#versionOf(record), cells }
  }

  #versionOf(record: SinkRecord): bigint | null {
    const source = this.#config['cell.timestamp']
    if (source === 'server') return null
    const version = source === 'offset' ? record.original.offset : record.timestampMs
    return version !== null && version >= 0n ? version : null
  }

  #keyOf(record: SinkRecord): Buffer {
    const key = typedKey(record)
    if (key.value === null) throw new DataError('the record has no key; set row.key to a template of other fields')
    const chosen = this.#config['row.key.definition']
    if (chosen.length === 0 && !isStruct(key.value) && !(key.value instanceof Map)) return this.#bytesOf(key)!
    const all = fieldsOf(key)
    if (all === null) throw new DataError('row.key.definition names fields, but the key is no struct')
    const names = chosen.length > 0 ? chosen : all.map(([name]) => name)
    const delimiter = Buffer.from(this.#config['row.key.delimiter'])
    const parts = names.flatMap((name, index) => {
      const part = select(key, name.split('.'))
      const bytes = part === null ? null : this.#bytesOf(part)
      if (bytes === null) throw new DataError(`the field ${name} of the key is ${part === null ? 'missing' : 'null'}`)
      return index === 0 ? [bytes] : [delimiter, bytes]
    })
    return Buffer.concat(parts)
  }

  #cellsOf(record: SinkRecord): Cell[] {
    const cells: Cell[] = []
    const add = (family: string, column: string, typed: Typed) =>
      cells.push({ family, column: Buffer.from(column), value: this.#bytesOf(typed) })
    if (this.#mapping.length > 0) {
      for (const { family, column, find } of this.#mapping) {
        const found = find(record)
        if (found !== null) add(family, column, found)
      }
      return cells
    }
    const family = this.#config['column.family']
    const fields = fieldsOf(typedValue(record))
    if (fields === null) add(family, `${family}:value`, typedValue(record))
    for (const [name, field] of fields ?? []) {
      const inner = fieldsOf(field)
      if (inner === null) add(family, `${family}:${name}`, field)
      else for (const [qualifier, each] of inner) add(name, `${name}:${qualifier}`, each)
    }
    return cells
  }

  #bytesOf(typed: Typed): Buffer | null {
    const { schema, value } = typed
    if (value === null || Buffer.isBuffer(value)) return value
    const encoding = this.#config['cell.encoding']
    const isBinary = encoding === 'binary' || (encoding === 'auto' && schema !== null)
    return (isBinary ? binaryOf(schema, value) : null) ?? Buffer.from(textOf(typed) ?? jsonText(typed))
  }
}

function mappedOf(entry: string): Mapped {
  const [column, source] = pairOf(entry)
  const family = column.slice(0, column.indexOf(':'))
  if (source.includes('${')) {
    const template = parseTemplate(source)
    return { column, family, find: record => ({ schema: null, value: template.renderBytes(record) }) }
  }
  const path = source === '' ? [] : source.split('.')
  return { column, family, find: record => select(typedValue(record), path) }
}

/** As `org.apache.hadoop.hbase.util.Bytes` writes numbers; null: it has no such form, and is text. */
function binaryOf(schema: Schema | null, value: ConnectValue): Buffer | null {
  if (typeof value === 'boolean') return Buffer.from([value ? 0xff : 0])
  if (value instanceof Decimal || (typeof value !== 'number' && typeof value !== 'bigint')) return null
  const type = schema?.type ?? (typeof value === 'bigint' || Number.isInteger(value) ? 'int64' : 'float64')
  switch (type) {
    case 'int8':
      return written(1, bytes => bytes.writeInt8(Number(value)))
    case 'int16':
      return written(2, bytes => bytes.writeInt16BE(Number(value)))
    case 'int32':
      return written(4, bytes => bytes.writeInt32BE(Number(value)))
    case 'int64':
      return written(8, bytes => bytes.writeBigInt64BE(BigInt(value)))
    case 'float32':
      return written(4, bytes => bytes.writeFloatBE(Number(value)))
    default:
      return written(8, bytes => bytes.writeDoubleBE(Number(value)))
  }
}

function written(size: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(size)
  write(bytes)
  return bytes
}
