/**
 * kafkajs over TLS and SASL, with ACLs. Its re-authentication fails on a real Kafka as well ("Request is not valid given the current SASL
 * state"), and its consumers do not tell that a group is forbidden: so no cases of these.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { KafkaConfig, SASLMechanism, SASLOptions } from 'kafkajs'
import { type Cases, refused, type SecuredBroker, unique, withSecured } from '../support/kit.ts'
import type { Kit } from './cases.ts'

type NewKit = new (address: string, more: Partial<KafkaConfig>) => Kit
type Listener = keyof SecuredBroker['bootstraps']

export function securedCases(KitOf: NewKit): Cases {
  return withSecured(broker => {
    const read = (name: keyof SecuredBroker['files']) => readFileSync(broker.files[name], 'utf8')
    const few = { retry: { retries: 1, initialRetryTime: 50 } }
    const tls = (listener: Listener, ca: 'ca' | 'otherCa' = 'ca', certificate = false) =>
      new KitOf(broker.bootstraps[listener], {
        ssl: { ca: read(ca), ...(certificate ? { cert: read('clientCert'), key: read('clientKey') } : {}) },
        ...few,
      })
    const sasl = (mechanism: SASLMechanism, { listener = 'SASL_SSL' as Listener, user = broker.user } = {}) => {
      const credentials = { username: user.name, password: user.password, oauthBearerProvider: async () => ({ value: read('token') }) }
      const options = { mechanism, ...credentials } as SASLOptions
      const ssl = listener === 'SASL_PLAINTEXT' ? {} : { ssl: { ca: read('ca') } }
      return new KitOf(broker.bootstraps[listener], { ...ssl, sasl: options, ...few })
    }
    const works = (make: () => Kit) => async () => {
      const kit = make()
      const topic = await kit.topic()
      await kit.numbers(topic, 100)
      assert.equal((await kit.read(topic, 100)).length, 100)
      await kit.close()
    }
    const wrong = { name: broker.user.name, password: 'guess' }
    return {
      tls: works(() => tls('TLS')),
      mtls: works(() => tls('SSL', 'ca', true)),
      'sasl-plain': works(() => sasl('plain')),
      'sasl-plaintext': works(() => sasl('plain', { listener: 'SASL_PLAINTEXT' })),
      'sasl-scram-256': works(() => sasl('scram-sha-256')),
      'sasl-scram-512': works(() => sasl('scram-sha-512')),
      oauthbearer: works(() => sasl('oauthbearer')),
      async 'wrong-password'() {
        for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
          await refused(mechanism, () => sasl(mechanism, { user: wrong }).admin(), /SASLAuthentication/)
      },
      'wrong-ca': () => refused('TLS', () => tls('TLS', 'otherCa').admin(), /certificate/),
      async 'forbidden-topic'() {
        const topic = `forbidden-${unique('topic')}`
        const root = sasl('plain', { user: broker.admin })
        await (await root.admin()).createTopics({ topics: [{ topic }] })
        await root.close()
        const kit = sasl('scram-sha-512')
        await refused('produce', () => kit.numbers(topic, 1), /TOPIC_AUTHORIZATION_FAILED/)
        await kit.close()
      },
    }
  })
}
