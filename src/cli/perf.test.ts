import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Runner, startRunner } from '../../test/support/cli-runner.ts'
import { openClient } from '../client.ts'
import { type Millrace, startBroker } from '../millrace.ts'
import { Latencies } from './latencies.ts'

let broker: Millrace
let runner: Runner

before(async () => {
  broker = await startBroker({ memory: true })
  runner = startRunner()
})
after(async () => {
  runner.close()
  await broker.close()
})

const run = (...args: string[]) => runner.run(['perf', ...args], { MILLRACE_BOOTSTRAP: broker.address })

async function json(...args: string[]) {
  const { code, out, err } = await run(...args, '--json')
  assert.equal(code, 0, err)
  return JSON.parse(out)
}

test('percentiles', () => {
  const latencies = new Latencies()
  assert.equal(latencies.summary(), null)
  for (let ms = 1; ms <= 1_000; ms++) latencies.add(ms)
  const { avg, p50, p95, p99, p999, max } = latencies.summary()!
  for (const [is, expected] of [
    [avg, 500],
    [p50, 500],
    [p95, 950],
    [p99, 990],
    [p999, 999],
  ] as const)
    assert.ok(Math.abs(is - expected) <= expected * 0.011, `${is} instead of ${expected}`)
  assert.equal(max, 1_000)
  const weighted = new Latencies()
  weighted.add(1, 99)
  weighted.add(50)
  assert.deepEqual([weighted.summary()!.p50 < 1.02, weighted.summary()!.max], [true, 50])
})

test('what is written is read, with every codec', async () => {
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'load', partitions: 3, configs: new Map() })
  for (const codec of ['none', 'zstd']) {
    const produced = await json('produce', 'load', '--records', '1001', '--size', '100', '-z', codec)
    assert.deepEqual([produced.records, produced.bytes, produced.failed], [1_001, 100_100, 0])
    assert.ok(produced.latencyMs.p50 > 0 && produced.latencyMs.max >= produced.latencyMs.p99)
  }
  const consumed = await json('consume', 'load')
  assert.deepEqual([consumed.records, consumed.bytes, consumed.latencyMs], [2_002, 200_200, null])
  assert.ok(consumed.recordsPerSecond > 0 && consumed.fetchedBytes < 300_000)
  assert.ok((await json('consume', 'load', '-n', '5')).records >= 5)
  assert.match((await run('consume', 'load')).out, /^2002 records, 196 KiB in \d+\.\d s: \d+ records\/s, [\d.]+ [KMG]?i?B\/s\n$/)
})

test('at a given rate, into a topic that does not exist yet', async () => {
  const { out, code } = await run('produce', 'rated', '--rate', '2000', '--records', '300', '--size', '10')
  assert.match(
    out,
    /^300 records, .* records\/s, .*\nlatency ms: avg [\d.]+, p50 [\d.]+, p95 [\d.]+, p99 [\d.]+, p99.9 [\d.]+, max [\d.]+\n$/,
  )
  assert.equal(code, 0)
  const { records, seconds } = await json('produce', 'rated', '--rate', '100', '--duration', '300ms', '--size', '10')
  assert.ok(records >= 1 && records <= 100 * seconds + 5, `${records} in ${seconds} s`)
})

test('what the broker refuses is counted, and the exit code is 1', async () => {
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'narrow', configs: new Map([['max.message.bytes', '1000']]) })
  const { code, out, err } = await run('produce', 'narrow', '--records', '10', '--size', '2000', '--json')
  assert.deepEqual([JSON.parse(out).records, JSON.parse(out).failed, JSON.parse(out).latencyMs], [0, 10, null])
  assert.match(err, /^millrace: 10 records could not be written; the first time: MESSAGE_TOO_LARGE: narrow-0: /m)
  assert.equal(code, 1)
  assert.match((await run('consume', 'nowhere')).err, /^millrace: UNKNOWN_TOPIC_OR_PARTITION: topic not found: nowhere\n$/)
})
