/**
 * MaxCompute's Tunnel: signed requests, and upload sessions whose blocks appear in the table all at once, when the session is committed.
 *
 * A session is committed once: whoever does not know whether a commit has arrived asks for the session's status.
 */
import { createHmac } from 'node:crypto'
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import type { System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { type HttpAnswer, type HttpClient, isPassing, isSuccess, jsonOf, passingError, said } from '../http-client/http-client.ts'
import type { Column } from './columns.ts'
import type { Config } from './keys.ts'

const compress = promisify(deflate)
const tunnelVersion = '5'
/** While a session that was committed is closing. */
const closingMs = 1_000

interface SessionAnswer {
  readonly UploadID: string
  readonly Status: string
  readonly Schema: { readonly columns: readonly Column[] }
  readonly UploadedBlockList?: readonly { readonly BlockID: number }[]
}

/** It was not committed, and never can be. */
export class LostUpload extends Error {}

export interface Upload {
  readonly table: string
  readonly partition: string
  readonly id: string
  readonly columns: readonly Column[]
}

export class Tunnel {
  readonly #config: Config
  readonly #client: HttpClient
  readonly #system: System
  #endpoint: string | null

  constructor(config: Config, client: HttpClient, system: System) {
    this.#config = config
    this.#client = client
    this.#system = system
    this.#endpoint = config.tunnel_endpoint
  }

  /** `partition`: `pt=20261130,hh=04`; nothing for a table without partitions. */
  async begin(table: string, partition: string): Promise<Upload> {
    const create = this.#config['auto.create.partitions'] && partition !== '' ? { create_partition: 'true' } : {}
    const answer = await this.#session('POST', table, partition, { uploads: '1', ...create })
    return { table, partition, id: answer.UploadID, columns: answer.Schema.columns }
  }

  /** `block`: from 0. The same block may be uploaded again. */
  async upload({ table, partition, id }: Upload, block: number, stream: Buffer): Promise<void> {
    const isCompressed = this.#config['compression.type'] === 'zlib'
    const body = isCompressed ? await compress(stream) : stream
    const headers = { 'content-type': 'application/octet-stream', ...(isCompressed && { 'content-encoding': 'deflate' }) }
    await this.#send('PUT', table, partition, { uploadid: id, blockid: String(block) }, headers, body)
  }

  /** Also if it was committed before. Throws RetriableError as long as it is not known to be, and LostUpload. */
  async commit({ table, partition, id }: Omit<Upload, 'columns'>, blocks: number): Promise<void> {
    const before = await this.#session('GET', table, partition, { uploadid: id })
    let status = before.Status.toLowerCase()
    if (status === 'normal') {
      const there = new Set((before.UploadedBlockList ?? []).map(block => block.BlockID))
      for (let block = 0; block < blocks; block++)
        if (!there.has(block)) throw new LostUpload(`upload ${id} has lost block ${block} of ${blocks}; it is begun again`)
      if (there.size !== blocks) throw new LostUpload(`upload ${id} has ${there.size} blocks, and ${blocks} were uploaded`)
      status = (await this.#session('POST', table, partition, { uploadid: id })).Status.toLowerCase()
    }
    if (status === 'closed') return
    if (status === 'closing' || status === 'normal') throw new RetriableError(`upload ${id} is ${status}`, { retryAfterMs: closingMs })
    throw new Error(`upload ${id} cannot be committed: it is ${status}`)
  }

  async #session(method: string, table: string, partition: string, query: Readonly<Record<string, string>>): Promise<SessionAnswer> {
    const isNew = query['uploads'] !== undefined
    const answer = await this.#send(method, table, partition, query, {}, method === 'GET' ? null : Buffer.alloc(0))
    return jsonOf<SessionAnswer>(answer, 'the Tunnel', ({ UploadID, Status, Schema }) =>
      isNew ? typeof UploadID === 'string' && Array.isArray(Schema?.columns) : typeof Status === 'string',
    )
  }

  async #send(
    method: string,
    table: string,
    partition: string,
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
    body: Buffer | null,
  ): Promise<HttpAnswer> {
    const { project, schema } = this.#config
    const path = `/projects/${project}${schema === '' ? '' : `/schemas/${schema}`}/tables/${table}`
    const where = partition === '' ? {} : { partition }
    const version = { 'x-odps-tunnel-version': tunnelVersion, 'odps-tunnel-date-transform': 'v1' }
    const answer = await this.#signed(method, await this.#tunnel(), path, { ...query, ...where }, { ...headers, ...version }, body)
    if (isSuccess(answer.status)) return answer
    if (isPassing(answer.status)) throw passingError(`the Tunnel, ${method} ${path}`, answer, this.#system.clock.now())
    throw new Error(`the Tunnel refuses ${method} ${path}: ${said(answer)}`)
  }

  async #tunnel(): Promise<string> {
    if (this.#endpoint !== null) return this.#endpoint
    const service = this.#config.endpoint!
    const answer = await this.#signed('GET', service, `/projects/${this.#config.project}/tunnel`, { service: '' }, {}, null)
    if (isPassing(answer.status)) throw passingError('MaxCompute', answer, this.#system.clock.now())
    if (!isSuccess(answer.status)) throw new Error(`MaxCompute does not say where its Tunnel is: ${said(answer)}`)
    this.#endpoint = `${new URL(service).protocol}//${answer.body.toString().trim()}`
    return this.#endpoint
  }

  #signed(
    method: string,
    endpoint: string,
    path: string,
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
    body: Buffer | null,
  ): Promise<HttpAnswer> {
    const { access_id: id, access_key: secret, security_token: token } = this.#config
    const sent: Record<string, string> = { ...headers, date: new Date(this.#system.clock.now()).toUTCString() }
    if (token !== null) sent['authorization-sts-token'] = token
    sent['authorization'] = `ODPS ${id}:${createHmac('sha1', secret ?? '')
      .update(textToSign(method, path, query, sent))
      .digest('base64')}`
    const parameters = Object.entries(query).map(([name, value]) => `${name}${value === '' ? '' : `=${encodeURIComponent(value)}`}`)
    const url = new URL(`${endpoint.replace(/\/+$/, '')}${encodeURI(path)}?${parameters.join('&')}`)
    return this.#client.send({ method, url, headers: sent, ...(body !== null && { body }) })
  }
}

/** odps/accounts.py of the official SDK: the resource is what follows the endpoint. */
function textToSign(
  method: string,
  path: string,
  query: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
): string {
  const special = Object.keys(headers)
    .filter(name => name.startsWith('x-odps-'))
    .sort()
    .map(name => `${name}:${headers[name]}`)
  const parameters = Object.keys(query)
    .sort()
    .map(name => (query[name] === '' ? name : `${name}=${query[name]}`))
  const plain = [headers['content-md5'] ?? '', headers['content-type'] ?? '', headers['date'] ?? '']
  return [method, ...plain, ...special, `${path}?${parameters.join('&')}`].join('\n')
}
