import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-port.ts'

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))

test('health finds the broker where its options say, with and without the HTTP endpoint', { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-health-'))
  const env = { ...process.env, MILLRACE_LOG_DIRS: directory, MILLRACE_SERVICES: '', MILLRACE_GROUP_MAX_SIZE: '77' }
  const ask = (...flags: string[]) => spawnSync(process.execPath, [program, 'health', ...flags], { env, encoding: 'utf8' })
  try {
    for (const http of [`127.0.0.1:${await freePort()}`, 'none']) {
      const flags = ['--port', String(await freePort()), '--http', http]
      const child = spawn(process.execPath, [program, 'start', ...flags], { env, stdio: ['ignore', 'ignore', 'pipe'] })
      await new Promise<void>(resolve => child.stderr.on('data', data => String(data).includes('the broker is ready') && resolve()))
      for (const how of [flags, ['--of', String(child.pid)]]) {
        const { status, stdout } = ask(...how)
        assert.deepEqual([status, stdout], [0, 'ready\n'])
      }
      child.kill()
      await once(child, 'exit')
      const { status, stderr } = ask(...flags)
      assert.equal(status, 1)
      assert.match(stderr, /^millrace: no answer from .*127\.0\.0\.1:\d+.*ECONNREFUSED/)
    }
    assert.match(ask('--of', String(process.pid)).stderr, /is not `millrace start`/)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
