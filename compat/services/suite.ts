/**
 * Our registry, REST proxy, console and command line against a real Apache Kafka: the main job of each, without and with logins; and `millrace mirror` from a
 * Kafka of several brokers to Millrace, with a login on both sides. Brings its own Kafka, unless the run is about one.
 */
import { startKafka } from '../support/brokers.ts'
import { type Cases, within } from '../support/kit.ts'
import { kafkaOf, startSecured } from '../support/secured.ts'
import type { Report, Suite } from '../support/suite.ts'
import { mirrorCases } from './mirror.ts'
import { plainCases } from './plain.ts'
import { securedCases } from './secured.ts'

const kafkaVersion = '4.3.1'
const jvm = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const properties = { 'offsets.topic.num.partitions': '5', 'group.initial.rebalance.delay.ms': '0' }
const client = 'millrace-services'
const caseSeconds = 120

/** `COMPAT_SERVICES_PARTS=plain,secured` runs only these. */
const parts = (process.env['COMPAT_SERVICES_PARTS'] ?? 'plain,secured,mirror').split(',')

export const services: Suite = {
  folder: 'services',
  clients: [client],
  async run(target, report) {
    // Of somebody else, or a Kafka: it is what this is about. One at a time, because each takes a JVM.
    const isGiven = target.data === undefined || target.kafkaVersion !== undefined
    if (parts.includes('plain')) {
      const kafka = isGiven ? null : await startKafka({ version: kafkaVersion, properties, jvm })
      try {
        await runCases(plainCases(kafka?.bootstrap ?? target.bootstrap), report)
      } finally {
        await kafka?.remove()
      }
    }
    if (parts.includes('secured')) {
      const secured = await startSecured(properties, kafkaOf(target.kafkaVersion ?? kafkaVersion))
      try {
        await runCases(securedCases(secured), report)
      } finally {
        await secured.close()
      }
    }
    if (parts.includes('mirror')) await runCases(mirrorCases(target.kafkaVersion ?? kafkaVersion, properties), report)
  },
}

async function runCases(cases: Cases, report: Report): Promise<void> {
  for (const [name, body] of Object.entries(cases)) {
    const began = performance.now()
    try {
      await within(caseSeconds, body())
      report({ client, name, outcome: 'ok', detail: `(${Math.round(performance.now() - began)} ms)` })
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      report({ client, name, outcome: 'FAIL', detail: detail.replace(/\s+/g, ' ').slice(0, 600) })
    }
  }
}
