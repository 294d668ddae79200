import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { startRunner } from '../../test/support/cli-runner.ts'
import { startBroker } from '../millrace.ts'

it('creates the first user of a broker that nobody can log in to yet', async t => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-first-user-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const runner = startRunner()
  t.after(() => runner.close())
  const directory = join(root, 'data')
  const offline = ['user', 'create', 'admin', '--offline', '--data', directory]
  const made = await runner.run(offline, {}, 'first-pw\n')
  assert.deepEqual(made, { code: 0, out: `admin written to ${directory} (SCRAM-SHA-512, 4096 iterations)\n`, err: '' })
  await runner.run(offline, {}, 'second-pw\n')

  await using broker = await startBroker({
    directory,
    config: {
      listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:admin',
      'connection.failed.authentication.delay.ms': '0',
    },
  })
  const as = (password: string) => ({ MILLRACE_BOOTSTRAP: broker.address, MILLRACE_USERNAME: 'admin', MILLRACE_PASSWORD: password })
  assert.match((await runner.run(['topic', 'create', 'x'], as('first-pw'))).err, /rejected the login/)
  assert.equal((await runner.run(['topic', 'create', 'x'], as('second-pw'))).out, 'x created with 1 partition\n')
  await assert.rejects(startBroker({ directory }), { name: 'DirectoryInUse', message: /another broker of this process/ })
  const running = await runner.run(offline, {}, 'third-pw\n')
  assert.match(running.err, /^millrace: cannot write the user: .* is in use by process \d+ on host .* since 20.*; stop it, or .*\n$/)
  assert.equal(running.code, 1)
  assert.equal((await runner.run(['user', 'create', 'a', '--data', 'x'], {}, 'pw\n')).code, 2)
})
