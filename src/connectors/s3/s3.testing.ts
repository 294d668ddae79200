/** A small S3 for tests: objects, uploads in parts, and faults. Answers as Amazon does, as far as this sink asks. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FaultyServer, isSpoilt } from '../faulty-server.testing.ts'

export type Fault = 'reset' | 'silence' | 'garbage' | 'lost' | number

export class FakeS3 extends FaultyServer<Fault> {
  readonly objects = new Map<string, { body: Buffer; headers: IncomingMessage['headers'] }>()
  readonly uploads = new Map<string, { key: string; parts: Map<number, Buffer> }>()
  #uploadNumber = 0

  protected async answer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://localhost')
    const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'))
    const what = `${request.method} ${key} ${[...url.searchParams.keys()].filter(name => name !== 'x-id').join(',')}`.trim()
    const fault = this.faultOf(what)
    if (isSpoilt(fault, response)) return
    if (typeof fault === 'number') return refuse(response, fault, fault === 403 ? 'AccessDenied' : 'InternalError')
    this.#work(request, url, key, body, fault === 'lost' ? null : response)
    if (fault === 'lost') request.socket.destroy()
  }

  /** How many objects one page of a list has. */
  pageSize = 1_000

  #listed(query: URLSearchParams): string {
    const after = query.get('continuation-token') ?? ''
    const all = [...this.objects.keys()].filter(key => key.startsWith(query.get('prefix') ?? '') && key > after).sort()
    const page = all.slice(0, this.pageSize)
    const isTruncated = page.length < all.length
    const contents = page.map(key => {
      const { body } = this.objects.get(key)!
      return `<Contents><Key>${escaped(key)}</Key><Size>${body.length}</Size><ETag>${etagOf(body)}</ETag></Contents>`
    })
    const next = isTruncated ? `<NextContinuationToken>${escaped(page.at(-1)!)}</NextContinuationToken>` : ''
    return `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated><KeyCount>${page.length}</KeyCount>${next}${contents.join('')}</ListBucketResult>`
  }

  #work(request: IncomingMessage, url: URL, key: string, body: Buffer, response: ServerResponse | null): void {
    const upload = url.searchParams.get('uploadId')
    const answer = (text = '', headers: Record<string, string> = {}) =>
      void response?.writeHead(200, { 'content-type': 'application/xml', ...headers }).end(text)
    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      const id = `upload-${++this.#uploadNumber}`
      this.uploads.set(id, { key, parts: new Map() })
      answer(`<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    } else if (request.method === 'GET' && url.searchParams.has('uploads')) {
      const listed = [...this.uploads].filter(([, each]) => each.key.startsWith(url.searchParams.get('prefix') ?? ''))
      answer(
        `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${listed.map(([id, each]) => `<Upload><Key>${each.key}</Key><UploadId>${id}</UploadId></Upload>`).join('')}</ListMultipartUploadsResult>`,
      )
    } else if (upload !== null && !this.uploads.has(upload)) {
      if (response !== null) refuse(response, 404, 'NoSuchUpload')
    } else if (request.method === 'PUT' && upload !== null) {
      this.uploads.get(upload)!.parts.set(Number(url.searchParams.get('partNumber')), body)
      answer('', { etag: `"${url.searchParams.get('partNumber')}"` })
    } else if (request.method === 'POST' && upload !== null) {
      const { parts } = this.uploads.get(upload)!
      const ordered = [...parts].sort(([one], [other]) => one - other).map(([, part]) => part)
      this.objects.set(key, { body: Buffer.concat(ordered), headers: request.headers })
      this.uploads.delete(upload)
      answer(`<CompleteMultipartUploadResult><Key>${key}</Key><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
    } else if (request.method === 'DELETE' && upload !== null) {
      this.uploads.delete(upload)
      response?.writeHead(204).end()
    } else if (request.method === 'PUT') {
      this.objects.set(key, { body, headers: request.headers })
      answer('', { etag: '"x"' })
    } else if (request.method === 'GET' && url.searchParams.has('list-type')) {
      answer(this.#listed(url.searchParams))
    } else if (request.method === 'GET') {
      const object = this.objects.get(key)
      if (object !== undefined && response !== null) give(request, object.body, response)
      else if (response !== null) refuse(response, 404, 'NoSuchKey')
    } else if (request.method === 'HEAD') {
      const object = this.objects.get(key)
      response
        ?.writeHead(object === undefined ? 404 : 200, object === undefined ? {} : { 'content-length': String(object.body.length) })
        .end()
    } else if (response !== null) refuse(response, 405, 'MethodNotAllowed')
  }
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function give(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const wanted = request.headers['if-match']
  if (wanted !== undefined && wanted !== etagOf(body)) {
    refuse(response, 412, 'PreconditionFailed')
    return
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
  const part = range === null ? body : body.subarray(Number(range[1]), Number(range[2]) + 1)
  response.writeHead(range === null ? 200 : 206, { 'content-type': 'application/json', etag: etagOf(body) }).end(part)
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<Error><Code>${code}</Code><Message>as the test wishes</Message></Error>`)
}
