/**
 * Our registry, REST proxy, console and command line against a real Apache Kafka: the main job of each, without and with logins; the client that they all speak
 * through; and `millrace mirror` from a Kafka of several brokers to Millrace, with a login on both sides. Brings its own Kafka, unless the run is about one.
 */
import { startKafka } from '../support/brokers.ts'
import { kafkaOf, startSecured } from '../support/secured.ts'
import { reportCases, type Suite } from '../support/suite.ts'
import { clientCases } from './client.ts'
import { loginCases } from './logins.ts'
import { mirrorCases } from './mirror.ts'
import { plainCases } from './plain.ts'
import { securedCases } from './secured.ts'

const kafkaVersion = '4.3.1'
const jvm = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const properties = { 'offsets.topic.num.partitions': '5', 'group.initial.rebalance.delay.ms': '0' }
const client = 'millrace-services'
const caseSeconds = 240

/** `COMPAT_SERVICES_PARTS=plain,secured` runs only these. */
const parts = (process.env['COMPAT_SERVICES_PARTS'] ?? 'client,plain,logins,secured,mirror').split(',')

export const services: Suite = {
  folder: 'services',
  clients: [client],
  async run(target, report) {
    // Of somebody else, or a Kafka: it is what this is about. One at a time, because each takes a JVM.
    const isGiven = target.data === undefined || target.kafkaVersion !== undefined
    if (parts.includes('client') || parts.includes('plain')) {
      const kafka = isGiven ? null : await startKafka({ version: kafkaVersion, properties, jvm })
      try {
        const { bootstrap } = kafka ?? target
        if (parts.includes('client')) await reportCases(client, clientCases(bootstrap), report, caseSeconds)
        if (parts.includes('plain')) await reportCases(client, plainCases(bootstrap), report, caseSeconds)
      } finally {
        await kafka?.remove()
      }
    }
    if (parts.includes('logins') || parts.includes('secured')) {
      const secured = await startSecured(properties, kafkaOf(target.kafkaVersion ?? kafkaVersion))
      try {
        if (parts.includes('logins')) await reportCases(client, loginCases(secured), report, caseSeconds)
        if (parts.includes('secured')) await reportCases(client, securedCases(secured), report, caseSeconds)
      } finally {
        await secured.close()
      }
    }
    if (parts.includes('mirror'))
      await reportCases(client, mirrorCases(target.kafkaVersion ?? kafkaVersion, properties), report, caseSeconds)
  },
}
