/**
 * Parquet's schemas and values to Kafka Connect's.
 *
 * The library turns decimals into doubles and maps into objects, and its columns are properties of objects, whatever their names. So it is given the schema without
 * these meanings, and with names of ours; what it then finds is turned into values here, by the file's own schema.
 */
import { type ColumnMetaData, type FileMetaData, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet'
import { type ConnectValue, DataError, Decimal, decimal, type Field, logical, type Schema, struct } from '../../connector.ts'
import { signedInteger } from '../values/numbers.ts'

type Raw = unknown
interface Column {
  readonly schema: Schema
  readonly read: (raw: Raw) => ConnectValue
}

const mostDepth = 100

export interface RawParquet {
  readonly metadata: FileMetaData
  readonly schema: Schema
  readonly toValue: (row: Record<string, Raw>) => ConnectValue
}

/** Throws DataError. */
export function rawParquet(own: FileMetaData): RawParquet {
  const elements = own.schema.map((element, at) => bare(element, at))
  const paths: string[][] = []
  const root = parquetSchema({ ...own, schema: own.schema })
  const bareRoot = parquetSchema({ ...own, schema: elements })
  leaves(bareRoot, paths)
  const row_groups = own.row_groups.map(group => ({
    ...group,
    columns: group.columns.map((column, at) => {
      if (column.meta_data === undefined || paths[at] === undefined)
        throw new DataError('a row group of the Parquet file has other columns than its schema')
      return { ...column, meta_data: { ...column.meta_data, path_in_schema: paths[at] } satisfies ColumnMetaData }
    }),
  }))
  const { schema, read } = structOf(root, bareRoot, 0)
  return { metadata: { ...own, schema: elements, row_groups }, schema, toValue: row => read(row) }
}

/** Without meaning, but for lists, whose structure the library takes away. */
function bare(element: SchemaElement, at: number): SchemaElement {
  const { type, repetition_type, num_children, type_length } = element
  return {
    name: `f${at}`,
    ...(type !== undefined && { type }),
    ...(repetition_type !== undefined && { repetition_type }),
    ...(num_children !== undefined && { num_children }),
    ...(type_length !== undefined && { type_length }),
    ...(isList(element) && { converted_type: 'LIST' as const }),
  }
}

function isList({ converted_type, logical_type }: SchemaElement): boolean {
  return converted_type === 'LIST' || logical_type?.type === 'LIST'
}

function isMap({ converted_type, logical_type }: SchemaElement): boolean {
  return converted_type === 'MAP' || converted_type === 'MAP_KEY_VALUE' || logical_type?.type === 'MAP'
}

function leaves(tree: SchemaTree, paths: string[][]): void {
  if (tree.children.length === 0) paths.push([...tree.path])
  for (const child of tree.children) leaves(child, paths)
}

function columnOf(tree: SchemaTree, bareTree: SchemaTree, depth: number): Column {
  if (depth > mostDepth) throw new DataError(`the schema of the Parquet file is nested more than ${mostDepth} times`)
  const one = plainOf(tree, bareTree, depth)
  if (tree.element.repetition_type === 'REPEATED')
    return { schema: { type: 'array', items: one.schema }, read: raw => listOf(raw).map(one.read) }
  if (tree.element.repetition_type !== 'OPTIONAL') return one
  return { schema: { ...one.schema, optional: true }, read: raw => (raw === null || raw === undefined ? null : one.read(raw)) }
}

function plainOf(tree: SchemaTree, bareTree: SchemaTree, depth: number): Column {
  if (tree.children.length === 0) return leafOf(tree.element)
  if (isList(tree.element) && tree.children.length === 1) return listColumn(tree, bareTree, depth)
  if (isMap(tree.element) && tree.children.length === 1 && tree.children[0]!.children.length === 2) return mapColumn(tree, bareTree, depth)
  return structOf(tree, bareTree, depth)
}

function structOf(tree: SchemaTree, bareTree: SchemaTree, depth: number): Column {
  const columns = tree.children.map((child, at) => ({
    name: child.element.name,
    from: bareTree.children[at]!.element.name,
    ...columnOf(child, bareTree.children[at]!, depth + 1),
  }))
  const names = new Set(columns.map(({ name }) => name))
  if (names.size !== columns.length) throw new DataError('the Parquet file has two columns of the same name')
  const fields: Field[] = columns.map(({ name, schema }) => ({ name, schema }))
  return {
    schema: { type: 'struct', fields },
    read: raw => struct(columns.map(({ name, from, read }) => [name, read((raw as Record<string, Raw>)[from])] as const)),
  }
}

/** Of three levels, or of two as old writers have them. */
function listColumn(tree: SchemaTree, bareTree: SchemaTree, depth: number): Column {
  const middle = tree.children[0]!
  const bareMiddle = bareTree.children[0]!
  if (middle.element.repetition_type !== 'REPEATED') throw new DataError('a list of the Parquet file has no elements')
  if (middle.children.length > 1) {
    const items = structOf(middle, bareMiddle, depth + 1)
    return {
      schema: { type: 'array', items: items.schema },
      read: raw => listOf((raw as Record<string, Raw>)[bareMiddle.element.name]).map(items.read),
    }
  }
  const items = middle.children.length === 0 ? leafOf(middle.element) : columnOf(middle.children[0]!, bareMiddle.children[0]!, depth + 1)
  return { schema: { type: 'array', items: items.schema }, read: raw => listOf(raw).map(items.read) }
}

function mapColumn(tree: SchemaTree, bareTree: SchemaTree, depth: number): Column {
  const [key, value] = tree.children[0]!.children as [SchemaTree, SchemaTree]
  const bareEntry = bareTree.children[0]!
  const [bareKey, bareValue] = bareEntry.children as [SchemaTree, SchemaTree]
  const keys = columnOf(key, bareKey, depth + 1)
  const values = columnOf(value, bareValue, depth + 1)
  return {
    schema: { type: 'map', keys: keys.schema, values: values.schema },
    read: raw =>
      new Map(
        listOf((raw as Record<string, Raw>)[bareEntry.element.name]).map(entry => {
          const pair = entry as Record<string, Raw>
          return [keys.read(pair[bareKey.element.name]), values.read(pair[bareValue.element.name])] as const
        }),
      ),
  }
}

function leafOf(element: SchemaElement): Column {
  const { type, converted_type: converted, logical_type: meaning } = element
  if (converted === 'DECIMAL' || meaning?.type === 'DECIMAL') return decimalOf(element)
  switch (type) {
    case 'BOOLEAN':
      return { schema: { type: 'boolean' }, read: raw => raw as boolean }
    case 'INT32':
      return intOf(element)
    case 'INT64':
      return longOf(element)
    case 'INT96':
      return {
        schema: { type: 'int64', name: 'io.debezium.time.NanoTimestamp', version: 1 },
        read: raw => BigInt.asIntN(64, raw as bigint),
      }
    case 'FLOAT':
      return { schema: { type: 'float32' }, read: raw => raw as number }
    case 'DOUBLE':
      return { schema: { type: 'float64' }, read: raw => raw as number }
    default: {
      const isText =
        converted === 'UTF8' || converted === 'ENUM' || converted === 'JSON' || ['STRING', 'ENUM', 'JSON'].includes(meaning?.type ?? '')
      if (isText) return { schema: { type: 'string' }, read: raw => bytesOf(raw).toString() }
      if (meaning?.type === 'UUID') return { schema: { type: 'string' }, read: raw => uuidOf(bytesOf(raw)) }
      return { schema: { type: 'bytes' }, read: raw => Buffer.from(bytesOf(raw)) }
    }
  }
}

function intOf({ converted_type: converted, logical_type: meaning }: SchemaElement): Column {
  const read = (raw: Raw) => raw as number
  if (converted === 'DATE' || meaning?.type === 'DATE') return { schema: { type: 'int32', name: logical.date, version: 1 }, read }
  if (converted === 'TIME_MILLIS' || meaning?.type === 'TIME') return { schema: { type: 'int32', name: logical.time, version: 1 }, read }
  if (converted === 'INT_8') return { schema: { type: 'int8' }, read }
  if (converted === 'INT_16' || converted === 'UINT_8') return { schema: { type: 'int16' }, read }
  if (converted === 'UINT_32' || (meaning?.type === 'INTEGER' && !meaning.isSigned && meaning.bitWidth === 32))
    return { schema: { type: 'int64' }, read: raw => BigInt((raw as number) >>> 0) }
  return { schema: { type: 'int32' }, read }
}

function longOf({ converted_type: converted, logical_type: meaning }: SchemaElement): Column {
  const named = (name: string): Column => ({ schema: { type: 'int64', name, version: 1 }, read: raw => raw as bigint })
  const unit = meaning !== undefined && 'unit' in meaning ? meaning.unit : null
  if (converted === 'TIMESTAMP_MILLIS' || (meaning?.type === 'TIMESTAMP' && unit === 'MILLIS')) return named(logical.timestamp)
  if (converted === 'TIMESTAMP_MICROS' || (meaning?.type === 'TIMESTAMP' && unit === 'MICROS'))
    return named('io.debezium.time.MicroTimestamp')
  if (meaning?.type === 'TIMESTAMP') return named('io.debezium.time.NanoTimestamp')
  if (converted === 'TIME_MICROS' || (meaning?.type === 'TIME' && unit === 'MICROS')) return named('io.debezium.time.MicroTime')
  if (meaning?.type === 'TIME') return named('io.debezium.time.NanoTime')
  if (converted === 'UINT_64' || (meaning?.type === 'INTEGER' && !meaning.isSigned))
    return { schema: decimal(0), read: raw => new Decimal(BigInt.asUintN(64, raw as bigint), 0) }
  return { schema: { type: 'int64' }, read: raw => raw as bigint }
}

function decimalOf({ scale: own, logical_type: meaning }: SchemaElement): Column {
  const scale = own ?? (meaning?.type === 'DECIMAL' ? meaning.scale : 0)
  if (!Number.isSafeInteger(scale) || scale < 0 || scale > 10_000) throw new DataError('a decimal of the Parquet file has no valid scale')
  const unscaled = (raw: Raw) => (typeof raw === 'number' || typeof raw === 'bigint' ? BigInt(raw) : signedInteger(bytesOf(raw)))
  return { schema: decimal(scale), read: raw => new Decimal(unscaled(raw), scale) }
}

function listOf(raw: Raw): readonly Raw[] {
  if (!Array.isArray(raw)) throw new DataError('a list of the Parquet file is not a list')
  return raw
}

function bytesOf(raw: Raw): Buffer {
  if (!(raw instanceof Uint8Array)) throw new DataError('a value of the Parquet file is not of bytes')
  return Buffer.from(raw.buffer, raw.byteOffset, raw.length)
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
