/** The keys of the HTTP source: those of castorm's kafka-connect-http, where it has the same. */
import { choice, intMs, ms, password, string, type ValuesOf } from '../../connector.ts'
import { firstProblem, pairOf } from '../entries.ts'
import { isHeaderName, tlsKeys, urlProblem } from '../http-client/settings.ts'
import { pointerOf } from './pointer.ts'
import { templateProblem } from './template.ts'

const record = 'com.github.castorm.kafka.connect.http.record.'
/** Which records of an answer were given before, by the names of castorm's classes. */
export const filters: Readonly<Record<string, 'offset' | 'timestamp' | 'none'>> = {
  offset: 'offset',
  timestamp: 'timestamp',
  none: 'none',
  [`${record}OffsetRecordFilterFactory`]: 'offset',
  [`${record}OffsetTimestampRecordFilterFactory`]: 'timestamp',
  [`${record}PassthroughRecordFilterFactory`]: 'none',
}
/** What a record becomes. */
export const mappers: Readonly<Record<string, 'json' | 'string' | 'schemed'>> = {
  json: 'json',
  string: 'string',
  schemed: 'schemed',
  [`${record}StringKvSourceRecordMapper`]: 'string',
  [`${record}SchemedKvSourceRecordMapper`]: 'schemed',
}
const oneOf = (names: Readonly<Record<string, string>>) => (text: string) =>
  Object.hasOwn(names, text) ? null : `must be one of ${Object.keys(names).join(', ')}`

export const keys = {
  'http.request.url': string({
    required: true,
    importance: 'high',
    check: text => templateProblem(text) ?? urlProblem(text.replace(/\$\{[^}]*\}/g, 'x')),
    doc: 'What is asked, as a template: `${offset.NAME}` stands for a property of the offset, `${offset.NAME!"…"}` for the text after it where there is none.',
  }),
  'http.request.method': choice(['GET', 'POST'], { default: 'GET', ignoreCase: true, doc: 'The method of the request.' }),
  'http.request.headers': string({
    default: '',
    check: text => templateProblem(text) ?? firstProblem(text, headerProblem),
    doc: 'Headers, with templates: `Accept: application/json, X-Tenant: 7`. Secrets belong in `http.headers.authorization`.',
  }),
  'http.request.params': string({
    default: '',
    check: templateProblem,
    doc: 'The query, with templates whose values are encoded: `after=${offset.id}&limit=100`.',
  }),
  'http.request.body': string({ default: '', check: templateProblem, doc: 'The body of the request, with templates.' }),
  'http.auth.type': choice(['None', 'Basic', 'Static'], {
    default: 'None',
    ignoreCase: true,
    doc: 'How requests are authorised: by `http.auth.user` and `http.auth.password`, or by `http.headers.authorization`.',
  }),
  'http.auth.user': string({ default: '', doc: 'User name for `Basic`.' }),
  'http.auth.password': password({ doc: 'Password for `Basic`.' }),
  'http.headers.authorization': password({ doc: 'The Authorization header for `Static`, such as `Bearer …`.' }),
  'http.offset.initial': string({
    default: '',
    check: text => pairsProblem(text, () => null),
    doc: 'The offset of the first request: `id=0, timestamp=2026-01-01T00:00:00Z`.',
  }),
  'http.response.list.pointer': string({
    default: '/',
    check: pointerProblem,
    doc: 'Where the records are in the answer, as a JSON pointer: `/items`. `/`: the answer itself.',
  }),
  'http.response.record.pointer': string({
    default: '/',
    check: pointerProblem,
    doc: 'What of a record becomes the value. `/`: all of it.',
  }),
  'http.response.record.offset.pointer': string({
    default: '',
    importance: 'high',
    check: text => pairsProblem(text, pointerProblem),
    doc: 'What of a record is its offset: `key=/id, timestamp=/updated`. `key` is also the key of the record, `timestamp` its time. Each record is written once if its offset names no other record.',
  }),
  'http.response.offset.pointer': string({
    default: '',
    check: text => pairsProblem(text, pointerProblem),
    doc: 'What of the whole answer belongs to the offset from its last record on, such as the cursor of the next page: `cursor=/next_cursor`. Not in castorm’s connector.',
  }),
  'http.response.list.order.direction': choice(['IMPLICIT', 'ASC', 'DESC'], {
    default: 'IMPLICIT',
    ignoreCase: true,
    doc: 'Whether the oldest record is first in an answer, or last; IMPLICIT: as their timestamps say.',
  }),
  'http.record.filter.factory': string({
    default: 'offset',
    check: oneOf(filters),
    allowed: 'offset, timestamp, none, or the name of castorm’s class',
    doc: 'Which records were given before: those up to the one with the offset, and earlier ones (offset), those with the same or an earlier timestamp (timestamp), or none.',
  }),
  'http.response.record.mapper': string({
    default: 'json',
    check: oneOf(mappers),
    allowed: 'json, string, schemed, or the name of castorm’s class',
    doc: 'What the value is: the record as it is (json), its JSON as text (string), or a struct with this text in its field `value` (schemed, which is castorm’s default).',
  }),
  'http.response.policy.codes.process': string({ default: '200..299', check: codesProblem, doc: 'Statuses of answers with records.' }),
  'http.response.policy.codes.skip': string({
    default: '300..399',
    check: codesProblem,
    doc: 'Statuses of answers without records. After all others the task fails, but after 408, 425, 429 and 5xx other than 501 and 505 it asks again later.',
  }),
  'http.timer.interval.millis': ms({ default: 60_000, min: 0, doc: 'How long to wait after an answer without new records.' }),
  'http.timer.catchup.interval.millis': ms({ default: 30_000, min: 0, doc: 'How long to wait after an answer with new records.' }),
  'http.client.read.timeout.millis': intMs({ default: 30_000, min: 1, doc: 'How long one request may take.' }),
  'kafka.topic': string({ required: true, importance: 'high', doc: 'The topic of the records.' }),
  ...tlsKeys,
} as const

export type Config = ValuesOf<typeof keys>

function pointerProblem(text: string): string | null {
  return pointerOf(text) === null ? 'must be a JSON pointer, such as /items' : null
}

/** `name=value, other=value` */
export function pairsOf(text: string, separator = '='): [name: string, value: string][] {
  const entries = text.split(',').map(entry => entry.trim())
  return entries.filter(entry => entry !== '').map(entry => pairOf(entry, separator))
}

function headerProblem(entry: string): string | null {
  const isHeader = entry.trim() === '' || (entry.includes(':') && isHeaderName(pairOf(entry, ':')[0]))
  return isHeader ? null : `"${entry.trim()}" is no header such as Accept: application/json`
}

function pairsProblem(text: string, problemOf: (value: string) => string | null): string | null {
  return firstProblem(text.trim(), entry => {
    const [name, value] = pairOf(entry.trim())
    if (!/^\w+$/.test(name) || !entry.includes('=')) return `"${entry.trim()}" is no pair such as id=/id`
    const problem = problemOf(value)
    return problem === null ? null : `${name}: ${problem}`
  })
}

const codes = /^\s*([1-5]\d\d)(?:\s*\.\.\s*([1-5]\d\d))?\s*$/

function codesProblem(text: string): string | null {
  return firstProblem(text.trim(), entry => (codes.test(entry) ? null : `"${entry.trim()}" is no status or range, such as 204 or 200..299`))
}

export function codesOf(text: string): (status: number) => boolean {
  const ranges = (text.trim() === '' ? [] : text.split(',')).map(entry => {
    const [, first, last] = codes.exec(entry)!
    return [Number(first), Number(last ?? first)] as const
  })
  return status => ranges.some(([first, last]) => status >= first && status <= last)
}
