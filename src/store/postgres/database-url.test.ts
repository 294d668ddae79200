import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDatabaseUrl } from './database-url.ts'

test('host, port, database, user, password, schema', () => {
  assert.deepEqual(parseDatabaseUrl('postgres://me:p%40ss@127.0.0.1:15432/lab?schema=other', {}), {
    host: '127.0.0.1',
    port: 15432,
    database: 'lab',
    user: 'me',
    password: 'p@ss',
    schema: 'other',
    tls: null,
  })
  const { port, user, password, schema, tls } = parseDatabaseUrl('postgresql://db.example/lab', { PGUSER: 'me', PGPASSWORD: 'secret' })
  assert.deepEqual([port, user, password, schema], [5432, 'me', 'secret', 'millrace'])
  assert.deepEqual(tls, { authority: null, certificate: null, key: null })
})

test('over a network the server proves who it is', () => {
  const tls = (query: string) => parseDatabaseUrl(`postgres://me@db.example/lab?${query}`, {}).tls
  assert.equal(tls('sslmode=disable'), null)
  assert.deepEqual(tls('sslmode=require&sslrootcert=/ca.pem'), { authority: '/ca.pem', certificate: null, key: null })
  assert.deepEqual(tls('sslcert=/c&sslkey=/k'), { authority: null, certificate: '/c', key: '/k' })
  for (const mode of ['prefer', 'allow', 'verify-ca', 'no-verify'])
    assert.throws(() => tls(`sslmode=${mode}`), /is not supported; allowed: verify-full/)
  assert.throws(() => tls('sslcert=/c'), /belong together/)
  assert.throws(() => tls('sslmode=disable&sslrootcert=/ca'), /does not go with certificates/)
})

const wrong: readonly (readonly [url: string, error: RegExp])[] = [
  ['mysql://me@host/db', /must look like postgres:/],
  ['postgres://me@host', /the path must be the name of a database/],
  ['postgres://host/db', /a user is missing/],
  ['postgres://me@host/db?pool=5', /unknown parameter pool; allowed: sslmode/],
  ['postgres://me@host/db?schema=Bad-Name', /the schema "Bad-Name"/],
]
for (const [url, error] of wrong) test(`refused: ${url}`, () => assert.throws(() => parseDatabaseUrl(url, {}), error))

// Also where nobody can tell the password from the rest.
const leaking = [
  'postgres://me:hunter2@host/db?x=1',
  'postgres://me:hunter/2@host/db',
  'postgres://me:1/hunter@host/db',
  'postgres://me:hunter?2@host/db',
  'postgres://me:1?hunter@host/db',
  'postgres://me:hunter#2@host/db',
  'postgres://me:hunter@2@host',
  'postgres:/me:hunter2@host/db',
  'postgres://me:hunter2',
  'postgres://me:%hunter@host/db',
  'postgres://me@host/db?password=hunter2',
  'mysql://me:hunter2@host/db',
]
for (const url of leaking)
  test(`no error shows the password: ${url}`, () => {
    const says = (error: Error) => error.message.startsWith('the URL of the database is wrong: ') && !error.message.includes('hunter')
    assert.throws(() => parseDatabaseUrl(url, {}), says)
  })
