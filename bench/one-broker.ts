/** The suite of one broker on one machine: Millrace and Apache Kafka, one process each. */
import { join } from 'node:path'
import { type RunningBroker, startKafka, startMillrace } from '../compat/support/brokers.ts'
import { prepareClients } from './clients.ts'
import type { Suite } from './report.ts'
import type { Row, Wanted } from './row.ts'
import { rows } from './rows.ts'
import { serverSettings } from './secured.ts'

const introduction = `# Benchmarks

Written by \`npm run bench\`; do not edit. Millrace and Apache Kafka 4.3.1 (KRaft, one node, 1 GiB heap) run on one machine and disk and are
driven by the same clients. Both are warm: each row begins with requests of the measured kind, at least 30,000 where the row does not say
otherwise, until the broker's CPU per request has levelled out. Then they are measured in turn, A B A B; figures are medians with the least and
the most of all rounds, ratios are of medians, with those of the single rounds in brackets. Before each measurement the price of memory is
probed (CPU per GB written to the page cache); where it is over 0.3 s/GB the round is put off.

CPU is user and system time of the broker's process, work put off until after the answer included. The gathered sink is the floor: a bare
Node process that takes the same bytes from a socket and writes them to a file, 256 KiB at a time, without looking at them.
Both brokers have default settings but for what a row names; \`no fsync\` is \`durability=os\` here and Kafka's default, \`fsync before the
answer\` is the default here and \`flush.messages=1\` there. Clusters of several brokers: [benchmarks-cluster.md](benchmarks-cluster.md).
`

export const oneBroker: Suite = {
  rows: rows.map(row => ({ ...row, start: wanted => start(wanted, row) })),
  introduction,
  prepare: prepareClients,
  resultsFile: join(import.meta.dirname, 'results.json'),
  document: 'docs/benchmarks.md',
}

async function start(wanted: Wanted, row: Row): Promise<RunningBroker> {
  const { properties, listeners } = await serverSettings(row.secured)
  if (wanted === 'kafka') return startKafka({ properties, listeners })
  return startMillrace(row.durability === 'os' ? { ...properties, durability: 'os' } : properties, listeners, wanted.checkout)
}
