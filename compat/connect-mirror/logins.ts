/** Our connectors from an Apache Kafka with TLS and SCRAM, as its super user and as one who may not make the topic of offset syncs. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openClient } from '../../src/client.ts'
import { distributed, Worker } from '../connect/worker.ts'
import type { RunningBroker } from '../support/brokers.ts'
import { javaLogin } from '../support/java-login.ts'
import { type Cases, unique, until } from '../support/kit.ts'
import type { Credentials, Secured } from '../support/secured.ts'
import { clusters, contents, write } from './copies.ts'

export function withLogins(secured: Secured, to: RunningBroker): Cases {
  return { 'with-tls-and-scram': () => copied(secured, to) }
}

async function copied(secured: Secured, to: RunningBroker): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-mirror-login-'))
  const [source, target] = [openClient({ bootstrap: secured.bootstraps.PLAINTEXT }), openClient({ bootstrap: to.bootstrap })]
  const worker = await Worker.startMillrace(directory, 'worker', distributed(unique('mirror'), { 'bootstrap.servers': to.bootstrap }))
  try {
    const topic = unique('login')
    await source.createTopic({ name: topic, partitions: 2 })
    await write(source, topic, 2, 0, 1_000)
    const pair = { from: secured.broker, to, source, target }
    const config = (who: Credentials) => ({
      ...clusters(pair),
      ...Object.fromEntries(
        Object.entries(javaLogin(secured, who, 'SCRAM-SHA-256')).map(([key, value]) => [`source.cluster.${key}`, value]),
      ),
      ...{ 'source.cluster.bootstrap.servers': secured.bootstraps.SASL_SSL, 'sync.topic.acls.enabled': 'true' },
      ...{ 'connector.class': 'mirror-source', topics: topic },
    })
    await worker.rest('PUT', '/connectors/limited/config', config(secured.user))
    let trace = ''
    await until(
      () => `it says what the login may not do, and not ${trace}`,
      async () => {
        const limited = (await worker.statuses()).find(each => each?.name === 'limited')
        trace = limited?.tasks[0]?.trace ?? trace
        return /mm2-offset-syncs\.b\.internal cannot be made .*offset-syncs\.topic\.location=target/.test(trace)
      },
      60,
    )
    await worker.rest('PUT', '/connectors/limited/config', { ...config(secured.user), 'offset-syncs.topic.location': 'target' })
    const wanted = await contents(source, topic)
    await until(
      () => 'all has come',
      async () => (await target.topicNames()).includes(`a.${topic}`) && (await contents(target, `a.${topic}`)).join() === wanted.join(),
      60,
    )
    const { config: shown } = await worker.rest<{ config: Record<string, string> }>('GET', '/connectors/limited')
    assert.ok(!JSON.stringify(shown).includes(secured.user.password), 'the password is not shown')
  } catch (error) {
    throw new Error(`${(error as Error).message} ${worker.log().slice(-400)}`, { cause: error })
  } finally {
    await worker.stop()
    await Promise.all([source.close(), target.close()])
    rmSync(directory, { recursive: true, force: true })
  }
}
