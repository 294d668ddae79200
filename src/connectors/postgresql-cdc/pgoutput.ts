/**
 * Messages of pgoutput, the output plugin that comes with PostgreSQL, in version 1 of its protocol: whole transactions, in the order of their commits
 * (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html).
 *
 * Every size is checked before it is believed; what does not fit throws MalformedInput.
 */
import { ByteReader, MalformedInput } from '../../base.ts'
import { type Cell as CapturedCell, unchanged } from '../change-data/captured-table.ts'

/** As text. */
export type Cell = CapturedCell<string>

export interface RelationColumn {
  readonly name: string
  /** Part of the replica identity. */
  readonly isIdentity: boolean
  readonly type: number
  /** -1: none. */
  readonly modifier: number
}

export interface Relation {
  readonly kind: 'relation'
  readonly id: number
  readonly schema: string
  readonly table: string
  /** Replica identity: d(efault), n(othing), f(ull), i(ndex). */
  readonly identity: string
  readonly columns: readonly RelationColumn[]
}

export interface Begin {
  readonly kind: 'begin'
  /** Of the commit. */
  readonly finalLsn: bigint
  /** In µs since 1970. */
  readonly committedMicros: bigint
  readonly xid: number
}

export interface Commit {
  readonly kind: 'commit'
  readonly commitLsn: bigint
  /** Where the next transaction may begin. */
  readonly endLsn: bigint
  readonly committedMicros: bigint
}

export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly relation: number
  /** Of an update: null if neither the replica identity changed nor it is the whole row. */
  readonly before: readonly Cell[] | null
  /** `key`: only columns of the replica identity have values in `before`. */
  readonly beforeIs: 'key' | 'row' | null
  readonly after: readonly Cell[] | null
}

export interface Truncate {
  readonly kind: 'truncate'
  readonly relations: readonly number[]
}

/** Of pg_logical_emit_message. */
export interface LogicalMessage {
  readonly kind: 'message'
  readonly isTransactional: boolean
  readonly lsn: bigint
  readonly prefix: string
  readonly content: Buffer
}

export interface Origin {
  readonly kind: 'origin'
  readonly lsn: bigint
  readonly name: string
}

export type Message = Begin | Commit | Relation | RowChange | Truncate | LogicalMessage | Origin | { readonly kind: 'type' }

/** From 1970 to 2000, where PostgreSQL's time begins. */
const epochMicros = 946_684_800_000_000n
const mostColumns = 1_600

export function decodeMessage(bytes: Buffer): Message {
  const reader = new ByteReader(bytes)
  const message = decode(String.fromCharCode(reader.readInt8()), reader)
  if (reader.remaining > 0) throw new MalformedInput(`pgoutput: ${reader.remaining} bytes follow a message of kind ${message.kind}`)
  return message
}

function decode(tag: string, reader: ByteReader): Message {
  switch (tag) {
    case 'B':
      return { kind: 'begin', finalLsn: lsn(reader), committedMicros: micros(reader), xid: reader.readUint32() }
    case 'C':
      reader.skip(1)
      return { kind: 'commit', commitLsn: lsn(reader), endLsn: lsn(reader), committedMicros: micros(reader) }
    case 'R':
      return relation(reader)
    case 'I':
      return { kind: 'insert', relation: reader.readUint32(), before: null, beforeIs: null, after: tagged(reader, 'N') }
    case 'U':
      return update(reader)
    case 'D': {
      const id = reader.readUint32()
      const is = kindOfTuple(reader)
      if (is === 'N') throw new MalformedInput('pgoutput: a deletion has a new row')
      return { kind: 'delete', relation: id, before: tuple(reader), beforeIs: is === 'K' ? 'key' : 'row', after: null }
    }
    case 'T':
      return truncate(reader)
    case 'M':
      return logicalMessage(reader)
    case 'O':
      return { kind: 'origin', lsn: lsn(reader), name: text(reader) }
    case 'Y':
      reader.skip(4)
      text(reader)
      text(reader)
      return { kind: 'type' }
    default:
      throw new MalformedInput(`pgoutput: there is no message "${tag}"`)
  }
}

function lsn(reader: ByteReader): bigint {
  return reader.readSlice(8).readBigUInt64BE()
}

function micros(reader: ByteReader): bigint {
  return reader.readSlice(8).readBigInt64BE() + epochMicros
}

/** Up to its zero byte. */
function text(reader: ByteReader): string {
  const end = reader.buffer.indexOf(0, reader.offset)
  if (end === -1) throw new MalformedInput('pgoutput: a text has no end')
  const read = reader.readUtf8(end - reader.offset)
  reader.skip(1)
  return read
}

function relation(reader: ByteReader): Relation {
  const [id, schema, table] = [reader.readUint32(), text(reader), text(reader)]
  const identity = String.fromCharCode(reader.readInt8())
  const columns: RelationColumn[] = []
  for (let left = columnCount(reader); left > 0; left--) {
    const isIdentity = (reader.readInt8() & 1) !== 0
    columns.push({ name: text(reader), isIdentity, type: reader.readUint32(), modifier: reader.readInt32() })
  }
  return { kind: 'relation', id, schema: schema === '' ? 'pg_catalog' : schema, table, identity, columns }
}

function columnCount(reader: ByteReader): number {
  const count = reader.readUint16()
  if (count > mostColumns) throw new MalformedInput(`pgoutput: a row has ${count} columns, more than ${mostColumns}`)
  return count
}

function kindOfTuple(reader: ByteReader): string {
  const kind = String.fromCharCode(reader.readInt8())
  if (kind !== 'K' && kind !== 'O' && kind !== 'N') throw new MalformedInput(`pgoutput: there is no row of kind "${kind}"`)
  return kind
}

function tagged(reader: ByteReader, expected: string): Cell[] {
  const kind = kindOfTuple(reader)
  if (kind !== expected) throw new MalformedInput(`pgoutput: a row of kind "${kind}" stands where "${expected}" belongs`)
  return tuple(reader)
}

function update(reader: ByteReader): RowChange {
  const id = reader.readUint32()
  const first = kindOfTuple(reader)
  if (first === 'N') return { kind: 'update', relation: id, before: null, beforeIs: null, after: tuple(reader) }
  const before = tuple(reader)
  return { kind: 'update', relation: id, before, beforeIs: first === 'K' ? 'key' : 'row', after: tagged(reader, 'N') }
}

function tuple(reader: ByteReader): Cell[] {
  const cells: Cell[] = []
  for (let left = columnCount(reader); left > 0; left--) {
    const kind = String.fromCharCode(reader.readInt8())
    if (kind === 'n') cells.push(null)
    else if (kind === 'u') cells.push(unchanged)
    else if (kind === 't') cells.push(reader.readUtf8(reader.readInt32()))
    else throw new MalformedInput(`pgoutput: there is no value of kind "${kind}"`)
  }
  return cells
}

function truncate(reader: ByteReader): Truncate {
  const count = reader.readUint32()
  reader.skip(1)
  if (count * 4 !== reader.remaining) throw new MalformedInput(`pgoutput: ${count} tables are truncated in ${reader.remaining} bytes`)
  const relations: number[] = []
  for (let left = count; left > 0; left--) relations.push(reader.readUint32())
  return { kind: 'truncate', relations }
}

function logicalMessage(reader: ByteReader): LogicalMessage {
  const isTransactional = (reader.readInt8() & 1) !== 0
  const [at, prefix] = [lsn(reader), text(reader)]
  const length = reader.readInt32()
  if (length !== reader.remaining) throw new MalformedInput(`pgoutput: a message of ${length} bytes has ${reader.remaining}`)
  return { kind: 'message', isTransactional, lsn: at, prefix, content: Buffer.from(reader.readSlice(length)) }
}
