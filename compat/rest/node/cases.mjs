// kafka-rest, Confluent's wrapper for Node, with version 2 of the API.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import KafkaRest from 'kafka-rest'

const [url] = process.argv.slice(2)
const kafka = new KafkaRest({ url, version: 2 })
const unique = kind => `compat-node-${kind}-${randomBytes(5).toString('hex')}`

const cases = {
  async metadata() {
    const topic = unique('metadata')
    await kafka.topic(topic).produce(new KafkaRest.JsonSchema(), { n: 1 })
    assert.ok((await kafka.brokers.list()).length > 0)
    assert.ok((await kafka.topics.list()).some(each => each.raw === topic || each.name === topic))
    assert.equal((await kafka.topics.get(topic)).raw.name, topic)
  },
  async binary() {
    const topic = unique('binary')
    const { offsets } = await kafka.topic(topic).produce({ key: 'k', value: 'one' }, { value: 'two' })
    assert.deepEqual(
      offsets.map(each => each.error_code),
      [null, null],
    )
    const instance = await kafka.consumer(unique('group')).join({ format: 'binary', 'auto.offset.reset': 'earliest' })
    assert.ok(instance.uri.startsWith(`${url}/consumers/`))
    const stream = await instance.subscription({ topics: [topic] }, { requestDelay: 100 })
    const values = []
    await new Promise((resolve, reject) => {
      stream.on('error', reject)
      stream.on('data', messages => {
        values.push(...messages.map(each => String(each.value)))
        if (values.length >= 2) resolve()
      })
    })
    assert.deepEqual(values.sort(), ['one', 'two'])
    await new Promise((resolve, reject) => kafka.delete(instance.uri, error => (error ? reject(error) : resolve())))
  },
}

for (const [name, body] of Object.entries(cases)) {
  const began = performance.now()
  try {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('still running after 45 s')), 45_000).unref())
    await Promise.race([body(), late])
    console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`)
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error?.stack ?? error).replace(/\s+/g, ' ').slice(0, 400)}`)
  }
}
process.exit(0)
