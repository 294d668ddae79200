import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))
const nowhere = ['--http', 'none', '--port', '1']

function doctor(...flags: string[]) {
  const env = { PGPASSWORD: 'hunter2', AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', ...process.env }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'doctor', ...flags], { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

type Found = { check: string; state: string; detail: string }
const found = (stdout: string, wanted: string) => (JSON.parse(stdout) as Found[]).find(({ check }) => check === wanted)!

test('a broker on this machine: its directory is tried, and nothing is left there', t => {
  const parent = mkdtempSync(join(tmpdir(), 'millrace-doctor-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  const data = join(parent, 'data')
  const before = doctor('--data', data, '--json', ...nowhere)
  assert.deepEqual([before.status, before.stderr], [0, ''])
  assert.match(found(before.stdout, 'data directory').detail, /does not exist yet/)
  assert.match(found(before.stdout, 'broker').detail, /none runs here/)
  assert.ok(!existsSync(data))
  mkdirSync(data)
  const after = doctor('--data', data, ...nowhere)
  assert.equal(after.status, 0)
  assert.match(after.stdout, /^(?:ok|warning) +data directory: .* has .* free; a sync takes [\d.]+ ms$/m)
  assert.deepEqual(readdirSync(data), [])
  const full = doctor('--data', data, '--set', 'log.free.bytes.floor=1000000000000000', ...nowhere)
  assert.equal(full.status, 1)
  assert.match(full.stdout, /^failed +data directory: .*takes no records$/m)
})

test('a broker of a cluster: every service that does not answer is named', () => {
  const stores = ['--cluster', 'postgres://me@127.0.0.1:1/lab', '--objects', 's3://bucket?endpoint=http://127.0.0.1:1']
  const { status, stdout, stderr } = doctor(...stores, '--json', ...nowhere)
  assert.deepEqual([status, stderr], [1, ''])
  assert.match(found(stdout, 'configuration').detail, /other machines cannot reach 127\.0\.0\.1:1/)
  for (const check of ['database', 'object store']) assert.match(found(stdout, check).detail, /127\.0\.0\.1:1/)
  assert.equal(found(stdout, 'database').state, 'failed')
})

test('a configuration that cannot be is a usage error', () => {
  const { status, stderr } = doctor('--set', 'num.partitions=none')
  assert.equal(status, 2)
  assert.match(stderr, /num\.partitions/)
})

const { MILLRACE_POSTGRES_URL: realCluster, MILLRACE_S3_URL: realObjects } = process.env
const skip = (!realCluster || !realObjects) && 'set MILLRACE_POSTGRES_URL and MILLRACE_S3_URL to run it against real servers'

test('servers that work, before the first broker', { skip }, () => {
  const elsewhere = `${realCluster}${realCluster!.includes('?') ? '&' : '?'}schema=nobody_is_here`
  const { status, stdout } = doctor('--cluster', elsewhere, '--objects', realObjects!, '--json', ...nowhere)
  assert.equal(status, 0, stdout)
  assert.match(found(stdout, 'cluster').detail, /there is none yet/)
  assert.match(found(stdout, 'object store').detail, /^put [\d.]+ ms, get /)
})
