/**
 * File source: lines of all files of some patterns, as they grow, are rotated, truncated and removed.
 *
 * A file is known by its inode and by its first bytes: a file that is renamed is the same, and a new one that has the inode of an old one is not. The position in it
 * is the offset, so that with transactions each line is in the topic once.
 */
import { createHash } from 'node:crypto'
import { DiskError, type FileHandle, type FileSystem, linearRegExp, pause } from '../../base.ts'
import {
  type ConnectValue,
  choice,
  defineSource,
  int,
  intBytes,
  intMs,
  list,
  type Schema,
  type SourceContext,
  type SourceRecord,
  type SourceTask,
  type Struct,
  string,
  struct,
  type ValuesOf,
} from '../../connector.ts'
import { problemBy } from '../entries.ts'
import { eventsOf } from './events.ts'
import { expressionOf, glob } from './glob.ts'

const keys = {
  path: list({ required: true, importance: 'high', doc: 'Patterns of paths: `/var/log/app/*.log`, `/data/**/*.json`.' }),
  exclude: list({ default: '', doc: 'Patterns of paths that are left out, such as `*.gz`.' }),
  topic: string({ required: true, importance: 'high', doc: 'The topic of the records.' }),
  'read.from': choice(['beginning', 'end'], {
    default: 'beginning',
    doc: 'Where reading begins in files that are there when the connector is first started.',
  }),
  'read.mode': choice(['lines', 'whole'], {
    default: 'lines',
    doc: 'A record is a line, or a whole file once it has not changed for `settle.ms`.',
  }),
  'multiline.begins': string({
    default: '',
    check: problemBy(pattern => linearRegExp(pattern)),
    doc: 'A regular expression: a line that it matches begins a record, and the lines that follow belong to it. For stack traces: `^\\d{4}-`.',
  }),
  'value.format': choice(['string', 'bytes'], { default: 'string', doc: 'Whether the value is text in UTF-8 or bytes.' }),
  'settle.ms': intMs({
    default: 5_000,
    min: 100,
    doc: 'How long a file must not change until its last line, if it has no end, or its last record of several lines, is complete.',
  }),
  'poll.interval.ms': intMs({ default: 1_000, min: 10, doc: 'How often files are looked at.' }),
  'batch.max.bytes': intBytes({ default: 1_048_576, min: 1_024, max: 134_217_728, doc: 'How much of a file is read at once.' }),
  'record.max.bytes': intBytes({
    default: 900_000,
    min: 64,
    max: 67_108_864,
    doc: 'Longer lines are cut into records of this size; a longer whole file fails the task.',
  }),
  'files.max': int({ default: 1_000, min: 1, max: 100_000, importance: 'low', doc: 'How many files are open at the same time.' }),
} as const

type Config = ValuesOf<typeof keys>

export const files = defineSource({
  name: 'files',
  classes: [],
  version: '1',
  summary: 'Reads the lines of many files as they grow and are rotated.',
  example: { path: '/var/log/app/*.log', exclude: '*.gz', topic: 'logs' },
  formats: { 'key.converter': 'string', 'value.converter': 'string' },
  config: keys,
  exactlyOnce: () => true,
  async open(config, context): Promise<SourceTask> {
    return new FilesTask(config, context)
  },
})

/** Of a file, for its name: enough to tell logs apart. */
const headBytes = 256

interface Open {
  path: string
  readonly inode: number | null
  readonly handle: FileHandle
  readonly partition: Struct
  /** Whether something was stored of it when it was opened. */
  readonly isKnown: boolean
  position: number
  /** When it was last seen to grow, on the monotonic clock. */
  grewMs: number
  size: number
  /** Its name leads to another file, or to none. */
  isGone: boolean
  /** Of its first bytes, which do not change. */
  head: { readonly length: number; readonly hash: string } | null
}

class FilesTask implements SourceTask {
  readonly #config: Config
  readonly #context: SourceContext
  readonly #files: FileSystem
  readonly #begins: RegExp | null
  readonly #excluded: readonly RegExp[]
  readonly #open = new Map<string, Open>()
  #isFirstLook = true
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(config: Config, context: SourceContext) {
    this.#config = config
    this.#context = context
    this.#files = context.system.files
    this.#begins = config['multiline.begins'] === '' ? null : linearRegExp(config['multiline.begins'])
    this.#excluded = config.exclude.map(pattern => expressionOf(pattern.includes('/') ? pattern : `**/${pattern}`))
  }

  async poll(): Promise<readonly SourceRecord[]> {
    const { clock } = this.#context.system
    if (clock.monotonic() - this.#lookedMs >= this.#config['poll.interval.ms']) await this.#look()
    for (const [name, file] of this.#open) {
      const records = await this.#read(file)
      if (records.length > 0) {
        // The next time the others come first.
        this.#open.delete(name)
        this.#open.set(name, file)
        return records
      }
      if (file.isGone && file.position >= file.handle.size()) this.#forget(name, file)
    }
    await this.#wait()
    return []
  }

  /** Which files there are now. */
  async #look(): Promise<void> {
    this.#lookedMs = this.#context.system.clock.monotonic()
    const paths = [...new Set(this.#config.path.flatMap(pattern => glob(this.#files, pattern)))].filter(
      path => !this.#excluded.some(each => each.test(path)),
    )
    const seen = new Set<string>()
    for (const path of paths) {
      const found = this.#files.stat(path)
      if (found === null) continue
      const name = nameOf(path, found.inode ?? null)
      seen.add(name)
      const file = this.#open.get(name)
      if (file !== undefined) file.path = path
      else if (this.#open.size < this.#config['files.max']) await this.#begin(name, path, found.inode ?? null)
    }
    for (const [name, file] of this.#open) file.isGone = !seen.has(name)
    if (this.#isFirstLook && this.#config['read.from'] === 'end') await this.#skipAll()
    this.#isFirstLook = false
    this.#context.gauge('open_files', this.#open.size)
  }

  /** At the first start of the connector. The ends are stored: the next start would take later ones. */
  async #skipAll(): Promise<void> {
    const files = [...this.#open.values()]
    if (files.some(each => each.isKnown)) return
    for (const file of files) file.position = file.size
    await this.#context.storeOffsets(files.map(file => ({ sourcePartition: file.partition, sourceOffset: offsetOf(file, file.position) })))
  }

  async #begin(name: string, path: string, inode: number | null): Promise<void> {
    let handle: FileHandle
    try {
      handle = this.#files.open(path, 'r')
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return
      throw error
    }
    // Another file may have come to this name meanwhile: it is looked at again.
    if ((this.#files.stat(path)?.inode ?? null) !== inode) return handle.close()
    const partition = struct(inode === null ? [['path', path]] : [['inode', String(inode)]])
    const [stored] = await this.#context.storedOffsets([partition])
    this.#open.set(name, {
      path,
      inode,
      handle,
      partition,
      isKnown: stored !== null && stored !== undefined,
      position: this.#positionOf(handle, stored ?? null) ?? 0,
      grewMs: this.#context.system.clock.monotonic(),
      size: handle.size(),
      isGone: false,
      head: null,
    })
  }

  /** null: nothing is stored of this file. */
  #positionOf(handle: FileHandle, stored: Struct | null): number | null {
    if (stored === null) return null
    const position = Number(stored['position'])
    const length = Number(stored['head_bytes'])
    return position <= handle.size() && headOf(handle, length) === stored['head'] ? position : null
  }

  async #read(file: Open): Promise<SourceRecord[]> {
    const { clock } = this.#context.system
    const size = file.handle.size()
    if (size !== file.size) file.grewMs = clock.monotonic()
    // Truncated: what is there now was written after.
    if (size < file.position) {
      file.position = 0
      file.head = null
    }
    file.size = size
    const isSettled = file.isGone || clock.monotonic() - file.grewMs >= this.#config['settle.ms']
    if (file.position >= size) return []
    if (this.#config['read.mode'] === 'whole') return isSettled && file.position === 0 ? this.#whole(file, size) : []
    // A record may be as long as it may be, whatever is read at once.
    const most = Math.max(this.#config['batch.max.bytes'], this.#config['record.max.bytes'] + 1)
    const bytes = Buffer.allocUnsafe(Math.min(size - file.position, most))
    const read = bytes.subarray(0, await file.handle.read(bytes, file.position))
    const isEnd = isSettled && file.position + read.length >= size
    const events = eventsOf(read, file.position, isEnd, { begins: this.#begins, mostBytes: this.#config['record.max.bytes'] })
    return events.map(({ text, end }) => this.#record(file, text, end))
  }

  async #whole(file: Open, size: number): Promise<SourceRecord[]> {
    if (size > this.#config['record.max.bytes']) throw new Error(`${file.path} has ${size} bytes, more than record.max.bytes`)
    const bytes = Buffer.allocUnsafe(size)
    return [this.#record(file, bytes.subarray(0, await file.handle.read(bytes, 0)), size)]
  }

  #record(file: Open, text: Buffer, end: number): SourceRecord {
    file.position = end
    const isText = this.#config['value.format'] === 'string'
    return {
      topic: this.#config.topic,
      partition: null,
      keySchema: textSchema,
      key: file.path,
      valueSchema: isText ? textSchema : bytesSchema,
      value: isText ? text.toString() : Buffer.from(text),
      timestampMs: null,
      headers: [],
      sourcePartition: file.partition,
      sourceOffset: offsetOf(file, end),
    }
  }

  #forget(name: string, file: Open): void {
    file.handle.close()
    this.#open.delete(name)
  }

  #wait(): Promise<void> {
    const { system, signal } = this.#context
    const ms = Math.min(1_000, Math.max(10, this.#lookedMs + this.#config['poll.interval.ms'] - system.clock.monotonic()))
    return pause(system, ms, signal)
  }

  async close(): Promise<void> {
    for (const [name, file] of this.#open) this.#forget(name, file)
  }
}

const textSchema: Schema = { type: 'string' }
const bytesSchema: Schema = { type: 'bytes' }

function nameOf(path: string, inode: number | null): string {
  return inode === null ? path : String(inode)
}

function offsetOf(file: Open, position: number): Struct {
  const length = Math.min(headBytes, position)
  if (file.head?.length !== length) file.head = { length, hash: headOf(file.handle, length) }
  const fields: [string, ConnectValue][] = [
    ['position', position],
    ['head_bytes', length],
    ['head', file.head.hash],
  ]
  return struct(fields)
}

function headOf(handle: FileHandle, length: number): string {
  const head = Buffer.alloc(length)
  return createHash('sha256')
    .update(head.subarray(0, handle.readSync(head, 0)))
    .digest('base64url')
    .slice(0, 22)
}
