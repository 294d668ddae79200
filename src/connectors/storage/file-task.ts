/**
 * The task of every sink of files: sorts records into files, decides when files are complete, and says which offsets may be committed.
 *
 * Offsets are committed only behind complete files. A record that is put again, after a RetriableError, is known by its offset and left out. Files end where
 * their records say, so that after a crash the same files are written again. Where the wall clock or the lack of memory may end them, the storage is told of
 * every end before, and they end there again: also of those that the records say, because the clock must not end a file before them then.
 */
import {
  DataError,
  type Offsets,
  type OpenedPartition,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { needsOtherFile, projected } from '../formats/compatibility.ts'
import { Encoder, type EncoderOptions, extensionOf, type Wrapping } from '../formats/encoder.ts'
import type { Format } from '../formats/format.ts'
import { formatNamed } from '../formats/list.ts'
import { sameSchema } from '../formats/same-schema.ts'
import { Generation, type OpenPiece } from './generation.ts'
import { type StorageConfig, unescaped } from './keys.ts'
import { openPartitioner, type Partitioner } from './partitioners.ts'
import type { OpenFile, Storage } from './storage.ts'
import { zoneOffset } from './time-pattern.ts'

export interface FileTaskOptions {
  readonly wrapping: Wrapping
  readonly level: number | null
}

/** A record that was given to a file. */
interface Entry<F extends OpenFile> {
  readonly piece: OpenPiece<F>
  readonly place: string
  readonly time: number | null
  readonly nowMs: number
  /** The file belongs to the next generation. */
  readonly isOver: boolean
  readonly size: number
  readonly held: number
}

export class FileTask<F extends OpenFile> implements SinkTask {
  readonly #config: StorageConfig
  readonly #context: SinkContext
  readonly #storage: Storage<F>
  readonly #format: Format
  readonly #encoding: EncoderOptions
  readonly #extension: string
  readonly #partitioner: Partitioner
  readonly #offset: (ms: number) => number
  readonly #generations = new Map<string, Generation<F>>()
  /** Bytes in memory, of all files. */
  #held = 0
  /** Whether files may end where their records do not say it. For lack of memory: from the first time on. */
  #notesEnds: boolean

  constructor(config: StorageConfig, context: SinkContext, storage: Storage<F>, options: FileTaskOptions) {
    this.#config = config
    this.#context = context
    this.#storage = storage
    this.#format = formatNamed(config['format.class'])!
    this.#encoding = encodingOf(config, this.#format, options)
    const extension = extensionOf(this.#format, options.wrapping)
    this.#extension = this.#format.name === 'bytes' ? extension.replace('.bin', config['format.bytearray.extension']) : extension
    this.#partitioner = openPartitioner(config)
    this.#offset = zoneOffset(config['timezone'])
    this.#notesEnds = config['rotate.schedule.interval.ms'] > 0
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    await this.#storage.opened(partitions)
    for (const { topic, partition } of partitions) {
      this.#generationOf(topic, partition).ends = (await this.#storage.recall?.({ topic, partition })) ?? []
    }
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    // What could not be completed is completed first: nothing is added to a generation that has ended.
    for (const generation of this.#generations.values()) if (generation.isEnding) await this.#end(generation)
    for (const record of records) {
      const wait = this.#take(record)
      if (wait !== null) await wait
    }
  }

  async flush(): Promise<Offsets> {
    const { clock } = this.#context.system
    const nowMs = clock.now()
    const offsets: { topic: string; partition: number; offset: bigint }[] = []
    for (const generation of this.#generations.values()) {
      if (clock.monotonic() - generation.openedMs > longestReplayMs) generation.forgetEnds()
      if (generation.isEnding) await this.#end(generation)
      else if (generation.count > 0 && nowMs >= generation.scheduledMs) await this.#endNow(generation)
      const { topic, partition, safe } = generation
      if (safe !== null) offsets.push({ topic, partition, offset: safe })
    }
    this.#measure()
    return offsets
  }

  async closed(partitions: readonly TopicPartition[]): Promise<void> {
    for (const { topic, partition } of partitions) {
      const key = keyOf(topic, partition)
      const generation = this.#generations.get(key)
      this.#generations.delete(key)
      await generation?.discard(this.#storage)
    }
    this.#measure()
  }

  async close(): Promise<void> {
    try {
      for (const generation of this.#generations.values()) await generation.discard(this.#storage)
      this.#generations.clear()
    } finally {
      this.#storage.close?.()
    }
  }

  /** null: taken. Nearly every record is taken at once, without a promise. */
  #take(record: SinkRecord): Promise<void> | null {
    const { topic, partition, offset } = record.original
    const generation = this.#generationOf(topic, partition)
    if (generation.next !== null && offset < generation.next) return null
    if (record.value === null && this.#config['behavior.on.null.values'] === 'ignore') {
      generation.next = offset + 1n
      return null
    }
    let entry: Entry<F>
    try {
      entry = this.#enter(generation, record)
    } catch (error) {
      if (!(error instanceof DataError)) throw error
      return this.#report(generation, record, error)
    }
    if (entry.isOver) return this.#takeAsNext(generation, record, entry)
    this.#settle(generation, record, entry)
    return this.#afterwards(generation, entry.piece)
  }

  #generationOf(topic: string, partition: number): Generation<F> {
    const key = keyOf(topic, partition)
    let generation = this.#generations.get(key)
    if (generation === undefined)
      this.#generations.set(key, (generation = new Generation<F>(topic, partition, this.#context.system.clock.monotonic())))
    return generation
  }

  async #report(generation: Generation<F>, record: SinkRecord, error: DataError): Promise<void> {
    await this.#context.report(record, error)
    generation.next = record.original.offset + 1n
    await this.#afterwards(generation, null)
  }

  /** The generation ends before this record. When that fails, the record is not taken. */
  async #takeAsNext(generation: Generation<F>, record: SinkRecord, entry: Entry<F>): Promise<void> {
    await this.#end(generation)
    this.#settle(generation, record, entry)
    await this.#afterwards(generation, entry.piece)
  }

  /** Gives it to a file, which may belong to the next generation. Throws DataError when the record cannot be written, and has changed nothing then. */
  #enter(generation: Generation<F>, record: SinkRecord): Entry<F> {
    if (record.value === null) throw new DataError('the value is null, which behavior.on.null.values=fail refuses')
    const nowMs = this.#context.system.clock.now()
    const time = this.#partitioner.timeOf?.(record, nowMs) ?? null
    const directory = this.#partitioner.directoryOf(record, nowMs)
    const place = `${record.topic}\0${directory}`
    const isOver = generation.count > 0 && (this.#wasOver(generation, record) || this.#endsBefore(generation, record, place, time))
    const piece = (isOver ? undefined : generation.pieces.get(place)) ?? this.#begin(record, directory)
    const held = piece.encoder.pending
    const size = piece.encoder.size
    const { value, schema } = this.#asFile(piece, record)
    piece.encoder.add(value, schema)
    return { piece, place, time, nowMs, isOver, size: piece.encoder.size - size, held: piece.encoder.pending - held }
  }

  #settle(generation: Generation<F>, record: SinkRecord, { piece, place, time, nowMs, size, held }: Entry<F>): void {
    generation.pieces.set(place, piece)
    piece.last = record.original.offset
    this.#held += held
    if (generation.count === 0) this.#starts(generation, time, nowMs)
    if (!this.#isLate(generation, time)) generation.directory = place
    generation.took(record, size)
    generation.next = record.original.offset + 1n
  }

  #starts(generation: Generation<F>, time: number | null, nowMs: number): void {
    generation.firstTime = time
    const every = this.#config['rotate.schedule.interval.ms']
    if (every <= 0) return
    const ahead = this.#offset(nowMs)
    const midnight = Math.floor((nowMs + ahead) / 86_400_000) * 86_400_000 - ahead
    generation.scheduledMs = midnight + (Math.floor((nowMs - midnight) / every) + 1) * every
  }

  #isLate(generation: Generation<F>, time: number | null): boolean {
    return this.#config['append.late.data'] && time !== null && generation.firstTime !== null && time < generation.firstTime
  }

  /** Whether this record belongs to the next generation. */
  #endsBefore(generation: Generation<F>, record: SinkRecord, place: string, time: number | null): boolean {
    const every = this.#config['rotate.interval.ms']
    if (every > 0 && time !== null && generation.firstTime !== null) {
      if (time - generation.firstTime >= every) return true
      if (this.#partitioner.isByTime && !this.#config['append.late.data'] && place !== generation.directory) return true
    }
    const piece = generation.pieces.get(place)
    if (piece === undefined) return generation.pieces.size >= this.#config['max.open.files.per.partition']
    if (piece.schema === null || record.valueSchema === null) return !piece.encoder.takes(record.value, record.valueSchema)
    return this.#format.needsSchema && needsOtherFile(this.#config['schema.compatibility'], piece.schema, record.valueSchema)
  }

  #begin(record: SinkRecord, directory: string): OpenPiece<F> {
    const { topic, partition, offset } = record.original
    const piece = { topic, partition, topicDirectory: record.topic, directory, first: offset, extension: this.#extension }
    const schema = record.valueSchema
    const encoder = new Encoder(this.#format, this.#encoding, schema, `${topic}+${partition}+${offset}+${directory}`)
    return { piece, encoder, schema, file: this.#storage.create(piece), last: offset }
  }

  #asFile(piece: OpenPiece<F>, record: SinkRecord): Pick<SinkRecord, 'value'> & { schema: SinkRecord['valueSchema'] } {
    const schema = record.valueSchema
    if (!this.#format.needsSchema || schema === null || piece.schema === null || sameSchema(piece.schema, schema))
      return { value: record.value, schema }
    return { value: projected(record.value, schema, piece.schema), schema: piece.schema }
  }

  /** In an earlier run, between the record before this one and this one. */
  #wasOver(generation: Generation<F>, { original }: SinkRecord): boolean {
    const end = generation.knownEnd
    return end !== null && end < original.offset
  }

  #afterwards(generation: Generation<F>, piece: OpenPiece<F> | null): Promise<void> | null {
    const most = this.#config['rotate.bytes']
    const isFull = generation.count >= this.#config['flush.size'] || (most > 0 && generation.size >= most)
    if (generation.count > 0 && (isFull || generation.knownEnd === generation.next! - 1n)) return this.#end(generation)
    if (piece?.encoder.isDue === true) return this.#drain(piece)
    return this.#held > this.#config['max.buffered.bytes'] ? this.#relieve() : null
  }

  async #drain({ encoder, file }: OpenPiece<F>): Promise<void> {
    const before = encoder.pending + file.held
    try {
      await file.write(await encoder.drain())
    } finally {
      this.#held += encoder.pending + file.held - before
    }
    if (this.#held > this.#config['max.buffered.bytes']) await this.#relieve()
  }

  async #end(generation: Generation<F>): Promise<void> {
    generation.isEnding = true
    if (!generation.isNoted) await this.#note(generation)
    const held = generation.held
    const { count } = generation
    await generation.end(this.#storage)
    this.#held -= held
    this.#context.count('files_completed')
    this.#context.count('records_completed', count)
  }

  /** Whoever writes it again ends it there. */
  async #note(generation: Generation<F>): Promise<void> {
    const { topic, partition, ends } = generation
    const end = generation.next! - 1n
    if (this.#notesEnds && !ends.includes(end)) {
      const kept = [...ends, end].sort((one, other) => (one < other ? -1 : 1)).slice(-mostEnds)
      await this.#storage.remember?.({ topic, partition }, kept)
      generation.ends = kept
    }
    generation.isNoted = true
  }

  /** Where the records do not say it. While what an earlier run has published is written again, its ends count. */
  async #endNow(generation: Generation<F>): Promise<void> {
    if (generation.knownEnd !== null) return
    this.#notesEnds = true
    await this.#end(generation)
  }

  /** Makes room: by writing what can be written, then by completing the largest partitions early. */
  async #relieve(): Promise<void> {
    const most = this.#config['max.buffered.bytes'] * 0.75
    const largest = [...this.#generations.values()].sort((one, other) => other.held - one.held)
    for (const generation of largest) for (const { file } of generation.pieces.values()) await file.relieve?.()
    this.#measure()
    for (const generation of largest) {
      if (this.#held <= most) return
      if (generation.count === 0 || generation.knownEnd !== null) continue
      const { topic, partition } = generation
      this.#context.log.warn({ topic, partition, held: this.#held }, 'files are completed early, because max.buffered.bytes is reached')
      this.#context.count('files_completed_early')
      await this.#endNow(generation)
    }
  }

  #measure(): void {
    this.#held = 0
    for (const generation of this.#generations.values()) this.#held += generation.held
    this.#context.gauge('buffered_bytes', this.#held)
  }
}

/** How long what an earlier run had published may take to be written again; later, its ends are of a topic that was made anew. */
const longestReplayMs = 600_000
/** Of one partition since offsets were committed: far fewer. */
const mostEnds = 1_000

function keyOf(topic: string, partition: number): string {
  return `${partition} ${topic}`
}

function encodingOf(config: StorageConfig, format: Format, { wrapping, level }: FileTaskOptions): EncoderOptions {
  const decimals = ({ NUMERIC: 'number', BASE64: 'base64', STRING: 'string' } as const)[config['json.decimal.format']]
  return {
    wrapping,
    level,
    decimals,
    codec: format.name === 'avro' ? config['avro.codec'] : format.name === 'parquet' ? config['parquet.codec'] : null,
    csvDelimiter: unescaped(config['csv.delimiter']),
    csvHeader: config['csv.header'],
    separator: unescaped(config['format.bytearray.separator']),
    blockBytes: format.name === 'parquet' ? config['parquet.row.group.bytes'] : format.blockBytes,
  }
}
