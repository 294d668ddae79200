/**
 * Has Kafka's own DumpLogSegments read every file of every partition of a data directory, and fails when it complains.
 *
 *     node compat/dump-log.ts <folder with Kafka's jars> <data directory>
 *
 * The jars: `mvn dependency:copy-dependencies -DoutputDirectory=…` of org.apache.kafka:kafka_2.13:4.3.1 and kafka-tools.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const kinds = /^\d{20}\.(log|index|timeindex|txnindex|snapshot)$/
/**
 * How the tool says that it does not like what it reads; it does so with exit code 0. That offsets are not consecutive it says of every
 * segment that does not begin at 0, and of compacted ones: no complaint.
 */
const complaint = /mismatch|not found in log|out of order|Could not|Exception|corrupt|invalid|isvalid: false/i

const [jars, data] = process.argv.slice(2)
if (jars === undefined || data === undefined) throw new Error('usage: node compat/dump-log.ts <folder with Kafka’s jars> <data directory>')

let failed = 0
for (const partition of partitionsOf(data)) {
  const names = readdirSync(partition).filter(name => kinds.test(name) && statSync(join(partition, name)).size > 0)
  const files = names.map(name => join(partition, name))
  if (files.length === 0) continue
  const output = dump(files)
  const unread = files.filter(file => !output.includes(`Dumping ${file}`))
  const complaints = output.split('\n').filter(line => complaint.test(line.replace('isvalid: true', '')))
  const problems = [...unread.map(file => `not read: ${file}`), ...complaints]
  failed += problems.length
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${partition}: ${files.length} files`)
  for (const problem of problems) console.log(`     ${problem}`)
}
process.exitCode = failed === 0 ? 0 : 1

function partitionsOf(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && /-\d+$/.test(entry.name))
    .map(entry => join(directory, entry.name))
}

function dump(files: string[]): string {
  const tool = ['-cp', `${jars}/*`, 'org.apache.kafka.tools.DumpLogSegments', '--deep-iteration', '--files', files.join(',')]
  const { stdout, stderr, error } = spawnSync('java', tool, { encoding: 'utf8', maxBuffer: 1 << 30 })
  if (error !== undefined) throw error
  return stdout + stderr
}
