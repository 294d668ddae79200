/**
 * A table that a task writes: rows become Parquet files, and a commit adds them together with the offsets that they reach to.
 *
 * Exactly once: the offsets are properties of the table, changed by the same commit as its files. A row below them is there already. Before each commit the
 * table must have the offsets that this task believes in: of two tasks that have the same partition, only one can commit.
 */
import { severalAtOnce } from '../../base.ts'
import { type ConnectValue, DataError, isStruct, type Schema, type SinkContext, type SinkRecord } from '../../connector.ts'
import { inferredFrom, knownOnly, settled } from '../formats/infer.ts'
import { ParquetFile } from '../formats/parquet.ts'
import type { ParquetValue } from '../formats/parquet-values.ts'
import type { TopicNames } from '../topic-names.ts'
import { backoffMs, pause } from '../waits.ts'
import { type Catalogue, Conflict, type Loaded, type Metadata, type TableName, UnknownState } from './catalog.ts'
import { type DataFile, manifestListOf, manifestOf, readManifestList } from './manifests.ts'
import type { ObjectStore, WrittenObject } from './objects.ts'
import { type Partitioning, partitioningOf } from './partitions.ts'
import type { IcebergConfig } from './sink.ts'
import { evolved, Ids, type StructType, type TableSchema } from './types.ts'
import { type Convert, columnOf, columnsOf } from './values.ts'

interface OpenFile {
  readonly body: ParquetFile
  readonly object: WrittenObject
  readonly partition: DataFile['partition']
  rows: number
  pending: number
}

/** In the task's memory of a table. */
interface Shape {
  readonly struct: TableSchema
  readonly partitioning: Partitioning
  /** Of the columns by which rows are partitioned. */
  readonly sources: readonly { readonly name: string; readonly convert: Convert }[]
}

const mostAttempts = 20

export class Table {
  readonly #name: TableName
  readonly #config: IcebergConfig
  readonly #catalogue: Catalogue
  readonly #store: ObjectStore
  readonly #context: SinkContext
  readonly #names: TopicNames
  #metadata: Metadata
  #shape: Shape
  /** By partition of the table. */
  readonly #open = new Map<string, OpenFile>()
  #files: DataFile[] = []
  /** By partition of the topic: committed with the table, and reached since. */
  readonly #committed = new Map<string, bigint>()
  readonly #reached = new Map<string, bigint>()
  /** Schemas of records that the table has all fields of. */
  readonly #known = new WeakSet<Schema>()

  constructor(
    name: TableName,
    loaded: Loaded,
    config: IcebergConfig,
    catalogue: Catalogue,
    store: ObjectStore,
    context: SinkContext,
    names: TopicNames,
  ) {
    this.#name = name
    this.#config = config
    this.#catalogue = catalogue
    this.#store = store
    this.#context = context
    this.#names = names
    this.#metadata = loaded.metadata
    this.#shape = shapeOf(loaded.metadata)
    for (const [key, value] of Object.entries(loaded.metadata.properties ?? {}))
      if (key.startsWith(this.#prefix)) this.#committed.set(key, BigInt(value))
  }

  get held(): number {
    let held = 0
    for (const { object, pending } of this.#open.values()) held += object.held + pending
    return held
  }

  /** Throws DataError when the row does not fit, and has not taken it then. */
  async add(record: SinkRecord): Promise<void> {
    const { topic, partition, offset } = record.original
    const key = this.#keyOf(topic, partition)
    if (offset < (this.#reached.get(key) ?? this.#committed.get(key) ?? 0n)) return
    if (!isStruct(record.value)) throw new DataError('a row of a table has fields; the value has none')
    if (this.#config['iceberg.tables.evolve-schema-enabled']) await this.#evolve(record.value, record.valueSchema)
    const values = record.value
    const partitionOf: Record<string, ParquetValue> = {}
    for (const { name, convert } of this.#shape.sources) partitionOf[name] = convert(values[name])
    const tuple = this.#shape.partitioning.of(partitionOf)
    const place = JSON.stringify(tuple, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    const known = this.#open.get(place)
    const file = known ?? this.#begin(tuple)
    file.pending += file.body.add(values)
    if (known === undefined) this.#open.set(place, file)
    file.rows++
    this.#reached.set(key, offset + 1n)
    if (file.pending >= this.#config['iceberg.row.group.bytes']) await this.#drain(file)
    if (file.object.size >= this.#config['iceberg.target-file-size-bytes']) await this.#close(place, file)
  }

  /** May be called again after a RetriableError. */
  async commit(): Promise<void> {
    await severalAtOnce([...this.#open], 4, ([place, file]) => this.#close(place, file))
    if (this.#files.length === 0) return
    const files = this.#files
    const id = this.#unique()
    const manifest = await manifestOf(files, this.#shape.partitioning, this.#shape.struct)
    const path = await this.#store.put(`${this.#metadata.location}/metadata/${id}-m0.avro`, manifest)
    const added = { path, bytes: manifest.length, specId: this.#shape.partitioning.spec['spec-id'], files }
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#commitOnce(added, id)
        break
      } catch (error) {
        if (!(error instanceof Conflict) && !(error instanceof UnknownState)) throw error
        if (attempt >= mostAttempts) throw error
        this.#context.count('commits_repeated')
        await pause(this.#context.system, backoffMs(this.#context.system, { first: 50, last: 5_000 }, attempt), this.#context.signal)
        await this.#reload()
        if (this.#metadata.properties?.[this.#lastCommit] === id) break
      }
    }
    for (const [key, offset] of this.#reached) this.#committed.set(key, offset)
    this.#files = []
    this.#context.count('files_committed', files.length)
    await this.#reload()
  }

  async discard(): Promise<void> {
    for (const { object } of this.#open.values()) await object.abort()
    this.#open.clear()
  }

  async #commitOnce(added: Parameters<typeof manifestListOf>[1], id: string): Promise<void> {
    const metadata = this.#metadata
    for (const key of this.#reached.keys())
      if ((metadata.properties?.[key] ?? null) !== (this.#committed.get(key)?.toString() ?? null))
        throw new Error(`the table ${this.#name.name} has other offsets than this task: another one writes the same partition`)
    const parent = metadata['current-snapshot-id'] ?? -1
    const current = BigInt(parent) === -1n ? null : BigInt(parent)
    const snapshot = this.#snapshotId()
    const sequence = BigInt(metadata['last-sequence-number'] ?? 0) + 1n
    const list = await manifestListOf(await this.#manifestsBefore(metadata, current), added, snapshot, current, sequence)
    const path = await this.#store.put(`${metadata.location}/metadata/snap-${snapshot}-${id}.avro`, list)
    const rows = added.files.reduce((sum, file) => sum + file.rows, 0)
    const offsets = Object.fromEntries(Array.from(this.#reached, ([key, offset]) => [key, String(offset)]))
    await this.#catalogue.commit(
      this.#name,
      [
        { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
        { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': current },
      ],
      [
        {
          action: 'add-snapshot',
          snapshot: {
            'snapshot-id': snapshot,
            ...(current === null ? {} : { 'parent-snapshot-id': current }),
            'sequence-number': sequence,
            'timestamp-ms': this.#context.system.clock.now(),
            'manifest-list': path,
            summary: {
              operation: 'append',
              'added-data-files': String(added.files.length),
              'added-records': String(rows),
              'engine-name': 'millrace',
            },
            'schema-id': this.#shape.struct['schema-id'],
          },
        },
        { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': snapshot },
        { action: 'set-properties', updates: { ...offsets, [this.#lastCommit]: id } },
      ],
    )
  }

  async #manifestsBefore({ snapshots = [] }: Metadata, current: bigint | null) {
    if (current === null) return []
    const list = snapshots.find(each => BigInt(each['snapshot-id']) === current)?.['manifest-list']
    if (list === undefined)
      throw new Error(`the table ${this.#name.name} has a snapshot without a list of manifests: format version 1 cannot be written`)
    return await readManifestList(await this.#store.get(list))
  }

  /** New fields and wider numbers become the table's, before a row has them. Files that are open keep their schema. */
  async #evolve(value: ConnectValue, given: Schema | null): Promise<void> {
    if (given !== null && this.#known.has(given)) return
    const schema = given ?? settled(knownOnly(inferredFrom(value)))
    for (let attempt = 0; ; attempt++) {
      const ids = new Ids(this.#metadata['last-column-id'])
      const { struct } = this.#shape
      const wider = evolved(struct, schema, ids)
      if (wider === struct) break
      await severalAtOnce([...this.#open], 4, ([place, file]) => this.#close(place, file))
      try {
        await this.#commitSchema(struct, wider, ids)
      } catch (error) {
        if (!(error instanceof Conflict || error instanceof UnknownState) || attempt >= mostAttempts) throw error
      }
      await this.#reload()
    }
    if (given !== null) this.#known.add(given)
  }

  async #commitSchema(struct: TableSchema, wider: StructType, ids: Ids): Promise<void> {
    const next = Math.max(...this.#metadata.schemas.map(each => each['schema-id'])) + 1
    await this.#catalogue.commit(
      this.#name,
      [
        { type: 'assert-table-uuid', uuid: this.#metadata['table-uuid'] },
        { type: 'assert-current-schema-id', 'current-schema-id': struct['schema-id'] },
        { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': this.#metadata['last-column-id'] },
      ],
      [
        { action: 'add-schema', schema: { ...wider, 'schema-id': next }, 'last-column-id': ids.last },
        { action: 'set-current-schema', 'schema-id': -1 },
      ],
    )
    this.#context.log.info({ table: this.#name.name }, 'the table has got new columns')
  }

  async #reload(): Promise<void> {
    const loaded = await this.#catalogue.load(this.#name)
    if (loaded === null) throw new Error(`the table ${this.#name.name} is gone`)
    this.#metadata = loaded.metadata
    const shape = shapeOf(loaded.metadata)
    if (
      shape.struct['schema-id'] !== this.#shape.struct['schema-id'] ||
      shape.partitioning.spec['spec-id'] !== this.#shape.partitioning.spec['spec-id']
    )
      this.#shape = shape
  }

  #begin(partition: DataFile['partition']): OpenFile {
    const folder = Object.entries(partition).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}/`)
    const path = `${this.#metadata.location}/data/${folder.join('')}${this.#unique()}.parquet`
    return {
      body: new ParquetFile(columnsOf(this.#shape.struct), this.#config['iceberg.parquet.codec']),
      object: this.#store.open(path),
      partition,
      rows: 0,
      pending: 0,
    }
  }

  async #drain(file: OpenFile): Promise<void> {
    file.pending = 0
    await file.object.write(file.body.take())
  }

  async #close(place: string, file: OpenFile): Promise<void> {
    const { path, size } = await file.object.finish(() => file.body.end())
    this.#files.push({ path, rows: file.rows, bytes: size, partition: file.partition })
    this.#open.delete(place)
  }

  get #prefix(): string {
    return `millrace.offsets.${this.#context.connector}.`
  }

  get #lastCommit(): string {
    return `millrace.commit.${this.#context.connector}.${this.#context.task}`
  }

  #keyOf(topic: string, partition: number): string {
    return `${this.#prefix}${this.#names.of(topic)}.${partition}`
  }

  #unique(): string {
    const bytes = Buffer.alloc(16)
    this.#context.system.random.fill(bytes)
    return bytes.toString('hex')
  }

  #snapshotId(): bigint {
    const bytes = Buffer.alloc(8)
    this.#context.system.random.fill(bytes)
    return BigInt.asUintN(62, bytes.readBigUInt64BE()) + 1n
  }
}

/** Throws Error for tables that cannot be written. */
function shapeOf(metadata: Metadata): Shape {
  if (metadata['format-version'] !== 2)
    throw new Error(`tables of format version ${metadata['format-version']} cannot be written, only those of version 2`)
  const struct = metadata.schemas.find(each => each['schema-id'] === metadata['current-schema-id'])
  const spec = metadata['partition-specs'].find(each => each['spec-id'] === metadata['default-spec-id'])
  if (struct === undefined || spec === undefined) throw new Error('the catalogue tells of a table without its schema')
  const partitioning = partitioningOf(struct, spec)
  const sources = struct.fields.filter(field => spec.fields.some(each => each['source-id'] === field.id))
  return { struct, partitioning, sources: sources.map(field => ({ name: field.name, convert: columnOf(field, '') })) }
}
