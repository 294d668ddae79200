/** What a function returns, exactly once: through share-outs, workers that end, and functions that fail. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTriggers, type Triggers, until } from './triggers.testing.ts'

let triggers: Triggers
before(async () => {
  triggers = await startTriggers()
})
after(() => triggers[Symbol.asyncDispose]())

test('each record has its result once, whichever worker has it', async () => {
  await triggers.client.createTopic({ name: 'numbers', partitions: 4 })
  await triggers.client.createTopic({ name: 'doubled', partitions: 2 })
  const code = `let calls = 0
    export async function main_handler(event) {
      if (++calls % 7 === 0) throw new Error('now and then')
      return event.Records.map(({ Ckafka }) => ({ key: Ckafka.msgBody, value: String(2 * Number(Ckafka.msgBody)) }))
    }`
  const output = { topic: 'doubled', exactlyOnce: true }
  await triggers.create('doubles', { topics: ['numbers'], start: 'oldest', maxWaitMs: 0, batchSize: 10, function: { code }, output })
  const send = (from: number) =>
    triggers.client.send(
      'numbers',
      Array.from({ length: 200 }, (_, at) => ({ key: null, value: Buffer.from(String(from + at)), partition: at % 4 })),
    )
  await send(0)
  {
    await using _ = await triggers.another()
    await until(async () => (await triggers.client.group('trigger-doubles')).members.length === 2)
    await send(200)
  }
  await send(400)
  await until(async () => {
    const done = (await triggers.client.groupOffsets('trigger-doubles', '')).reduce((sum, { offset }) => sum + offset, 0n)
    return done === 600n
  })
  const stored = await triggers.stored('doubled', 600)
  const numbers = stored.map(({ key }) => Number(key!.toString())).sort((a, b) => a - b)
  assert.deepEqual(
    numbers,
    Array.from({ length: 600 }, (_, at) => at),
  )
  assert.ok(stored.every(({ key, value }) => Number(value!.toString()) === 2 * Number(key!.toString())))
})

test('a topic for results that is missing is made, as it is without transactions', async () => {
  await triggers.client.createTopic({ name: 'words', partitions: 1 })
  const code = 'export const main_handler = ({ Records }) => Records.map(({ Ckafka }) => Ckafka.msgBody.toUpperCase())'
  const output = { topic: 'words-made', exactlyOnce: true }
  await triggers.create('makes', { topics: ['words'], start: 'oldest', maxWaitMs: 0, function: { code }, output })
  await triggers.client.send('words', [{ key: null, value: Buffer.from('hello') }])
  await until(async () => (await triggers.client.topicStates()).some(({ name }) => name === 'words-made'))
  assert.deepEqual(await triggers.texts('words-made', 1), ['HELLO'])
})
