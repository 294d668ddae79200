/** A small Elasticsearch for tests: bulk requests with versions and a strict field, indices, and faults. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { FaultyServer, isSpoilt } from '../faulty-server.testing.ts'

export type Fault = 'reset' | 'silence' | 'garbage' | 'short' | number

interface Item {
  readonly kind: string
  readonly meta: { _index: string; _id?: string; version?: number; version_type?: string }
  /** As it came: JSON.parse would lose digits. */
  readonly source: string
}

export class FakeSearch extends FaultyServer<Fault> {
  /** By index and id: the text of the document and its version. */
  readonly documents = new Map<string, { source: string; version: number }>()
  readonly indices = new Map<string, unknown>()
  readonly bulks: Item[][] = []
  /** What an item is answered instead; null: as usual. */
  refuse: (item: Item) => { status: number; type: string } | null = () => null
  /** Runs before a bulk request is answered. */
  beforeBulk: (items: readonly Item[]) => Promise<void> = async () => {}
  mostBytes = 100 * 2 ** 20
  headers: IncomingMessage['headers'] = {}
  #ids = 0

  protected async answer(request: IncomingMessage, raw: Buffer, response: ServerResponse): Promise<void> {
    const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString()
    const path = decodeURIComponent(request.url!.split('?')[0]!)
    const what = `${request.method} ${path}`
    this.headers = request.headers
    const fault = this.faultOf(what)
    if (isSpoilt(fault, response)) return
    if (fault === 'short') return json(response, 200, { items: [] })
    if (typeof fault === 'number')
      return json(response, fault, { error: { type: 'some_exception', reason: 'as the test wishes' }, status: fault })
    if (path === '/_bulk') return this.#bulk(body, response)
    this.#index(request.method!, path, body, response)
  }

  async #bulk(body: string, response: ServerResponse): Promise<void> {
    if (body.length > this.mostBytes) return json(response, 413, { error: { type: 'too_large', reason: 'too large' } })
    const lines = body.split('\n')
    const items: Item[] = []
    for (let at = 0; at < lines.length - 1; at++) {
      const [[kind, meta]] = Object.entries(JSON.parse(lines[at]!) as Record<string, Item['meta']>) as [[string, Item['meta']]]
      items.push({ kind, meta, source: kind === 'delete' ? '' : lines[++at]! })
    }
    this.bulks.push(items)
    await this.beforeBulk(items)
    json(response, 200, { items: items.map(item => ({ [item.kind]: this.#apply(item) })) })
  }

  #apply(item: Item): { status: number; error?: { type: string; reason: string } } {
    const { kind, meta, source } = item
    const refused = this.refuse(item)
    if (refused !== null) return { status: refused.status, error: { type: refused.type, reason: 'as the test wishes' } }
    const key = `${meta._index}/${meta._id ?? `made-${++this.#ids}`}`
    const known = this.documents.get(key)
    if (meta.version !== undefined && known !== undefined && meta.version <= known.version)
      return { status: 409, error: { type: 'version_conflict_engine_exception', reason: 'older' } }
    if (kind === 'create' && known !== undefined)
      return { status: 409, error: { type: 'version_conflict_engine_exception', reason: 'there' } }
    if (kind === 'delete') return { status: this.documents.delete(key) ? 200 : 404 }
    const { doc } = kind === 'update' ? (JSON.parse(source) as { doc: object }) : { doc: {} }
    const text = kind === 'update' ? JSON.stringify({ ...JSON.parse(known?.source ?? '{}'), ...doc }) : source
    this.documents.set(key, { source: text, version: meta.version ?? (known?.version ?? 0) + 1 })
    return { status: known === undefined ? 201 : 200 }
  }

  #index(method: string, path: string, body: string, response: ServerResponse): void {
    const [, name = '', sub] = path.replace('/_data_stream/', '/').split('/')
    if (method === 'PUT' && sub === undefined) {
      const isThere = this.indices.has(name)
      if (!isThere) this.indices.set(name, body === '' ? null : JSON.parse(body))
      const there = { error: { type: 'resource_already_exists_exception', reason: 'there' } }
      json(response, isThere ? 400 : 200, isThere ? there : { acknowledged: true })
    } else if (method === 'PUT') {
      this.indices.set(name, { mappings: JSON.parse(body) })
      json(response, 200, { acknowledged: true })
    } else if (this.indices.has(name)) json(response, 200, { [name]: this.indices.get(name) ?? { mappings: {} } })
    else json(response, 404, { error: { type: 'index_not_found_exception', reason: name } })
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body))
}
