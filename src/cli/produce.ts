/** `millrace produce`: lines of standard input become records, byte for byte. */
import { realSystem } from '../base.ts'
import type { Acks, Client, Compression, Placed, RecordHeader, RecordToSend } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { bytesFromJson, CommandFailed, plural, toJson, UsageError, write } from './output.ts'

export interface ProduceFlags extends ClientFlags {
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
  await using client = await connect(flags)
  const sender = new Sender(client, topic, flags)
  let complete = false
  try {
    if (single !== null) await sender.send([{ ...commonParts(flags), value: single }])
    else await sendInput(sender, flags)
    complete = true
  } finally {
    // After an error as well, so that it is known where to continue.
    if (flags.json !== true && (complete || sender.sent > 0)) process.stderr.write(`${plural(sender.sent, 'record')} written to ${topic}\n`)
  }
}

async function sendInput(sender: Sender, flags: ProduceFlags): Promise<void> {
  if (process.stdin.isTTY) process.stderr.write('Type one record per line; end with Ctrl-D.\n')
  const toRecord = flags.fromJson ? jsonReader(flags) : lineReader(flags)
  let number = 0
  for await (const lines of readLines(process.stdin)) {
    for (let at = 0; at < lines.length; at += recordsPerSend) {
      const records: RecordToSend[] = []
      try {
        for (const line of lines.slice(at, at + recordsPerSend)) records.push(toRecord(line, ++number))
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
    if (json === true) await write(`${toJson({ topic: this.#topic, records: records.length, placed })}\n`)
  }
}

type LineReader = (line: Buffer, number: number) => RecordToSend

function commonParts(flags: ProduceFlags): Omit<RecordToSend, 'value'> {
  const headers = (flags.header ?? []).map(([key, value]): RecordHeader => ({ key: Buffer.from(key), value: Buffer.from(value) }))
  return { key: flags.key === undefined ? null : Buffer.from(flags.key), headers, partition: flags.partition }
}

function lineReader(flags: ProduceFlags): LineReader {
  const common = commonParts(flags)
  const separator = flags.keySeparator === undefined ? null : Buffer.from(flags.keySeparator)
  const toValue = (bytes: Buffer) => (flags.tombstones && bytes.length === 0 ? null : bytes)
  return (line, number) => {
    if (separator === null) return { ...common, value: toValue(line) }
    const at = line.indexOf(separator)
    if (at < 0) throw new CommandFailed(`line ${number} has no key separator "${flags.keySeparator}"`)
    return { ...common, key: line.subarray(0, at), value: toValue(line.subarray(at + separator.length)) }
  }
}

/** The format of `consume --json`. Offset, partition and timestamp of the original record are ignored. */
function jsonReader(flags: ProduceFlags): LineReader {
  const common = commonParts(flags)
  return (line, number) => {
    let record: unknown
    try {
      record = JSON.parse(line.toString('utf8'))
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
      key: bytesFromJson(key, `line ${number}: key`) ?? common.key,
      value: bytesFromJson(value, `line ${number}: value`),
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
