/**
 * HTTP sink: records as requests to any endpoint, one by one or in batches, in order.
 *
 * What the endpoint may do twice it can tell by the idempotency key, which names the records and stays the same when a request is sent again.
 */
import { createHmac } from 'node:crypto'
import {
  DataError,
  defineSink,
  type OpenedPartition,
  RetriableError,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
} from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { pairOf } from '../entries.ts'
import { type HttpAnswer, type HttpClient, isSuccess, retryAfterMs, said } from '../http-client/http-client.ts'
import { authorization, openHttpClient, urlProblem } from '../http-client/settings.ts'
import { missing, requireNone } from '../required.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { TopicNames } from '../topic-names.ts'
import { jsonText, typedValue } from '../values/json.ts'
import { type Config, keys, statusesOf, unescaped } from './keys.ts'
import { Tokens } from './oauth.ts'
import { refuses } from './refusals.ts'

function check(config: Config): Map<string, string> {
  const type = config['http.authorization.type']
  const needed = {
    none: [],
    static: ['http.headers.authorization'],
    basic: ['connection.username'],
    oauth2: ['oauth2.access.token.url', 'oauth2.client.id', 'oauth2.client.secret'],
  }[type]
  const problems = missing(config, needed)
  const url = parseTemplate(config['http.url'])
  if (!problems.has('http.url')) {
    const problem = /^https?:\/\/[^/$]/.test(url.text) ? null : urlProblem(url.text)
    if (problem !== null) problems.set('http.url', problem)
    if (config['batching.enabled'] && !url.isConstant)
      problems.set('http.url', 'must be the same for all records of a batch: turn batching.enabled off, or take the references out')
  }
  const headers = config['http.headers.additional'].map(entry => parseTemplate(pairOf(entry, ':')[1]))
  if (config['batching.enabled'] && headers.some(template => !template.isConstant))
    problems.set(
      'http.headers.additional',
      'must be the same for all records of a batch: turn batching.enabled off, or take the references out',
    )
  if (config['oauth2.access.token.url'] !== null) {
    const problem = urlProblem(config['oauth2.access.token.url'])
    if (problem !== null) problems.set('oauth2.access.token.url', problem)
  }
  return problems
}

export const http = defineSink({
  name: 'http',
  classes: ['io.aiven.kafka.connect.http.HttpSinkConnector', 'io.confluent.connect.http.HttpSinkConnector'],
  version: '1',
  summary: 'Sends records to an HTTP endpoint, such as a webhook.',
  example: { 'http.url': 'http://127.0.0.1:8000/events', 'http.authorization.type': 'none' },
  config: keys,
  refuses,
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    return new HttpTask(config, context)
  },
})

class HttpTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #client: HttpClient
  readonly #tokens: Tokens | null
  readonly #batches: Batches
  readonly #url: Template
  readonly #body: Template | null
  readonly #headers: readonly (readonly [name: string, template: Template])[]
  readonly #isPassing: (status: number) => boolean
  readonly #names = new TopicNames()
  #failures = 0

  constructor(config: Config, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#client = openHttpClient({ ...config, 'request.timeout.ms': config['http.timeout'] * 1_000 }, context)
    this.#tokens = config['http.authorization.type'] === 'oauth2' ? new Tokens(config, this.#client, context.system.clock) : null
    this.#batches = new Batches(config['batching.enabled'] ? config['batch.max.size'] : 1)
    this.#url = parseTemplate(config['http.url'])
    this.#body = config['http.body'] === '' ? null : parseTemplate(config['http.body'])
    this.#headers = config['http.headers.additional'].map(entry => {
      const [name, template] = pairOf(entry, ':')
      return [name.toLowerCase(), parseTemplate(template)]
    })
    this.#isPassing = statusesOf(config['retry.on.status.codes'])
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    this.#names.opened(partitions)
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#write(batch))
  }

  async #write(records: readonly SinkRecord[]): Promise<void> {
    const sent: { record: SinkRecord; body: Buffer }[] = []
    const refused: { record: SinkRecord; error: DataError }[] = []
    for (const record of records) {
      try {
        const body = this.#bodyOf(record)
        if (body !== null) sent.push({ record, body })
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.push({ record, error })
      }
    }
    await this.#send(sent, refused)
    for (const { record, error } of refused) await this.#context.report(record, error)
  }

  /** null: nothing is sent for it. */
  #bodyOf(record: SinkRecord): Buffer | null {
    if (record.value === null) {
      const behavior = this.#config['behavior.on.null.values']
      if (behavior === 'ignore') return null
      if (behavior === 'fail') throw new DataError('the record has no value')
      return Buffer.alloc(0)
    }
    if (this.#body !== null) return this.#body.renderBytes(record)
    const { value } = record
    return Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : jsonText(typedValue(record)))
  }

  async #send(sent: readonly { record: SinkRecord; body: Buffer }[], refused: { record: SinkRecord; error: DataError }[]): Promise<void> {
    const [first] = sent
    if (first === undefined) return
    // Deletes go alone, to the URL of their record.
    const deletes = sent.findIndex(({ record }) => record.value === null)
    if (sent.length > 1 && deletes !== -1) {
      await this.#send(sent.slice(0, deletes), refused)
      await this.#send(sent.slice(deletes, deletes + 1), refused)
      await this.#send(sent.slice(deletes + 1), refused)
      return
    }
    let answer: HttpAnswer
    try {
      answer = await this.#request(sent)
    } catch (error) {
      if (error instanceof DataError && sent.length === 1) return void refused.push({ record: first.record, error })
      throw error instanceof RetriableError ? this.#counted(error) : error
    }
    if (this.#isPassing(answer.status)) {
      const backoff = this.#config['retry.backoff.ms']
      const retryAfter = retryAfterMs(answer.headers, this.#context.system.clock.now()) ?? (backoff >= 0 ? backoff : null)
      throw this.#counted(new RetriableError(`the endpoint answers with ${said(answer)}`, { retryAfterMs: retryAfter }))
    }
    this.#failures = 0
    if (isSuccess(answer.status) || (first.record.value === null && answer.status === 404)) return
    if (this.#isAboutAll(answer.status)) throw new Error(`the endpoint answers with ${said(answer)}`)
    if (sent.length === 1)
      return void refused.push({ record: first.record, error: new DataError(`the endpoint refuses the record: ${said(answer)}`) })
    const middle = sent.length >> 1
    await this.#send(sent.slice(0, middle), refused)
    await this.#send(sent.slice(middle), refused)
  }

  /** Such a status is not about one record: a redirection, missing rights, or a URL that is wrong for all. */
  #isAboutAll(status: number): boolean {
    return status < 400 || [401, 403, 407].includes(status) || ([404, 405, 410].includes(status) && this.#url.isConstant)
  }

  #counted(error: RetriableError): Error {
    this.#failures++
    const most = this.#config['max.retries']
    if (most < 0 || this.#failures <= most) return error
    this.#failures = 0
    return new Error(`${error.message}, also after ${most} retries`, { cause: error })
  }

  async #request(sent: readonly { record: SinkRecord; body: Buffer }[]): Promise<HttpAnswer> {
    const { record, body: only } = sent[0]!
    const config = this.#config
    const isDelete = record.value === null
    const body = !config['batching.enabled'] || isDelete ? only : this.#joined(sent.map(each => each.body))
    const url = this.#urlOf(record)
    const headers: Record<string, string> = isDelete ? {} : { 'content-type': config['http.headers.content.type'] }
    for (const [name, template] of this.#headers) headers[name] = template.render(record).replace(/[\r\n\0]/g, ' ')
    if (config['idempotency.header'] !== '') headers[config['idempotency.header'].toLowerCase()] = this.#idempotencyKey(sent)
    if (config['signature.secret'] !== null)
      headers[config['signature.header'].toLowerCase()] = this.#signature(config['signature.secret'], body)
    const method = isDelete ? 'DELETE' : config['http.method']
    const request = async () =>
      this.#client.send({ method, url, headers: { ...headers, ...(await this.#authorization()) }, ...(!isDelete && { body }) })
    const answer = await request()
    if (answer.status !== 401 || this.#tokens === null) return answer
    // It may have been withdrawn before its time.
    this.#tokens.forget()
    return request()
  }

  async #authorization(): Promise<Record<string, string>> {
    const config = this.#config
    if (this.#tokens !== null) return { authorization: await this.#tokens.header() }
    if (config['http.authorization.type'] === 'static') return { authorization: config['http.headers.authorization']! }
    return config['http.authorization.type'] === 'basic' ? authorization(config) : {}
  }

  #urlOf(record: SinkRecord): URL {
    const text = this.#url.isConstant ? this.#url.text : this.#url.render(record, encodeURIComponent)
    if (!URL.canParse(text)) throw new DataError(`"${text.slice(0, 200)}" is no URL`)
    return new URL(text)
  }

  #joined(bodies: readonly Buffer[]): Buffer {
    const separator = Buffer.from(unescaped(this.#config['batch.separator']))
    const parts = bodies.flatMap((body, index) => (index === 0 ? [body] : [separator, body]))
    return Buffer.concat([
      Buffer.from(unescaped(this.#config['batch.prefix'])),
      ...parts,
      Buffer.from(unescaped(this.#config['batch.suffix'])),
    ])
  }

  #idempotencyKey(sent: readonly { record: SinkRecord }[]): string {
    const name = ({ record: { original } }: { record: SinkRecord }) =>
      `${this.#names.of(original.topic)}-${original.partition}-${original.offset}`
    const first = name(sent[0]!)
    const key = `${this.#context.connector}-${first}${sent.length === 1 ? '' : `-to-${name(sent.at(-1)!)}`}`
    // The name of a connector may have any letters, a header may not.
    return /^[\x21-\x7e]+$/.test(key) ? key : encodeURIComponent(key)
  }

  #signature(secret: string, body: Buffer): string {
    const hmac = createHmac(this.#config['signature.algorithm'], secret).update(body).digest()
    return this.#config['signature.format'].replaceAll('{hex}', hmac.toString('hex')).replaceAll('{base64}', hmac.toString('base64'))
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
