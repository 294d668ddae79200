/** The command tree: names, options and help. The module named after a command implements it, and is loaded only when it runs. */
import { Argument, Command, CommanderError, Help, InvalidArgumentError, Option } from 'commander'
import { stayAlive } from '../base.ts'
import {
  configOption,
  connectionGroup,
  duration,
  header,
  isolationOption,
  keyValue,
  partitionList,
  partitionNumber,
  repeated,
  wholeNumber,
  withClientOptions,
  withStartOptions,
} from './options.ts'
import { addClientMetrics, addCluster, addFeature, addTransactions } from './program-cluster.ts'
import { addConnect } from './program-connect.ts'
import { addConnectors } from './program-connectors.ts'
import { addMirror, addPerf, addTop } from './program-mirror.ts'
import { addSchema } from './program-schema.ts'
import { addAcl, addQuota, addToken, addUser } from './program-security.ts'
import { addTrigger } from './program-trigger.ts'
import { report } from './report.ts'
import { registryOption, schemaChoice, serdeNames, serdeOption } from './serde-options.ts'
import { templateHelp } from './template.ts'
import { packageVersion } from './version.ts'

/** Runs one command line and sets the exit code: 0 success, 1 failure, 2 usage error. */
export async function run(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', outputFailed)
  // The error cannot be reported anywhere.
  process.stderr.on('error', () => {})
  using _ = stayAlive()
  try {
    await makeProgram().parseAsync([...argv])
  } catch (error) {
    // Commander has already printed its message. Exit code 0 is for help or version that was requested.
    process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : report(error)
  }
}

function outputFailed(error: NodeJS.ErrnoException): never {
  // The reader of a pipe may close it early (`| head`).
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`millrace: cannot write to standard output: ${error.message}\n`)
  process.exit(1)
}

export function makeProgram(): Command {
  const program = new Command('millrace')
    .description('An event-streaming platform that speaks the Apache Kafka protocol.')
    .version(packageVersion())
    .exitOverride()
    .configureHelp({ groupItems: connectionLast })
  addStart(program)
  addServices(program)
  addConnect(program)
  addImport(program)
  addMirror(program)
  addConnectors(program)
  addRepair(program)
  addTopic(program)
  addProduce(program)
  addConsume(program)
  addSchema(program)
  addTrigger(program)
  addGroup(program)
  addConfig(program)
  addUser(program)
  addAcl(program)
  addQuota(program)
  addToken(program)
  addTransactions(program)
  addFeature(program)
  addClientMetrics(program)
  addCluster(program)
  addPerf(program)
  addTop(program)
  program
    .command('completion')
    .description('print a completion script for a shell: source <(millrace completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async shell => (await import('./completion.ts')).printCompletion(program, shell))
  nameHelp(program, 'millrace')
  return program
}

/** An error names the help of the command that it is about. */
function nameHelp(command: Command, path: string): void {
  command.showHelpAfterError(`(see ${path} --help)`)
  for (const each of command.commands) nameHelp(each, `${path} ${each.name()}`)
}

/** The connection options are the same for every command, so the command's own options come first. */
function connectionLast<Item extends Command | Option>(all: Item[], visible: Item[], groupOf: (item: Item) => string): Map<string, Item[]> {
  const groups = Help.prototype.groupItems(all, visible, groupOf)
  const connection = groups.get(connectionGroup)
  if (connection !== undefined && groups.delete(connectionGroup)) groups.set(connectionGroup, connection)
  return groups
}

function addStart(program: Command): void {
  withStartOptions(program.command('start').description('run a broker')).action(async flags => (await import('./start.ts')).start(flags))
  withStartOptions(program.command('health').description('check whether the broker on this machine is ready; takes the options of start'))
    .option('--of <pid>', 'read the options from the command line of this process (Linux)', wholeNumber(1))
    .action(async flags => (await import('./health.ts')).health(flags))
  withStartOptions(
    program
      .command('doctor')
      .description('check that a broker has what it needs, and that it and its cluster are healthy; takes the options of start'),
  )
    .option('--json', 'print JSON')
    .action(async flags => (await import('./doctor.ts')).doctor(flags))
}

function addServices(program: Command): void {
  withClientOptions(program.command('services').description('run the services that the key `services` names, for any Kafka'))
    .addOption(configOption())
    .option('-s, --set <key=value>', 'set one configuration key, such as registry.port; repeatable', keyValue)
    .action(async flags => (await import('./services.ts')).services(flags))
}

function addImport(program: Command): void {
  program
    .command('import <directories...>')
    .description('import the data of a stopped Kafka (KRaft); name all directories of its log.dirs, which are only read')
    .option('-d, --data <dir>', 'new data directory (log.dirs)')
    .addOption(configOption())
    .option('-s, --set <key=value>', 'set one configuration key of the new broker, such as node.id; repeatable', keyValue)
    .option('--json', 'print JSON')
    .action(async (directories, flags) => (await import('./import.ts')).importData(directories, flags))
}

function addRepair(program: Command): void {
  program
    .command('repair <partitions...>')
    .description('bring offline partitions such as orders-3 back, without the data that cannot be read; stop the broker first')
    .option('-d, --data <dir>', 'data directory (log.dirs)')
    .addOption(configOption())
    .option('-s, --set <key=value>', 'set one configuration key; repeatable', keyValue)
    .option('--json', 'print JSON')
    .action(async (partitions, flags) => (await import('./repair.ts')).repair(partitions, flags))
}

function addTopic(program: Command): void {
  const topic = program.command('topic').description('list, create, describe, alter, empty and delete topics')
  withClientOptions(topic.command('list').description('list topics'))
    .option('-a, --all', 'include internal topics')
    .option('--size', 'show partitions and the size on disk (all replicas)')
    .action(async flags => (await import('./topic.ts')).listTopics(flags))
  withClientOptions(topic.command('create <name>').description('create a topic'))
    .option('-p, --partitions <count>', "number of partitions (default: the broker's num.partitions)", wholeNumber(1, 2 ** 31 - 1))
    .option('-r, --replicas <count>', "replication factor (default: the broker's default.replication.factor)", wholeNumber(1, 32_767))
    .option('-s, --set <key=value>', 'topic config; repeatable', keyValue)
    .option('--if-not-exists', 'succeed if the topic already exists')
    .action(async (name, flags) => (await import('./topic.ts')).createTopic(name, flags))
  withClientOptions(topic.command('describe <topics...>').description('show partitions, offsets and configs')).action(
    async (topics, flags) => (await import('./topic.ts')).describeTopics(topics, flags),
  )
  withClientOptions(topic.command('alter <topic>').description('add partitions or change configs'))
    .option('-p, --partitions <count>', 'new partition count', wholeNumber(1, 2 ** 31 - 1))
    .option('-s, --set <key=value>', 'topic config; repeatable', keyValue)
    .option('-u, --unset <key>', 'reset to the default; repeatable', repeated)
    .action(async (topic, flags) => (await import('./topic.ts')).alterTopic(topic, flags))
  withClientOptions(
    topic
      .command('empty <topics...>')
      .description('delete the records of topics that are there now; the topics, their configs and the numbering of offsets stay'),
  )
    .option('-p, --partition <numbers>', 'only these partitions (comma-separated)', partitionList)
    .option('--dry-run', 'show what would be deleted without changing anything')
    .action(async (topics, flags) => (await import('./topic.ts')).emptyTopics(topics, flags))
  withClientOptions(topic.command('delete <topics...>').description('delete topics and all their records')).action(async (topics, flags) =>
    (await import('./topic.ts')).deleteTopics(topics, flags),
  )
}

function addProduce(program: Command): void {
  withClientOptions(program.command('produce <topic>').description('write records, one per line of standard input'))
    .option('-k, --key <key>', 'key for all records')
    .option('-K, --key-separator <text>', 'split each line into key and value at this text')
    .option('-H, --header <name=value>', 'header for all records; repeatable', header)
    .option('-p, --partition <number>', 'partition to write to (default: chosen by the hash of the key)', partitionNumber)
    .addOption(
      new Option('-z, --compression <codec>', 'compression of batches').choices(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'),
    )
    .addOption(new Option('-a, --acks <acks>', 'acknowledgement to wait for').choices(['all', '1', '0']).default('all'))
    .option('--tombstones', 'write an empty value as a tombstone (null)')
    .addOption(serdeOption(serdeNames.filter(each => each !== 'kafka')))
    .addOption(registryOption())
    .option(
      '--key-schema <schema>',
      'for keys: an id, a subject, or subject@version; #Message behind it (default: <topic>-key)',
      schemaChoice,
    )
    .option(
      '--value-schema <schema>',
      'for values: an id, a subject, or subject@version; #Message behind it (default: <topic>-value)',
      schemaChoice,
    )
    .option('--from-json', 'read records in the format of consume --json')
    .option('--file <path>', 'write this file as the value of one record')
    .action(async (topic, flags) => (await import('./produce.ts')).produce(topic, flags))
}

function addConsume(program: Command): void {
  withClientOptions(program.command('consume <topic>').description('print records from a position to the end, or as they arrive'))
    .option('-f, --from <position>', 'beginning, end, an offset, -N (the last N), a time (2026-01-31T12:00), or how long ago (15m)')
    .option('-F, --follow', 'keep printing new records (default without --from)')
    .option('-p, --partition <numbers>', 'read only these partitions (comma-separated)', partitionList)
    .option('-g, --group <group>', 'join this consumer group: continue from its offsets, commit what was printed')
    .option('-n, --limit <count>', 'stop after this many records', wholeNumber(1))
    .option('--timeout <ms>', 'stop when no record has arrived for this long', wholeNumber(1))
    .option('--print <fields>', 'comma-separated: topic,partition,offset,timestamp,key,headers,value (default: value)', fieldList)
    .addOption(serdeOption(['auto', ...serdeNames]))
    .addOption(registryOption())
    .option(
      '--filter <cel>',
      'only records for which this holds: value.total > 9 && headers.region == "eu" (CEL; also key, topic, partition, offset, timestamp)',
    )
    .option('--format <template>', `print each record like this: ${templateHelp}`)
    .addOption(isolationOption())
    .action(async (topic, flags) => (await import('./consume.ts')).consume(topic, flags))
}

function addGroup(program: Command): void {
  const group = program.command('group').description('list, describe, watch, reset and delete groups: classic, consumer, share and streams')
  withClientOptions(group.command('list').description('list groups'))
    .addOption(new Option('--type <type>', 'only groups of this type').choices(['classic', 'consumer', 'share', 'streams']))
    .option('--state <state>', 'only groups in this state: Stable, Empty, …')
    .option('--lag', 'show the number of records that each group has not yet consumed')
    .action(async flags => (await import('./group.ts')).listGroups(flags))
  withClientOptions(group.command('describe <groups...>').description('show members, offsets, lag and tasks')).action(
    async (groups, flags) => (await import('./group.ts')).describeGroups(groups, flags),
  )
  withClientOptions(group.command('reset <group>').description('change the committed offsets of a group that has no members'))
    .requiredOption('--to <position>', 'beginning, end, an offset, -N (the last N), a time (2026-01-31T12:00), or how long ago (15m)')
    .option('-t, --topic <topic>', 'only this topic (default: all topics with committed offsets); repeatable', repeated)
    .option('-p, --partition <numbers>', 'only these partitions (comma-separated)', partitionList)
    .option('--dry-run', 'show the new offsets without changing anything')
    .action(async (group, flags) => (await import('./group.ts')).resetGroup(group, flags))
  withClientOptions(
    group
      .command('lag [groups...]')
      .description('show how far groups are behind: by partition, or all groups by topic')
      .addHelpText('after', '\nExample:\n  millrace group lag billing --watch'),
  )
    .option('-w, --watch [interval]', 'again and again, every 2s or as given, with records per second; until Ctrl-C', duration)
    .action(async (groups, flags) => (await import('./group-lag.ts')).showLag(groups, flags))
  withClientOptions(
    group
      .command('delete-offsets <group>')
      .description('delete committed offsets of topics, which no member of the group may read now')
      .addHelpText('after', '\nExample:\n  millrace group delete-offsets billing --topic orders --partition 0,1'),
  )
    .requiredOption('-t, --topic <topic>', 'of this topic; repeatable', repeated)
    .option('-p, --partition <numbers>', 'only these partitions (comma-separated)', partitionList)
    .option('--dry-run', 'show which offsets would be deleted without changing anything')
    .action(async (group, flags) => (await import('./group.ts')).deleteOffsets(group, flags))
  withClientOptions(group.command('delete <groups...>').description('delete groups and their offsets')).action(async (groups, flags) =>
    (await import('./group.ts')).deleteGroups(groups, flags),
  )
}

function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description("explain a broker's configuration; get and set configs of topics, brokers, groups and client-metrics subscriptions")
  config
    .command('explain [key]')
    .description('show the values that start would use, where they come from, and what is allowed')
    .addOption(configOption())
    .option('-s, --set <key=value>', 'set one configuration key; repeatable', keyValue)
    .option('-a, --all', 'include keys that have their default')
    .option('--json', 'print JSON')
    .action(async (key, flags) => (await import('./config.ts')).explain(key, flags))
  const types = () => new Argument('<type>', 'kind of resource').choices(['topic', 'broker', 'group', 'client-metrics', 'broker-logger'])
  withClientOptions(config.command('get').description('show configs that are set in a running cluster'))
    .addArgument(types())
    .argument('<name>', 'topic, group, client-metrics subscription, or broker id; `default` stands for all brokers')
    .argument('[keys...]', 'only these keys')
    .option('-a, --all', 'include defaults')
    .action(async (type, name, keys, flags) => (await import('./config.ts')).getConfigs(type, name, keys, flags))
  withClientOptions(config.command('set').description('change configs in a running cluster'))
    .addArgument(types())
    .argument('<name>', 'topic, group, client-metrics subscription, or broker id; `default` stands for all brokers')
    .argument('[pairs...]', 'key=value')
    .option('-u, --unset <key>', 'reset to the default; repeatable', repeated)
    .action(async (type, name, pairs, flags) => (await import('./config.ts')).setConfigs(type, name, pairs, flags))
}

const recordFields = ['topic', 'partition', 'offset', 'timestamp', 'key', 'headers', 'value']

function fieldList(text: string): string[] {
  const wanted = text.split(',').map(part => part.trim())
  const unknown = wanted.find(field => !recordFields.includes(field))
  if (unknown !== undefined) throw new InvalidArgumentError(`Unknown field ${unknown}; the fields are ${recordFields.join(', ')}.`)
  return wanted
}
