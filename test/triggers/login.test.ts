/** Triggers are made by Kafka users, who must have the rights that the trigger needs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Acl, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startServices } from '../../src/services.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'

const as = (user: string, password = `${user}-pw`) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

test('who may not read the topics, or write the outputs, may not make, see or change the trigger', async t => {
  const secured = await startSecured(t, { ...authorizer, 'super.users': 'User:admin' })
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const admin = openClient({ bootstrap, properties: ownProperties })
  const services = await startServices(
    settingsFor(bootstrap, { services: ['triggers'], properties, ownProperties }),
    realSystem(),
    silentLogger,
  )
  const url = `http://127.0.0.1:${services.ports.get('triggers')}`
  const ask = async (user: string | null, method: string, path: string, body?: object) => {
    const headers: Record<string, string> = { 'content-type': 'application/json', ...(user === null ? {} : { authorization: as(user) }) }
    const response = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await response.text()
    return { status: response.status, detail: (text === '' ? {} : JSON.parse(text)).detail as string | undefined, text }
  }
  try {
    for (const name of ['in', 'out', 'secret']) await admin.createTopic({ name, partitions: 1 })
    const acl = (resourceName: string, operation: Acl['operation'], resourceType: Acl['resourceType'] = 'TOPIC'): Acl => ({
      ...{ resourceType, resourceName, patternType: 'LITERAL', principal: 'User:alice', host: '*', operation, permission: 'ALLOW' },
    })
    await admin.createAcls([acl('in', 'READ')])
    const trigger = { name: 'a', topics: ['in'], function: { code: 'export const main_handler = () => 1' }, output: { topic: 'out' } }
    assert.equal((await ask(null, 'GET', '/triggers')).status, 401)
    const toRun = 'to have functions run here takes CREATE and DESCRIBE on the topic __millrace_triggers, or ALTER on the cluster'
    const noRun = await ask('alice', 'POST', '/triggers', trigger)
    assert.deepEqual([noRun.status, noRun.detail], [403, toRun])
    const draft = { definition: { topics: ['in'], function: trigger.function } }
    assert.deepEqual((await ask('alice', 'POST', '/triggers/a/test', draft)).detail, toRun)
    const mayRun = [acl('__millrace_triggers', 'CREATE'), acl('__millrace_triggers', 'DESCRIBE')]
    await admin.createAcls(mayRun)
    const noGroup = await ask('alice', 'POST', '/triggers', trigger)
    assert.deepEqual([noGroup.status, noGroup.detail], [403, 'READ on the group trigger-a is missing'])
    await admin.createAcls([acl('trigger-a', 'READ', 'GROUP')])
    const noOutput = await ask('alice', 'POST', '/triggers', trigger)
    assert.deepEqual([noOutput.status, noOutput.detail], [403, 'WRITE on the topic out is missing'])
    await admin.createAcls([acl('out', 'WRITE')])
    assert.equal((await ask('alice', 'POST', '/triggers', { ...trigger, topics: ['secret'] })).status, 403)
    const pattern = await ask('alice', 'POST', '/triggers', { name: 'a', topicPattern: 's.*', function: trigger.function })
    assert.deepEqual([pattern.status, /ALTER on the cluster/.test(pattern.detail!)], [403, true])
    const made = await ask('alice', 'POST', '/triggers', trigger)
    assert.deepEqual([made.status, JSON.parse(made.text).by], [201, 'User:alice'])
    const toFile = { connector: 'file-sink', config: { file: '/dev/null' } }
    assert.equal((await ask('admin', 'PATCH', '/triggers/a', { output: toFile, enabled: false })).status, 200)
    assert.equal((await ask('alice', 'PATCH', '/triggers/a', { output: trigger.output, enabled: true })).status, 200)
    const back = await ask('alice', 'POST', '/triggers/a/rollback', { version: 2 })
    assert.deepEqual([back.status, back.detail], [403, 'an output to a connector takes the right ALTER on the cluster'])
    assert.equal((await ask('alice', 'POST', '/triggers/a/rollback', { version: 1 })).status, 200)
    const { code } = trigger.function
    const environment = { A_TOKEN: '[hidden]' }
    assert.equal((await ask('alice', 'PATCH', '/triggers/a', { function: { code, environment: { A_TOKEN: 'hush' } } })).status, 200)
    const tells = { topics: ['in'], function: { code: 'export const main_handler = () => process.env.A_TOKEN', environment } }
    const told = await ask('alice', 'POST', '/triggers/a/test', { definition: tells })
    assert.deepEqual([told.status, /give the secret again/.test(told.detail!)], [400, true])
    assert.match((await ask('admin', 'POST', '/triggers/a/test', { definition: tells })).text, /"result":"hush"/)
    const same = { definition: { topics: ['in'], function: { code, environment } } }
    assert.equal((await ask('alice', 'POST', '/triggers/a/test', same)).status, 200)
    // What an earlier version has written about topics that alice may not read.
    await admin.send('secret', [{ key: null, value: Buffer.from('classified') }])
    const writes = { code: 'export const main_handler = ({ Records }) => console.log(Records[0].Ckafka.msgBody)' }
    assert.equal((await ask('admin', 'PATCH', '/triggers/a', { topics: ['secret'], start: 'oldest', function: writes })).status, 200)
    const logs = async (user: string) => (await ask(user, 'GET', '/triggers/a/logs?limit=1000')).text
    for (let tries = 0; !(await logs('admin')).includes('classified'); tries++) {
      assert.ok(tries < 300)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    assert.equal((await ask('admin', 'PATCH', '/triggers/a', { topics: ['in'], start: 'latest', function: { code } })).status, 200)
    assert.match(await logs('alice'), /"lines":\[/)
    assert.doesNotMatch(await logs('alice'), /classified/)
    const hook = { name: 'hook', topics: ['in'], function: { url: 'http://127.0.0.1:12345/a?key=hush#hush' } }
    assert.equal((await ask('admin', 'POST', '/triggers', hook)).status, 201)
    const row = async (user: string) => JSON.parse((await ask(user, 'GET', '/triggers?search=hook')).text).triggers[0]
    for (const user of ['admin', 'alice']) {
      const { topics, function: called } = await row(user)
      assert.deepEqual([topics, called], [['in'], 'http://127.0.0.1:12345/a'])
    }
    assert.deepEqual((await row('bob')).topics, [], 'names are no secret, but what they read is')
    assert.equal((await ask('admin', 'DELETE', '/triggers/hook')).status, 204)
    for (const [method, path, body] of [
      ['GET', '/triggers/a'],
      ['GET', '/triggers/a/logs'],
      ['GET', '/triggers/a/versions'],
      ['GET', '/triggers/a/versions/1'],
      ['PATCH', '/triggers/a', { enabled: false }],
      ['PUT', '/triggers/a', { topics: ['in'], function: trigger.function }],
      ['POST', '/triggers/a/test', {}],
      ['POST', '/triggers/a/rollback', { version: 1 }],
      ['DELETE', '/triggers/a'],
    ] as const)
      assert.equal((await ask('bob', method, path, body)).status, 403, `${method} ${path}`)
    await admin.deleteAcls(mayRun)
    // Whoever could do what it does may look at it.
    for (const path of ['', '/logs', '/versions', '/versions/1'])
      assert.equal((await ask('alice', 'GET', `/triggers/a${path}`)).status, 200)
    for (const [method, path, body] of [
      ['PATCH', '', { enabled: false }],
      ['PUT', '', draft.definition],
      ['POST', '/test', {}],
      ['POST', '/rollback', { version: 1 }],
      ['DELETE', ''],
    ] as const)
      assert.deepEqual((await ask('alice', method, `/triggers/a${path}`, body)).detail, toRun, method)
    await admin.createAcls(mayRun)
    assert.equal((await ask('alice', 'DELETE', '/triggers/a')).status, 204)
  } finally {
    await admin.close()
    await services.close()
  }
})
