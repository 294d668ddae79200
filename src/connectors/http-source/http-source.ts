/**
 * HTTP source: the records of the answers of an endpoint, which is asked again and again.
 *
 * What names a record (`http.response.record.offset.pointer`) is its offset, and goes into the next request. An answer may contain records that were given
 * before: those up to the one with the offset are left out. So with transactions each record is in the topic once.
 */
import { cutText, parseLossless, pause, stringifyLossless } from '../../base.ts'
import {
  type ConnectValue,
  defineSource,
  RetriableError,
  type Schema,
  type SourceContext,
  type SourceRecord,
  type SourceTask,
  struct,
} from '../../connector.ts'
import { type HttpAnswer, type HttpClient, isPassing, passingError, said } from '../http-client/http-client.ts'
import { authorization, openHttpClient } from '../http-client/settings.ts'
import { missing, requireNone } from '../required.ts'
import { jsonValues, textKeys } from '../values/formats.ts'
import { plainValue } from '../values/parsed.ts'
import { microsOf } from '../values/temporal.ts'
import { type Config, codesOf, filters, keys, mappers, pairsOf } from './keys.ts'
import { at, type Pointer, pointerOf } from './pointer.ts'
import { rendered } from './template.ts'

function check(config: Config): Map<string, string> {
  const needed = { None: [], Basic: ['http.auth.user'], Static: ['http.headers.authorization'] }[config['http.auth.type']]
  return missing(config, needed)
}

export const httpSource = defineSource({
  name: 'http-source',
  classes: ['com.github.castorm.kafka.connect.http.HttpSourceConnector'],
  version: '1',
  summary: 'Asks an HTTP endpoint from time to time, and reads the records of its answers, each once.',
  example: {
    'http.request.url': 'http://127.0.0.1:8000/orders',
    'http.request.params': 'after=${offset.key!"0"}',
    'http.response.list.pointer': '/items',
    'http.response.record.offset.pointer': 'key=/id',
    'http.timer.interval.millis': '1000',
    'kafka.topic': 'orders',
  },
  formats: { ...textKeys, ...jsonValues },
  config: keys,
  check,
  exactlyOnce: config => config['http.response.record.offset.pointer'] !== '' && filters[config['http.record.filter.factory']] !== 'none',
  async open(config, context): Promise<SourceTask> {
    requireNone(check(config))
    const [stored] = await context.storedOffsets([partition])
    const initial = Object.fromEntries(pairsOf(config['http.offset.initial']))
    const offset = new Map(Object.entries({ ...initial, ...stored }).map(([name, value]) => [name, String(value)]))
    return new PollingTask(config, context, offset, stored !== null && stored !== undefined)
  },
})

/** There is one, as in castorm's connector. */
const partition = struct()
const longestWaitMs = 1_000

interface Found {
  readonly json: unknown
  readonly offset: ReadonlyMap<string, string>
  /** In µs since 1970; null: its offset has no timestamp. */
  readonly micros: bigint | null
}

class PollingTask implements SourceTask {
  readonly #config: Config
  readonly #context: SourceContext
  readonly #client: HttpClient
  readonly #isProcessed: (status: number) => boolean
  readonly #isSkipped: (status: number) => boolean
  readonly #list: Pointer
  readonly #value: Pointer
  /** What of a record, and of the whole answer, is the offset. */
  readonly #offsetOfRecord: NamedPointers
  readonly #offsetOfAnswer: NamedPointers
  #offset: ReadonlyMap<string, string>
  /** Whether the offset is one of a record, and not the initial one. */
  #isOfRecord: boolean
  /** On the monotonic clock. */
  #dueMs = Number.NEGATIVE_INFINITY

  constructor(config: Config, context: SourceContext, offset: ReadonlyMap<string, string>, isOfRecord: boolean) {
    this.#config = config
    this.#context = context
    this.#client = openHttpClient({ ...config, 'request.timeout.ms': config['http.client.read.timeout.millis'] }, context)
    this.#isProcessed = codesOf(config['http.response.policy.codes.process'])
    this.#isSkipped = codesOf(config['http.response.policy.codes.skip'])
    this.#list = pointerOf(config['http.response.list.pointer'])!
    this.#value = pointerOf(config['http.response.record.pointer'])!
    this.#offsetOfRecord = pointersOf(config['http.response.record.offset.pointer'])
    this.#offsetOfAnswer = pointersOf(config['http.response.offset.pointer'])
    this.#offset = offset
    this.#isOfRecord = isOfRecord
  }

  async poll(): Promise<readonly SourceRecord[]> {
    const { system, signal } = this.#context
    const { clock } = system
    if (clock.monotonic() < this.#dueMs) {
      await pause(system, Math.min(longestWaitMs, this.#dueMs - clock.monotonic()), signal)
      if (signal.aborted || clock.monotonic() < this.#dueMs) return []
    }
    const records = await this.#ask()
    const { 'http.timer.interval.millis': interval, 'http.timer.catchup.interval.millis': catchUp } = this.#config
    this.#dueMs = clock.monotonic() + (records.length > 0 ? Math.min(catchUp, interval) : interval)
    return records
  }

  async #ask(): Promise<SourceRecord[]> {
    const answer = await this.#client.send(this.#request())
    if (this.#isProcessed(answer.status)) return this.#recordsOf(jsonOf(answer))
    if (this.#isSkipped(answer.status)) return []
    if (isPassing(answer.status)) throw passingError('the endpoint', answer, this.#context.system.clock.now())
    throw new Error(`the endpoint answers with ${said(answer)}`)
  }

  #request() {
    const config = this.#config
    const offset = this.#offset
    const url = new URL(rendered(config['http.request.url'], offset, encodeURIComponent))
    const query = rendered(config['http.request.params'], offset, encodeURIComponent)
    if (query !== '') url.search = url.search === '' ? query : `${url.search}&${query}`
    const headers: Record<string, string> = {}
    for (const [name, template] of pairsOf(config['http.request.headers'], ':'))
      headers[name.toLowerCase()] = rendered(template, offset, headerText)
    const body = config['http.request.body'] === '' ? {} : { body: rendered(config['http.request.body'], offset) }
    return { method: config['http.request.method'], url, headers: { ...headers, ...this.#authorization() }, ...body }
  }

  #authorization(): Record<string, string> {
    const config = this.#config
    if (config['http.auth.type'] === 'Static') return { authorization: config['http.headers.authorization']! }
    if (config['http.auth.type'] === 'None') return {}
    return authorization({ 'connection.username': config['http.auth.user'], 'connection.password': config['http.auth.password'] })
  }

  #recordsOf(answer: unknown): SourceRecord[] {
    const list = at(answer, this.#list)
    const all = Array.isArray(list) ? list : list === undefined || list === null ? [] : [list]
    const fresh = this.#fresh(this.#inOrder(all.map(json => this.#found(json))))
    const next = new Map(this.#offset)
    for (const [name, pointer] of this.#offsetOfAnswer) {
      const value = at(answer, pointer)
      if (value !== undefined && value !== null) next.set(name, textOf(value))
    }
    // Until its last record is given, the same page is asked for again.
    const before = this.#offset
    const records = fresh.map((found, index) => this.#record(found, index === fresh.length - 1 ? next : before))
    const last = fresh.at(-1)
    if (last !== undefined) this.#isOfRecord = true
    this.#offset = new Map([...next, ...(last?.offset ?? [])])
    return records
  }

  #found(json: unknown): Found {
    const offset = new Map<string, string>()
    for (const [name, pointer] of this.#offsetOfRecord) {
      const value = at(json, pointer)
      if (value === undefined || value === null || typeof value === 'object')
        throw new Error(`http.response.record.offset.pointer: a record has no ${name}: ${cutText(stringifyLossless(json), 200)}`)
      offset.set(name, textOf(value))
    }
    const timestamp = offset.get('timestamp')
    return { json, offset, micros: timestamp === undefined ? null : timeOf(timestamp) }
  }

  #inOrder(found: Found[]): Found[] {
    const direction = this.#config['http.response.list.order.direction']
    const first = found[0]?.micros ?? null
    const last = found.at(-1)?.micros ?? null
    const isDescending = direction === 'DESC' || (direction === 'IMPLICIT' && first !== null && last !== null && first > last)
    return isDescending ? found.reverse() : found
  }

  /** Without what was given before. */
  #fresh(found: Found[]): Found[] {
    const filter = filters[this.#config['http.record.filter.factory']]!
    if (filter === 'none' || this.#offsetOfRecord.length === 0) return found
    const timestamp = this.#offset.get('timestamp')
    const micros = timestamp === undefined ? null : timeOf(timestamp)
    if (filter === 'offset' && this.#isOfRecord) {
      const known = found.findLastIndex(({ offset }) => [...offset].every(([name, value]) => this.#offset.get(name) === value))
      if (known !== -1) return found.slice(known + 1)
    }
    if (micros === null) return found
    return found.filter(each => each.micros === null || (filter === 'timestamp' ? each.micros > micros : each.micros >= micros))
  }

  #record({ json, offset, micros }: Found, shared: ReadonlyMap<string, string>): SourceRecord {
    const part = at(json, this.#value) ?? null
    const key = offset.get('key') ?? null
    const { keySchema, valueSchema, value, wholeKey } = mapped(mappers[this.#config['http.response.record.mapper']]!, key, part)
    return {
      topic: this.#config['kafka.topic'],
      partition: null,
      keySchema,
      key: wholeKey,
      valueSchema,
      value,
      timestampMs: micros === null ? null : micros / 1_000n,
      headers: [],
      sourcePartition: partition,
      sourceOffset: struct([...shared, ...offset]),
    }
  }

  async close(): Promise<void> {
    this.#client.close()
  }
}

const text: Schema = { type: 'string' }
const optionalText: Schema = { type: 'string', optional: true }
const structWith = (name: string): Schema => ({ type: 'struct', fields: [{ name, schema: optionalText }] })
const schemedKey = structWith('key')
const schemedValue = structWith('value')

function mapped(
  mapper: 'json' | 'string' | 'schemed',
  key: string | null,
  part: unknown,
): { keySchema: Schema | null; wholeKey: ConnectValue; valueSchema: Schema | null; value: ConnectValue } {
  const keySchema = key === null ? null : text
  if (mapper === 'json') return { keySchema, wholeKey: key, valueSchema: null, value: plainValue(part) }
  const json = textOf(part)
  if (mapper === 'string') return { keySchema, wholeKey: key, valueSchema: text, value: json }
  return { keySchema: schemedKey, wholeKey: struct([['key', key]]), valueSchema: schemedValue, value: struct([['value', json]]) }
}

type NamedPointers = readonly (readonly [name: string, pointer: Pointer])[]

function pointersOf(pairs: string): NamedPointers {
  return pairsOf(pairs).map(([name, pointer]) => [name, pointerOf(pointer)!] as const)
}

/** ISO 8601, or ms since 1970. */
function timeOf(timestamp: string): bigint {
  const micros = microsOf({ schema: null, value: /^-?\d{1,17}$/.test(timestamp) ? BigInt(timestamp) : timestamp })
  if (micros === null) throw new Error(`the timestamp "${timestamp.slice(0, 100)}" of a record is no time in ISO 8601 and no number of ms`)
  return micros
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : stringifyLossless(value)
}

function headerText(value: string): string {
  return value.replace(/[\r\n\0]/g, ' ')
}

function jsonOf(answer: HttpAnswer): unknown {
  if (answer.body.length === 0) return []
  try {
    return parseLossless(answer.body.toString())
  } catch (error) {
    // A proxy in between may answer so for a while.
    throw new RetriableError(`the answer is no JSON: ${said(answer)}`, { cause: error })
  }
}
