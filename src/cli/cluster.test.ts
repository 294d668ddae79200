import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))
const goodCluster = 'postgres://me@127.0.0.1:1/lab'
const goodObjects = 's3://bucket?endpoint=http://127.0.0.1:1'

function check(cluster: string, objects: string, more: Readonly<Record<string, string>>) {
  const env = { ...process.env, PGPASSWORD: 'hunter2', ...more }
  return spawnSync(process.execPath, [program, 'cluster', 'check', '--json', '--cluster', cluster, '--objects', objects], {
    env,
    encoding: 'utf8',
  })
}

test('a wrong URL is a usage error that says what is wrong', () => {
  const database = check('mysql://me@host/lab', goodObjects, {})
  assert.equal(database.status, 2)
  assert.match(database.stderr, /^millrace: the URL of the database is wrong: it must look like postgres:.*\n$/)
  const objects = check(goodCluster, 'http://host/bucket', {})
  assert.equal(objects.status, 2)
  assert.match(objects.stderr, /^millrace: the URL of the object store is wrong: it must look like s3:.*\n$/)
})

test('a database that cannot be reached is named, in one line', () => {
  const { status, stderr } = check(goodCluster, goodObjects, {})
  assert.equal(status, 1)
  assert.match(stderr, /^millrace: the database: no connection to 127\.0\.0\.1:1: .*ECONNREFUSED.*\n$/)
})

const { MILLRACE_POSTGRES_URL: realCluster, MILLRACE_S3_URL: realObjects } = process.env
const skip = (!realCluster || !realObjects) && 'set MILLRACE_POSTGRES_URL and MILLRACE_S3_URL to run it against real servers'

test('servers that work', { skip }, () => {
  const { status, stdout, stderr } = check(realCluster!, realObjects!, {})
  assert.deepEqual([status, stderr], [0, ''])
  assert.deepEqual(
    (JSON.parse(stdout) as { what: string }[]).map(({ what }) => what),
    ['database', 'put', 'get', 'list', 'delete'],
  )
})

function cluster(...args: string[]) {
  return spawnSync(process.execPath, [program, 'cluster', ...args], { env: { ...process.env, PGPASSWORD: 'hunter2' }, encoding: 'utf8' })
}

test('status says what does not answer, and fails', () => {
  const { status, stdout, stderr } = cluster('status', '--json', '--cluster', goodCluster, '--objects', goodObjects)
  assert.deepEqual([status, stderr], [1, ''])
  const told = JSON.parse(stdout)
  assert.match(told.postgresql, /^the database: no connection to 127\.0\.0\.1:1/)
  assert.match(told.objects, /^the object store: /)
  assert.deepEqual([told.brokers, told.degraded], [[], [told.objects, told.postgresql]])
})

test('import and export say at once what does not answer, and what is missing', () => {
  for (const command of ['import', 'export']) {
    const { status, stderr } = cluster(command, '/nowhere', '--cluster', goodCluster, '--objects', goodObjects)
    assert.equal(status, 1)
    assert.match(stderr, /^millrace: the database: no connection to 127\.0\.0\.1:1: .*ECONNREFUSED.*\n$/)
    assert.equal(cluster(command, '--cluster', goodCluster, '--objects', goodObjects).status, 2)
  }
  assert.equal(cluster('export', '/nowhere', '--node-id', '-1', '--cluster', goodCluster, '--objects', goodObjects).status, 2)
})

test('a partition and a broker that are none are usage errors', () => {
  const partition = cluster('move', 'orders', '2', '--bootstrap', '127.0.0.1:1')
  assert.equal(partition.status, 2)
  assert.match(partition.stderr, /"orders" is not TOPIC:PARTITION/)
  const broker = cluster('drain', 'two', '--bootstrap', '127.0.0.1:1')
  assert.equal(broker.status, 2)
  assert.match(broker.stderr, /Must be a whole number/)
})

test('status says that there is no cluster yet', { skip }, () => {
  const elsewhere = `${realCluster}${realCluster!.includes('?') ? '&' : '?'}schema=nobody_is_here`
  const { status, stdout } = cluster('status', '--cluster', elsewhere, '--objects', realObjects!)
  assert.equal(status, 1)
  assert.match(stdout, /^degraded: the database: it holds no cluster yet; the first broker makes one/m)
})

test('a password that is missing is asked for', { skip }, () => {
  const url = new URL(realCluster!)
  url.password = ''
  const { status, stderr } = check(url.href, realObjects!, { PGPASSWORD: '' })
  assert.equal(status, 1)
  assert.match(stderr, /^millrace: the database: .* the server wants a password for \w+; set PGPASSWORD, or write it into the URL\n$/)
})
