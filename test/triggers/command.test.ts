/** `millrace trigger`, as it is typed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Runner, startRunner } from '../support/cli-runner.ts'
import { startTriggers, type Triggers } from './triggers.testing.ts'

let triggers: Triggers
let runner: Runner
const directory = mkdtempSync(join(tmpdir(), 'millrace-trigger-'))
before(async () => {
  runner = startRunner()
  triggers = await startTriggers()
})
after(async () => {
  runner.close()
  rmSync(directory, { recursive: true })
  await triggers[Symbol.asyncDispose]()
})

const run = (args: readonly string[], input = '') => runner.run(['trigger', ...args], { MILLRACE_TRIGGERS: triggers.url }, input)

test('a trigger from its file to its end', async () => {
  await triggers.client.createTopic({ name: 'words', partitions: 1 })
  await triggers.client.createTopic({ name: 'upper', partitions: 1 })
  const path = join(directory, 'upper.ts')
  writeFileSync(
    path,
    'export const main_handler = (event: { Records: { Ckafka: { msgBody: string } }[] }) => {\n  console.log("called")\n  return event.Records.map(each => each.Ckafka.msgBody.toUpperCase())\n}\n',
  )
  const created = await run([
    'create',
    'upper',
    '--topic',
    'words',
    '--function',
    path,
    '--output',
    'upper',
    '--start',
    'oldest',
    '--set',
    'maxWaitMs=0',
  ])
  assert.deepEqual([created.code, created.out], [0, 'upper created (version 1)\n'], created.err)
  await triggers.client.send('words', [{ key: null, value: Buffer.from('abc') }])
  assert.deepEqual(await triggers.texts('upper', 1), ['ABC'])
  assert.match((await run(['list'])).out, /^upper +1 +RUNNING +words +scf +typescript +1 +0 +0$/m)
  const shown = (await run(['get', 'upper'])).out
  assert.match(shown, /^version 1, by User:ANONYMOUS, /)
  assert.match(shown, /^state RUNNING\ncalls: 1, errors: none, records given up: 0, oldest that is not done: 0\.0 s$/m)
  assert.match(shown, /toUpperCase/)
  const tested = await run(['test', 'upper'])
  assert.deepEqual([tested.code, /\{"HELLO":"WORLD"\}|HELLO/.test(tested.out)], [0, true], tested.out)
  const changed = await run(['update', 'upper', '--set', 'function.memoryMb=64', '--retries', '3'])
  assert.equal(changed.out, 'upper changed (version 2)\n', changed.err)
  const { definition } = JSON.parse((await run(['get', 'upper', '--json'])).out)
  assert.deepEqual([definition.function.memoryMb, definition.retries, definition.function.language], [64, 3, 'typescript'])
  assert.equal((await run(['rollback', 'upper', '9'])).err, 'millrace: the trigger upper has no version 9, only 1, 2\n')
  assert.match((await run(['rollback', 'upper'])).out, /as in version 1 again \(version 3\)/)
  assert.match((await run(['versions', 'upper'])).out, /^ +3 +User:ANONYMOUS +\S+ +1$/m)
  assert.match((await run(['logs', 'upper'])).out, / stdout called$/m)
  assert.equal((await run(['delete', 'upper'])).out, 'upper deleted\n')
  const gone = await run(['get', 'upper'])
  assert.deepEqual([gone.code, gone.err], [1, 'millrace: there is no trigger upper\n'])
})

test('integers of 64 bits keep their digits', async () => {
  const path = (name: string, content: string) => {
    writeFileSync(join(directory, name), content)
    return join(directory, name)
  }
  await triggers.client.createTopic({ name: 'numbers', partitions: 1 })
  const code = path('exact.js', 'export const main_handler = () => ({ n: 9007199254740993n })')
  assert.equal((await run(['create', 'exact', '--topic', 'numbers', '--function', code])).code, 0)
  const tested = await run(['test', 'exact'])
  assert.deepEqual([tested.code, /"n": 9007199254740993\n/.test(tested.out)], [0, true], `${tested.out} ${tested.err}`)
  const event = path('event.json', '{"id":9007199254740995}')
  const given = await run(['test', 'exact', '--event', event, '--json'])
  assert.match(given.out, /^\{"event":\{"id":9007199254740995\},"result":\{"n":9007199254740993\},/)
})

test('what cannot be is said', async () => {
  const refused = await run(['create', 'bad', '--topic', 'words', '--url', 'http://f/', '--on-failure', 'words'])
  assert.deepEqual([refused.code, /onFailure: the topic words is a source of the trigger/.test(refused.err)], [1, true], refused.err)
  assert.equal((await run(['create', 'bad', '--topic', 'words', '--function', '/nonexistent.js'])).code, 2)
  const away = await runner.run(['trigger', 'list', '--triggers', 'http://127.0.0.1:1'], {})
  assert.match(away.err, /does not answer: .*Is the service triggers running/)
})

test('filter: true, false or the error for each line', async () => {
  const lines = [
    '{"pattern":{"a":[1]},"event":{"a":1}}',
    '{"pattern":"{\\"a\\":[1.0]}","event":"{\\"a\\":1}"}',
    '{"pattern":{"a":[{"anything-but":"x"}]},"event":{}}',
    '{"pattern":{"a":[9007199254740993]},"event":{"a":9007199254740992}}',
    '{"pattern":{"a":[{"prefix":5}]},"event":{}}',
    '{"pattern":{"a":[1]},"event":[1]}',
    '{"pattern":{"a":[1]}}',
    'nonsense',
    '',
    '{"pattern":{"a":[{"exists":false}]},"event":{"a":{"b":1}}}',
  ]
  const told = await run(['filter'], lines.join('\n'))
  assert.equal(told.code, 0, told.err)
  assert.deepEqual(told.out.split('\n').slice(0, 6), [
    'true',
    'true',
    'false',
    'false',
    'prefix match pattern must be a string',
    'Event must be a JSON object',
  ])
  assert.match(told.out, /^a line must be \{"pattern": …, "event": …\}$/m)
  assert.match(told.out, /^the line is not valid JSON: /m)
  assert.match(told.out, /true\n$/)
})
