/** The tree of commands: names, options and help. What a command does is in the module of its name, loaded when it runs. */
import { createRequire } from 'node:module'
import { Argument, Command, CommanderError, Help, InvalidArgumentError, Option } from 'commander'
import {
  configOption,
  connectionGroup,
  keyValue,
  partitionList,
  partitionNumber,
  repeated,
  wholeNumber,
  withClientOptions,
  withStartOptions,
} from './options.ts'
import { addClientMetrics, addFeature, addTransactions } from './program-cluster.ts'
import { addAcl, addQuota, addToken, addUser } from './program-security.ts'
import { report } from './report.ts'

/** Runs one command line and sets the exit code: 0 done, 1 failed, 2 not understood. */
export async function run(argv: readonly string[]): Promise<void> {
  // Whoever reads our output may have seen enough (`| head`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    await makeProgram().parseAsync([...argv])
  } catch (error) {
    // Commander has printed its own. Help that was not asked for means that a command is missing.
    process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : report(error)
  }
}

export function makeProgram(): Command {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const program = new Command('millrace')
    .description('An event-streaming platform that speaks the Apache Kafka protocol.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(millrace --help shows what there is)')
    .configureHelp({ groupItems: connectionLast })
  addStart(program)
  addTopic(program)
  addProduce(program)
  addConsume(program)
  addGroup(program)
  addConfig(program)
  addUser(program)
  addAcl(program)
  addQuota(program)
  addToken(program)
  addTransactions(program)
  addFeature(program)
  addClientMetrics(program)
  program
    .command('completion')
    .description('print a script that completes commands and options: source <(millrace completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async shell => (await import('./completion.ts')).printCompletion(program, shell))
  return program
}

/** What is the same everywhere is not what somebody reads the help of a command for. */
function connectionLast<Item extends Command | Option>(all: Item[], visible: Item[], groupOf: (item: Item) => string): Map<string, Item[]> {
  const groups = Help.prototype.groupItems(all, visible, groupOf)
  const connection = groups.get(connectionGroup)
  if (connection !== undefined && groups.delete(connectionGroup)) groups.set(connectionGroup, connection)
  return groups
}

function addStart(program: Command): void {
  withStartOptions(program.command('start').description('run a broker')).action(async flags => (await import('./start.ts')).start(flags))
  withStartOptions(
    program.command('health').description('ask a broker on this machine whether it is ready; the options are those of start'),
  )
    .option('--of <pid>', 'take the options from the command line of this process (Linux)', wholeNumber(1))
    .action(async flags => (await import('./health.ts')).health(flags))
}

function addTopic(program: Command): void {
  const topic = program.command('topic').description('list, create, describe, alter and delete topics')
  withClientOptions(topic.command('list').description('names of topics'))
    .option('-a, --all', 'internal topics too')
    .option('--size', 'bytes on disk, of all replicas')
    .action(async flags => (await import('./topic.ts')).listTopics(flags))
  withClientOptions(topic.command('create <name>').description('create a topic'))
    .option('-p, --partitions <count>', "default: the broker's num.partitions", wholeNumber(1, 2 ** 31 - 1))
    .option('-r, --replicas <count>', "default: the broker's default.replication.factor", wholeNumber(1, 32_767))
    .option('-s, --set <key=value>', 'a config of the topic; may be repeated', keyValue)
    .option('--if-not-exists', 'do nothing if it exists')
    .action(async (name, flags) => (await import('./topic.ts')).createTopic(name, flags))
  withClientOptions(topic.command('describe <names...>').description('partitions, offsets and configs')).action(async (names, flags) =>
    (await import('./topic.ts')).describeTopics(names, flags),
  )
  withClientOptions(topic.command('alter <name>').description('add partitions, change configs'))
    .option('-p, --partitions <count>', 'how many there shall be', wholeNumber(1, 2 ** 31 - 1))
    .option('-s, --set <key=value>', 'a config of the topic; may be repeated', keyValue)
    .option('-u, --unset <key>', 'back to the default; may be repeated', repeated)
    .action(async (name, flags) => (await import('./topic.ts')).alterTopic(name, flags))
  withClientOptions(topic.command('delete <names...>').description('delete topics with all their records')).action(async (names, flags) =>
    (await import('./topic.ts')).deleteTopics(names, flags),
  )
}

function addProduce(program: Command): void {
  withClientOptions(program.command('produce <topic>').description('write records: one per line of standard input'))
    .option('-k, --key <key>', 'the key of all records')
    .option('-K, --key-separator <text>', 'lines are key, this text, value')
    .option('-H, --header <name=value>', 'a header of all records; may be repeated', keyValue)
    .option('-p, --partition <number>', "default: by the key's hash", partitionNumber)
    .addOption(
      new Option('-z, --compression <codec>', 'how batches are compressed')
        .choices(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
        .default('none'),
    )
    .addOption(new Option('-a, --acks <acks>', 'what an acknowledgement means').choices(['all', '1', '0']).default('all'))
    .option('--tombstones', 'an empty value is a tombstone (null)')
    .option('--from-json', 'lines are records as consume --json prints them')
    .option('--file <path>', 'one record whose value is this file, instead of standard input')
    .action(async (topic, flags) => (await import('./produce.ts')).produce(topic, flags))
}

function addConsume(program: Command): void {
  withClientOptions(program.command('consume <topic>').description('print records: from a place to the end, or new ones as they come'))
    .option('-f, --from <position>', 'beginning, end, an offset, -N (the last N), a time (2026-01-31T12:00), or how long ago (15m)')
    .option('-F, --follow', 'go on with new records; the default without --from')
    .option('-p, --partition <numbers>', 'only these, separated by commas', partitionList)
    .option('-g, --group <name>', 'as a member of this consumer group: from where it left off, committing what was printed')
    .option('-n, --limit <count>', 'stop after so many records', wholeNumber(1))
    .option('--timeout <ms>', 'stop when nothing came for so long', wholeNumber(1))
    .option('--print <fields>', 'separated by commas: topic,partition,offset,timestamp,key,headers,value (default: value)', fieldList)
    .addOption(
      new Option('--isolation <level>', 'whether to see records of open and aborted transactions')
        .choices(['read_committed', 'read_uncommitted'])
        .default('read_uncommitted'),
    )
    .action(async (topic, flags) => (await import('./consume.ts')).consume(topic, flags))
}

function addGroup(program: Command): void {
  const group = program.command('group').description('list, describe, reset and delete groups: classic, consumer, share and streams')
  withClientOptions(group.command('list').description('names, states and types'))
    .addOption(new Option('--type <type>', 'only these').choices(['classic', 'consumer', 'share', 'streams']))
    .option('--state <state>', 'only these: Stable, Empty, …')
    .option('--lag', 'records that each group has yet to read')
    .action(async flags => (await import('./group.ts')).listGroups(flags))
  withClientOptions(group.command('describe <names...>').description('members, offsets, lag and tasks')).action(async (names, flags) =>
    (await import('./group.ts')).describeGroups(names, flags),
  )
  withClientOptions(group.command('reset <name>').description('move the offsets of a group without members'))
    .requiredOption('--to <position>', 'beginning, end, an offset, -N (the last N), a time (2026-01-31T12:00), or how long ago (15m)')
    .option('-t, --topic <name>', 'default: all topics in which the group has offsets; may be repeated', repeated)
    .option('-p, --partition <numbers>', 'only these, separated by commas', partitionList)
    .option('--dry-run', 'only show what would change')
    .action(async (name, flags) => (await import('./group.ts')).resetGroup(name, flags))
  withClientOptions(group.command('delete <names...>').description('forget groups and their offsets')).action(async (names, flags) =>
    (await import('./group.ts')).deleteGroups(names, flags),
  )
}

function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description("a broker's configuration, and configs of topics, brokers, groups and client-metrics subscriptions")
  config
    .command('explain [key]')
    .description('what `start` would use: values, where they come from, what is allowed')
    .addOption(configOption())
    .option('-s, --set <key=value>', 'as for start; may be repeated', keyValue)
    .option('-a, --all', 'keys with their defaults too')
    .option('--json', 'print JSON')
    .action(async (key, flags) => (await import('./config.ts')).explain(key, flags))
  const types = () => new Argument('<type>', 'what kind of thing').choices(['topic', 'broker', 'group', 'client-metrics'])
  withClientOptions(config.command('get').description('configs that were set in a running cluster'))
    .addArgument(types())
    .argument('<name>', "topic, group, client-metrics subscription, broker id, or `default` for all brokers' default")
    .argument('[keys...]', 'only these')
    .option('-a, --all', 'defaults too')
    .action(async (type, name, keys, flags) => (await import('./config.ts')).getConfigs(type, name, keys, flags))
  withClientOptions(config.command('set').description('change configs in a running cluster'))
    .addArgument(types())
    .argument('<name>', "topic, group, client-metrics subscription, broker id, or `default` for all brokers' default")
    .argument('[pairs...]', 'key=value')
    .option('-u, --unset <key>', 'back to the default; may be repeated', repeated)
    .action(async (type, name, pairs, flags) => (await import('./config.ts')).setConfigs(type, name, pairs, flags))
}

const recordFields = ['topic', 'partition', 'offset', 'timestamp', 'key', 'headers', 'value']

function fieldList(text: string): string[] {
  const wanted = text.split(',').map(part => part.trim())
  const unknown = wanted.find(field => !recordFields.includes(field))
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no field ${unknown}, only ${recordFields.join(', ')}.`)
  return wanted
}
