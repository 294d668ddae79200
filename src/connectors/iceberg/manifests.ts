/** Manifests and lists of manifests: Iceberg's own Avro files (format version 2), which say what a snapshot consists of. */
import { createHash } from 'node:crypto'
import { inflateRaw } from 'node:zlib'
import avsc from 'avsc'
import { containerHead } from '../formats/avro.ts'
import { AvroOutput } from '../formats/avro-output.ts'
import type { ParquetValue } from '../formats/parquet-values.ts'
import type { Partitioning } from './partitions.ts'
import type { TableSchema } from './types.ts'

export interface DataFile {
  readonly path: string
  readonly rows: number
  readonly bytes: number
  readonly partition: Readonly<Record<string, ParquetValue>>
}

/** Of a list of manifests. What other writers have put there is passed on as it is. */
export interface ManifestEntry {
  [field: string]: unknown
}

/** Longs as bigints. */
const long = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (one: bigint, other: bigint) => (one < other ? -1 : one > other ? 1 : 0),
})

const field = (id: number, name: string, type: unknown) => ({ name, type, 'field-id': id })
const maybe = (id: number, name: string, type: unknown) => ({ name, type: ['null', type], default: null, 'field-id': id })

function entrySchema(partitioning: Partitioning): object {
  const partition = { type: 'record', name: 'r102', fields: partitioning.avro }
  const file = {
    type: 'record',
    name: 'r2',
    fields: [
      field(134, 'content', 'int'),
      field(100, 'file_path', 'string'),
      field(101, 'file_format', 'string'),
      field(102, 'partition', partition),
      field(103, 'record_count', 'long'),
      field(104, 'file_size_in_bytes', 'long'),
      maybe(140, 'sort_order_id', 'int'),
    ],
  }
  const fields = [
    field(0, 'status', 'int'),
    maybe(1, 'snapshot_id', 'long'),
    maybe(3, 'sequence_number', 'long'),
    maybe(4, 'file_sequence_number', 'long'),
    field(2, 'data_file', file),
  ]
  return { type: 'record', name: 'manifest_entry', fields }
}

/** All of these files are new; which snapshot adds them, and when, the list of manifests says. */
export async function manifestOf(files: readonly DataFile[], partitioning: Partitioning, schema: TableSchema): Promise<Buffer> {
  const entries = files.map(({ path, rows, bytes, partition }) => ({
    status: 1,
    snapshot_id: null,
    sequence_number: null,
    file_sequence_number: null,
    data_file: {
      content: 0,
      file_path: path,
      file_format: 'PARQUET',
      partition,
      record_count: BigInt(rows),
      file_size_in_bytes: BigInt(bytes),
      sort_order_id: 0,
    },
  }))
  return await written(entrySchema(partitioning), entries, {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': JSON.stringify(partitioning.spec.fields),
    'partition-spec-id': String(partitioning.spec['spec-id']),
    'format-version': '2',
    content: 'data',
  })
}

const summary = {
  type: 'record',
  name: 'r508',
  fields: [
    field(509, 'contains_null', 'boolean'),
    maybe(518, 'contains_nan', 'boolean'),
    maybe(510, 'lower_bound', 'bytes'),
    maybe(511, 'upper_bound', 'bytes'),
  ],
}
const listSchema = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
    field(504, 'added_files_count', 'int'),
    field(505, 'existing_files_count', 'int'),
    field(506, 'deleted_files_count', 'int'),
    field(512, 'added_rows_count', 'long'),
    field(513, 'existing_rows_count', 'long'),
    field(514, 'deleted_rows_count', 'long'),
    maybe(507, 'partitions', { type: 'array', items: summary, 'element-id': 508 }),
    maybe(519, 'key_metadata', 'bytes'),
  ],
}

export interface Added {
  readonly path: string
  readonly bytes: number
  readonly specId: number
  readonly files: readonly DataFile[]
}

export async function manifestListOf(
  before: readonly ManifestEntry[],
  added: Added,
  snapshot: bigint,
  parent: bigint | null,
  sequence: bigint,
): Promise<Buffer> {
  const own: ManifestEntry = {
    manifest_path: added.path,
    manifest_length: BigInt(added.bytes),
    partition_spec_id: added.specId,
    content: 0,
    sequence_number: sequence,
    min_sequence_number: sequence,
    added_snapshot_id: snapshot,
    added_files_count: added.files.length,
    existing_files_count: 0,
    deleted_files_count: 0,
    added_rows_count: added.files.reduce((sum, file) => sum + BigInt(file.rows), 0n),
    existing_rows_count: 0n,
    deleted_rows_count: 0n,
    partitions: null,
    key_metadata: null,
  }
  return await written(listSchema, [own, ...before], {
    'snapshot-id': String(snapshot),
    'parent-snapshot-id': String(parent),
    'sequence-number': String(sequence),
    'format-version': '2',
  })
}

/** As {@link manifestListOf} takes it. Other writers may have other names and more fields; the ids of fields say what they are. */
export async function readManifestList(file: Buffer): Promise<ManifestEntry[]> {
  const names = new Map<number, string>()
  const decoder = new avsc.streams.BlockDecoder({
    parseHook(schema: { fields: { name: string; 'field-id': number }[] }) {
      for (const each of schema.fields) names.set(each['field-id'], each.name)
      return avsc.Type.forSchema(schema as never, { registry: { long }, wrapUnions: false } as never)
    },
    codecs: { null: asItIs, deflate: inflated },
  } as never)
  decoder.end(file)
  const entries: ManifestEntry[] = []
  for await (const entry of decoder) {
    const known = entry as Record<string, unknown>
    entries.push(
      Object.fromEntries(listSchema.fields.map(each => [each.name, known[names.get(each['field-id']) ?? ''] ?? absent(each.type)])),
    )
  }
  return entries
}

function absent(type: unknown): unknown {
  return type === 'long' ? 0n : type === 'int' ? 0 : null
}

function asItIs(block: Buffer, done: (error: null, block: Buffer) => void): void {
  done(null, block)
}

function inflated(block: Buffer, done: (error: Error | null, block?: Buffer) => void): void {
  inflateRaw(block, done)
}

/** Without what numbers mean, so that each `long` is ours. */
function plain(schema: object): object {
  return JSON.parse(JSON.stringify(schema), (_, each: { type?: unknown; logicalType?: unknown } | null) =>
    each?.logicalType === undefined ? each : each.type,
  ) as object
}

async function written(schema: object, entries: readonly object[], metadata: Readonly<Record<string, string>>): Promise<Buffer> {
  const type = avsc.Type.forSchema(plain(schema) as never, { registry: { long }, wrapUnions: false } as never)
  const body = Buffer.concat(entries.map(entry => type.toBuffer(entry)))
  const text = JSON.stringify(schema)
  // The marker has only to be unlikely in the data.
  const marker = createHash('sha256').update(text).update(body).digest().subarray(0, 16)
  const sizes = new AvroOutput()
  sizes.int(entries.length)
  sizes.int(body.length)
  return Buffer.concat([containerHead({ 'avro.schema': text, 'avro.codec': 'null', ...metadata }, marker), sizes.take(), body, marker])
}
