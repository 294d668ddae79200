/** Source: the lines of one file, as they are appended, with the keys of Kafka's FileStreamSource. Exactly once: the position in the file is the offset. */

import { DiskError, type FileHandle, pause } from '../../base.ts'
import {
  defineSource,
  int,
  intBytes,
  type SourceContext,
  type SourceRecord,
  type Struct,
  string,
  struct,
  type ValuesOf,
} from '../../connector.ts'

const keys = {
  file: string({ required: true, importance: 'high', doc: 'The file that is read. A file that is not there yet is waited for.' }),
  topic: string({ required: true, importance: 'high', doc: 'The topic that its lines are written to.' }),
  'batch.size': int({ default: 2_000, min: 1, importance: 'low', doc: 'Most lines that are read at once.' }),
  'line.max.bytes': intBytes({
    default: 2 ** 20,
    min: 1,
    max: 2 ** 27,
    importance: 'low',
    doc: 'Longest line. A longer one fails the task.',
  }),
} as const

export const fileSource = defineSource({
  name: 'file-source',
  classes: ['org.apache.kafka.connect.file.FileStreamSourceConnector'],
  version: '1.0.0',
  summary: 'Reads the lines of a file, and goes on as it grows.',
  example: { file: '/tmp/events.txt', topic: 'events' },
  formats: { 'key.converter': 'string', 'value.converter': 'string' },
  config: keys,
  exactlyOnce: () => true,
  async open(config, context) {
    const partition = struct([['filename', config.file]])
    const [stored] = await context.storedOffsets([partition])
    return new Tail(config, context, partition, Number(stored?.['position'] ?? 0))
  },
})

const text = { type: 'string' } as const
const pauseMs = 1_000
/** Read at once, unless a line is longer. */
const blockBytes = 2 ** 18
const none: Buffer = Buffer.alloc(0)
const noHeaders: readonly never[] = []

class Tail {
  readonly #config: ValuesOf<typeof keys>
  readonly #context: SourceContext
  readonly #partition: Struct
  #handle: FileHandle | null = null
  #position: number
  /** Memory of what is read. */
  #block = none
  /** What was read from the position on. */
  #unread = none

  constructor(config: ValuesOf<typeof keys>, context: SourceContext, partition: Struct, position: number) {
    this.#config = config
    this.#context = context
    this.#partition = partition
    this.#position = position
  }

  async poll(): Promise<readonly SourceRecord[]> {
    const records = await this.#read()
    if (records.length === 0) await pause(this.#context.system, pauseMs, this.#context.signal)
    return records
  }

  async close(): Promise<void> {
    this.#handle?.close()
    this.#handle = null
  }

  /** The next lines: of what has been read already, or else of what follows it in the file. */
  async #read(): Promise<SourceRecord[]> {
    const records = this.#lines()
    if (records.length > 0) return records
    this.#handle ??= this.#open()
    if (this.#handle === null) return []
    const size = this.#handle.size()
    if (size < this.#position) {
      this.#context.log.warn(
        { file: this.#config.file, position: this.#position, size },
        'the file has become smaller: it is read from its beginning',
      )
      this.#position = 0
    }
    if (size === this.#position) return []
    const longest = this.#config['line.max.bytes'] + 2
    for (let most = Math.min(blockBytes, longest); ; most = Math.min(most * 4, longest)) {
      await this.#fill(this.#handle, Math.min(most, size - this.#position))
      const found = this.#lines()
      const { length } = this.#unread
      this.#unread = found.length > 0 ? this.#unread : none
      if (found.length > 0 || length < most) return found
      if (most === longest)
        throw new Error(
          `the line at ${this.#position} of ${this.#config.file} is longer than line.max.bytes, ${this.#config['line.max.bytes']}`,
        )
    }
  }

  /** From the position on. The memory is used again: lines are texts. */
  async #fill(handle: FileHandle, bytes: number): Promise<void> {
    if (this.#block.length < bytes) this.#block = Buffer.allocUnsafeSlow(bytes)
    const read = await handle.read(this.#block.subarray(0, bytes), this.#position)
    this.#unread = this.#block.subarray(0, read)
  }

  /** Complete lines only: the rest is read again when its end is there. */
  #lines(): SourceRecord[] {
    const bytes = this.#unread
    const records: SourceRecord[] = []
    let from = 0
    while (records.length < this.#config['batch.size']) {
      const end = bytes.indexOf(0x0a, from)
      if (end < 0) break
      const value = bytes.toString('utf8', from, end > from && bytes[end - 1] === 0x0d ? end - 1 : end)
      from = end + 1
      records.push(this.#record(value, this.#position + from))
    }
    this.#position += from
    this.#unread = bytes.subarray(from)
    return records
  }

  #record(value: string, next: number): SourceRecord {
    const offset = struct()
    offset['position'] = next
    return {
      topic: this.#config.topic,
      partition: null,
      keySchema: null,
      key: null,
      valueSchema: text,
      value,
      timestampMs: null,
      headers: noHeaders,
      sourcePartition: this.#partition,
      sourceOffset: offset,
    }
  }

  #open(): FileHandle | null {
    try {
      return this.#context.system.files.open(this.#config.file, 'r')
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return null
      throw error
    }
  }
}
