/** The class path of Kafka Streams and of the programs in src/, for the suite and for the endurance run. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, mavenJars } from '../support/cache.ts'
import { must } from '../support/run.ts'

export const streamsVersion = '4.4.0'

export async function streamsClassPath(): Promise<string> {
  const jars = await mavenJars(`streams-${streamsVersion}`, [
    `org.apache.kafka:kafka-streams:${streamsVersion}`,
    'org.slf4j:slf4j-simple:1.7.36',
  ])
  const own = ['Apps', 'Main'].map(name => join(import.meta.dirname, 'src', `${name}.java`))
  const sources = [join(import.meta.dirname, '../java/src/Kit.java'), ...own]
  const text = sources.map(file => readFileSync(file, 'utf8')).join('')
  const classes = await cached(`java-streams-${streamsVersion}`, text, async at => {
    await must('javac', ['-nowarn', '-Xlint:none', '-d', at, '-cp', jars, ...sources])
  })
  return `${classes}:${jars}`
}
