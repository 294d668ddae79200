/**
 * OpenTSDB sink, by `/api/put?details`.
 *
 * A point that is written again is the same point, so that nothing is twice. The daemon says of each point why it refuses it; such records are reported,
 * when all others of their batch are stored.
 */
import { gzipSync } from 'node:zlib'
import { severalAtOnce } from '../../base.ts'
import { DataError, defineSink, RetriableError, type SinkContext, type SinkRecord, type SinkTask } from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { type HttpAnswer, type HttpClient, isSuccess, jsonOf, said } from '../http-client/http-client.ts'
import { HttpServers } from '../http-client/servers.ts'
import { authorization, openHttpClient } from '../http-client/settings.ts'
import { missing, requireNone } from '../required.ts'
import { type Config, keys } from './keys.ts'
import { type Point, Points, pointName } from './points.ts'

const check = (config: Config) => missing(config, config['metric.name'] === '' ? [] : ['metric.tags'])

export const opentsdb = defineSink({
  name: 'opentsdb',
  classes: [],
  version: '1',
  summary: 'Writes data points to OpenTSDB, made of records by templates.',
  example: {
    'connection.url': 'http://127.0.0.1:4242',
    'metric.name': 'web.requests.ms',
    'metric.value': '${value.ms}',
    'metric.tags': 'host=${value.host:-unknown}',
  },
  config: keys,
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    return new OpenTsdbTask(config, context)
  },
})

/** How many records are put together before points are sent. */
const recordsAtOnce = 1_000

/** What the daemon says of points that it could not store now. */
const passingReason = /timed? ?out|throttle|storage exception|unavailable/i

interface PutAnswer {
  readonly success?: number
  readonly failed?: number
  readonly timeouts?: number
  readonly errors?: readonly {
    readonly error: string
    readonly datapoint: { metric?: string; timestamp?: unknown; tags?: Record<string, string> }
  }[]
}

class OpenTsdbTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #client: HttpClient
  readonly #servers: HttpServers
  readonly #points: Points
  readonly #batches = new Batches(recordsAtOnce)
  readonly #headers: Readonly<Record<string, string>>

  constructor(config: Config, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#client = openHttpClient(config, context)
    this.#servers = new HttpServers(this.#client, context.system.clock, config['connection.url'])
    this.#points = new Points(config)
    const encoding = config['compression.type'] === 'gzip' ? { 'content-encoding': 'gzip' } : {}
    this.#headers = { ...authorization(config), 'content-type': 'application/json', ...encoding }
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#write(batch))
  }

  async #write(records: readonly SinkRecord[]): Promise<void> {
    const refused = new Map<SinkRecord, DataError>()
    const points: Point[] = []
    for (const record of records) {
      try {
        points.push(...this.#points.of(record))
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.set(record, error)
      }
    }
    const chunks = chunksOf(points, this.#config['batch.size'], this.#config['batch.bytes'])
    // Of one point that comes twice, the later value counts.
    const isRepeated = new Set(points.map(each => each.name)).size < points.length
    await severalAtOnce(chunks, isRepeated ? 1 : this.#config['max.in.flight.requests'], chunk => this.#send(chunk, refused))
    // Only now: after a failure above, all are tried again.
    for (const [record, error] of refused) await this.#context.report(record, error)
  }

  async #send(points: readonly Point[], refused: Map<SinkRecord, DataError>): Promise<void> {
    const answer = await this.#request(points)
    if (isSuccess(answer.status) && isDone(answer)) return
    if (answer.status !== 400 && answer.status !== 413 && !isSuccess(answer.status))
      throw new Error(`OpenTSDB answers with ${said(answer)}`)
    const details = detailsOf(answer)
    if (details === null) {
      // It refuses the request as a whole: what it is about is found by halves.
      if (points.length === 1) refused.set(points[0]!.record, new DataError(`OpenTSDB refuses the point: ${said(answer)}`))
      else {
        const middle = points.length >> 1
        await this.#send(points.slice(0, middle), refused)
        await this.#send(points.slice(middle), refused)
      }
      return
    }
    this.#assign(points, details, refused)
  }

  #assign(points: readonly Point[], { errors = [], failed = 0, timeouts = 0 }: PutAnswer, refused: Map<SinkRecord, DataError>): void {
    if (timeouts > 0 || errors.length < failed)
      throw new RetriableError(
        `OpenTSDB could not store ${failed + timeouts} of ${points.length} points: ${errors[0]?.error ?? 'it does not say why'}`,
      )
    const byName = new Map<string, Point[]>()
    for (const point of points) byName.set(point.name, [...(byName.get(point.name) ?? []), point])
    for (const { error, datapoint } of errors) {
      if (passingReason.test(error)) throw new RetriableError(`OpenTSDB could not store a point: ${error}`)
      const point = byName.get(pointName(datapoint.metric ?? '', datapoint.timestamp, Object.entries(datapoint.tags ?? {})))?.shift()
      if (point === undefined)
        throw new Error(`OpenTSDB refuses a point that was not sent: ${error}: ${JSON.stringify(datapoint).slice(0, 200)}`)
      if (!refused.has(point.record)) refused.set(point.record, new DataError(`OpenTSDB refuses the point: ${error}`))
    }
  }

  #request(points: readonly Point[]): Promise<HttpAnswer> {
    const { sync, 'sync.timeout.ms': waits } = this.#config
    const path = `api/put?details${sync ? `&sync&sync_timeout=${waits}` : ''}`
    const text = `[${points.map(point => point.json).join(',')}]`
    const body = this.#config['compression.type'] === 'gzip' ? gzipSync(text) : text
    return this.#servers.send(path, { method: 'POST', headers: this.#headers, body }, 'put to OpenTSDB')
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async closed(): Promise<void> {
    this.#batches.forget()
  }

  async close(): Promise<void> {
    this.#client.close()
  }
}

/** Other daemons of this interface give no details. */
function isDone(answer: HttpAnswer): boolean {
  if (answer.status === 204) return true
  const { failed = 0, timeouts = 0 } = jsonOf<PutAnswer>(answer, 'OpenTSDB', ({ success }) => typeof success === 'number')
  return failed === 0 && timeouts === 0
}

/** null: the answer is about the request, not about its points. */
function detailsOf(answer: HttpAnswer): PutAnswer | null {
  try {
    const said = JSON.parse(answer.body.toString()) as PutAnswer
    return said.failed === undefined && said.errors === undefined ? null : said
  } catch {
    return null
  }
}

function* chunksOf(points: readonly Point[], most: number, mostBytes: number): Generator<Point[]> {
  let chunk: Point[] = []
  let bytes = 2
  for (const point of points) {
    const size = Buffer.byteLength(point.json) + 1
    if (chunk.length > 0 && (chunk.length === most || bytes + size > mostBytes)) {
      yield chunk
      chunk = []
      bytes = 2
    }
    chunk.push(point)
    bytes += size
  }
  if (chunk.length > 0) yield chunk
}
