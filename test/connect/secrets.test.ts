/** No password of any connector is in an answer, a log, a topic or a metric, whatever it was given as, and whatever the target says. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { connectors } from '../../src/connectors.ts'
import { eventually, startWorkers, type TestWorker, type Workers } from './workers.ts'

const canary = 'canary-7f3a9c21e4'
/** What the server of the tests is asked for. */
const leaking = new RegExp(`${canary}|${Buffer.from(canary).toString('base64').slice(0, 20)}`)

let workers: Workers
let worker: TestWorker
let echo: Server
let said = ''

before(async () => {
  // A target that puts all it was sent into its refusal.
  echo = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const text = `${JSON.stringify(request.headers)} ${request.url} ${Buffer.concat(parts)} ${canary}`
    response.writeHead(400, { 'content-type': 'text/plain' }).end(text)
  })
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  const hear = (...details: unknown[]) =>
    void (said += `${JSON.stringify(details, (_, each) => (each instanceof Error ? `${each.stack}` : each))}\n`)
  workers = await startWorkers({ hear })
  worker = await workers.start({ 'restart.backoff.initial.ms': '60000' })
  writeFileSync(`${workers.directory}/secrets.properties`, `it=${canary}\n`)
  process.env['TEST_CANARY'] = canary
  await workers.client.createTopic({ name: 'in', partitions: 1 })
  await workers.client.send('in', [{ key: Buffer.from('k'), value: Buffer.from('{"a":1}') }])
})
after(async () => {
  delete process.env['TEST_CANARY']
  echo.closeAllConnections()
  echo.close()
  await workers[Symbol.asyncDispose]()
})

const answers: string[] = []
let made = 0
const deadLetters = {
  topics: 'in',
  'errors.deadletterqueue.topic.name': 'dead',
  'errors.deadletterqueue.topic.replication.factor': '1',
  'errors.deadletterqueue.context.headers.enable': 'true',
  'errors.tolerance': 'all',
  'errors.log.enable': 'true',
  'errors.log.include.messages': 'true',
}
async function ask(method: string, path: string, body?: unknown): Promise<string> {
  const { text } = await worker.insist(method, path, body)
  answers.push(text)
  return text
}

/** The example, with every address that it has at the server of the test. */
function configOf(example: Readonly<Record<string, string>>): Record<string, string> {
  const port = String((echo.address() as AddressInfo).port)
  return Object.fromEntries(
    Object.entries(example).map(([key, value]) => [key, value.replace(/(127\.0\.0\.1|localhost):\d+/, `127.0.0.1:${port}`)]),
  )
}

for (const listed of connectors)
  test(`${listed.name}`, async () => {
    const { config, example, kind } = await listed.load()
    const secret = Object.keys(config).filter(key => config[key]!.type === 'PASSWORD')
    if (secret.length === 0) return
    const ways = [canary, `\${env:TEST_CANARY}`, `\${file:${workers.directory}/secrets.properties:it}`]
    const { name } = listed
    const whole = {
      name,
      ...configOf(example),
      ...Object.fromEntries(secret.map((key, at) => [key, ways[at % ways.length]!])),
      'connector.class': name,
      ...(kind === 'sink' && deadLetters),
    }
    await ask('PUT', `/connector-plugins/${name}/config/validate`, whole)
    for (const way of ways)
      await ask('PUT', `/connector-plugins/${name}/config/validate`, { ...whole, ...Object.fromEntries(secret.map(key => [key, way])) })
    const { status, text } = await worker.insist('POST', '/connectors', { name, config: whole })
    answers.push(text)
    // What cannot be made without its target is refused.
    if (status !== 201) return
    made++
    for (const path of ['', '/config', '/tasks', '/status']) await ask('GET', `/connectors/${name}${path}`)
    // Its task has begun, or failed: then it has told what there is to tell.
    await eventually(async () => /"tasks":\[\{|FAILED/.test(await ask('GET', `/connectors/${name}/status`)))
    await ask('GET', `/connectors/${name}/status`)
    await ask('DELETE', `/connectors/${name}`)
  })

test('nothing of it is seen anywhere', async () => {
  assert.ok(made > 8, `${made} connectors were made`)
  await ask('GET', '/metrics')
  for (const [at, answer] of answers.entries()) assert.doesNotMatch(answer, leaking, `answer ${at}`)
  assert.doesNotMatch(said, leaking, 'the log')
  assert.match(said, /connector|task/, 'something was logged')
  const topics = await workers.client.topicNames()
  for (const topic of topics.filter(each => each !== 'connect-configs')) {
    const { partitions } = (await workers.client.topics([topic]))[0]!
    const until = await workers.client.offsets(
      topic,
      partitions.map(each => each.partition),
      'stable',
    )
    const from = new Map(partitions.map(each => [each.partition, 0n]))
    for await (const records of workers.client.read({ topic, from, until, committedOnly: true }))
      for (const { key, value, headers } of records)
        assert.doesNotMatch(`${key} ${value} ${headers.map(header => `${header.key}=${header.value}`)}`, leaking, topic)
  }
})
