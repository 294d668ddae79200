import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))

function check(objects: string, more: Readonly<Record<string, string>>) {
  const env = { ...process.env, ...more }
  return spawnSync(process.execPath, [program, 'cluster', 'check', '--json', '--objects', objects], { env, encoding: 'utf8' })
}

test('a wrong URL is a usage error that says what is wrong', () => {
  const { status, stderr } = check('http://host/bucket', {})
  assert.equal(status, 2)
  assert.match(stderr, /^millrace: the URL of the object store is wrong: it must look like s3:.*\n$/)
})

test('what the object store says is shown in one line', async () => {
  const server = createServer((_, response) => {
    response.writeHead(403)
    response.end('<Error><Code>AccessDenied</Code><Message>not you</Message></Error>')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `s3://bucket/a?endpoint=http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const env = { ...process.env, AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
  const child = spawn(process.execPath, [program, 'cluster', 'check', '--objects', url], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', data => {
    errors += data
  })
  const [status] = await once(child, 'close')
  server.close()
  assert.equal(status, 1)
  assert.match(errors, /^millrace: the object store: PUT bucket\/a\/check\/[\da-f]+: 403 AccessDenied: not you\n$/)
})

const { MILLRACE_S3_URL: realObjects } = process.env
const skip = realObjects === undefined && 'set MILLRACE_S3_URL to run it against a real server'

test('a store that works', { skip }, () => {
  const { status, stdout, stderr } = check(realObjects!, {})
  assert.deepEqual([status, stderr], [0, ''])
  assert.deepEqual(
    (JSON.parse(stdout) as { what: string }[]).map(({ what }) => what),
    ['put', 'get', 'list', 'delete'],
  )
})
