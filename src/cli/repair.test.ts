import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { startRunner } from '../../test/support/cli-runner.ts'
import { startBroker } from '../millrace.ts'

it('brings an offline partition back, says what is lost, and refuses what is not there or in use', async t => {
  const root = fs.mkdtempSync(join(tmpdir(), 'millrace-repair-'))
  t.after(() => fs.rmSync(root, { recursive: true, force: true }))
  const runner = startRunner()
  t.after(() => runner.close())
  const directory = join(root, 'data')
  const repair = (...names: string[]) => runner.run(['repair', ...names, '--data', directory], {})
  {
    await using broker = await startBroker({ directory })
    const env = { MILLRACE_BOOTSTRAP: broker.address }
    await runner.run(['topic', 'create', 'orders'], env)
    for (const text of ['one', 'two', 'three']) assert.equal((await runner.run(['produce', 'orders'], env, `${text}\n`)).code, 0)
    assert.match((await repair('orders-0')).err, /cannot repair: .* is in use by/)
  }
  const segment = join(directory, 'orders-0', '00000000000000000000.log')
  fs.truncateSync(segment, fs.statSync(segment).size - 3)
  assert.match((await repair('orders-7')).err, /cannot repair: .* contains no partition orders-7\n/)
  const missing = join(root, 'missing')
  assert.match((await runner.run(['repair', 'orders-0', '--data', missing], {})).err, /cannot repair: .* contains no partition orders-0\n/)
  assert.ok(!fs.existsSync(missing), 'a directory with a typing error in its name is not made')
  fs.mkdirSync(join(root, 'elsewhere-0'))
  assert.match((await repair('../elsewhere-0')).err, /cannot repair: .* contains no partition/)
  assert.deepEqual(fs.readdirSync(join(root, 'elsewhere-0')), [])
  const { out, code } = await repair('orders-0')
  assert.match(out, /^repair of orders-0: .*: the rest of this file, from offset 2 on, is lost$/m)
  assert.match(out, /^orders-0 is repaired: it starts at offset 0 and continues at offset 3$/m)
  assert.equal(code, 0)
  await using broker = await startBroker({ directory })
  const consumed = await runner.run(['consume', 'orders', '--from', 'beginning'], { MILLRACE_BOOTSTRAP: broker.address })
  assert.deepEqual(consumed, { code: 0, out: 'one\ntwo\n', err: '' })
})
