/** A small REST catalogue for tests: tables whose commits are checked, and faults. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseLossless, stringifyLossless } from '../../base.ts'
import { FaultyServer, isSpoilt } from '../faulty-server.testing.ts'
import type { PartitionSpec } from './partitions.ts'
import type { TableSchema } from './types.ts'

/** `lost`: done, and the answer does not come. */
export type Fault = 'reset' | 'lost' | number

interface FakeTable {
  'format-version': number
  'table-uuid': string
  location: string
  'last-sequence-number': number | bigint
  'last-column-id': number
  schemas: TableSchema[]
  'current-schema-id': number
  'partition-specs': PartitionSpec[]
  'default-spec-id': number
  'current-snapshot-id': number | bigint
  snapshots: { 'snapshot-id': number | bigint; 'manifest-list': string; summary: Record<string, string> }[]
  properties: Record<string, string>
  refs: Record<string, { 'snapshot-id': unknown; type: string }>
  'last-updated-ms': number
  'last-partition-id': number
  'sort-orders': unknown[]
  'default-sort-order-id': number
}

interface Body {
  name: string
  schema: TableSchema
  'partition-spec': PartitionSpec
  requirements: Record<string, unknown>[]
  updates: Record<string, unknown>[]
}

export class FakeCatalogue extends FaultyServer<Fault> {
  readonly tables = new Map<string, FakeTable>()
  /** Runs before a commit is looked at. */
  beforeCommit: (table: FakeTable) => void = () => {}

  protected async answer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const text = body.toString()
    const fault = this.faultOf(`${request.method} ${request.url}`)
    if (isSpoilt(fault, response)) return
    if (typeof fault === 'number') return json(response, fault, { error: { type: 'SomeException', message: 'as the test wishes' } })
    const [status, content] = this.#work(request.method!, request.url!, text === '' ? null : (parseLossless(text) as Body))
    if (fault === 'lost') request.socket.destroy()
    else json(response, status, content)
  }

  #work(method: string, url: string, body: Body | null): [number, unknown] {
    if (url.startsWith('/v1/config')) return [200, { defaults: {}, overrides: { prefix: 'p' } }]
    const [, namespace, name] = /^\/v1\/p\/namespaces\/([^/]+)\/tables(?:\/([^/]+))?$/.exec(url) ?? []
    if (namespace === undefined) return [200, {}]
    const full = `${decodeURIComponent(namespace)}.${decodeURIComponent(name ?? body!.name)}`
    const table = this.tables.get(full)
    if (name === undefined) {
      if (table !== undefined) return [409, { error: { type: 'AlreadyExistsException', message: full } }]
      this.tables.set(full, freshTable(full, body!))
      return [200, { metadata: this.tables.get(full), config: {} }]
    }
    if (table === undefined) return [404, { error: { type: 'NoSuchTableException', message: full } }]
    if (method === 'GET') return [200, { metadata: table, config: {} }]
    this.beforeCommit(table)
    return commit(table, body!)
  }
}

function freshTable(full: string, { schema, 'partition-spec': spec }: Body): FakeTable {
  return {
    'format-version': 2,
    'table-uuid': `uuid-of-${full}`,
    location: `s3://b/${full}`,
    'last-sequence-number': 0,
    'last-column-id': Math.max(
      ...(JSON.stringify(schema).match(/"(?:id|element-id|key-id|value-id)":(\d+)/g) ?? []).map(each => Number(/\d+/.exec(each)![0])),
    ),
    schemas: [schema],
    'current-schema-id': 0,
    'partition-specs': [spec],
    'default-spec-id': 0,
    'current-snapshot-id': -1,
    snapshots: [],
    properties: {},
    refs: {},
    'last-updated-ms': 1_764_475_200_000,
    'last-partition-id': 999 + spec.fields.length,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    'default-sort-order-id': 0,
  }
}

function commit(table: FakeTable, { requirements, updates }: Body): [number, unknown] {
  const current = BigInt(table['current-snapshot-id']) === -1n ? null : BigInt(table['current-snapshot-id'])
  for (const each of requirements) {
    const id = each['snapshot-id'] as number | bigint | null
    const isMet =
      (each['type'] === 'assert-table-uuid' && each['uuid'] === table['table-uuid']) ||
      (each['type'] === 'assert-ref-snapshot-id' && (id === null ? current === null : current === BigInt(id))) ||
      (each['type'] === 'assert-current-schema-id' && each['current-schema-id'] === table['current-schema-id']) ||
      (each['type'] === 'assert-last-assigned-field-id' && each['last-assigned-field-id'] === table['last-column-id'])
    if (!isMet) return [409, { error: { type: 'CommitFailedException', message: String(each['type']) } }]
  }
  for (const each of updates) {
    if (each['action'] === 'add-snapshot') {
      const snapshot = each['snapshot'] as FakeTable['snapshots'][number] & { 'sequence-number': number | bigint }
      if (BigInt(snapshot['sequence-number']) <= BigInt(table['last-sequence-number']))
        return [400, { error: { type: 'BadRequest', message: 'sequence number' } }]
      table.snapshots.push(snapshot)
      table['last-sequence-number'] = snapshot['sequence-number']
    } else if (each['action'] === 'set-snapshot-ref') {
      table['current-snapshot-id'] = each['snapshot-id'] as bigint
      table.refs['main'] = { 'snapshot-id': each['snapshot-id'], type: 'branch' }
    } else if (each['action'] === 'set-properties') Object.assign(table.properties, each['updates'])
    else if (each['action'] === 'add-schema') {
      table.schemas.push(each['schema'] as TableSchema)
      table['last-column-id'] = each['last-column-id'] as number
    } else if (each['action'] === 'set-current-schema') table['current-schema-id'] = table.schemas.at(-1)!['schema-id']
    else return [400, { error: { type: 'BadRequest', message: String(each['action']) } }]
  }
  return [200, { metadata: table }]
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(stringifyLossless(body))
}
