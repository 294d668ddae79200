/** What strangers may send to the registry: nothing of it is answered with 500, takes it down, or changes what all objects inherit. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { record, sharedRegistry } from './registry.ts'

const registry = sharedRegistry()

const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const oddObject = '{"toString":1,"valueOf":1}'
const schema = JSON.stringify(record({ name: 'x', type: 'int' }).schema)
const withSchema = (members: string) => `{"schema":${schema},${members}}`

const bodies: readonly string[] = [
  ...['', ' ', '{', 'null', 'true', '"x"', '[]', '{}', '1e400', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'],
  ...[deep(300), `{"schema":${JSON.stringify(deep(50_000))}}`, `{"schema":${oddObject}}`, '{"schema":""}', '{"schema":"\\u0000"}'],
  ...[oddObject, '5', '"xml"', '["AVRO"]', '"__proto__"'].map(type => withSchema(`"schemaType":${type}`)),
  ...[
    '{}',
    '[null]',
    '[{}]',
    `[{"name":${oddObject},"subject":"s","version":1}]`,
    '[{"name":"n","subject":"__proto__","version":1e300}]',
  ].map(references => withSchema(`"references":${references}`)),
  ...[
    '[]',
    '{"properties":[]}',
    `{"properties":{"a":${oddObject}}}`,
    `{"tags":{"a":[${oddObject}]}}`,
    `{"sensitive":[${oddObject}]}`,
    '{"properties":{"__proto__":"a","confluent:version":"x"}}',
  ].map(metadata => withSchema(`"metadata":${metadata}`)),
  ...[
    '[]',
    '{"domainRules":{}}',
    '{"domainRules":[null]}',
    `{"domainRules":[{"name":${oddObject}}]}`,
    `{"domainRules":[{"name":"a","type":"CEL","mode":"READ","params":{"a":${oddObject}},"tags":[${oddObject}]}]}`,
  ].map(ruleSet => withSchema(`"ruleSet":${ruleSet}`)),
  ...[withSchema('"version":1e300'), withSchema('"id":-5'), withSchema(`"id":${oddObject}`)],
  ...[`{"compatibility":${oddObject}}`, `{"alias":${oddObject}}`, '{"alias":"config"}', `{"compatibilityPolicy":${oddObject}}`],
  ...[`{"mode":${oddObject}}`, '{"mode":"__proto__"}', `{"defaultMetadata":{"properties":{"a":${oddObject}}}}`],
  ...['http', 'file'].map(scheme =>
    JSON.stringify({
      schemaType: 'JSON',
      schema: `{"$ref":"${scheme}://127.0.0.1:9/etc/passwd","properties":{"a":{"$ref":"${scheme}:///x"}}}`,
    }),
  ),
  JSON.stringify({
    schemaType: 'PROTOBUF',
    schema: 'syntax = "proto3"; import "/etc/passwd"; import "http://127.0.0.1:9/x"; message A {}',
  }),
]

const names = [
  's',
  '__proto__',
  'constructor',
  '..',
  '.',
  '%2e%2e%2fetc%2fpasswd',
  ':.ctx:',
  ':*:',
  ':.:',
  ':',
  '%3A.%2e%2e%3As',
  '%00',
  '%0d%0aX:%20y',
]

const routes: readonly (readonly [method: string, path: string])[] = [
  ...['', '/versions', '/versions/1', '/versions/latest', '/metadata?key=a&value=b', '/versions/1/schema', '/versions/1/referencedby'].map(
    path => ['GET', `/subjects/NAME${path}`] as const,
  ),
  ...['/subjects/NAME', '/subjects/NAME/versions', '/compatibility/subjects/NAME/versions', '/compatibility/subjects/NAME/versions/1'].map(
    path => ['POST', path] as const,
  ),
  ...['/config/NAME', '/mode/NAME', '/mode/NAME?force=true', '/contexts/NAME/config'].map(path => ['PUT', path] as const),
  ...['/subjects/NAME', '/subjects/NAME?permanent=true', '/subjects/NAME/versions/1', '/config/NAME', '/mode/NAME', '/contexts/NAME'].map(
    path => ['DELETE', path] as const,
  ),
  ...[
    '/contexts/NAME/subjects',
    '/schemas?subjectPrefix=NAME',
    '/subjects?subjectPrefix=NAME',
    '/schemas/ids/NAME',
    '/schemas/guids/NAME',
    '/config/NAME',
    '/mode/NAME',
  ].map(path => ['GET', path] as const),
]

/** As it stands: the language's client would tidy the path up. */
function send(method: string, path: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const { hostname, port } = new URL(registry.url)
    const sent = request({ hostname, port, path, method, headers }, async response => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ status: response.statusCode!, text })
    })
    sent.on('error', reject).end(body)
  })
}

async function failuresOf(calls: Iterable<readonly [method: string, path: string, body: string]>): Promise<string[]> {
  const failures: string[] = []
  for (const [method, path, body] of calls) {
    const { status, text } = await send(method, path, body)
    if (status >= 500) failures.push(`${method} ${path} ${body.slice(0, 200)}: ${status} ${text.slice(0, 200)}`)
  }
  return failures
}

test('bodies of every wrong kind, to every route that takes one', async () => {
  const calls = routes
    .filter(([method]) => method !== 'GET' && method !== 'DELETE')
    .flatMap(([method, path]) => bodies.map(body => [method, path.replace('NAME', `hostile-${path.length}`), body] as const))
  assert.deepEqual(await failuresOf(calls), [])
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

test('names of every wrong kind, in every path', async () => {
  const calls = names.flatMap(name =>
    routes.map(
      ([method, path]) => [method, path.replace('NAME', name), method === 'GET' ? '' : `{"schema":${schema},"mode":"READWRITE"}`] as const,
    ),
  )
  assert.deepEqual(await failuresOf(calls), [])
  assert.equal((await registry.ask('GET', '/subjects')).status, 200)
})

test('what is no name of a type is none, and what is no text in metadata is refused', async () => {
  const codeOf = async (body: string) => (await registry.ask('POST', '/subjects/typed/versions', body)).body.error_code
  assert.equal(await codeOf(withSchema('"schemaType":5')), 42_201)
  assert.equal(await codeOf(withSchema(`"schemaType":${oddObject}`)), 42_201)
  assert.equal(await codeOf(withSchema(`"metadata":{"properties":{"a":${oddObject}}}`)), 42_201)
  const { status } = await registry.ask('POST', '/subjects/typed/versions', withSchema('"metadata":{"properties":{"a":5,"b":true}}'))
  assert.equal(status, 200)
  const { metadata } = (await registry.ask('GET', '/subjects/typed/versions/1')).body
  assert.deepEqual(metadata, { properties: { a: '5', b: 'true' } })
})
