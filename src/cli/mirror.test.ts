import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Runner, startRunner } from '../../test/support/cli-runner.ts'
import { openClient } from '../client.ts'
import { type Millrace, startBroker } from '../millrace.ts'

let from: Millrace
let to: Millrace
let runner: Runner

before(async () => {
  from = await startBroker({ memory: true })
  to = await startBroker({ memory: true })
  runner = startRunner()
  await using client = openClient({ bootstrap: from.address })
  for (const name of ['orders', 'orders.dead', 'other', 'ordersXdead']) {
    await client.createTopic({ name, partitions: 2, configs: new Map() })
    await client.send(name, [{ key: null, value: Buffer.from('v') }])
  }
})
after(async () => {
  runner.close()
  await from.close()
  await to.close()
})

const run = (...args: string[]) => runner.run(['mirror', ...args], { MILLRACE_BOOTSTRAP: to.address })

test('what would be copied, and what is', async () => {
  const planned = await run('--from', from.address, '--topic', 'orders*', '--exclude', '*.dead', '--dry-run')
  assert.match(
    planned.out,
    /^Would copy from cluster .{22} to .{22}:\n {2}2 topics with 4 partitions: 2 would be created, 0 would be changed\n {2}about 2 records\n/,
  )
  const copied = await run('--from', from.address, '--topic', 'orders*', '--exclude', '*.dead')
  assert.match(
    copied.out,
    /^Copied from cluster .*\n {2}2 topics with 4 partitions: 2 created, 0 changed\n {2}2 records, \d+ B\n {2}0 offsets of 0 groups\nNot copied:\n {2}users and /,
  )
  assert.equal(copied.code, 0)
  const json = JSON.parse((await run('--from', from.address, '--json')).out)
  assert.deepEqual([json.created.sort(), json.records, json.offsetsLeft, json.stopped], [['orders.dead', 'other'], 2, 0, false])
})

test('errors', async () => {
  const failures: [string[], number, RegExp][] = [
    [[], 2, /^millrace: --from HOST:PORT says where to copy from\n$/m],
    [['--from', 'x'], 2, /^millrace: "x" is not a broker address/m],
    [['--from', from.address, '--follow', '--dry-run'], 2, /^millrace: --follow cannot be combined with --dry-run\n$/m],
    [['--from', to.address], 1, /^millrace: source and target are the same cluster \(.{22}\)\n$/m],
    [
      ['--from', '127.0.0.1:1'],
      1,
      /^millrace: no broker answers at 127\.0\.0\.1:1 .*What was copied stays: run the same command again to go on/,
    ],
    [['--from', '127.0.0.1:1', '--dry-run'], 1, /^millrace: no broker answers at 127\.0\.0\.1:1 \([^)]*\)\n$/m],
    [['--from', from.address, '--follow', 'often'], 2, /Must be a duration/],
  ]
  for (const [args, code, message] of failures) {
    const outcome = await run(...args)
    assert.match(outcome.err, message)
    assert.deepEqual([outcome.code, outcome.out], [code, ''], args.join(' '))
  }
  await using client = openClient({ bootstrap: to.address })
  await client.createTopic({ name: 'foreign', configs: new Map() })
  await client.send('foreign', [{ key: null, value: Buffer.from('own') }])
  await using source = openClient({ bootstrap: from.address })
  await source.createTopic({ name: 'foreign', configs: new Map() })
  const { code, out, err } = await run('--from', from.address, '--topic', 'foreign')
  assert.match(out, /\nFailed:\n {2}foreign: the topic in the target has records that are not from this source: .*--merge\n$/)
  assert.match(err, /^millrace: 1 item was not copied: see above\n$/m)
  assert.equal(code, 1)
})
