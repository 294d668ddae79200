/** Sink: a file, or the output of the worker, one line per record, with the keys of Kafka's FileStreamSink. Files that have become large or old are renamed. */

import type { FileHandle } from '../../base.ts'
import { choice, defineSink, int, long, ms, type SinkContext, type SinkRecord, string, type ValuesOf } from '../../connector.ts'
import { onDisk } from '../disk.ts'
import { jsonText } from '../values/json.ts'

const keys = {
  file: string({ default: '', importance: 'high', doc: 'The file that is appended to. Empty: the standard output of the worker.' }),
  format: choice(['text', 'json'] as const, {
    default: 'text',
    doc: 'text: strings as they are, everything else as JSON. json: everything as JSON, so that each record is one line.',
  }),
  'rotate.bytes': long({
    default: -1,
    min: -1,
    unit: 'bytes',
    doc: 'Size at which the file is renamed to file.1, file.1 to file.2, and so on. -1: not.',
  }),
  'rotate.interval.ms': ms({ default: -1, min: -1, doc: 'Age at which it is renamed. -1: not.' }),
  'rotate.keep': int({ default: 10, min: 1, max: 10_000, doc: 'How many renamed files are kept.' }),
} as const

export const fileSink = defineSink({
  name: 'file-sink',
  classes: ['org.apache.kafka.connect.file.FileStreamSinkConnector'],
  version: '1.0.0',
  summary: 'Writes records as lines into a file or to the standard output.',
  example: { file: '/tmp/events.txt' },
  config: keys,
  recordsAtOnce: 500,
  async open(config, context) {
    return config.file === '' ? standardOutput(config) : new LineFile(config, context)
  },
})

/** Without its end. */
function lineOf({ value, valueSchema }: SinkRecord, { format }: ValuesOf<typeof keys>): string {
  return format === 'text' && typeof value === 'string' ? value : jsonText({ schema: valueSchema, value })
}

function standardOutput(config: ValuesOf<typeof keys>) {
  return {
    put: (records: readonly SinkRecord[]) =>
      new Promise<void>((resolve, reject) =>
        process.stdout.write(records.map(record => `${lineOf(record, config)}\n`).join(''), error => (error ? reject(error) : resolve())),
      ),
    flush: async () => undefined,
    close: async () => {},
  }
}

/** In UTF-8, of each unit of a text. */
const mostBytesOfCharacter = 3
const mostKeptBytes = 2 ** 20
const none: Buffer = Buffer.alloc(0)

class LineFile {
  readonly #config: ValuesOf<typeof keys>
  readonly #context: SinkContext
  #handle: FileHandle | null = null
  #openedMs = 0
  /** Of the lines that are written together, used again for the next ones. */
  #memory = none

  constructor(config: ValuesOf<typeof keys>, context: SinkContext) {
    this.#config = config
    this.#context = context
  }

  /** Behind what other tasks have written, and a task of a worker that was thought to be gone. */
  async put(records: readonly SinkRecord[]): Promise<void> {
    if (records.length === 0) return
    await onDisk(async () => {
      const lines = this.#lines(records)
      if (this.#isOver()) await this.#rotate()
      this.#handle ??= this.#open()
      await this.#append(this.#handle, lines)
    })
  }

  #lines(records: readonly SinkRecord[]): Buffer {
    let used = 0
    for (const record of records) {
      const line = lineOf(record, this.#config)
      const most = used + line.length * mostBytesOfCharacter + 1
      if (most > this.#memory.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(most, this.#memory.length * 2))
        this.#memory.copy(larger, 0, 0, used)
        this.#memory = larger
      }
      used += this.#memory.write(line, used)
      this.#memory[used++] = 0x0a
    }
    const lines = this.#memory.subarray(0, used)
    if (this.#memory.length > mostKeptBytes) this.#memory = none
    return lines
  }

  /** What has been written of it before it failed goes, unless others have written since: then it is there again. */
  async #append(handle: FileHandle, lines: Buffer): Promise<void> {
    const before = handle.size()
    try {
      await handle.write([lines], before)
    } catch (error) {
      const left = Buffer.alloc(Math.min(handle.size() - before, lines.length))
      handle.readSync(left, before)
      if (handle.size() === before + left.length && left.equals(lines.subarray(0, left.length))) handle.truncate(before)
      else await this.close()
      throw error
    }
  }

  async flush(): Promise<undefined> {
    // Another try after a failed sync would prove nothing: then the task fails, and reads again from the last commit.
    await this.#handle?.datasync()
    return undefined
  }

  async close(): Promise<void> {
    this.#handle?.close()
    this.#handle = null
  }

  #open(): FileHandle {
    const handle = this.#context.system.files.open(this.#config.file, 'a')
    this.#openedMs = this.#context.system.clock.monotonic()
    this.#endLine(handle)
    return handle
  }

  /** A line that was cut off stays a line of its own; its record is written again. */
  #endLine(handle: FileHandle): void {
    const last = Buffer.alloc(1)
    const size = handle.size()
    if (size > 0 && handle.readSync(last, size - 1) === 1 && last[0] !== 0x0a) handle.writeSync([Buffer.from('\n')], size)
  }

  #isOver(): boolean {
    const size = this.#handle?.size() ?? 0
    if (size === 0) return false
    const { 'rotate.bytes': bytes, 'rotate.interval.ms': interval } = this.#config
    return (bytes > 0 && size >= bytes) || (interval > 0 && this.#context.system.clock.monotonic() - this.#openedMs >= interval)
  }

  async #rotate(): Promise<void> {
    const { files } = this.#context.system
    const { file, 'rotate.keep': keep } = this.#config
    await this.flush()
    await this.close()
    for (let number = keep; number > 1; number--)
      if (files.exists(`${file}.${number - 1}`)) files.rename(`${file}.${number - 1}`, `${file}.${number}`)
    files.rename(file, `${file}.1`)
  }
}
