/** The object store as S3's requests: PUT, ranged GET, ListObjectsV2, DeleteObjects, and multipart uploads for what is large. */
import { createHash } from 'node:crypto'
import { assert, type System } from '../../base.ts'
import type { ListedObject, ObjectCounts, ObjectList, ObjectStore } from '../../store.ts'
import { Attempts } from './attempts.ts'
import { CredentialSource, type Environment } from './credentials.ts'
import { RequestLimits } from './limits.ts'
import { nodeTransport } from './node-transport.ts'
import { ObjectError } from './object-error.ts'
import { checkObjectName, objectsPerList } from './object-name.ts'
import { parseObjectsUrl } from './objects-url.ts'
import { queryOf } from './signature.ts'
import type { HttpResponse, Transport } from './transport.ts'
import { elementsOf, escaped, textOf } from './xml.ts'

export type { Environment }
export { ObjectError }

export interface ObjectStoreOptions {
  system: System
  /** `s3://bucket/prefix?endpoint=…&region=…` */
  url: string
  /** For credentials and the default region. */
  environment: Environment
  /** Default: Node's HTTP client. */
  transport?: Transport
  /** At once. Default: 32. */
  mostRequests?: number
  /** Of one call with all its attempts. Default: 30 s. */
  timeoutMs?: number
  /** What went wrong without a caller to learn of it. */
  report?(what: string, error: unknown): void
  /** The store answers again, after what was reported. */
  recovered?(service: string, ms: number): void
}

/** Answers that are being received take at most this much memory, or one answer's worth. */
const mostAnswerBytes = 64 * 1024 * 1024
/** What is larger is uploaded in parts; also the size of a part. S3 wants at least 5 MiB, and at most 10,000 parts. */
const partBytes = 8 * 1024 * 1024
const mostParts = 10_000
const partsAtOnce = 4
const attemptTimeoutMs = 15_000
/** Smaller ones cost more to hash and to hand to the socket one by one than to copy. */
const smallBytes = 4 * 1024
/** Of answers that are XML. A listing names 1,000 objects of at most a kilobyte. */
const mostXmlBytes = 4 * 1024 * 1024

/** Throws an error that says what is wrong with the URL; asks nobody yet. */
export function openObjectStore(options: ObjectStoreOptions): ObjectStore {
  return new S3ObjectStore(options)
}

class S3ObjectStore implements ObjectStore {
  readonly #attempts: Attempts
  readonly #transport: Transport
  readonly #prefix: string
  readonly place: string

  constructor(options: ObjectStoreOptions) {
    const { system, url: text, environment, transport, mostRequests = 32, timeoutMs = 30_000 } = options
    const { report = () => {}, recovered = () => {} } = options
    const url = parseObjectsUrl(text, environment)
    this.#prefix = url.prefix
    this.place = `s3://${url.bucket}/${url.prefix}?endpoint=${url.origin}`
    this.#transport = transport ?? nodeTransport(system.timers, mostRequests)
    const credentials = new CredentialSource({
      system,
      transport: this.#transport,
      environment,
      region: url.region,
      report: report ?? (() => {}),
    })
    const limits = new RequestLimits(mostRequests, mostAnswerBytes)
    this.#attempts = new Attempts({
      system,
      transport: this.#transport,
      url,
      credentials,
      limits,
      timeoutMs,
      attemptTimeoutMs,
      report,
      recovered,
    })
  }

  get counts(): ObjectCounts {
    return this.#attempts.counts
  }

  async put(name: string, content: readonly Uint8Array[]): Promise<void> {
    checkObjectName(name)
    let bytes = 0
    for (const each of content) bytes += each.length
    if (bytes > 2 * partBytes) await this.upload(name, content)
    else await this.#put(name, '', content)
  }

  async upload(name: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    checkObjectName(name)
    const parts = partsOf(content)
    const first: Uint8Array[] = (await parts.next()).value!
    const second = await parts.next()
    // An upload is three requests or more, each billed as a PUT.
    if (second.done === true) await this.#put(name, '', first)
    else await this.#uploadInParts(name, following([first, second.value], parts))
  }

  async #uploadInParts(name: string, parts: AsyncIterable<Uint8Array[]>): Promise<void> {
    const id = await this.#beginUpload(name)
    try {
      const tags = await this.#uploadParts(name, id, parts)
      await this.#completeUpload(name, id, tags)
    } catch (error) {
      // Parts that nobody completes cost money. What this misses, a rule of the bucket ends (AbortIncompleteMultipartUpload).
      await this.#abortUpload(name, id).catch(() => {})
      throw error
    }
  }

  async get(name: string, position: number, length: number): Promise<Buffer> {
    return (await this.getSeveral(name, position, [length]))[0]!
  }

  async getSeveral(name: string, position: number, lengths: readonly number[]): Promise<readonly Buffer[]> {
    checkObjectName(name)
    const length = lengths.reduce((sum, each) => sum + each, 0)
    assert(position >= 0 && lengths.every(each => each > 0) && length > 0, `a range of ${lengths} bytes at ${position} of ${name}`)
    const { body, parts } = await this.#attempts.send({
      kind: 'get',
      method: 'GET',
      key: this.#prefix + name,
      query: '',
      headers: { range: `bytes=${position}-${position + length - 1}` },
      body: [],
      // An error that is longer than a tiny range must not be taken for a bad answer.
      mostBytes: Math.max(length, 64 * 1024),
      parts: lengths,
      check({ status, ...response }) {
        const isWhole = response.parts !== undefined || response.body.length === length
        if (isWhole && (status === 206 || position === 0)) return
        const bytes = response.parts === undefined ? response.body.length : length
        const what = `GET ${name}: ${bytes} bytes with status ${status} where ${length} at ${position} were asked for`
        throw new ObjectError(what, 'InvalidRange', status, false)
      },
    })
    return parts ?? divided(body, lengths)
  }

  async delete(names: readonly string[]): Promise<void> {
    for (const name of names) checkObjectName(name)
    for (let at = 0; at < names.length; at += objectsPerList) await this.#deleteSome(names.slice(at, at + objectsPerList))
  }

  async list(prefix: string, after?: string): Promise<ObjectList> {
    const { body } = await this.#attempts.send({
      kind: 'list',
      method: 'GET',
      key: '',
      query: queryOf({
        'list-type': 2,
        'max-keys': objectsPerList,
        prefix: this.#prefix + prefix,
        'start-after': after === undefined ? undefined : this.#prefix + after,
      }),
      headers: {},
      body: [],
      mostBytes: mostXmlBytes,
      check: response => expectRoot(response, 'ListBucketResult'),
    })
    const xml = body.toString('utf8')
    const objects = elementsOf(xml, 'Contents').map(each => this.#listed(each))
    return { objects, more: textOf(xml, 'IsTruncated') === 'true' }
  }

  close(): void {
    this.#attempts.close()
    this.#transport.close()
  }

  #listed(xml: string): ListedObject {
    const [key, size] = [textOf(xml, 'Key'), Number(textOf(xml, 'Size') ?? Number.NaN)]
    if (key === null || !key.startsWith(this.#prefix) || !Number.isSafeInteger(size))
      throw new ObjectError(`the listing has an entry without sense: ${xml.slice(0, 200)}`, 'BadAnswer', 200, false)
    return { name: key.slice(this.#prefix.length), bytes: size }
  }

  async #put(name: string, query: string, body: readonly Uint8Array[]): Promise<HttpResponse> {
    const headers = { 'content-type': 'application/octet-stream' }
    return this.#attempts.send({
      kind: 'put',
      method: 'PUT',
      key: this.#prefix + name,
      query,
      headers,
      body: joined(body),
      // Of parts, S3 takes a checksum only if the upload was begun with it.
      checksum: query === '',
      mostBytes: mostXmlBytes,
    })
  }

  async #post(name: string, query: string, text: string, root: string): Promise<string> {
    const response = await this.#attempts.send({
      kind: 'put',
      method: 'POST',
      key: this.#prefix + name,
      query,
      headers: text === '' ? {} : { 'content-type': 'application/xml' },
      body: text === '' ? [] : [Buffer.from(text)],
      mostBytes: mostXmlBytes,
      check: each => expectRoot(each, root),
    })
    return response.body.toString('utf8')
  }

  async #beginUpload(name: string): Promise<string> {
    const id = textOf(await this.#post(name, 'uploads=', '', 'InitiateMultipartUploadResult'), 'UploadId')
    if (id === null) throw new ObjectError(`the upload of ${name} got no id`, 'BadAnswer', 200, false)
    return id
  }

  /** Some parts at once, so that neither memory nor the connection is idle. */
  async #uploadParts(name: string, uploadId: string, parts: AsyncIterable<Uint8Array[]>): Promise<string[]> {
    const tags: string[] = []
    const sending = new Set<Promise<void>>()
    let failure: unknown = null
    const send = async (part: number, body: readonly Uint8Array[]) => {
      const { headers } = await this.#put(name, queryOf({ partNumber: part, uploadId }), body)
      if (headers['etag'] === undefined) throw new ObjectError(`part ${part} of ${name} got no ETag`, 'BadAnswer', 200, false)
      tags[part - 1] = headers['etag']
    }
    const failed = (error: unknown) => {
      failure ??= error
    }
    let part = 0
    try {
      for await (const body of parts) {
        if (failure !== null) break
        if (++part > mostParts)
          throw new ObjectError(`${name} is larger than ${mostParts} parts of ${partBytes} bytes`, 'EntityTooLarge', null, false)
        const sent: Promise<void> = send(part, body)
          .catch(failed)
          .then(() => void sending.delete(sent))
        sending.add(sent)
        if (sending.size >= partsAtOnce) await Promise.race(sending)
      }
    } catch (error) {
      failed(error)
    }
    // Also after a failure: parts that come after the upload was aborted would be left over.
    await Promise.all(sending)
    if (failure !== null) throw failure
    return tags
  }

  async #completeUpload(name: string, uploadId: string, tags: readonly string[]): Promise<void> {
    const parts = tags.map((tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`)
    const text = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`
    try {
      await this.#post(name, queryOf({ uploadId }), text, 'CompleteMultipartUploadResult')
    } catch (error) {
      // The answer to an earlier attempt was lost: then the upload is gone, and the object there.
      if (!(error instanceof ObjectError) || error.code !== 'NoSuchUpload') throw error
      await this.get(name, 0, 1)
    }
  }

  async #abortUpload(name: string, uploadId: string): Promise<void> {
    const request = { kind: 'delete', method: 'DELETE', headers: {}, body: [], mostBytes: mostXmlBytes } as const
    await this.#attempts.send({ ...request, key: this.#prefix + name, query: queryOf({ uploadId }) })
  }

  async #deleteSome(names: readonly string[]): Promise<void> {
    const objects = names.map(name => `<Object><Key>${escaped(this.#prefix + name)}</Key></Object>`).join('')
    const body = Buffer.from(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${objects}</Delete>`)
    await this.#attempts.send({
      kind: 'delete',
      method: 'POST',
      key: '',
      query: 'delete=',
      headers: { 'content-type': 'application/xml', 'content-md5': createHash('md5').update(body).digest('base64') },
      body: [body],
      mostBytes: mostXmlBytes,
      check(response) {
        expectRoot(response, 'DeleteResult')
        const failed = elementsOf(response.body.toString('utf8'), 'Error').filter(each => textOf(each, 'Code') !== 'NoSuchKey')
        if (failed.length === 0) return
        const [key, code, message] = ['Key', 'Code', 'Message'].map(each => textOf(failed[0]!, each) ?? '')
        const again = code === 'InternalError' || code === 'SlowDown' || code === 'ServiceUnavailable'
        throw new ObjectError(`${failed.length} objects were not deleted; ${key}: ${code}: ${message}`, code!, response.status, again)
      },
    })
  }
}

/** Some requests begin their answer before they know how they end, so an error can come with status 200. */
function expectRoot({ body, status }: HttpResponse, root: string): void {
  const start = body.subarray(0, 2048).toString('utf8')
  if (start.includes(`<${root}`)) return
  const code = textOf(start, 'Code')
  const message = code === null ? `no ${root} in the answer` : `${code}: ${textOf(start, 'Message') ?? ''}`
  throw new ObjectError(
    message,
    code ?? 'BadAnswer',
    status,
    code === 'InternalError' || code === 'SlowDown' || code === 'ServiceUnavailable',
  )
}

/** Each in memory of its own. */
function divided(content: Buffer, lengths: readonly number[]): Buffer[] {
  if (lengths.length === 1) return [content]
  let at = 0
  return lengths.map(length => Buffer.from(content.subarray(at, (at += length))))
}

/** Cut into parts of the same size, but for the last one; at least one part, though it may be empty. Nothing is copied. */
async function* partsOf(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let part: Uint8Array[] = []
  let left = partBytes
  let first = true
  for await (let piece of content) {
    while (piece.length > 0) {
      const taken = piece.subarray(0, left)
      part.push(taken)
      left -= taken.length
      piece = piece.subarray(taken.length)
      if (left > 0) continue
      yield part
      first = false
      part = []
      left = partBytes
    }
  }
  if (first || part.length > 0) yield part
}

/** One buffer in the place of very many: an object may be made of tens of thousands of small batches. */
function joined(body: readonly Uint8Array[]): readonly Uint8Array[] {
  let bytes = 0
  for (const each of body) bytes += each.length
  return body.length > 1 && bytes < body.length * smallBytes ? [Buffer.concat(body, bytes)] : body
}

async function* following<T>(first: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* first
  yield* rest
}
