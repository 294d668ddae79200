/** The class path of Kafka Streams and of the programs in src/, for the suite and for the endurance run. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, mavenJars } from '../support/cache.ts'
import { must } from '../support/run.ts'

export const streamsVersion = '4.4.0'

export async function streamsClassPath(): Promise<string> {
  const jars = await mavenJars(`streams-${streamsVersion}`, [
    `org.apache.kafka:kafka-streams:${streamsVersion}`,
    'org.slf4j:slf4j-simple:1.7.36',
  ])
  const own = ['Apps', 'Main', 'Words'].map(name => join(import.meta.dirname, 'src', `${name}.java`))
  const shared = ['../java/src/Kit.java', '../endurance/src/Place.java'].map(file => join(import.meta.dirname, file))
  const sources = [...shared, ...own]
  const text = sources.map(file => readFileSync(file, 'utf8')).join('')
  const classes = await cached(`java-streams-${streamsVersion}`, `${text} quiet`, async at => {
    await must('javac', ['-nowarn', '-Xlint:none', '-d', at, '-cp', jars, ...sources])
    writeFileSync(join(at, 'simplelogger.properties'), 'org.slf4j.simpleLogger.defaultLogLevel=error\n')
  })
  return `${classes}:${jars}`
}
