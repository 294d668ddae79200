/**
 * HBase's REST server (org.apache.hadoop.hbase.rest): puts of many rows in one request, deletes, and the schemas of tables.
 *
 * It has no request that deletes several rows. Its statuses: 404 for a table or a family that is missing, 400 for what is wrong with a row, 403 where the
 * user may not, 503 for everything between it and the region servers.
 */
import { isUtf8 } from 'node:buffer'
import { RetriableError } from '../../connector.ts'
import { type HttpAnswer, isSuccess, jsonOf, said } from '../http-client/http-client.ts'
import type { HttpServers } from '../http-client/servers.ts'
import type { Row } from './cells.ts'

const server = "HBase's REST server"

export class HBaseRest {
  readonly #servers: HttpServers
  readonly #headers: Readonly<Record<string, string>>

  constructor(servers: HttpServers, headers: Readonly<Record<string, string>>) {
    this.#servers = servers
    this.#headers = { ...headers, accept: 'application/json' }
  }

  /** Names of the column families; null: there is no such table. */
  async families(table: string): Promise<ReadonlySet<string> | null> {
    const answer = await this.#send('GET', `${nameOf(table)}/schema`)
    if (answer.status === 404) return null
    requireSuccess(`the schema of table ${table}`, answer)
    const { ColumnSchema } = jsonOf<{ ColumnSchema: { name: string }[] }>(answer, server, said => Array.isArray(said.ColumnSchema))
    return new Set(ColumnSchema.map(({ name }) => name))
  }

  /** A table with these families, or these families for a table that is there. */
  async define(table: string, families: readonly string[], isNew: boolean): Promise<void> {
    const body = JSON.stringify({ name: table, ColumnSchema: families.map(name => ({ name })) })
    requireSuccess(
      `creating ${table} with ${families.join(', ')}`,
      await this.#send(isNew ? 'PUT' : 'POST', `${nameOf(table)}/schema`, body),
    )
  }

  /** Of one table. The answer is not passing, but may be a refusal. */
  put(table: string, rows: readonly Row[]): Promise<HttpAnswer> {
    // The row in the path is ignored, as each row of the body has its key.
    return this.#send('PUT', `${nameOf(table)}/rows`, bodyOf(rows))
  }

  /** Cells of these columns or families up to this version, or of any. */
  delete(table: string, key: Buffer, columns: readonly string[], version: bigint | null): Promise<HttpAnswer> {
    const isText = isUtf8(key)
    const encode = isText ? encodeURIComponent : (text: string) => Buffer.from(text).toString('base64url')
    const row = isText ? encodeURIComponent(key.toString()) : key.toString('base64url')
    const path = `${nameOf(table)}/${row}/${columns.map(encode).join(',')}${version === null ? '' : `/${version}`}`
    // HBase 2.5.7, 2.6 and newer; older ones cannot be told of such a key.
    return this.#send('DELETE', isText ? path : `${path}?e=b64`)
  }

  #send(method: string, path: string, body?: string): Promise<HttpAnswer> {
    const headers = body === undefined ? this.#headers : { ...this.#headers, 'content-type': 'application/json' }
    return this.#servers.send(path, { method, headers, ...(body !== undefined && { body }) })
  }
}

/** The colon after a namespace stays as it is. */
function nameOf(table: string): string {
  return encodeURIComponent(table).replaceAll('%3A', ':')
}

function requireSuccess(what: string, answer: HttpAnswer): void {
  if (!isSuccess(answer.status)) throw new Error(`${what}: ${server} answers with ${said(answer)}`)
}

/** Of what is written: it says nothing then. Something in between, such as a login page, says something. */
export function requireWritten(what: string, answer: HttpAnswer): void {
  requireSuccess(what, answer)
  if (answer.body.length > 0) throw new RetriableError(`${what}: this is no answer of ${server}: ${said(answer)}`)
}

/** Of the cells that two records write to the same place, HBase has the later one. */
function bodyOf(rows: readonly Row[]): string {
  const written = new Set<string>()
  const made: string[] = []
  for (const { key, version, cells } of rows.toReversed()) {
    const row = key.toString('base64')
    const stamp = version === null ? '' : `"timestamp":${version},`
    const texts: string[] = []
    for (const { column, value } of cells ?? []) {
      if (value === null) continue
      const name = column.toString('base64')
      const place = `${row} ${name} ${stamp}`
      if (written.has(place)) continue
      written.add(place)
      texts.push(`{"column":"${name}",${stamp}"$":"${value.toString('base64')}"}`)
    }
    if (texts.length > 0) made.push(`{"key":"${row}","Cell":[${texts.join(',')}]}`)
  }
  return `{"Row":[${made.reverse().join(',')}]}`
}
