/** The commands about the cluster: transactions, features, client metrics; see `program.ts`. */
import { type Command, Option } from 'commander'
import { duration, partitionList, partitionNumber, repeated, wholeNumber, withClientOptions, wordList } from './options.ts'

export function addTransactions(program: Command): void {
  const txn = program.command('txn').description('list, describe and abort transactions')
  withClientOptions(txn.command('list').description('list transactional ids and their states'))
    .option('--state <names>', 'only these states (comma-separated): Ongoing, Empty, CompleteCommit, …', wordList)
    .option('--producer-id <number>', 'only this producer id; repeatable', repeated)
    .option('--longer-than <duration>', 'only transactions open for longer than this: 15m', duration)
    .action(async flags => (await import('./txn.ts')).listTransactions(flags))
  withClientOptions(txn.command('describe <ids...>').description('show producer, age and partitions of transactions')).action(
    async (ids, flags) => (await import('./txn.ts')).describeTransactions(ids, flags),
  )
  withClientOptions(txn.command('producers <topic>').description('show the producers of a topic and their open transactions'))
    .option('-p, --partition <numbers>', 'only these partitions (comma-separated)', partitionList)
    .option('--open', 'only producers with an open transaction')
    .action(async (topic, flags) => (await import('./txn.ts')).listProducers(topic, flags))
  withClientOptions(
    txn
      .command('abort [id]')
      .description(
        'abort the open transaction of a transactional id and fence its producer; or abort a hanging transaction in one partition, which no coordinator knows',
      ),
  )
    .option('-t, --topic <topic>', 'topic of the hanging transaction')
    .option('-p, --partition <number>', 'partition of the hanging transaction', partitionNumber)
    .option('--start-offset <offset>', 'first offset of the hanging transaction', wholeNumber(0))
    .option('--producer-id <number>', 'producer id of the hanging transaction')
    .option('-y, --yes', 'do not ask for confirmation')
    .action(async (id, flags) => (await import('./txn.ts')).abortTransaction(id, flags))
}

export function addCluster(program: Command): void {
  const cluster = program.command('cluster').description('the brokers of a cluster, its database and its object store')
  withStores(
    cluster.command('check').description('check that PostgreSQL and the object store can be used: write, read, list and delete one object'),
  ).action(async flags => (await import('./cluster.ts')).checkCluster(flags))
  withStores(cluster.command('init').description('make the tables of a new cluster; the first broker does it by itself otherwise')).action(
    async flags => (await import('./cluster.ts')).initCluster(flags),
  )
  withStores(
    cluster.command('status').description('show brokers, their leases and partitions, moves under way; exit code 1 if anything is wrong'),
  ).action(async flags => (await import('./cluster-status.ts')).clusterStatus(flags))
  withStores(
    cluster
      .command('restore')
      .description('to be run once after PostgreSQL was restored to a point in time, before the brokers are started'),
  ).action(async flags => (await import('./cluster-restore.ts')).restoreCluster(flags))
  withStores(cluster.command('gc').description('delete objects that nothing needs any more; the first broker does it by itself')).action(
    async flags => (await import('./cluster-gc.ts')).collectGarbage(flags),
  )
  withStores(
    cluster
      .command('import <directory>')
      .description(
        'copy the data directory of a stopped broker into a cluster that has no topics yet; if it is interrupted, run it again to continue',
      ),
  )
    .option('--dry-run', 'read and check everything, and write nothing')
    .action(async (directory, flags) => (await import('./cluster-transfer.ts')).importDirectory(directory, flags))
  withStores(
    cluster
      .command('export <directory>')
      .description(
        'copy everything in a cluster into a new data directory while its brokers are stopped; if it is interrupted, run it again to continue',
      ),
  )
    .option('--node-id <id>', 'node.id of the broker that will start on the directory', brokerId, 1)
    .option('--dry-run', 'read and check everything, and write nothing')
    .action(async (directory, flags) => (await import('./cluster-transfer.ts')).exportDirectory(directory, flags))
  withBoth(cluster.command('move').description('make a broker the leader of a partition; returns when it leads'))
    .argument('<partition>', 'TOPIC:P, such as orders:0')
    .argument('<broker>', 'id of the broker', brokerId)
    .action(async (partition, broker, flags) => (await import('./cluster-move.ts')).movePartition(partition, broker, flags))
  withBoth(cluster.command('drain').description('give all partitions of a broker to others; returns when it leads nothing'))
    .argument('<broker>', 'id of the broker', brokerId)
    .action(async (broker, flags) => (await import('./cluster-move.ts')).drainBroker(broker, flags))
}

const brokerId = wholeNumber(0, 2 ** 31 - 1)

/** The brokers can be named by their addresses, or by their stores, which know the addresses. */
function withBoth(command: Command): Command {
  for (const option of storeOptions()) command.addOption(option)
  return withClientOptions(command)
}

function withStores(command: Command): Command {
  for (const option of storeOptions()) command.addOption(option.makeOptionMandatory())
  return command.option('--json', 'print JSON')
}

function storeOptions(): Option[] {
  const objects = 's3://bucket/prefix?endpoint=https://host:port&region=name; credentials from the environment, a file or the role'
  return [
    new Option('--cluster <url>', 'postgres://user@host:port/database; the password from PGPASSWORD').env('MILLRACE_CLUSTER'),
    new Option('--objects <url>', objects).env('MILLRACE_OBJECTS'),
  ]
}

export function addFeature(program: Command): void {
  const feature = program.command('feature').description("list, upgrade and downgrade the cluster's features")
  withClientOptions(feature.command('list').description('list features and their levels')).action(async flags =>
    (await import('./feature.ts')).listFeatures(flags),
  )
  withClientOptions(feature.command('upgrade <pairs...>').description('raise feature levels (feature=level); all of them or none'))
    .option('--dry-run', 'only validate the request')
    .action(async (pairs, flags) => (await import('./feature.ts')).upgradeFeatures(pairs, flags))
  withClientOptions(
    feature.command('downgrade <pairs...>').description('lower feature levels (feature=level); all of them or none; 0 disables a feature'),
  )
    .option('--unsafe', 'allow the loss of metadata')
    .option('--dry-run', 'only validate the request')
    .action(async (pairs, flags) => (await import('./feature.ts')).downgradeFeatures(pairs, flags))
}

export function addClientMetrics(program: Command): void {
  const metrics = program.command('client-metrics').description('list, describe, set and delete client-metrics subscriptions (KIP-714)')
  withClientOptions(metrics.command('list').description('list subscriptions')).action(async flags =>
    (await import('./client-metrics.ts')).listSubscriptions(flags),
  )
  withClientOptions(metrics.command('describe [names...]').description('show which metrics are requested from which clients')).action(
    async (names, flags) => (await import('./client-metrics.ts')).describeSubscriptions(names, flags),
  )
  withClientOptions(metrics.command('set <name>').description('create or change a subscription'))
    .option('--metrics <prefixes>', 'comma-separated prefixes, for example org.apache.kafka.producer.; * means all')
    .option('--interval <duration>', 'push interval, for example 30s (default: 5m)', duration)
    .option('--match <key=regex>', 'only clients whose client_id, client_software_name, … matches; repeatable', repeated)
    .action(async (name, flags) => (await import('./client-metrics.ts')).setSubscription(name, flags))
  withClientOptions(metrics.command('delete <names...>').description('delete subscriptions')).action(async (names, flags) =>
    (await import('./client-metrics.ts')).deleteSubscriptions(names, flags),
  )
}
