/** What a cluster asks of PostgreSQL and of the object store, by the brokers' own metrics and by PostgreSQL's: these are what is billed. */
import { Client } from 'pg'
import { drive, type Options } from '../clients.ts'
import { pause } from '../measure.ts'
import { megabyte, type RowOf, shown, withTopic } from '../row.ts'
import { MillraceCluster } from './peers.ts'
import { bulkOptions, bulkWords, moveAll } from './streams.ts'

const gigabyte = 1e9

interface Bill {
  puts: number
  gets: number
  putBytes: number
  /** Which went from the journal into segments. */
  flushedBytes: number
  /** Frames committed. */
  commits: number
  /** Rows inserted, updated and deleted. */
  rows: number
  walBytes: number
}

/** PostgreSQL's sessions report their counts within a second of their last transaction; each broker commits twice a second. */
const reportedMs = 2500

async function billOf(cluster: MillraceCluster): Promise<Bill> {
  await pause(reportedMs)
  const metrics = await cluster.metrics()
  const of = (name: string) => {
    const value = metrics.get(name)
    if (value === undefined) throw new Error(`no broker has the metric ${name}`)
    return value
  }
  const url = new URL(cluster.stores.urls().cluster)
  url.password = cluster.stores.env['PGPASSWORD']!
  const database = new Client({ connectionString: url.href })
  await database.connect()
  try {
    const { rows } = await database.query<{ wal: string; rows: string }>(
      "select pg_current_wal_lsn() - '0/0' as wal, sum(n_tup_ins + n_tup_upd + n_tup_del) as rows from pg_stat_user_tables",
    )
    return {
      puts: of('millrace_objects_requests_total{request="put"}'),
      gets: of('millrace_objects_requests_total{request="get"}'),
      putBytes: of('millrace_objects_bytes_total{request="put"}'),
      flushedBytes: of('millrace_cluster_flushed_bytes_total'),
      commits: of('millrace_database_commits_total'),
      rows: Number(rows[0]!.rows),
      walBytes: Number(rows[0]!.wal),
    }
  } finally {
    await database.end()
  }
}

/** What the work was billed, and how long it took, in seconds. */
async function billed<T>(cluster: MillraceCluster, work: () => Promise<T>): Promise<{ result: T; bill: Bill; seconds: number }> {
  const before = await billOf(cluster)
  const began = performance.now()
  const result = await work()
  const after = await billOf(cluster)
  const seconds = (performance.now() - began) / 1000
  const bill = Object.fromEntries(Object.entries(after).map(([key, value]) => [key, value - before[key as keyof Bill]])) as unknown as Bill
  return { result, bill, seconds }
}

const partitions = 3
const restSeconds = 10
const bulk: Options = { ...bulkOptions, partitions }
/** 4 MB/s: a quarter of what PostgreSQL takes by default. */
const small: Options = {
  size: 1024,
  acks: 'all',
  'enable.idempotence': 'true',
  'batch.size': 16_384,
  'linger.ms': 5,
  rate: 4000,
  partitions,
}

/** As when there is more than fits into the database: a piece of a flush is as small as many partitions make it. */
const widePartitions = 1500
/** Each broker flushes when it has 64 MiB. */
const leastWideRecords = 400_000
const wide: Options = { size: 1024, acks: 'all', 'enable.idempotence': 'true', 'linger.ms': 1000, rate: 20_000, partitions: widePartitions }

export const cost: RowOf<MillraceCluster> = {
  name: 'cluster-cost',
  settings: `at rest for ${restSeconds} s; then 3 GB (${bulkWords}) into 3 partitions, flushed; then the same read from the object store; then 80 MB of records of 1 KiB at 4,000/s (batches of at most 16 KiB, linger 5 ms) into 3 partitions, flushed; then 1 GB of records of 1 KiB at 20,000/s (linger 1 s) into ${widePartitions} partitions, for each GB that was flushed; small records with acks=all, idempotent; PUTs and GETs as the brokers count them, rows and WAL as PostgreSQL counts them; librdkafka`,
  alone: 'a Kafka broker needs neither a database nor an object store',
  goals: [
    shown('restCommits', 'at rest: commits per broker', '/s', 'nothing'),
    shown('restWal', 'at rest: WAL per broker', 'kB/s', 'nothing'),
    shown('bulkPuts', 'bulk: PUTs per GB', '', 'nothing'),
    shown('bulkPutBytes', 'bulk: bytes PUT per byte', '', 'nothing'),
    shown('bulkCommits', 'bulk: commits per GB', '', 'nothing'),
    shown('bulkRows', 'bulk: rows per GB', '', 'nothing'),
    shown('bulkWal', 'bulk: WAL per GB', 'MB', 'nothing'),
    shown('coldGets', 'cold consume: GETs per GB', '', 'nothing'),
    shown('smallPuts', 'small: PUTs per GB', '', 'nothing'),
    shown('smallCommits', 'small: commits per broker', '/s', 'nothing'),
    shown('smallRows', 'small: rows per GB', '', 'nothing'),
    shown('smallWalPerByte', 'small: WAL per byte', '', 'nothing'),
    shown('widePuts', `${widePartitions} partitions: PUTs per GB`, '', 'nothing'),
    shown('wideCommits', `${widePartitions} partitions: commits per broker`, '/s', 'nothing'),
    shown('wideRows', `${widePartitions} partitions: rows per GB`, '', 'nothing'),
    shown('wideWal', `${widePartitions} partitions: WAL per GB`, 'MB', 'nothing'),
  ],
  start: wanted => MillraceCluster.start(wanted),
  async warm({ broker, topic, scale }) {
    const records = Math.ceil(10_000 * scale)
    await withTopic(broker, topic, partitions, () => drive.produce(broker, topic, { ...bulk, records }))
    return (records * 10_240) / 1_000_000
  },
  warmSteps: 1,
  async measure({ broker, topic, scale }) {
    const brokers = broker.members.length
    const rest = await billed(broker, () => pause(restSeconds * 1000))
    const big = await bulkBill(broker, `${topic}-bulk`, Math.ceil(300_000 * scale))
    const records = Math.ceil(80_000 * scale)
    const few = await withTopic(broker, `${topic}-small`, partitions, () =>
      billed(broker, async () => {
        const { seconds } = await drive.produce(broker, `${topic}-small`, { ...small, records })
        await moveAll(broker, `${topic}-small`, partitions)
        return seconds
      }),
    )
    const smallBytes = records * 1024
    const many = await withTopic(broker, `${topic}-wide`, widePartitions, () =>
      billed(broker, () =>
        drive.produce(broker, `${topic}-wide`, { ...wide, records: Math.max(leastWideRecords, Math.ceil(1_000_000 * scale)) }),
      ),
    )
    const flushed = many.bill.flushedBytes / gigabyte
    return {
      restCommits: rest.bill.commits / rest.seconds / brokers,
      restWal: rest.bill.walBytes / rest.seconds / brokers / 1000,
      ...big,
      smallPuts: few.bill.puts / (smallBytes / gigabyte),
      smallCommits: few.bill.commits / few.result / brokers,
      smallRows: few.bill.rows / (smallBytes / gigabyte),
      smallWalPerByte: few.bill.walBytes / smallBytes,
      widePuts: many.bill.puts / flushed,
      wideCommits: many.bill.commits / many.result.seconds / brokers,
      wideRows: many.bill.rows / flushed,
      wideWal: many.bill.walBytes / megabyte / flushed,
    }
  },
}

async function bulkBill(cluster: MillraceCluster, topic: string, records: number) {
  return withTopic(cluster, topic, partitions, async () => {
    const written = await billed(cluster, async () => {
      await drive.produce(cluster, topic, { ...bulk, records })
      await moveAll(cluster, topic, partitions)
    })
    const read = await billed(cluster, () => drive.consume(cluster, topic, { records, partitions }))
    const gigabytes = (records * 10_240) / gigabyte
    return {
      bulkPuts: written.bill.puts / gigabytes,
      bulkPutBytes: written.bill.putBytes / gigabyte / gigabytes,
      bulkCommits: written.bill.commits / gigabytes,
      bulkRows: written.bill.rows / gigabytes,
      bulkWal: written.bill.walBytes / megabyte / gigabytes,
      coldGets: read.bill.gets / gigabytes,
    }
  })
}
