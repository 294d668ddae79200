/** The keys of the HTTP sink: names as Aiven's connector has them, where it has the same. */
import { boolean, choice, int, list, long, password, string, type ValuesOf } from '../../connector.ts'
import { firstProblem, pairOf } from '../entries.ts'
import { httpKeys, isHeaderName } from '../http-client/settings.ts'
import { templateProblem } from '../template/template.ts'

const { 'request.timeout.ms': _, ...connection } = httpKeys

export const keys = {
  'http.url': string({
    required: true,
    importance: 'high',
    check: templateProblem,
    doc: 'Where records are sent, as a template: `https://api.example.com/events/${key}`. What a record fills in is encoded for URLs.',
  }),
  'http.method': choice(['POST', 'PUT', 'PATCH'], { default: 'POST', doc: 'The method of the request.' }),
  'http.body': string({
    default: '',
    check: templateProblem,
    doc: 'The text sent for a record, as a template. Default: its value, objects as JSON, texts and bytes as they are.',
  }),
  'http.headers.content.type': string({ default: 'application/json', doc: 'The content type of the request.' }),
  'http.headers.additional': list({
    default: '',
    check: text => firstProblem(text, headerProblem),
    doc: 'More headers, with templates for values unless batches are sent: `x-source:kafka,x-tenant:${header.tenant}`.',
  }),
  'http.authorization.type': choice(['none', 'static', 'basic', 'oauth2'], {
    default: 'none',
    importance: 'high',
    doc: 'How requests are authorised: by `http.headers.authorization`, by user and password, or by tokens that `oauth2.access.token.url` gives.',
  }),
  'http.headers.authorization': password({ doc: 'The Authorization header for `static`, such as `Bearer …`.' }),
  'oauth2.access.token.url': string({ default: null, doc: 'Where tokens are asked for, with the grant `client_credentials`.' }),
  'oauth2.client.id': string({ default: null, doc: 'The client id.' }),
  'oauth2.client.secret': password({ doc: 'The client secret.' }),
  'oauth2.client.authorization.mode': choice(['header', 'url'], {
    default: 'header',
    ignoreCase: true,
    doc: 'Whether id and secret are sent as Basic authentication or in the body of the form.',
  }),
  'oauth2.client.scope': string({ default: null, doc: 'The scope that is asked for.' }),
  'oauth2.response.token.property': string({ default: 'access_token', importance: 'low', doc: 'Where the token is in the answer.' }),
  'signature.secret': password({
    doc: 'Each body is signed with HMAC and this secret, so that the receiver can tell where it comes from.',
  }),
  'signature.header': string({ default: 'X-Signature', doc: 'The header of the signature.' }),
  'signature.algorithm': choice(['sha256', 'sha512', 'sha1'], { default: 'sha256', doc: 'Hash of the signature.' }),
  'signature.format': string({
    default: 'sha256={hex}',
    check: text => (/\{(?:hex|base64)\}/.test(text) ? null : 'must contain {hex} or {base64}'),
    doc: 'What the header says; `{hex}` or `{base64}` stands for the signature.',
  }),
  'idempotency.header': string({
    default: 'Idempotency-Key',
    doc: 'A header that is the same when a request is sent again: connector, topic, partition and offset. Nothing: none is sent.',
  }),
  'behavior.on.null.values': choice(['ignore', 'fail', 'delete'], {
    default: 'ignore',
    ignoreCase: true,
    doc: 'A record without value is left out, is a bad record, or makes a DELETE to its URL.',
  }),
  'batching.enabled': boolean({
    default: false,
    importance: 'high',
    doc: 'Whether several records are sent with one request. Its URL must not depend on the record then.',
  }),
  'batch.max.size': int({ default: 500, min: 1, max: 1_000_000, doc: 'How many records one request has.' }),
  'batch.prefix': string({ default: '', doc: 'Stands before the first record. `\\n` is a line feed. For a JSON array: `[`.' }),
  'batch.suffix': string({ default: '\\n', doc: 'Stands after the last record. For a JSON array: `]`.' }),
  'batch.separator': string({ default: '\\n', doc: 'Stands between records. For a JSON array: `,`.' }),
  'retry.on.status.codes': list({
    default: '408,425,429,500-599',
    check: text => firstProblem(text, statusProblem),
    doc: 'Statuses after which the same request is sent again later, when `Retry-After` says so if it does. Other statuses of 400 and above refuse the record.',
  }),
  'max.retries': int({
    default: -1,
    min: -1,
    doc: 'How often a request is sent again before the task fails; -1: as long as the worker allows.',
  }),
  'retry.backoff.ms': long({ default: -1, min: -1, unit: 'ms', doc: 'How long to wait before it is sent again; -1: the worker chooses.' }),
  'http.timeout': int({ default: 30, min: 1, max: 86_400, doc: 'How many seconds one request may take.' }),
  ...connection,
} as const

export type Config = ValuesOf<typeof keys>

function headerProblem(entry: string): string | null {
  const [name, template] = pairOf(entry, ':')
  return entry.includes(':') && isHeaderName(name) ? templateProblem(template) : `"${entry}" is no header such as x-source:kafka`
}

const statusRange = /^([1-5]\d\d)(?:-([1-5]\d\d)?)?$/

function statusProblem(entry: string): string | null {
  return statusRange.test(entry) ? null : `"${entry}" is no status or range, such as 429 or 500-599`
}

/** `429`, `500-599`, `400-` */
export function statusesOf(entries: readonly string[]): (status: number) => boolean {
  const ranges = entries.map(entry => {
    const [, first, last] = statusRange.exec(entry)!
    return [Number(first), last !== undefined ? Number(last) : entry.endsWith('-') ? 599 : Number(first)] as const
  })
  return status => ranges.some(([first, last]) => status >= first && status <= last)
}

/** `\n`, `\t` and `\\` in texts of a configuration, whose ends are trimmed. */
export function unescaped(text: string): string {
  return text.replace(/\\([nrt\\])/g, (_, letter: string) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? '\\')
}
