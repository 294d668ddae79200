/**
 * Signs requests with AWS Signature Version 4, header form. Only what this client sends: paths and queries that are already encoded and
 * sorted, and content that is signed by its hash or not at all.
 */
import { createHash, createHmac } from 'node:crypto'
import type { Credentials } from './credentials.ts'

export const unsignedPayload = 'UNSIGNED-PAYLOAD'
export const emptyHash = createHash('sha256').digest('hex')

export interface ToSign {
  readonly method: string
  /** `host` or `host:port`, as the header has it. */
  readonly host: string
  readonly path: string
  /** `a=b&c=d`, encoded and sorted; or ''. */
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly payloadHash: string
}

/** Keys hold for a day, a region and a secret, and take four HMACs to derive. */
export class Signer {
  readonly #region: string
  readonly #service: string
  #derivedFrom = ''
  #key: Buffer = Buffer.alloc(0)

  constructor(region: string, service = 's3') {
    this.#region = region
    this.#service = service
  }

  /** All headers to send. `atMs`: wall clock of the store. */
  sign(request: ToSign, credentials: Credentials, atMs: number): Record<string, string> {
    const stamp = new Date(atMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
    const day = stamp.slice(0, 8)
    const headers: Record<string, string> = {
      ...request.headers,
      host: request.host,
      'x-amz-content-sha256': request.payloadHash,
      'x-amz-date': stamp,
    }
    if (credentials.sessionToken !== null) headers['x-amz-security-token'] = credentials.sessionToken
    const names = Object.keys(headers)
      .filter(name => name === 'host' || name === 'content-md5' || name === 'range' || name.startsWith('x-amz-'))
      .sort()
    const signed = names.join(';')
    const canonical = [
      request.method,
      request.path,
      request.query,
      ...names.map(name => `${name}:${headers[name]!.trim().replace(/ +/g, ' ')}`),
      '',
      signed,
      request.payloadHash,
    ].join('\n')
    const scope = `${day}/${this.#region}/${this.#service}/aws4_request`
    const toSign = ['AWS4-HMAC-SHA256', stamp, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
    const signature = createHmac('sha256', this.#keyFor(day, credentials.secretAccessKey)).update(toSign).digest('hex')
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
    return headers
  }

  #keyFor(day: string, secret: string): Buffer {
    const from = `${day}/${secret}`
    if (this.#derivedFrom !== from) {
      let key: Buffer = Buffer.from(`AWS4${secret}`)
      for (const part of [day, this.#region, this.#service, 'aws4_request']) key = createHmac('sha256', key).update(part).digest()
      this.#key = key
      this.#derivedFrom = from
    }
    return this.#key
  }
}

/** As S3 encodes the parts of a query. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** A query that is signed: sorted by name. */
export function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`)
    .sort()
    .join('&')
}
