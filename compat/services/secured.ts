/** A Kafka with TLS, SCRAM and ACLs: the services log in as a super user, and everybody else with name and password. */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { javaLogin, writeProperties } from '../support/java-login.ts'
import { type Cases, unique, until } from '../support/kit.ts'
import type { Credentials, Secured } from '../support/secured.ts'
import { type Using, usingServices } from '../support/services.ts'
import { ask, basic, clusterAt, millrace, ok } from './ask.ts'

/** A client.properties beside what describes the brokers. */
export function loginFile(secured: Secured, who: Credentials, name: string): string {
  return writeProperties(join(dirname(secured.describedIn), name), javaLogin(secured, who, 'SCRAM-SHA-256'))
}

export function securedCases(secured: Secured): Cases {
  const bootstrap = secured.bootstraps.SASL_SSL
  const own = loginFile(secured, secured.admin, 'services.properties')
  const using = usingServices(bootstrap, ['--client-config', own])
  return { ...proxyCases(secured, using), ...personCases(secured, using, bootstrap) }
}

/** Programs, which send their name and password with each request. */
function proxyCases(secured: Secured, using: Using): Cases {
  const [alice, root] = [basic(secured.user), basic(secured.admin)]
  const wrong = basic({ ...secured.user, password: 'wrong' })
  const schema = { schema: '"long"' }
  return {
    'secured/registry': () =>
      using(['registry'], async ({ urls: { registry } }) => {
        assert.equal((await ask('GET', `${registry}/subjects`)).status, 401)
        assert.equal((await ask('GET', `${registry}/subjects`, undefined, wrong)).status, 401)
        const subject = `${unique('secured')}-value`
        const { id } = await ok('POST', `${registry}/subjects/${subject}/versions`, schema, alice)
        assert.equal((await ok('GET', `${registry}/schemas/ids/${id}`, undefined, alice)).schema, '"long"')
        const denied = await ask('POST', `${registry}/subjects/payroll-value/versions`, schema, alice)
        assert.deepEqual([denied.status, denied.body.error_code], [403, 40_301])
        await ok('POST', `${registry}/subjects/payroll-value/versions`, { schema: '"string"' }, root)
        assert.deepEqual(
          (await ok('GET', `${registry}/subjects`, undefined, alice)).filter((each: string) => !each.startsWith('compat-')),
          [],
        )
        const all = await ask('PUT', `${registry}/config`, { compatibility: 'FULL' }, alice)
        assert.deepEqual([all.status, all.body.error_code], [403, 40_301])
      }),
    'secured/rest': () =>
      using(['registry', 'rest'], async ({ urls: { rest } }) => {
        assert.equal((await ask('GET', `${rest}/topics`)).status, 401)
        const cluster = await clusterAt(rest, alice)
        const topic = unique('secured')
        await ok('POST', `${cluster}/topics`, { topic_name: topic, partitions_count: 1 }, alice)
        const record = { value: { type: 'AVRO', schema: '"long"', data: 7 } }
        assert.equal((await ok('POST', `${cluster}/topics/${topic}/records`, record, alice)).error_code, 200)
        const page = await ok('GET', `${cluster}/topics/${topic}/records?value_format=AUTO`, undefined, alice)
        assert.equal(page.data[0].value.data, 7)
        const denied = await ask('POST', `${cluster}/topics`, { topic_name: 'payroll', partitions_count: 1 }, alice)
        assert.deepEqual([denied.status, denied.body.error_code], [403, 40_301])
        await ok('POST', `${cluster}/topics`, { topic_name: 'payroll', partitions_count: 1 }, root)
        const listed = await ok('GET', `${cluster}/topics`, undefined, alice)
        assert.ok(!listed.data.some((each: { topic_name: string }) => each.topic_name === 'payroll'))
        const { base_uri: uri } = await ok(
          'POST',
          `${rest}/consumers/${unique('group')}`,
          { name: 'c', format: 'binary', 'auto.offset.reset': 'earliest' },
          alice,
        )
        assert.equal((await ask('GET', `${uri}/records`, undefined, root)).status, 404, 'an instance is its owner’s')
        await ok('POST', `${uri}/subscription`, { topics: [topic] }, alice)
        await until(
          () => 'a record',
          async () => (await ok('GET', `${uri}/records`, undefined, alice)).length === 1,
        )
        await ok('DELETE', uri, undefined, alice)
        const acls = await ok('GET', `${cluster}/acls`, undefined, root)
        assert.ok(acls.data.some((each: { principal: string }) => each.principal === `User:${secured.user.name}`))
      }),
  }
}

function personCases(secured: Secured, using: Using, bootstrap: string): Cases {
  return {
    'secured/console': () =>
      using(['console'], async ({ urls: { console: base } }) => {
        assert.equal((await ask('GET', `${base}/api/topics`)).status, 401)
        const login = await fetch(`${base}/api/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', origin: base },
          body: JSON.stringify({ username: secured.user.name, password: secured.user.password }),
        })
        assert.equal(login.status, 200, await login.text())
        const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!
        assert.match(login.headers.getSetCookie()[0]!, /HttpOnly.*SameSite=Strict/i)
        const topics = await ok('GET', `${base}/api/topics`, undefined, { cookie })
        assert.ok(topics.rows.every((each: { name: string }) => each.name.startsWith('compat-')))
        const denied = await ask('POST', `${base}/api/topics`, { name: 'payroll-2', partitions: 1 }, { cookie, origin: base })
        assert.equal(denied.status, 403)
        const topic = unique('console')
        await ok('POST', `${base}/api/topics`, { name: topic, partitions: 1 }, { cookie, origin: base })
        await ok('POST', `${base}/api/topics/${topic}/messages`, { key: null, value: { text: 'x' } }, { cookie, origin: base })
      }),
    async 'secured/cli'() {
      const topic = unique('cli')
      const at = ['-b', bootstrap, '--client-config', loginFile(secured, secured.user, 'alice.properties')]
      await millrace(['topic', 'create', topic, ...at])
      await millrace(['produce', topic, ...at], { stdin: 'one\n' })
      assert.equal((await millrace(['consume', topic, ...at, '-f', 'beginning'])).trim(), 'one')
    },
  }
}
