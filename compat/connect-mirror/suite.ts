/**
 * The connectors between clusters against a real Apache Kafka: to it and from it, through kill -9 of the worker and of both brokers, and pauses of all three; and
 * together with MirrorMaker 2's own connectors, whose configurations, offsets and records they take over.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startKafka, startMillrace } from '../support/brokers.ts'
import { cached, Missing, mavenJars } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { kafkaOf, startSecured } from '../support/secured.ts'
import { reportCases, type Suite } from '../support/suite.ts'
import { throughKills } from './kills.ts'
import { withLogins } from './logins.ts'
import { withMirrorMaker } from './mirror-maker.ts'
import { sinkThroughKills } from './sink.ts'

const kafkaVersion = '4.3.1'
const jvm = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const properties = {
  'offsets.topic.num.partitions': '5',
  'transaction.state.log.num.partitions': '5',
  'group.initial.rebalance.delay.ms': '0',
}
const ours = 'millrace-mirror'
const javas = `mirror-maker-${kafkaVersion}`

export const connectMirror: Suite = {
  folder: 'connect-mirror',
  clients: [ours, javas],
  async run({ kafkaVersion: version = kafkaVersion }, report) {
    const kafka = await startKafka({ version, properties, jvm })
    try {
      const millrace = await startMillrace(properties)
      try {
        await reportCases(ours, throughKills(kafka, millrace), report, 400)
        await reportCases(ours, sinkThroughKills(kafka, millrace), report, 400)
        const secured = await startSecured(properties, kafkaOf(version))
        try {
          await reportCases(ours, withLogins(secured, millrace), report, 200)
        } finally {
          await secured.close()
        }
        await reportCases(javas, withMirrorMaker(kafka, millrace, await classPath()), report, 300)
      } catch (error) {
        if (!(error instanceof Missing)) throw error
        report({ client: javas, name: 'all', outcome: 'skip', detail: error.message })
      } finally {
        await millrace.remove()
      }
    } finally {
      await kafka.remove()
    }
  },
}

/** Of Connect's worker with MirrorMaker's connectors, and of a program that reads checkpoints with its client. */
async function classPath(): Promise<string> {
  const names = ['connect-runtime', 'connect-json', 'connect-mirror', 'connect-mirror-client']
  const jars = await mavenJars(`mirror-maker-${kafkaVersion}`, [
    ...names.map(name => `org.apache.kafka:${name}:${kafkaVersion}`),
    'org.slf4j:slf4j-simple:1.7.36',
  ])
  const source = join(import.meta.dirname, 'java/Translate.java')
  const classes = await cached('java-translate', readFileSync(source, 'utf8'), async at => {
    await must('javac', ['-d', at, '-cp', jars, source])
  })
  return `${classes}:${jars}`
}
