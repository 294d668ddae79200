/** What a function returns and the broker refuses is a failure of the function: it is tried again, split, and given up, and nothing waits behind it for ever. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTriggers, type Triggers, until } from './triggers.testing.ts'

let triggers: Triggers
before(async () => {
  triggers = await startTriggers()
})
after(() => triggers[Symbol.asyncDispose]())

const code = `export function main_handler({ Records }) {
  return Records.map(({ Ckafka: { msgBody } }) => results[msgBody] ?? { key: msgBody, value: msgBody })
}
const results = {
  large: { key: 'x', value: 'x'.repeat(5_000) },
  nowhere: { key: 'x', value: 'x', partition: 9 },
  future: { key: 'x', value: 'x', timestamp: Number.MAX_SAFE_INTEGER },
  // The topic is compacted.
  keyless: { value: 'x' },
  get deep() { return deep() },
}
const deep = () => { let value = 1; for (let n = 0; n < 300; n++) value = [value]; return value }`

for (const exactlyOnce of [false, true])
  test(`${exactlyOnce ? 'exactly' : 'at least'} once`, async () => {
    const [from, to, dead] = ['in', 'out', 'dead'].map(name => `${name}-${exactlyOnce}`) as [string, string, string]
    for (const name of [from, to, dead])
      await triggers.client.createTopic({
        name,
        partitions: 1,
        configs: new Map(name === to ? Object.entries({ 'max.message.bytes': '2000', 'cleanup.policy': 'compact' }) : []),
      })
    await triggers.create(`refused-${exactlyOnce}`, {
      topics: [from],
      start: 'oldest',
      maxWaitMs: 100,
      retries: 1,
      bisect: true,
      function: { code },
      output: { topic: to, exactlyOnce },
      onFailure: { topic: dead },
    })
    const values = ['a', 'large', 'b', 'nowhere', 'c', 'future', 'keyless', 'deep', 'd']
    await triggers.client.send(
      from,
      values.map(value => ({ key: null, value: Buffer.from(value) })),
    )
    await until(async () => (await triggers.client.groupOffsets(`trigger-refused-${exactlyOnce}`, '')).some(({ offset }) => offset === 9n))
    const records = await triggers.stored(dead, 5)
    assert.deepEqual(
      records.map(({ value }) => value!.toString()),
      ['large', 'nowhere', 'future', 'keyless', 'deep'],
    )
    const { errors } = (await triggers.ask('GET', `/triggers/refused-${exactlyOnce}`)).body.status
    assert.deepEqual(Object.keys(errors).sort(), ['output', 'result'])
    const texts = await triggers.texts(to, 4)
    if (exactlyOnce) assert.deepEqual(texts, ['a', 'b', 'c', 'd'])
    else assert.deepEqual([...new Set(texts)].sort(), ['a', 'b', 'c', 'd'])
  })
