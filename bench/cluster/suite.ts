/** The suite of clusters; see `run.ts`. */
import { join } from 'node:path'
import { prepareClients } from '../clients.ts'
import type { Suite } from '../report.ts'
import { changeRows } from './changes.ts'
import { cost } from './cost.ts'
import { processes } from './processes.ts'
import { streamRows } from './streams.ts'
import { transfer } from './transfer.ts'

const introduction = `# Benchmarks of a cluster

Written by \`npm run bench -- cluster\`; do not edit. Three brokers of Millrace with their PostgreSQL (Debian's package with its durable settings:
fsync before each answer) and their MinIO, and three nodes of Apache Kafka 4.3.1 (KRaft, each of them broker and controller, 1 GiB heap each, RF 3,
min.insync.replicas=2, and without fsync, Kafka's default), all on one machine and one disk, and driven by the same clients. While one cluster is measured,
the other is idle. The method is that of [benchmarks.md](benchmarks.md): both are warm and measured in turn (A B A B), figures are medians with the lowest
and the highest of all rounds, and the price of memory is probed before each measurement. Rows without a bound are figures, not goals.

Brokers, stores and clients share the cores of one machine, and nothing crosses a network. With a machine for each, throughput is higher, and each latency is
longer by the round trips to PostgreSQL, or between replicas. Both sides have default settings, except for what a row names and for
\`objects.grace.ms=60000\`, which frees MinIO's disk sooner.
`

export const cluster: Suite = {
  rows: [...streamRows, ...changeRows, cost, processes, transfer],
  introduction,
  prepare: prepareClients,
  resultsFile: join(import.meta.dirname, 'results.json'),
  document: 'docs/benchmarks-cluster.md',
}
