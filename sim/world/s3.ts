/**
 * An S3 in a simulated world, behind the transport of the store's client: answers that are lost, requests that arrive after their client has
 * given up, 503 and 500, answers that break off, listings that are late, a clock of its own.
 *
 * It speaks HTTP and XML, so that signing, retries and parsing run unchanged. An object that is overwritten with other bytes is a finding.
 */
import { createHash } from 'node:crypto'
import { type Clock, crc32c, type Timers } from '../../src/base.ts'
import type { HttpRequest, HttpResponse, Transport } from '../../src/store.ts'
import type { Process } from './process.ts'
import type { SeededRandom } from './random.ts'

/** `late`: the client learns that the connection broke, and the request arrives some seconds later nevertheless. */
export type RequestFate = 'well' | 'lost-before' | 'lost-after' | 'late' | 'slow-down' | 'internal-error' | 'broken-off'

export interface SimulatedS3Options {
  clock: Clock
  timers: Timers
  random: SeededRandom
  bucket: string
  fate(): RequestFate
  /** For how long a listing may not know what was written or deleted. */
  listingDelayMs(): number
  /** How much its clock is ahead. */
  skewMs?: number
}

const latestMs = 20_000
const toleratedSkewMs = 15 * 60_000

interface Listed {
  bytes: number
  /** A listing names it from then on, and until then. */
  fromMs: number
  untilMs: number
}

export class SimulatedS3 {
  /** What is there now. */
  readonly objects = new Map<string, Buffer>()
  readonly #options: SimulatedS3Options
  readonly #listed = new Map<string, Listed>()
  readonly #uploads = new Map<string, { key: string; parts: Map<number, Buffer> }>()
  readonly #hashes = new Map<string, string>()
  #uploadNumber = 0
  #up = true
  /** The first broken rule of the store's user. */
  finding: Error | null = null
  /** Called when an object that was there goes. */
  onDelete: (key: string) => void = () => {}
  /** They cannot reach it. */
  readonly #cutOff = new Set<Process>()

  constructor(options: SimulatedS3Options) {
    this.#options = options
  }

  get openUploads(): number {
    return this.#uploads.size
  }

  stop(): void {
    this.#up = false
  }

  start(): void {
    this.#up = true
  }

  /** This one cannot reach it, until {@link reconnect}. */
  cutOff(process: Process): void {
    this.#cutOff.add(process)
  }

  reconnect(process: Process): void {
    this.#cutOff.delete(process)
  }

  transport(process: Process): Transport {
    const open = new Set<(error: Error) => void>()
    return {
      send: request =>
        new Promise((resolve, reject) => {
          open.add(reject)
          // What arrives late must be what was sent.
          const sent = { ...request, body: [Buffer.concat(request.body)] }
          const answer = (settle: () => void) =>
            process.run(() => {
              if (open.delete(reject)) settle()
            })
          this.#options.timers.after(request.timeoutMs, () => answer(() => reject(unreachable('no answer in time'))))
          void this.#exchange(sent, process).then(
            response => answer(() => resolve(response)),
            error => answer(() => reject(error)),
          )
        }),
      close() {
        for (const reject of open) reject(unreachable('closed'))
        open.clear()
      },
    }
  }

  async #exchange(request: HttpRequest, process: Process): Promise<HttpResponse> {
    const { random, fate } = this.#options
    const happens = this.#up && !this.#cutOff.has(process) ? fate() : 'lost-before'
    await this.#after(1 + random.fraction() * (random.chance(0.02) ? 3_000 : 30))
    if (happens === 'lost-before') throw unreachable('ECONNRESET')
    if (happens === 'late') {
      void this.#after(random.fraction() * latestMs).then(() => this.#answer(request))
      throw unreachable('ECONNRESET')
    }
    if (happens === 'slow-down') return failure(503, 'SlowDown')
    if (happens === 'internal-error') return failure(500, 'InternalError')
    const response = this.#answer(request)
    await this.#after(random.fraction() * 10)
    if (happens === 'lost-after' || happens === 'broken-off') throw unreachable('the answer broke off')
    return response
  }

  #after(ms: number): Promise<void> {
    return new Promise(resolve => this.#options.timers.after(ms, resolve))
  }

  get #nowMs(): number {
    return this.#options.clock.now() + (this.#options.skewMs ?? 0)
  }

  #answer(request: HttpRequest): HttpResponse {
    const url = new URL(request.path, request.origin)
    const [, bucket, ...rest] = url.pathname.split('/')
    if (bucket !== this.#options.bucket) return failure(404, 'NoSuchBucket')
    const refusal = this.#refusal(request)
    if (refusal !== null) return refusal
    const key = rest.join('/')
    const body = Buffer.concat(request.body)
    const uploadId = url.searchParams.get('uploadId')
    if (request.method === 'PUT')
      return uploadId === null ? this.#put(key, body) : this.#putPart(uploadId, Number(url.searchParams.get('partNumber')), body)
    if (request.method === 'DELETE') return this.#abort(uploadId!)
    if (request.method === 'GET') return key === '' ? this.#list(url.searchParams) : this.#get(key, request.headers['range'] ?? '')
    if (url.searchParams.has('uploads')) return this.#beginUpload(key)
    if (url.searchParams.has('delete')) return this.#delete(body.toString('utf8'))
    return this.#complete(key, uploadId!, body.toString('utf8'))
  }

  #refusal({ headers, body }: HttpRequest): HttpResponse | null {
    const stamp = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(headers['x-amz-date'] ?? '')
    if (stamp === null || !headers['authorization']?.includes('Signature=')) return failure(403, 'AccessDenied')
    const [year, month, day, hour, minute, second] = stamp.slice(1).map(Number) as [number, number, number, number, number, number]
    const skewMs = Math.abs(Date.UTC(year, month - 1, day, hour, minute, second) - this.#nowMs)
    if (skewMs > toleratedSkewMs)
      return failure(403, 'RequestTimeTooSkewed', `<ServerTime>${new Date(this.#nowMs).toISOString()}</ServerTime>`)
    const content = Buffer.concat(body)
    const hash = headers['x-amz-content-sha256'] ?? ''
    if (hash !== 'UNSIGNED-PAYLOAD' && hash !== createHash('sha256').update(content).digest('hex'))
      return failure(400, 'XAmzContentSHA256Mismatch')
    const checksum = headers['x-amz-checksum-crc32c']
    if (checksum !== undefined && Buffer.from(checksum, 'base64').readUInt32BE() !== crc32c(content)) return failure(400, 'BadDigest')
    return null
  }

  #put(key: string, body: Buffer): HttpResponse {
    const hash = createHash('sha256').update(body).digest('hex')
    const before = this.#hashes.get(key)
    if (before !== undefined && before !== hash) this.finding ??= new Error(`the object ${key} was written with other bytes`)
    this.#hashes.set(key, hash)
    this.objects.set(key, body)
    const fromMs = this.#nowMs + this.#options.listingDelayMs()
    this.#listed.set(key, {
      bytes: body.length,
      fromMs: Math.min(fromMs, this.#listed.get(key)?.fromMs ?? fromMs),
      untilMs: Number.POSITIVE_INFINITY,
    })
    return { status: 200, headers: { etag: tagOf(body) }, body: Buffer.alloc(0) }
  }

  #get(key: string, range: string): HttpResponse {
    const object = this.objects.get(key)
    if (object === undefined) return failure(404, 'NoSuchKey')
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range)!
    if (Number(from) >= object.length) return failure(416, 'InvalidRange')
    return { status: 206, headers: {}, body: Buffer.from(object.subarray(Number(from), Number(to) + 1)) }
  }

  #list(query: URLSearchParams): HttpResponse {
    const [prefix, after, most] = [query.get('prefix') ?? '', query.get('start-after') ?? '', Number(query.get('max-keys'))]
    const nowMs = this.#nowMs
    for (const [key, { untilMs }] of [...this.#listed]) if (untilMs <= nowMs) this.#listed.delete(key)
    const seen = [...this.#listed].filter(([key, { fromMs }]) => key.startsWith(prefix) && key > after && fromMs <= nowMs)
    seen.sort(([a], [b]) => (a < b ? -1 : 1))
    const contents = seen.slice(0, most).map(([key, { bytes }]) => `<Contents><Key>${key}</Key><Size>${bytes}</Size></Contents>`)
    return xml('ListBucketResult', `<IsTruncated>${seen.length > most}</IsTruncated>${contents.join('')}`)
  }

  #delete(request: string): HttpResponse {
    for (const [, key] of request.matchAll(/<Key>([^<]*)<\/Key>/g)) {
      if (this.objects.delete(key!)) this.onDelete(key!)
      const listed = this.#listed.get(key!)
      if (listed !== undefined) listed.untilMs = this.#nowMs + this.#options.listingDelayMs()
    }
    return xml('DeleteResult', '')
  }

  #beginUpload(key: string): HttpResponse {
    const id = `upload-${++this.#uploadNumber}`
    this.#uploads.set(id, { key, parts: new Map() })
    return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`)
  }

  #putPart(id: string, part: number, body: Buffer): HttpResponse {
    const upload = this.#uploads.get(id)
    if (upload === undefined) return failure(404, 'NoSuchUpload')
    upload.parts.set(part, body)
    return { status: 200, headers: { etag: tagOf(body) }, body: Buffer.alloc(0) }
  }

  #complete(key: string, id: string, request: string): HttpResponse {
    const upload = this.#uploads.get(id)
    if (upload === undefined) return failure(404, 'NoSuchUpload')
    const parts = [...request.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)].map(([, part, tag]) => ({
      body: upload.parts.get(Number(part)),
      tag: tag!.replaceAll('&quot;', '"'),
    }))
    if (parts.some(({ body, tag }) => body === undefined || tagOf(body) !== tag)) return failure(400, 'InvalidPart')
    this.#uploads.delete(id)
    this.#put(key, Buffer.concat(parts.map(({ body }) => body!)))
    return xml('CompleteMultipartUploadResult', `<Key>${key}</Key>`)
  }

  #abort(id: string): HttpResponse {
    if (!this.#uploads.delete(id)) return failure(404, 'NoSuchUpload')
    return { status: 204, headers: {}, body: Buffer.alloc(0) }
  }
}

function tagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}

function xml(root: string, content: string): HttpResponse {
  return {
    status: 200,
    headers: {},
    body: Buffer.from(
      `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`,
    ),
  }
}

function failure(status: number, code: string, more = ''): HttpResponse {
  return {
    status,
    headers: {},
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>simulated</Message>${more}</Error>`),
  }
}

function unreachable(message: string): Error {
  return new Error(message)
}
