/** The commands of `millrace trigger`. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { keyValue, repeated, wholeNumber } from './options.ts'

export interface TriggersFlags {
  /** `http://host:8084`. */
  triggers: string
  ca?: string
  json?: boolean
}

const defaultTriggers = 'http://127.0.0.1:8084'

function withServiceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--triggers <url>', 'the triggers service; user:password@ in front of the host logs in')
        .env('MILLRACE_TRIGGERS')
        .default(defaultTriggers),
    )
    .addOption(new Option('--ca <file>', "trusted certificates of the service (PEM), instead of the system's").env('MILLRACE_CA'))
    .option('--json', 'print JSON')
}

function withDefinition(command: Command): Command {
  return command
    .option('-f, --file <file>', 'definition of the trigger (YAML or JSON); the other options win over it')
    .option('-t, --topic <topic>', 'topic whose records the function is called with; repeatable', repeated)
    .option('--topic-pattern <regex>', 'all topics with a name like this')
    .option('--function <file>', 'JavaScript or TypeScript file with the function')
    .option('--url <url>', 'HTTP endpoint that is the function')
    .addOption(new Option('--envelope <name>', 'form of the event').choices(['scf', 'aws', 'cloudevents', 'alibaba']))
    .option('--start <where>', 'where to begin: latest, oldest, or a time such as 2026-01-31T12:00:00Z')
    .option('--batch-size <count>', 'records of one call, at most', wholeNumber(1, 10_000))
    .option('--retries <count>', 'how often a batch is tried again; -1: for ever', retries)
    .option('--filter <pattern>', 'pattern that records must match (Lambda); repeatable', repeated)
    .option('--output <topic>', 'topic for what the function returns')
    .option('--on-failure <target>', 'topic or URL for records that cannot be processed')
    .option('-e, --env <name=value>', 'environment variable of the function; repeatable', keyValue)
    .option('--set <key=value>', 'any other setting, such as maxWaitMs=100 or function.timeoutMs=10000; repeatable', keyValue)
}

function retries(text: string): number {
  if (!/^(?:-1|\d{1,5})$/.test(text) || Number(text) > 10_000) throw new InvalidArgumentError('Must be from 0 to 10000, or -1.')
  return Number(text)
}

export function addTrigger(program: Command): void {
  const trigger = program.command('trigger').description('create, change, test and watch function triggers, and try filters')
  withDefinition(withServiceOptions(trigger.command('create <name>').description('call a function with the records of a topic'))).action(
    async (name, flags) => (await import('./trigger.ts')).createTrigger(name, flags),
  )
  withServiceOptions(trigger.command('list').description('list triggers')).action(async flags =>
    (await import('./trigger.ts')).listTriggers(flags),
  )
  withServiceOptions(trigger.command('get <name>').description('show a trigger, what it does now, and its function'))
    .option('--version <number>', 'an earlier version', wholeNumber(1))
    .action(async (name, flags) => (await import('./trigger.ts')).getTrigger(name, flags))
  withDefinition(withServiceOptions(trigger.command('update <name>').description('change a trigger; makes a new version')))
    .option('--pause', 'stop calling the function')
    .option('--resume', 'go on where it stopped')
    .action(async (name, flags) => (await import('./trigger.ts')).updateTrigger(name, flags))
  withServiceOptions(trigger.command('delete <name>').description('delete a trigger with all its versions')).action(async (name, flags) =>
    (await import('./trigger.ts')).deleteTrigger(name, flags),
  )
  withServiceOptions(trigger.command('versions <name>').description('list the versions of a trigger')).action(async (name, flags) =>
    (await import('./trigger.ts')).listVersions(name, flags),
  )
  withServiceOptions(
    trigger.command('rollback <name> [version]').description('make an earlier version the newest; default: the one before'),
  ).action(async (name, version, flags) => (await import('./trigger.ts')).rollbackTrigger(name, version, flags))
  withServiceOptions(trigger.command('test <name>').description('call the function with an event, without any effect on the trigger'))
    .option('--event <file>', 'event as the function gets it (JSON); default: one made up')
    .option('--version <number>', 'an earlier version', wholeNumber(1))
    .action(async (name, flags) => (await import('./trigger.ts')).testTrigger(name, flags))
  withServiceOptions(trigger.command('logs <name>').description('print what a function has written, newest last'))
    .option('-n, --lines <count>', 'how many lines', wholeNumber(1, 1_000), 100)
    .option('--follow', 'go on with what comes')
    .action(async (name, flags) => (await import('./trigger.ts')).triggerLogs(name, flags))
  trigger
    .command('filter')
    .description(
      'read lines {"pattern": …, "event": …}, and print for each true, false, or what is wrong; patterns mean what they mean to AWS Lambda and EventBridge',
    )
    .action(async () => (await import('./trigger-filter.ts')).filterEvents())
}
