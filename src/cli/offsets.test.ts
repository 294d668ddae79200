/** The commands that empty topics, delete offsets of groups and watch how far groups are behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Runner, startRunner } from '../../test/support/cli-runner.ts'
import { type Client, openClient } from '../client.ts'
import { type Millrace, startBroker } from '../millrace.ts'

let broker: Millrace
let client: Client
let runner: Runner

before(async () => {
  broker = await startBroker({ memory: true, config: { 'group.initial.rebalance.delay.ms': '0' } })
  client = openClient({ bootstrap: broker.address })
  runner = startRunner()
})
after(async () => {
  runner.close()
  await client.close()
  await broker.close()
})

const run = (...args: string[]) => runner.run(args, { MILLRACE_BOOTSTRAP: broker.address })

async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args)
  assert.equal(code, 0, `millrace ${args.join(' ')}: ${err}`)
  return out
}

async function filled(name: string, perPartition: readonly number[], configs: Record<string, string> = {}): Promise<void> {
  await client.createTopic({ name, partitions: perPartition.length, configs: new Map(Object.entries(configs)) })
  for (const [partition, count] of perPartition.entries())
    await client.send(
      name,
      Array.from({ length: count }, (_, at) => ({ key: Buffer.from('k'), value: Buffer.from(`${at}`), partition })),
    )
}

test('topic empty deletes what is there, and the numbering goes on', async () => {
  await filled('emptied', [3, 0, 2])
  assert.equal(await ok('topic', 'empty', 'emptied', '--dry-run'), 'emptied would be emptied: 5 offsets in 3 partitions\n')
  assert.equal((await ok('consume', 'emptied', '-f', 'beginning')).split('\n').length, 6)
  assert.equal(await ok('topic', 'empty', 'emptied', '-p', '2'), 'emptied emptied: 2 offsets in 1 partition\n')
  const { dryRun, emptied } = JSON.parse(await ok('topic', 'empty', 'emptied', '--json'))
  assert.deepEqual([dryRun, emptied[0].offsets, emptied[0].partitions[2]], [false, 3, { partition: 2, firstOffset: 2, endOffset: 2 }])
  assert.equal(await ok('consume', 'emptied', '-f', 'beginning'), '')
  const [sent] = await client.send('emptied', [{ key: null, value: Buffer.from('next'), partition: 2 }])
  assert.equal(sent!.offset, 2n)
})

test('topic empty says what it cannot do, and does the rest', async () => {
  await filled('kept', [1], { 'cleanup.policy': 'compact' })
  await filled('gone', [1])
  const { code, out, err } = await run('topic', 'empty', 'kept', 'missing', 'gone')
  assert.equal(out, 'gone emptied: 1 offset in 1 partition\n')
  assert.match(
    err,
    /^millrace: POLICY_VIOLATION: kept: a compacted topic keeps its records; .*\nmillrace: UNKNOWN_TOPIC_OR_PARTITION: .*missing\n$/,
  )
  assert.equal(code, 1)
  assert.match((await run('topic', 'empty', 'gone', '-p', '7')).err, /gone has no partition 7; its partitions are 0 to 0\n$/)
})

test('group delete-offsets deletes those of a topic, or of one partition', async () => {
  for (const name of ['a', 'b']) await filled(`${name}-read`, [2, 2])
  const place = (topic: string, partition: number) => ({ topic, partition, offset: 1n })
  await client.setGroupOffsets('forgetful', [place('a-read', 0), place('a-read', 1), place('b-read', 0)])
  assert.match(
    await ok('group', 'delete-offsets', 'forgetful', '-t', 'a-read', '--dry-run'),
    /^a-read +0 +1$\n^a-read +1 +1$\nNothing was/m,
  )
  assert.match(await ok('group', 'delete-offsets', 'forgetful', '-t', 'a-read', '-p', '1'), /\n1 offset of forgetful deleted\n$/)
  const left = async () => (await client.groupOffsets('forgetful', 'classic')).map(each => `${each.topic}-${each.partition}`).sort()
  assert.deepEqual(await left(), ['a-read-0', 'b-read-0'])
  assert.deepEqual(JSON.parse(await ok('group', 'delete-offsets', 'forgetful', '-t', 'b-read', '--json')).deleted, [
    { topic: 'b-read', partition: 0, offset: 1 },
  ])
  assert.deepEqual(await left(), ['a-read-0'])
  const failures: [string[], RegExp][] = [
    [['forgetful', '-t', 'b-read'], /^millrace: forgetful has no committed offsets of b-read that match\n$/],
    [['nobody', '-t', 'a-read'], /^millrace: GROUP_ID_NOT_FOUND: group not found: nobody\n$/],
  ]
  for (const [args, message] of failures) {
    const outcome = await run('group', 'delete-offsets', ...args)
    assert.match(outcome.err, message)
    assert.equal(outcome.code, 1)
  }
})

test('offsets that a member reads are not deleted', async () => {
  await filled('busy', [2])
  const subscription = await client.subscribe({ group: 'members', topics: ['busy'], otherwise: 'earliest' })
  try {
    const reading = subscription[Symbol.asyncIterator]()
    await reading.next()
    await subscription.commit([{ topic: 'busy', partition: 0, offset: 1n }])
    const { code, err } = await run('group', 'delete-offsets', 'members', '-t', 'busy')
    assert.match(err, /^millrace: GROUP_SUBSCRIBED_TO_TOPIC: members of members read this topic; stop them first\n$/)
    assert.equal(code, 1)
  } finally {
    await subscription.close()
  }
})

test('group lag: partitions of a group, topics of all groups', async () => {
  await filled('behind', [3, 4])
  await client.setGroupOffsets(
    'slow',
    [0, 1].map(partition => ({ topic: 'behind', partition, offset: 1n })),
  )
  const text = await ok('group', 'lag', 'slow')
  assert.match(text, /^GROUP +TOPIC +PARTITION +COMMITTED +END +LAG +MEMBER\nslow +behind +0 +1 +3 +2 +-\nslow +behind +1 +1 +4 +3 +-\n$/)
  const all = JSON.parse(await ok('group', 'lag', '--json')) as { group: string }[]
  assert.deepEqual(
    all.find(each => each.group === 'slow'),
    { group: 'slow', topic: 'behind', committedOffset: 2, endOffset: 7, lag: 5, partition: null, member: null },
  )
  assert.match((await run('group', 'lag', 'nobody')).err, /GROUP_ID_NOT_FOUND/)
})

test('group lag --watch goes on with rates until Ctrl-C', async () => {
  await filled('watched', [1])
  await client.setGroupOffsets('watcher', [{ topic: 'watched', partition: 0, offset: 0n }])
  const program = fileURLToPath(new URL('../cli.ts', import.meta.url))
  const args = ['group', 'lag', 'watcher', '--watch', '50ms', '--json', '-b', broker.address]
  const child = spawn(process.execPath, [program, ...args])
  let out = ''
  const lagging = new Promise<void>(resolve => {
    child.stdout.on('data', data => {
      out += data
      if (/"lag":2,.*PerSecond/.test(out)) resolve()
    })
  })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  await client.send('watched', [{ key: null, value: null }])
  await lagging
  child.kill('SIGINT')
  assert.equal(await ended, 0)
  const samples = out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.ok(samples.length >= 2)
  assert.equal('readPerSecond' in samples[0].lag[0], false)
  assert.equal(samples.at(-1).lag[0].readPerSecond, 0)
})
