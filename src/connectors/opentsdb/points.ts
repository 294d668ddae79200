/** Data points from records: by templates, or as the records have them. */
import { type ConnectValue, DataError, Decimal, type SinkRecord } from '../../connector.ts'
import { pairOf } from '../entries.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { jsonText, typedValue } from '../values/json.ts'
import { parsed } from '../values/parsed.ts'
import { fieldsOf, select, type Typed } from '../values/select.ts'
import type { Config } from './keys.ts'

export interface Point {
  readonly record: SinkRecord
  /** Tells it from other points: the daemon repeats these when it refuses one. */
  readonly name: string
  readonly json: string
}

type Number64 = number | bigint

export class Points {
  readonly #config: Config
  readonly #name: Template | null
  readonly #value: Template
  readonly #time: Template
  readonly #tags: readonly (readonly [name: string, template: Template])[]

  constructor(config: Config) {
    this.#config = config
    this.#name = config['metric.name'] === '' ? null : parseTemplate(config['metric.name'])
    this.#value = parseTemplate(config['metric.value'])
    this.#time = parseTemplate(config['metric.timestamp'])
    this.#tags = config['metric.tags'].map(entry => {
      const [name, template] = pairOf(entry)
      return [name, parseTemplate(template)]
    })
  }

  /** Throws DataError. */
  of(record: SinkRecord): Point[] {
    if (record.value === null) return []
    if (this.#name === null) return this.#asTheyAre(record)
    const name = this.#name.render(record)
    const time = timeOf(this.#time.render(record))
    const tags = this.#tags.map(([tag, template]) => [tag, template.render(record)] as const).filter(([, text]) => text !== '')
    if (this.#config['metric.fields'].length === 0) return [this.#point(record, name, time, numberOf(this.#value.render(record)), tags)]
    return this.#numbersOf(typedValue(record)).map(([field, value]) => this.#point(record, `${name}.${field}`, time, value, tags))
  }

  #numbersOf(value: Typed): [string, Number64][] {
    const chosen = this.#config['metric.fields']
    if (chosen[0] !== '*')
      return chosen.map(field => {
        const found = select(value, field.split('.'))
        if (found === null || found.value === null) throw new DataError(`the field ${field} is ${found === null ? 'missing' : 'null'}`)
        return [field, numberOf(found.value)]
      })
    const fields = fieldsOf(value)
    if (fields === null) throw new DataError('the value has no fields')
    return fields
      .filter(([, each]) => typeof each.value === 'number' || typeof each.value === 'bigint' || each.value instanceof Decimal)
      .map(([field, each]) => [field, numberOf(each.value)])
  }

  #asTheyAre(record: SinkRecord): Point[] {
    const { value } = record
    const given = parsed(typeof value === 'string' || Buffer.isBuffer(value) ? value.toString() : jsonText(typedValue(record)))
    return (Array.isArray(given) ? given : [given]).map((each: unknown) => {
      if (typeof each !== 'object' || each === null)
        throw new DataError('the value is no data point; set metric.name to make one of its fields')
      const { metric, timestamp, value: number, tags } = each as Record<string, unknown>
      if (typeof metric !== 'string') throw new DataError('the data point has no metric')
      if (typeof tags !== 'object' || tags === null) throw new DataError('the data point has no tags')
      const pairs = Object.entries(tags).map(([tag, text]) => [tag, String(text)] as const)
      return this.#point(record, metric, timeOf(String(timestamp ?? '')), numberOf(number as ConnectValue), pairs)
    })
  }

  #point(record: SinkRecord, name: string, timeMs: number, value: Number64, tags: readonly (readonly [string, string])[]): Point {
    const legal = (text: string) => this.#legal(text)
    const timestamp = this.#config['timestamp.precision'] === 's' ? Math.floor(timeMs / 1_000) : timeMs
    const metric = legal(name)
    const pairs = tags.map(([tag, text]) => [legal(tag), legal(text)] as const)
    // A number is written with all its digits: JSON has no other form for it.
    const json = `{"metric":${JSON.stringify(metric)},"timestamp":${timestamp},"value":${value},"tags":${JSON.stringify(Object.fromEntries(pairs))}}`
    return { record, name: pointName(metric, timestamp, pairs), json }
  }

  #legal(text: string): string {
    const replacement = this.#config['illegal.characters.replacement']
    return replacement === '' ? text : text.replace(/[^\p{L}\p{Nd}\-_./]/gu, replacement)
  }
}

export function pointName(metric: string, timestamp: unknown, tags: readonly (readonly [string, string])[]): string {
  return JSON.stringify([metric, String(timestamp), tags.map(([tag, text]) => `${tag}=${text}`).sort()])
}

/** What OpenTSDB takes for ms. */
const firstMs = 100_000_000_000

/** In ms. Throws DataError. */
function timeOf(text: string): number {
  const number = /^\d{1,17}(?:\.\d+)?$/.test(text) ? Number(text) : null
  const ms = number === null ? Date.parse(text) : number < firstMs ? Math.round(number * 1_000) : Math.floor(number)
  if (Number.isNaN(ms) || ms < 0 || ms > 9_999_999_999_999) throw new DataError(`"${text.slice(0, 100)}" is no time that OpenTSDB has`)
  return ms
}

const int64 = 2n ** 63n

/** Throws DataError. */
function numberOf(value: ConnectValue): Number64 {
  const text = typeof value === 'string' ? value.trim() : value instanceof Decimal ? value.toString() : value
  const number =
    typeof text !== 'string' ? text : /^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : text === '' ? null : Number(text)
  if (typeof number === 'bigint' && number < int64 && number >= -int64) return number
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw new DataError(`${value === null ? 'null' : `"${String(value).slice(0, 100)}"`} is no number that OpenTSDB has`)
}
