/** `millrace connect try FILE`: what a connector's configuration makes of sample records, after converters and transforms. Nothing is written. */
import { InvalidConfig, parseLossless, realSystem, type System, splitList } from '../base.ts'
import type { Client, ReceivedRecord } from '../client.ts'
import { adviceOn, openPreview, type Preview, resolveProviders, type SampleRecord } from '../connect.ts'
import { parseProperties } from '../formats.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { bytesFromJson, CommandFailed, plural, toJson, UsageError, write } from './output.ts'
import { parsePosition, resolvePosition } from './position.ts'

export interface TryFlags extends ClientFlags {
  topic?: string
  from: string
  limit: number
  records?: string
  worker?: string
  schemas?: boolean
}

type Properties = Readonly<Record<string, string>>

export async function tryConnector(file: string, flags: TryFlags): Promise<void> {
  const system = realSystem()
  const given = readConfig(system, file, 'FILE')
  const worker = flags.worker === undefined ? {} : readConfig(system, flags.worker, '--worker')
  try {
    const config = await resolveProviders(given, system, worker)
    const paths = splitList(worker['plugin.path'] ?? '')
    for (const sentence of await adviceOn(config, paths, system)) process.stderr.write(`${file}: ${sentence}\n`)
    const preview = await openPreview(config, await resolveProviders(worker, system, worker), {
      ...{ system, schemas: flags.schemas === true, registry: null },
    })
    try {
      await run(preview, samples(system, config, flags), isSink(config))
    } finally {
      preview.close()
    }
  } catch (error) {
    throw error instanceof InvalidConfig ? new CommandFailed(`${file}: ${error.message}`) : error
  }
}

/** Only sinks read topics. */
function isSink(config: Properties): boolean {
  return config.topics !== undefined || config['topics.regex'] !== undefined
}

async function run(preview: Preview, records: AsyncIterable<SampleRecord>, sink: boolean): Promise<void> {
  const counts = { written: 0, dropped: 0, failed: 0 }
  for await (const record of records) {
    const result = await (sink ? preview.sink(record) : preview.source(record))
    counts[result.kind]++
    if (result.kind === 'written') await write(`${result.json}\n`)
    if (result.kind === 'failed')
      process.stderr.write(`${record.topic}-${record.partition} at offset ${record.offset}: ${result.stage}: ${result.message}\n`)
  }
  const { written, dropped, failed } = counts
  const total = written + dropped + failed
  process.stderr.write(`${plural(total, 'record')}: ${written} would be written, ${dropped} dropped, ${failed} failed\n`)
  if (failed > 0) process.exitCode = 1
}

/** Properties, or JSON: the configuration itself, or with its name as the REST API takes it. */
function readConfig(system: System, path: string, named: string): Properties {
  const content = system.files.readFile(path)?.toString('utf8')
  if (content === undefined) throw new UsageError(`${named}: file not found: ${path}`)
  if (!content.trimStart().startsWith('{')) {
    const parsed = parseProperties(content)
    if (typeof parsed === 'string') throw new UsageError(`${named} ${path}: ${parsed}`)
    return Object.fromEntries(Array.from(parsed, ([key, { value }]) => [key, value]))
  }
  const json = parseJson(content, `${named} ${path}`)
  const config = (typeof json.config === 'object' && json.config !== null ? json.config : json) as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(config)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, typeof value === 'string' ? value : toJson(value)]),
  )
}

function parseJson(text: string, where: string): Record<string, unknown> {
  try {
    const json = parseLossless(text)
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new UsageError(`${where}: ${error.message}`)
  }
  throw new UsageError(`${where}: an object is expected`)
}

async function* samples(system: System, config: Properties, flags: TryFlags): AsyncGenerator<SampleRecord> {
  const topic = flags.topic ?? config.topics?.split(',')[0]?.trim()
  if (flags.records !== undefined) {
    yield* fromFile(system, flags.records, topic ?? 'sample', flags.limit)
    return
  }
  if (topic === undefined || topic === '') throw new UsageError('name a topic with --topic, or a file with --records')
  await using client = await connect(flags)
  yield* fromTopic(client, topic, flags, system)
}

async function* fromTopic(client: Client, topic: string, { from, limit }: TryFlags, system: System): AsyncGenerator<ReceivedRecord> {
  const [info] = await client.topics([topic])
  const partitions = info!.partitions.map(each => each.partition)
  const until = await client.offsets(topic, partitions, 'latest')
  const start = await resolvePosition(client, topic, partitions, parsePosition(from, system.clock.now()))
  const abort = new AbortController()
  let left = limit
  try {
    for await (const records of client.read({ topic, from: start, until, committedOnly: true, signal: abort.signal })) {
      for (const record of records) {
        if (left-- <= 0) return
        yield record
      }
    }
  } finally {
    abort.abort()
  }
}

/** As `consume --json` prints records; keys and values may also be JSON itself. A line without `value` is a value. */
async function* fromFile(system: System, path: string, topic: string, limit: number): AsyncGenerator<SampleRecord> {
  const content = system.files.readFile(path)?.toString('utf8')
  if (content === undefined) throw new UsageError(`--records: file not found: ${path}`)
  const lines = content.split('\n').filter(line => line.trim() !== '')
  for (const [index, line] of lines.slice(0, limit).entries()) {
    const json = parseJson(line, `--records ${path}, line ${index + 1}`)
    const record = 'value' in json ? json : { value: json }
    const { topic: own, partition, offset, timestamp, headers } = record as Record<string, unknown>
    yield {
      topic: typeof own === 'string' ? own : topic,
      partition: typeof partition === 'number' ? partition : 0,
      offset: isWhole(offset) ? BigInt(offset) : BigInt(index),
      timestampMs: isWhole(timestamp) ? BigInt(timestamp) : BigInt(Math.floor(system.clock.now())),
      key: bytesOf((record as Record<string, unknown>).key, 'key'),
      value: bytesOf(record.value, 'value'),
      headers: headersOf(headers),
    }
  }
}

function isWhole(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value)
}

function bytesOf(value: unknown, what: string): Buffer | null {
  const isBytes = value === null || value === undefined || typeof value === 'string' || (typeof value === 'object' && 'base64' in value)
  return isBytes ? bytesFromJson(value, what) : Buffer.from(toJson(value))
}

function headersOf(headers: unknown): { key: Buffer; value: Buffer | null }[] {
  if (!Array.isArray(headers)) return []
  return headers.map((each: unknown) => {
    const { key, value } = (each ?? {}) as Record<string, unknown>
    return { key: Buffer.from(String(key)), value: bytesOf(value, 'a header') }
  })
}
