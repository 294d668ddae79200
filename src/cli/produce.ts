/** `millrace produce`: lines of standard input become records, byte for byte. */
import { parseLossless, realSystem } from '../base.ts'
import type { Acks, Client, Compression, Placed, RecordHeader, RecordToSend } from '../client.ts'
import type { SchemaChoice } from '../serde.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { bytesFromJson, CommandFailed, plural, toJson, UsageError, write } from './output.ts'
import { barOnTerminal } from './progress-line.ts'
import { type Encoder, openEncoder, rawEncoder } from './record-encoder.ts'
import type { SerdeFlags } from './serde-options.ts'
import { openForFlags } from './serdes.ts'

export interface ProduceFlags extends ClientFlags, SerdeFlags {
  ca?: string
  keySchema?: SchemaChoice
  valueSchema?: SchemaChoice
  key?: string
  keySeparator?: string
  header?: [string, string][]
  partition?: number
  compression: Compression
  acks: 'all' | '1' | '0'
  tombstones?: boolean
  fromJson?: boolean
  file?: string
}

/** If one read of the input contains more lines, they are sent in several requests. */
const recordsPerSend = 5_000

export async function produce(topic: string, flags: ProduceFlags): Promise<void> {
  if (flags.fromJson && (flags.keySeparator !== undefined || flags.tombstones)) {
    throw new UsageError('--from-json cannot be combined with --key-separator or --tombstones')
  }
  const single = flags.file === undefined ? null : readFile(flags.file)
  using opened = flags.serde === undefined ? null : await openForFlags(flags)
  const encoder = opened === null ? rawEncoder : openEncoder(opened.serdes, topic, flags)
  await using client = await connect(flags)
  const sender = new Sender(client, topic, flags)
  let complete = false
  // Who types sees what is sent.
  const progress = process.stdin.isTTY ? null : barOnTerminal(realSystem())
  sender.onSent = sent => progress?.show('send', () => ({ part: null, text: `${plural(sent, 'record')} written to ${topic}` }))
  try {
    const common = await commonParts(flags, encoder)
    if (single !== null) await sender.send([{ ...common, value: await encoder.fromText('value', single, 'the file') }])
    else await sendInput(sender, flags.fromJson ? jsonReader(common, encoder) : lineReader(common, flags, encoder))
    complete = true
  } finally {
    progress?.end()
    // After an error as well, so that it is known where to continue.
    if (flags.json !== true && (complete || sender.sent > 0)) process.stderr.write(`${plural(sender.sent, 'record')} written to ${topic}\n`)
  }
}

async function sendInput(sender: Sender, toRecord: LineReader): Promise<void> {
  if (process.stdin.isTTY) process.stderr.write('Type one record per line; end with Ctrl-D.\n')
  let number = 0
  for await (const lines of readLines(process.stdin)) {
    for (let at = 0; at < lines.length; at += recordsPerSend) {
      const records: RecordToSend[] = []
      try {
        for (const line of lines.slice(at, at + recordsPerSend)) {
          const record = toRecord(line, ++number)
          // Bytes as they are cost no promise for each line.
          records.push(record instanceof Promise ? await record : record)
        }
      } finally {
        // The lines before an invalid one are written.
        if (records.length > 0) await sender.send(records)
      }
    }
  }
}

function readFile(path: string): Buffer {
  const content = realSystem().files.readFile(path)
  if (content === null) throw new CommandFailed(`file not found: ${path}`)
  return content
}

class Sender {
  sent = 0
  onSent: (sent: number) => void = () => {}
  readonly #client: Client
  readonly #topic: string
  readonly #flags: ProduceFlags

  constructor(client: Client, topic: string, flags: ProduceFlags) {
    this.#client = client
    this.#topic = topic
    this.#flags = flags
  }

  async send(records: RecordToSend[]): Promise<void> {
    const { acks, compression, json } = this.#flags
    const placed: Placed[] = await this.#client.send(this.#topic, records, {
      acks: acks === 'all' ? acks : (Number(acks) as Acks),
      compression,
    })
    this.sent += records.length
    this.onSent(this.sent)
    if (json === true) await write(`${toJson({ topic: this.#topic, records: records.length, placed })}\n`)
  }
}

type LineReader = (line: Buffer, number: number) => RecordToSend | Promise<RecordToSend>
type CommonParts = Omit<RecordToSend, 'value'>

async function commonParts({ key, header, partition }: ProduceFlags, encoder: Encoder): Promise<CommonParts> {
  const headers = (header ?? []).map(([name, value]): RecordHeader => ({ key: Buffer.from(name), value: Buffer.from(value) }))
  return { key: key === undefined ? null : await encoder.fromText('key', Buffer.from(key), '--key'), headers, partition }
}

function lineReader(common: CommonParts, { keySeparator, tombstones }: ProduceFlags, encoder: Encoder): LineReader {
  const separator = keySeparator === undefined ? null : Buffer.from(keySeparator)
  const toValue = (bytes: Buffer, number: number) =>
    tombstones && bytes.length === 0 ? null : encoder.fromText('value', bytes, `line ${number}`)
  return (line, number) => {
    if (separator === null) return together(common, common.key, toValue(line, number))
    const at = line.indexOf(separator)
    if (at < 0) throw new CommandFailed(`line ${number} has no key separator "${keySeparator}"`)
    const key = encoder.fromText('key', line.subarray(0, at), `line ${number}`)
    return together(common, key, toValue(line.subarray(at + separator.length), number))
  }
}

type Bytes = Buffer | null | Promise<Buffer | null>

function together(common: CommonParts, key: Bytes, value: Bytes): RecordToSend | Promise<RecordToSend> {
  if (!(key instanceof Promise || value instanceof Promise)) return { ...common, key, value }
  return Promise.all([key, value]).then(([readyKey, readyValue]) => ({ ...common, key: readyKey, value: readyValue }))
}

/** The format of `consume --json`. Offset, partition and timestamp of the original record are ignored. */
function jsonReader(common: CommonParts, encoder: Encoder): LineReader {
  return async (line, number) => {
    let record: unknown
    try {
      record = parseLossless(line.toString('utf8'))
    } catch (error) {
      throw new CommandFailed(`line ${number} is not valid JSON: ${(error as Error).message}`)
    }
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      throw new CommandFailed(`line ${number} is not a JSON object`)
    const { key, value, headers } = record as { key?: unknown; value?: unknown; headers?: unknown }
    const own = Array.isArray(headers)
      ? headers.map(each => ({ key: Buffer.from(String(each?.key)), value: bytesFromJson(each?.value, `line ${number}: a header`) }))
      : []
    return {
      ...common,
      key: (await encoder.fromJson('key', key, `line ${number}`)) ?? common.key,
      value: await encoder.fromJson('value', value, `line ${number}`),
      headers: [...own, ...(common.headers ?? [])],
    }
  }
}

/** The complete lines of each read, without their line feeds; what follows the last one counts as a line. */
export async function* readLines(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer[], void> {
  let rest: Buffer[] = []
  for await (const chunk of input) {
    const lines: Buffer[] = []
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const end = chunk.subarray(from, at)
      lines.push(rest.length === 0 ? end : Buffer.concat([...rest, end]))
      rest = []
      from = at + 1
    }
    if (from < chunk.length) rest.push(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [Buffer.concat(rest)]
}
