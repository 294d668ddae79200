/** The OpenAPI 3.1 document of the proxy, made of the schemas that its routes declare. */
import type { RouteOptions } from 'fastify'
import { formatTypes, plainTypes } from './v2/media.ts'

type Json = Record<string, unknown>

interface RouteSchema {
  readonly params?: { readonly properties?: Json }
  readonly querystring?: { readonly properties?: Json }
  readonly body?: Json
  readonly response?: Readonly<Record<string, Json>>
}

export class ApiDocument {
  readonly #paths: Record<string, Json> = {}

  add({ method, url, schema }: Pick<RouteOptions, 'method' | 'url' | 'schema'>): void {
    const path = url.replaceAll(/:(:|\w+)/g, (_, name: string) => (name === ':' ? ':' : `{${name}}`))
    for (const each of typeof method === 'string' ? [method] : method) {
      if (each === 'HEAD' || each === 'OPTIONS' || schema === undefined) continue
      this.#paths[path] = { ...this.#paths[path], [each.toLowerCase()]: operation(each, path, schema as RouteSchema) }
    }
  }

  text(server: string): string {
    const document = {
      openapi: '3.1.0',
      info: { title: 'Millrace REST proxy', version: '3', description: 'Kafka over HTTP: v2 and v3 of Confluent, and reading in v3' },
      servers: [{ url: server }],
      paths: this.#paths,
    }
    // An int64 is declared without a type, because a validator would refuse the digits that a double cannot hold.
    return JSON.stringify(document, (_, value) => (isLong(value) ? { type: 'integer', format: 'int64' } : value))
  }
}

function isLong(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (value as Json)['format'] === 'int64'
}

function operation(method: string, path: string, { params, querystring, body, response = {} }: RouteSchema): Json {
  const isV3 = path.startsWith('/v3')
  const parameters = [
    ...Object.entries(params?.properties ?? {}).map(([name, schema]) => ({ name, in: 'path', required: true, schema })),
    ...Object.entries(querystring?.properties ?? {}).map(([name, schema]) => ({ name, in: 'query', schema })),
  ]
  const isProducing = !isV3 && path.startsWith('/topics') && body !== undefined
  const taken = isV3 ? ['application/json'] : isProducing ? formatTypes : plainTypes
  const readsRecords = method === 'GET' && path.endsWith('/records')
  // Events have the same data as a page, one record each.
  const givenByV3 = readsRecords ? ['application/json', 'text/event-stream'] : ['application/json']
  const given = isV3 ? givenByV3 : readsRecords ? formatTypes : plainTypes
  const failed = isV3 ? ['application/json'] : plainTypes
  return {
    parameters,
    ...(body === undefined ? {} : { requestBody: { content: contentOf(taken, body) } }),
    responses: Object.fromEntries(
      Object.entries(response).map(([status, schema]) => [status.toUpperCase(), answer(schema, isError(status) ? failed : given)]),
    ),
  }
}

function isError(status: string): boolean {
  return status.startsWith('4') || status.startsWith('5')
}

function answer(schema: Json, types: readonly string[]): Json {
  const description = String(schema['description'] ?? 'The answer')
  return schema['type'] === 'null' ? { description } : { description, content: contentOf(types, schema) }
}

function contentOf(types: readonly string[], schema: Json): Json {
  return Object.fromEntries(types.map(type => [type, { schema: type === 'text/event-stream' ? { type: 'string' } : schema }]))
}
