/** The part of the tree of commands about the cluster: transactions, features, metrics of clients; see `program.ts`. */
import type { Command } from 'commander'
import { duration, partitionList, partitionNumber, repeated, wholeNumber, withClientOptions, wordList } from './options.ts'

export function addTransactions(program: Command): void {
  const txn = program.command('txn').description('list, describe and abort transactions')
  withClientOptions(txn.command('list').description('transactional ids and their states'))
    .option('--state <names>', 'only these, separated by commas: Ongoing, Empty, CompleteCommit, …', wordList)
    .option('--producer-id <number>', 'only of this producer; may be repeated', repeated)
    .option('--longer-than <duration>', 'only those open for longer: 15m', duration)
    .action(async flags => (await import('./txn.ts')).listTransactions(flags))
  withClientOptions(txn.command('describe <ids...>').description('producer, age and partitions of a transaction')).action(
    async (ids, flags) => (await import('./txn.ts')).describeTransactions(ids, flags),
  )
  withClientOptions(txn.command('producers <topic>').description('who writes to a topic, and whose transaction is open there'))
    .option('-p, --partition <numbers>', 'only these, separated by commas', partitionList)
    .option('--open', 'only those with an open transaction')
    .action(async (topic, flags) => (await import('./txn.ts')).listProducers(topic, flags))
  withClientOptions(
    txn
      .command('abort [id]')
      .description(
        'abort what this transactional id has open, and shut out its producer; or what hangs in one partition, unknown to all coordinators',
      ),
  )
    .option('-t, --topic <name>', 'where a transaction hangs')
    .option('-p, --partition <number>', 'where a transaction hangs', partitionNumber)
    .option('--start-offset <offset>', 'the first offset of the one that hangs', wholeNumber(0))
    .option('--producer-id <number>', 'or its producer')
    .option('-y, --yes', 'do not ask')
    .action(async (id, flags) => (await import('./txn.ts')).abortTransaction(id, flags))
}

export function addFeature(program: Command): void {
  const feature = program.command('feature').description("list, upgrade and downgrade the cluster's features")
  withClientOptions(feature.command('list').description('features with their levels')).action(async flags =>
    (await import('./feature.ts')).listFeatures(flags),
  )
  withClientOptions(feature.command('upgrade <pairs...>').description('feature=level, all of them or none'))
    .option('--dry-run', 'only let the cluster check it')
    .action(async (pairs, flags) => (await import('./feature.ts')).upgradeFeatures(pairs, flags))
  withClientOptions(feature.command('downgrade <pairs...>').description('feature=level, all of them or none; 0 switches a feature off'))
    .option('--unsafe', 'even if metadata is lost')
    .option('--dry-run', 'only let the cluster check it')
    .action(async (pairs, flags) => (await import('./feature.ts')).downgradeFeatures(pairs, flags))
}

export function addClientMetrics(program: Command): void {
  const metrics = program.command('client-metrics').description('list, describe, set and delete subscriptions to metrics of clients')
  withClientOptions(metrics.command('list').description('names of subscriptions')).action(async flags =>
    (await import('./client-metrics.ts')).listSubscriptions(flags),
  )
  withClientOptions(metrics.command('describe [names...]').description('what they ask of whom')).action(async (names, flags) =>
    (await import('./client-metrics.ts')).describeSubscriptions(names, flags),
  )
  withClientOptions(metrics.command('set <name>').description('create or change a subscription'))
    .option('--metrics <prefixes>', 'separated by commas: org.apache.kafka.producer.; * is all')
    .option('--interval <duration>', 'how often clients push: 30s (default: 5m)', duration)
    .option('--match <key=regex>', 'only clients whose client_id (client_software_name, …) matches; may be repeated', repeated)
    .action(async (name, flags) => (await import('./client-metrics.ts')).setSubscription(name, flags))
  withClientOptions(metrics.command('delete <names...>').description('stop asking for these metrics')).action(async (names, flags) =>
    (await import('./client-metrics.ts')).deleteSubscriptions(names, flags),
  )
}
